"""Augmentation with fragments: pairs without their final punctuation, most of them in lower case, like headings.

Nearly all sentences of a corpus end in a full stop, so a model trained on them alone answers a word with a sentence.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.truecasing import lowercase_words

SUFFIX = "-fragments"
"""Appended to the name of a split, it names the split's fragments."""

_FINAL_PUNCTUATION = re.compile(r"\s*[.!?\u2026]+\Z")
_INNER_PUNCTUATION = re.compile(r"[.!?\u2026]\s|[\"\u201c\u201d\u201e\u00ab\u00bb]")
"""Found in text of several sentences and in quotations."""
_KEEP_CASE_PROBABILITY = 0.3


class FragmentAugmenter:
    """Turns pairs of sentences into pairs of fragments.

    Args:
        pairs: the training pairs; they show which words are capitalized within sentences.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._lowercase_words = [lowercase_words(pair[side] for pair in pairs) for side in range(2)]

    def fragment(self, pair: Pair, *, keep_case: bool) -> Pair | None:
        """The fragments of a pair; None if a side has no final punctuation, or further punctuation inside.

        Args:
            pair: two sentences.
            keep_case: keep the case of the first letters; else they get the case that they have within a sentence.
        """
        sides = []
        for sentence, lowercase in zip(pair, self._lowercase_words, strict=True):
            text = _FINAL_PUNCTUATION.sub("", sentence)
            if text in (sentence, "") or _INNER_PUNCTUATION.search(text):
                return None
            first_word = text.split()[0]
            to_lower = not keep_case and first_word.lower().rstrip(",;:") in lowercase
            sides.append(text[:1].lower() + text[1:] if to_lower else text)
        return Pair(*sides)

    def sample(self, pairs: Sequence[Pair], share: float, generator: np.random.Generator) -> dict[int, Pair]:
        """Fragments of about this share of the pairs, by the index of the pair."""
        chosen = generator.random(len(pairs)) < share
        keep_case = generator.random(len(pairs)) < _KEEP_CASE_PROBABILITY
        fragments = {
            index: self.fragment(pairs[index], keep_case=bool(keep_case[index]))
            for index in np.nonzero(chosen)[0].tolist()
        }
        return {index: pair for index, pair in fragments.items() if pair is not None}


def with_fragments(data: ParallelData, split: str) -> ParallelData:
    """The data with the split of fragments that `split` (`<name>-fragments`) names; unchanged for other names."""
    base = data.splits.get(split.removesuffix(SUFFIX), [])
    if not split.endswith(SUFFIX) or not base:
        return data
    fragments = FragmentAugmenter(data.splits["train"]).sample(base, 1, np.random.default_rng(0))
    return replace(data, splits={**data.splits, split: list(fragments.values())})
