"""Which word of a sentence translates which: IBM Model 1 with a preference for the diagonal, in both directions.

The lexical probabilities are those of Brown et al. 1993, section 4.1; that of a place falls with its distance from the
diagonal as in Dyer et al. 2013, section 2. What both directions agree on is kept (Och and Ney 2003, section 2.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 5
_SLOPE = 4.0
"""How fast the probability falls with the distance from the diagonal."""
_NOTHING = 0.08
"""Probability that a word translates none."""
_RARE = 2.0
"""Added to how often a word is seen: without it a rare word translates all words beside it (Moore 2004, section 4)."""
_MOST_LINKS = 20_000_000
"""Possible links looked at: some gigabytes of memory hold no more."""

Words = Sequence[str]


@dataclass(frozen=True)
class _Side:
    """The words of all sentences, one after another."""

    words: NDArray[np.int64]
    """Which word each is."""
    begins: NDArray[np.int64]
    """Where each sentence begins, and where the last one ends."""


def align(pairs: Sequence[tuple[Words, Words]]) -> list[list[tuple[int, int]]]:
    """The links of each pair: places of a source word and of the target word that translates it, in reading order.

    Pairs beyond 20 million possible links, of the first pairs, have none.

    Args:
        pairs: two sentences each, as words; equal words are the same word.
    """
    sizes = np.array([len(source) * len(target) for source, target in pairs], np.int64)
    known = pairs[: int(np.searchsorted(sizes.cumsum(), _MOST_LINKS, side="right"))]
    if not known or not sizes[: len(known)].any():
        return [[] for _ in pairs]
    source, target = (_side([pair[side] for pair in known]) for side in range(2))
    sources, targets, near = _possible(source, target)
    there = _best(source, target, sources, targets, near)
    back = _best(target, source, targets, sources, near)
    agreed = there & back
    which = np.searchsorted(target.begins, targets[agreed], side="right") - 1
    links: list[list[tuple[int, int]]] = [[] for _ in pairs]
    places = zip(
        which.tolist(),
        (sources[agreed] - source.begins[which]).tolist(),
        (targets[agreed] - target.begins[which]).tolist(),
        strict=True,
    )
    for pair, left, right in places:
        links[pair].append((left, right))
    return links


def _side(sentences: Sequence[Words]) -> _Side:
    known: dict[str, int] = {}
    words = [known.setdefault(word, len(known)) for sentence in sentences for word in sentence]
    begins = np.cumsum([0, *map(len, sentences)])
    return _Side(np.array(words, np.int64), begins)


def _possible(source: _Side, target: _Side) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """All L links within pairs, by source, then by target: the places of words, and how near the diagonal each is."""
    of_source, of_target = np.diff(source.begins), np.diff(target.begins)
    pair = np.repeat(np.arange(len(of_source)), of_source)  # of each source word
    sources = np.repeat(np.arange(len(pair)), of_target[pair])
    firsts = np.repeat(np.cumsum(of_target[pair]) - of_target[pair], of_target[pair])
    targets = np.arange(len(sources)) - firsts + target.begins[pair[sources]]
    pair = pair[sources]
    left = (sources - source.begins[pair] + 0.5) / of_source[pair]
    right = (targets - target.begins[pair] + 0.5) / of_target[pair]
    return sources, targets, np.exp(-_SLOPE * np.abs(left - right))


def _best(
    given: _Side, made: _Side, givens: NDArray[np.int64], mades: NDArray[np.int64], near: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which of L links [L] are a made word's likeliest, of the given words that could have made it, and of none."""
    count = int(made.words.max()) + 1
    found, kind = np.unique(given.words[givens] * count + made.words[mades], return_inverse=True)
    # A word that no word made may be any.
    frequency = np.bincount(made.words) / len(made.words)
    nothing = _NOTHING * frequency[made.words]
    prior = (1 - _NOTHING) * near / np.bincount(mades, near, len(made.words))[mades]
    chance = np.full(len(found), 1 / count)
    links = prior
    for _ in range(_ROUNDS):
        links = prior * chance[kind]
        links /= (np.bincount(mades, links, len(made.words)) + nothing)[mades]
        counts = np.bincount(kind, links, len(found))
        chance = counts / (np.bincount(found // count, counts) + _RARE)[found // count]
    best = np.zeros(len(made.words))
    np.maximum.at(best, mades, links)
    nobody = 1 - np.bincount(mades, links, len(made.words))
    likeliest: NDArray[np.bool_] = (links == best[mades]) & (links > nobody[mades])
    return likeliest
