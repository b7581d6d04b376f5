"""Pairs as fragments, without the marks at their ends and mostly in small letters: as single words and headings come.

Sentences of a corpus nearly all end in a full stop, so what learns from them alone answers a word with a sentence.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.truecasing import small_words

SUFFIX = "-fragments"
"""What the names of evaluated splits that were made fragments of end in."""

_END = re.compile(r"\s*[.!?\u2026]+\Z")
_MARKS = re.compile(r"[.!?\u2026]\s|[\"\u201c\u201d\u201e\u00ab\u00bb]")
"""In more than one sentence, or in one that is quoted."""
_CAPITAL_KEPT = 0.3


class Fragments:
    """Makes fragments of pairs.

    Args:
        pairs: to train on; they tell which words are capitalised within sentences too.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._small = [small_words(pair[side] for pair in pairs) for side in range(2)]

    def of(self, pair: Pair, *, capital: bool) -> Pair | None:
        """The fragment of a pair; None where a side has no mark at its end or others within.

        Args:
            pair: two sentences.
            capital: leave the first letters as they are; else they are as they would be within a sentence.
        """
        sides = []
        for sentence, small in zip(pair, self._small, strict=True):
            plain = _END.sub("", sentence)
            if plain in (sentence, "") or _MARKS.search(plain):
                return None
            first = plain.split()[0]
            lower = not capital and first.lower().rstrip(",;:") in small
            sides.append(plain[:1].lower() + plain[1:] if lower else plain)
        return Pair(*sides)

    def drawn(self, pairs: Sequence[Pair], share: float, draw: np.random.Generator) -> dict[int, Pair]:
        """Fragments of about so many of these pairs, by their places."""
        chosen, capital = draw.random(len(pairs)) < share, draw.random(len(pairs)) < _CAPITAL_KEPT
        found = {place: self.of(pairs[place], capital=bool(capital[place])) for place in np.nonzero(chosen)[0].tolist()}
        return {place: pair for place, pair in found.items() if pair is not None}


def with_fragments(data: ParallelData, split: str) -> ParallelData:
    """The data with the split that `<split>-fragments` names, where the name is such a one."""
    base = data.splits.get(split.removesuffix(SUFFIX), [])
    if not split.endswith(SUFFIX) or not base:
        return data
    found = Fragments(data.splits["train"]).drawn(base, 1, np.random.default_rng(0))
    return replace(data, splits={**data.splits, split: list(found.values())})
