"""Sentences that training has nearly the same of: a score without them tells what is not just remembered."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.train_dev_split import fold

NEAR = 0.8
"""Similarity from which two sentences are near-duplicates: 1 - edits / characters of the longer, case and punctuation
folded."""
_AT_ONCE = 20_000
"""Training sentences that a group is compared with: the similarities are held in memory."""


def near_duplicates(pairs: Sequence[Pair], train: Sequence[Pair]) -> list[bool]:
    """For each pair, whether its source or its target has a near-duplicate on that side of the training pairs."""
    sources = _near([pair.source for pair in pairs], (pair.source for pair in train))
    targets = _near([pair.target for pair in pairs], (pair.target for pair in train))
    return [one or other for one, other in zip(sources, targets, strict=True)]


def _near(texts: Sequence[str], known: Iterable[str]) -> list[bool]:
    """Only sentences of like length are compared: others cannot be near."""
    by_length = sorted({fold(text) for text in known}, key=len)
    lengths = [len(text) for text in by_length]
    near: set[str] = set()
    for length, group in groupby(sorted({fold(text) for text in texts}, key=len), key=len):
        alike = list(group)
        last = bisect_right(lengths, length / NEAR)
        for first in range(bisect_left(lengths, length * NEAR), last, _AT_ONCE):
            similarity = process.cdist(
                alike, by_length[first : min(first + _AT_ONCE, last)], scorer=Levenshtein.normalized_similarity,
                score_cutoff=NEAR, dtype=np.float32,
            )  # fmt: skip
            near.update(text for text, row in zip(alike, similarity, strict=True) if row.any())
    return [fold(text) in near for text in texts]
