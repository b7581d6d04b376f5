"""Words of a request once they are looked up: rows of the table, words composed of n-grams, and unknown ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Tensors
from service.tasks.tensors import object_array
from service.tasks.word_vectors.preprocessing import IDS
from service.tasks.word_vectors.vocabulary import Vocabulary

SUMS = "sums"
"""Weighted sums: object array [N] of `WeightedSum`."""


class WeightedSum(NamedTuple):
    """A weighted sum of rows of the table, and of words that have no row."""

    rows: NDArray[np.int64]
    """[m], distinct row ids."""
    weights: NDArray[np.float32]
    """[m]"""
    vector: NDArray[np.float32] | None = None
    """[D], added to it: the weighted sum of words composed of n-grams; None without such words."""


class ComposedWord(NamedTuple):
    """A word that is not in the vocabulary, and its vector."""

    word: str
    """As it is looked up."""
    vector: NDArray[np.float32]
    """[D], of norm 1."""


@dataclass(frozen=True, eq=False)
class ResolvedWords:
    """The vectors of n words.

    Args:
        ids: [n]: a row of the table, from the size of the vocabulary on a composed word, -1 for none.
        vocabulary: the words of the table.
        composed: the composed words; the first has the id that follows the table's last row.
    """

    ids: NDArray[np.int64]
    vocabulary: Vocabulary
    composed: Sequence[ComposedWord] = ()

    def word(self, index: int) -> str:
        """The word with an id, as it is looked up."""
        rows = len(self.vocabulary)
        return self.vocabulary.word(index) if index < rows else self.composed[index - rows].word

    def tensors(self, ids: NDArray[np.int64]) -> Tensors:
        """The tensors for `infer` that give the vectors of some ids [m]."""
        if not self.composed:
            return {IDS: ids}
        one = np.ones(1, np.float32)
        return {SUMS: object_array([self.sum(ids[index : index + 1], one) for index in range(len(ids))])}

    def sum(self, ids: NDArray[np.int64], weights: NDArray[np.float32]) -> WeightedSum:
        """The weighted sum of some distinct ids [m]."""
        rows = len(self.vocabulary)
        in_table = ids < rows
        if in_table.all():
            return WeightedSum(ids, weights)
        vectors = np.stack([self.composed[index - rows].vector for index in ids[~in_table].tolist()])
        return WeightedSum(ids[in_table], weights[in_table], weights[~in_table] @ vectors)

    def composed_field(self, words: Sequence[str], ids: Sequence[int]) -> dict[str, list[str]]:
        """The field `composed` of a result: the distinct words that were composed; nothing if there are none.

        Args:
            words: the words of the result, as the request has them.
            ids: their ids.
        """
        if not self.composed:
            return {}
        composed = [word for word, index in zip(words, ids, strict=True) if index >= len(self.vocabulary)]
        return {"composed": list(dict.fromkeys(composed))} if composed else {}
