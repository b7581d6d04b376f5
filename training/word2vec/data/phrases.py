"""Phrases: pairs of words that stand together more often than by chance (Mikolov et al. 2013b, section 4)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 21

Counts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Different pairs, sorted, and how often each occurs."""
JOINT = "_"


def join_phrases(
    source: Path,
    target: Path,
    words: list[str],
    counts: NDArray[np.int64],
    *,
    threshold: float,
    discount: float,
) -> tuple[list[str], NDArray[np.int64]]:
    """Write the text of `source` to `target` with its phrases as words of their own.

    A pair is a phrase where (count(ab) - discount) * N / (count(a) * count(b)) is above `threshold`, with N words in
    the text (equation 6, scaled as in word2phrase.c). Of overlapping pairs the first is joined.

    Args:
        source: int32; negative numbers are no words, and nothing is joined across them.
        words: [V]
        counts: [V], of the text.

    Returns:
        The words, with the phrases after them, and all their counts in the new text.
    """
    pairs, times = _count_pairs(source, len(words))
    first, second = np.divmod(pairs, len(words))
    score = (times - discount) * float(counts.sum()) / (counts[first].astype(float) * counts[second])
    chosen = pairs[score > threshold]
    numbers = {word: number for number, word in enumerate(words)}  # of words and phrases: a_b + c is a + b_c
    halves = zip(*np.divmod(chosen, len(words)), strict=True)
    joined = np.array([numbers.setdefault(words[a] + JOINT + words[b], len(numbers)) for a, b in halves], np.int32)
    total = np.zeros(len(numbers), np.int64)
    with target.open("wb") as out:
        for block in blocks(source):
            new = _join(block, chosen, joined, len(words))
            total += np.bincount(new[new >= 0], minlength=len(total))
            new.tofile(out)
    return list(numbers), total


def _pairs(block: NDArray[np.int32], words: int) -> NDArray[np.int64]:
    """The number of each pair of neighbours, first * words + second; -1 where one of them is no word."""
    left, right = block[:-1].astype(np.int64), block[1:]
    return np.where((left >= 0) & (right >= 0), left * words + right, -1)


def _count_pairs(source: Path, words: int) -> Counts:
    """The different pairs, sorted, and how often each occurs. Memory grows with the number of different pairs.

    Counts of blocks are added up in a tree: each is sorted again only as often as their number doubles.
    """
    parts: list[Counts] = []
    for block in blocks(source):
        found = _pairs(block, words)
        parts.append(np.unique(found[found >= 0], return_counts=True))
        while len(parts) > 1 and len(parts[-2][0]) < 2 * len(parts[-1][0]):
            parts.append(_sum(parts.pop(), parts.pop()))
    total: Counts = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    while parts:
        total = _sum(total, parts.pop())
    return total


def _sum(one: Counts, other: Counts) -> Counts:
    pairs, places = np.unique(np.concatenate((one[0], other[0])), return_inverse=True)
    return pairs, np.bincount(places, np.concatenate((one[1], other[1]))).astype(np.int64)


def _join(
    block: NDArray[np.int32], phrases: NDArray[np.int64], numbers: NDArray[np.int32], words: int
) -> NDArray[np.int32]:
    """A block with the pairs `phrases` (sorted) replaced by their `numbers`."""
    if len(phrases) == 0 or len(block) < 2:
        return block
    pairs = _pairs(block, words)
    places = np.minimum(np.searchsorted(phrases, pairs), len(phrases) - 1)
    fits = phrases[places] == pairs
    # In a run of pairs that all fit, every other one is joined.
    position = np.arange(len(fits))
    begins = fits & ~np.concatenate(([False], fits[:-1]))
    start = np.maximum.accumulate(np.where(begins, position, 0))
    joined = fits & ((position - start) % 2 == 0)
    new = block.copy()
    new[:-1][joined] = numbers[places[joined]]
    stays = np.ones(len(block), bool)
    stays[1:][joined] = False
    return new[stays]


def blocks(path: Path) -> Iterator[NDArray[np.int32]]:
    """The numbers of a file, some millions at a time."""
    with path.open("rb") as stream:
        while len(block := np.fromfile(stream, np.int32, _BLOCK)):
            yield block
