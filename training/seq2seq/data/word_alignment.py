"""Word alignment: IBM Model 1 with a prior for the diagonal, in both directions, intersected.

The lexical probabilities are those of Brown et al. 1993, section 4.1; the prior of a position falls with its distance
from the diagonal as in Dyer et al. 2013, section 2. Links on which both directions agree are kept (Och and Ney 2003,
section 2.2).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 5  # of expectation maximization
_TENSION = 4.0
"""How fast the prior falls with the distance from the diagonal; lambda of Dyer et al."""
_NULL_PROBABILITY = 0.08
"""Probability that a word translates no word."""
_SMOOTHING = 2.0
"""Added to the count of each word: without it a rare word aligns with all words of its sentences (Moore 2004,
section 4)."""
_MAX_LINKS = 20_000_000
"""Possible links that are looked at; they take some gigabytes of memory."""

_MIN_SCORED_WORDS = 4
"""Words that occur in other pairs too, of both sides together, without which a pair is not judged."""

Words = Sequence[str]
Link = tuple[int, int]
"""Index of a source word and index of the target word that translates it."""


@dataclass(frozen=True)
class _Side:
    """The words of one language, of all sentences one after another."""

    words: NDArray[np.int64]
    """[words]: id of each word."""
    starts: NDArray[np.int64]
    """[sentences + 1]: index of the first word of each sentence, then the number of words."""


def align(pairs: Sequence[tuple[Words, Words]]) -> list[list[Link]]:
    """The links of each pair in reading order; at most one link of a word.

    After the first pairs, which together have 20 million possible links, no pair gets any.

    Args:
        pairs: source and target as words.
    """
    sizes = np.array([len(source) * len(target) for source, target in pairs], np.int64)
    used = pairs[: int(np.searchsorted(sizes.cumsum(), _MAX_LINKS, side="right"))]
    if not used or not sizes[: len(used)].any():
        return [[] for _ in pairs]
    source, target = (_side([pair[side] for pair in used]) for side in range(2))
    sources, targets, prior = _possible_links(source, target)
    forward = _best_links(source, target, sources, targets, prior)
    backward = _best_links(target, source, targets, sources, prior)
    agreed = forward & backward
    sentence = np.searchsorted(target.starts, targets[agreed], side="right") - 1
    links: list[list[Link]] = [[] for _ in pairs]
    for index, left, right in zip(
        sentence.tolist(),
        (sources[agreed] - source.starts[sentence]).tolist(),
        (targets[agreed] - target.starts[sentence]).tolist(),
        strict=True,
    ):
        links[index].append((left, right))
    return links


def alignment_scores(pairs: Sequence[tuple[Words, Words]]) -> list[float]:
    """How much of each pair is a translation, 0 to 1: the share of its words that are linked as in another pair.

    Words of a single pair do not count: with what else would they be linked? A pair with fewer than four words that
    count scores 1. Large corpora are aligned in parts, each of which learns its own lexical probabilities.

    Args:
        pairs: source and target as words.
    """
    return [score for part in _parts(pairs) for score in _scores(part, align(part))]


def _scores(pairs: Sequence[tuple[Words, Words]], links: Sequence[Sequence[Link]]) -> Iterator[float]:
    """The score of each aligned pair."""
    occurrences = [Counter(word for pair in pairs for word in set(pair[side])) for side in range(2)]
    linked: Counter[tuple[str, str]] = Counter()
    for (source, target), found in zip(pairs, links, strict=True):
        linked.update({(source[left], target[right]) for left, right in found})
    for (source, target), found in zip(pairs, links, strict=True):
        known = sum(occurrences[0][word] > 1 for word in source) + sum(occurrences[1][word] > 1 for word in target)
        confirmed = sum(linked[source[left], target[right]] > 1 for left, right in found)
        yield 2 * confirmed / known if known >= _MIN_SCORED_WORDS else 1.0


def _parts(pairs: Sequence[tuple[Words, Words]]) -> Iterator[Sequence[tuple[Words, Words]]]:
    """Runs of pairs of about the same size, none of which has more possible links than `align` looks at."""
    if not pairs:
        return
    sizes = np.array([len(source) * len(target) for source, target in pairs], np.int64).cumsum()
    count = int(sizes[-1] // (_MAX_LINKS // 2)) + 1
    starts = np.searchsorted(sizes, np.arange(1, count) * (sizes[-1] // count)).tolist()
    for start, end in pairwise([0, *starts, len(pairs)]):
        yield pairs[start:end]


def _side(sentences: Sequence[Words]) -> _Side:
    ids: dict[str, int] = {}
    words = [ids.setdefault(word, len(ids)) for sentence in sentences for word in sentence]
    starts = np.cumsum([0, *map(len, sentences)])
    return _Side(np.array(words, np.int64), starts)


def _possible_links(source: _Side, target: _Side) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All L links within pairs, by source word, then by target word.

    Returns:
        [L] indices of source words, [L] indices of target words, and [L] priors by distance from the diagonal, which
        are not normalized.
    """
    source_lengths, target_lengths = np.diff(source.starts), np.diff(target.starts)
    sentence = np.repeat(np.arange(len(source_lengths)), source_lengths)  # of each source word
    sources = np.repeat(np.arange(len(sentence)), target_lengths[sentence])
    firsts = np.repeat(np.cumsum(target_lengths[sentence]) - target_lengths[sentence], target_lengths[sentence])
    targets = np.arange(len(sources)) - firsts + target.starts[sentence[sources]]
    sentence = sentence[sources]
    left = (sources - source.starts[sentence] + 0.5) / source_lengths[sentence]
    right = (targets - target.starts[sentence] + 0.5) / target_lengths[sentence]
    return sources, targets, np.exp(-_TENSION * np.abs(left - right))


def _best_links(
    source: _Side, target: _Side, sources: NDArray[np.int64], targets: NDArray[np.int64], prior: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """[L]: the links that are the most probable of their target word, and more probable than none.

    Args:
        source: the side that generates.
        target: the side that is generated.
        sources: [L] index of the source word of each link.
        targets: [L] index of the target word.
        prior: [L] not normalized.
    """
    vocabulary = int(target.words.max()) + 1
    # A lexical entry is a pair of word ids; `entry` is the one of each link.
    entries, entry = np.unique(source.words[sources] * vocabulary + target.words[targets], return_inverse=True)
    # A word that no word generates is drawn from the unigram distribution.
    unigram = np.bincount(target.words) / len(target.words)
    null = _NULL_PROBABILITY * unigram[target.words]
    prior = (1 - _NULL_PROBABILITY) * prior / np.bincount(targets, prior, len(target.words))[targets]
    lexical = np.full(len(entries), 1 / vocabulary)
    posterior = prior
    for _ in range(_ITERATIONS):
        posterior = prior * lexical[entry]
        posterior /= (np.bincount(targets, posterior, len(target.words)) + null)[targets]
        counts = np.bincount(entry, posterior, len(entries))
        lexical = counts / (np.bincount(entries // vocabulary, counts) + _SMOOTHING)[entries // vocabulary]
    best = np.zeros(len(target.words))
    np.maximum.at(best, targets, posterior)
    null_posterior = 1 - np.bincount(targets, posterior, len(target.words))
    chosen: NDArray[np.bool_] = (posterior == best[targets]) & (posterior > null_posterior[targets])
    return chosen
