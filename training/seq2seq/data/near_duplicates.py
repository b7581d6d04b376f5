"""Near-duplicates of training sentences in a test set: a score without them shows what is not just memorized."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.train_dev_split import fold

MIN_SIMILARITY = 0.8
"""Similarity from which two sentences are near-duplicates: 1 - edits / characters of the longer, after `fold`."""
_CHUNK = 20_000
"""Training sentences that are compared at a time; all similarities of a chunk are in memory."""


def near_duplicates(pairs: Sequence[Pair], train: Sequence[Pair]) -> list[bool]:
    """For each pair, whether its source or its target has a near-duplicate on the same side of the training pairs."""
    sources = _near([pair.source for pair in pairs], (pair.source for pair in train))
    targets = _near([pair.target for pair in pairs], (pair.target for pair in train))
    return [source or target for source, target in zip(sources, targets, strict=True)]


def _near(texts: Sequence[str], train: Iterable[str]) -> list[bool]:
    """For each text, whether it has a near-duplicate; only sentences of similar length are compared."""
    by_length = sorted({fold(text) for text in train}, key=len)
    lengths = [len(text) for text in by_length]
    near: set[str] = set()
    for length, group in groupby(sorted({fold(text) for text in texts}, key=len), key=len):
        queries = list(group)
        last = bisect_right(lengths, length / MIN_SIMILARITY)
        for first in range(bisect_left(lengths, length * MIN_SIMILARITY), last, _CHUNK):
            similarity = process.cdist(
                queries, by_length[first : min(first + _CHUNK, last)], scorer=Levenshtein.normalized_similarity,
                score_cutoff=MIN_SIMILARITY, dtype=np.float32,
            )  # fmt: skip
            near.update(text for text, row in zip(queries, similarity, strict=True) if row.any())
    return [fold(text) in near for text in texts]
