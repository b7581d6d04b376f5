"""Word vectors as the Open Inference Protocol shows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype, TensorSpec
from service.runtime.session import Tensors
from service.tasks.tensors import RowTensors, decode_texts
from service.tasks.word_vectors.lookup import Lookup, items_of
from service.tasks.word_vectors.preprocessing import EMBEDDINGS
from service.tasks.word_vectors.request import WordsRequest
from service.tasks.word_vectors.resolved_words import SUMS

WORD = "WORD"
EMBEDDING = "EMBEDDING"
COMPOSED = "COMPOSED"
"""The tensors that the Open Inference Protocol shows; the last only of models with vectors of n-grams."""


class WordTensors(RowTensors[WordsRequest]):
    """One word a row in; its unit vector out, and whether it was composed of n-grams, where the model has them.

    Args:
        lookup: finds the words.
        dimensions: the number of dimensions of the vectors.
    """

    def __init__(self, lookup: Lookup, dimensions: int) -> None:
        composed = (TensorSpec(name=COMPOSED, datatype=Datatype.BOOL, shape=(-1, 1)),)
        super().__init__(
            (TensorSpec(name=WORD, datatype=Datatype.BYTES, shape=(-1, 1)),),
            (
                TensorSpec(name=EMBEDDING, datatype=Datatype.FP32, shape=(-1, dimensions)),
                *(composed if lookup.composes else ()),
            ),
        )
        self._lookup = lookup

    def read(self, tensors: Tensors) -> Tensors:
        resolved = self._lookup.require(decode_texts(tensors[WORD], WORD), items_of(WORD))
        return resolved.tensors(resolved.ids)

    def write(self, outputs: Tensors) -> Tensors:
        tensors = {EMBEDDING: outputs[EMBEDDINGS]}
        return tensors | {COMPOSED: outputs[COMPOSED].reshape(-1, 1)} if COMPOSED in outputs else tensors


def are_composed(tensors: Tensors, rows: int) -> NDArray[np.bool_]:
    """Which of the rows [N] of `infer` are made of composed words alone."""
    if SUMS not in tensors:
        return np.zeros(rows, np.bool_)
    return np.fromiter((not len(entry.rows) for entry in tensors[SUMS]), np.bool_, rows)
