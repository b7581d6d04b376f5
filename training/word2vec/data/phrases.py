"""Phrase detection: joins pairs of words that co-occur more often than by chance (Mikolov et al. 2013b, section 4)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 21

PairCounts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Distinct pair ids in ascending order, and the count of each."""
SEPARATOR = "_"


def join_phrases(
    source: Path,
    target: Path,
    words: list[str],
    counts: NDArray[np.int64],
    *,
    threshold: float,
    discount: float,
) -> tuple[list[str], NDArray[np.int64]]:
    """Write the tokens of `source` to `target` with each phrase replaced by a token of its own.

    A pair is a phrase if (count(ab) - discount) * N / (count(a) * count(b)) > threshold, where N is the number of words
    in the corpus (equation 6, scaled as in word2phrase.c). Of overlapping pairs the first is joined.

    Args:
        source: file of int32 ids; negative ids are not words, and no phrase crosses them.
        target: file to write.
        words: [V], the vocabulary.
        counts: [V], of the words in `source`.
        threshold: minimum score, exclusive.
        discount: subtracted from the count of each pair.

    Returns:
        The vocabulary with the phrases appended, and the counts of all of it in `target`.
    """
    pairs, pair_counts = _count_pairs(source, len(words))
    first, second = np.divmod(pairs, len(words))
    score = (pair_counts - discount) * float(counts.sum()) / (counts[first].astype(float) * counts[second])
    phrase_pairs = pairs[score > threshold]
    # By spelling, since a_b + c and a + b_c are the same phrase.
    ids = {word: index for index, word in enumerate(words)}
    parts = zip(*np.divmod(phrase_pairs, len(words)), strict=True)
    phrase_ids = np.array([ids.setdefault(words[a] + SEPARATOR + words[b], len(ids)) for a, b in parts], np.int32)
    new_counts = np.zeros(len(ids), np.int64)
    with target.open("wb") as out:
        for block in read_blocks(source):
            joined = _replace_pairs(block, phrase_pairs, phrase_ids, len(words))
            new_counts += np.bincount(joined[joined >= 0], minlength=len(new_counts))
            joined.tofile(out)
    return list(ids), new_counts


def _pair_ids(block: NDArray[np.int32], words: int) -> NDArray[np.int64]:
    """The id of each pair of adjacent tokens [n - 1], first * words + second; -1 if one of them is not a word."""
    left, right = block[:-1].astype(np.int64), block[1:]
    return np.where((left >= 0) & (right >= 0), left * words + right, -1)


def _count_pairs(source: Path, words: int) -> PairCounts:
    """Count the distinct pairs of adjacent words; memory grows with the number of distinct pairs.

    The counts of blocks are merged as in a merge sort, so that each is sorted a logarithmic number of times.
    """
    pending: list[PairCounts] = []
    for block in read_blocks(source):
        pairs = _pair_ids(block, words)
        pending.append(np.unique(pairs[pairs >= 0], return_counts=True))
        while len(pending) > 1 and len(pending[-2][0]) < 2 * len(pending[-1][0]):
            pending.append(_merge_counts(pending.pop(), pending.pop()))
    total: PairCounts = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    while pending:
        total = _merge_counts(total, pending.pop())
    return total


def _merge_counts(left: PairCounts, right: PairCounts) -> PairCounts:
    pairs, inverse = np.unique(np.concatenate((left[0], right[0])), return_inverse=True)
    return pairs, np.bincount(inverse, np.concatenate((left[1], right[1]))).astype(np.int64)


def _replace_pairs(
    block: NDArray[np.int32], phrase_pairs: NDArray[np.int64], phrase_ids: NDArray[np.int32], words: int
) -> NDArray[np.int32]:
    """Replace each pair of tokens that is a phrase by the id of the phrase.

    Args:
        block: [n], ids of tokens.
        phrase_pairs: [P], pair ids in ascending order.
        phrase_ids: [P], the id of each phrase.
        words: size of the vocabulary without the phrases.
    """
    if len(phrase_pairs) == 0 or len(block) < 2:
        return block
    pairs = _pair_ids(block, words)
    index = np.minimum(np.searchsorted(phrase_pairs, pairs), len(phrase_pairs) - 1)
    is_phrase = phrase_pairs[index] == pairs
    # Of overlapping phrases in a row (a_b, b_c, c_d) every other one is joined, the first included.
    position = np.arange(len(is_phrase))
    starts = is_phrase & ~np.concatenate(([False], is_phrase[:-1]))
    start = np.maximum.accumulate(np.where(starts, position, 0))
    joined = is_phrase & ((position - start) % 2 == 0)
    tokens = block.copy()
    tokens[:-1][joined] = phrase_ids[index[joined]]
    kept = np.ones(len(block), bool)
    kept[1:][joined] = False
    return tokens[kept]


def read_blocks(path: Path) -> Iterator[NDArray[np.int32]]:
    """Read a file of int32 ids, two million at a time."""
    with path.open("rb") as stream:
        while len(block := np.fromfile(stream, np.int32, _BLOCK)):
            yield block
