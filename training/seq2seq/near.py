"""Sentences that training has nearly the same of: a score without them tells what is not just remembered."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from training.seq2seq.pairs import Pair
from training.seq2seq.splitting import fold

NEAR = 0.8
"""Similarity from which two sentences are near-duplicates: 1 - edits / characters of the longer, case and punctuation
folded."""


def near_duplicates(pairs: Sequence[Pair], train: Sequence[Pair]) -> list[bool]:
    """For each pair, whether its source or its target has a near-duplicate on that side of the training pairs."""
    sources = _near([pair.source for pair in pairs], (pair.source for pair in train))
    targets = _near([pair.target for pair in pairs], (pair.target for pair in train))
    return [one or other for one, other in zip(sources, targets, strict=True)]


def _near(texts: Sequence[str], known: Iterable[str]) -> list[bool]:
    """Only sentences of like length are compared: others cannot be near."""
    by_length = sorted({fold(text) for text in known}, key=len)
    lengths = [len(text) for text in by_length]
    found: dict[str, bool] = {}
    for text in {fold(text) for text in texts}:
        first, after = bisect_left(lengths, len(text) * NEAR), bisect_right(lengths, len(text) / NEAR)
        nearest = process.extractOne(
            text, by_length[first:after], scorer=Levenshtein.normalized_similarity, score_cutoff=NEAR
        )
        found[text] = nearest is not None
    return [found[fold(text)] for text in texts]
