"""The requests of vectors.py: every operation asks for each of the words once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NEIGHBORS = "neighbors, 1 word"
OPERATIONS = (NEIGHBORS, "neighbors, 16 words", "similarity, 1 pair", "similarity, 64 pairs")
"""The first one's answers are compared."""


def requests(operation: str, words: Sequence[str]) -> tuple[str, list[dict[str, Any]]]:
    """The route of an operation and its bodies.

    Args:
        operation: one of OPERATIONS.
        words: words to look for, each once, or the first of each pair; the next one is its second.
    """
    kind, _, size = operation.partition(", ")
    step = int(size.split()[0])
    starts = range(0, len(words), step)
    if kind == "neighbors":
        return "/v1/neighbors", [{"words": list(words[start : start + step])} for start in starts]
    pairs = [list(pair) for pair in zip(words, [*words[1:], words[0]], strict=True)]
    return "/v1/similarity", [{"pairs": pairs[start : start + step]} for start in starts]
