"""Cosines of pairs of words."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Tensors
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.preprocessing import EMBEDDINGS, IDS
from service.tasks.word_vectors.request import LIGHT_WORDS, WordsRequest, cosines
from service.tasks.word_vectors.schemas import SimilarityBody


class SimilarityRequest(WordsRequest):
    """The body of /v1/similarity. Every word is looked up once, however many pairs have it."""

    def __init__(self, body: SimilarityBody) -> None:
        self._pairs = body.pairs
        self._places: NDArray[np.int64]
        """Rows of `embeddings` by pair and side, [n, 2]; -1 for an unknown word."""

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._pairs) > LIGHT_WORDS // 2

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._pairs), "pairs", "pairs")
        words = list(chain.from_iterable(self._pairs))
        ids = lookup.find(words, lambda index: f"pairs[{index // 2}][{index % 2}]")
        distinct, places = np.unique(ids, return_inverse=True)
        if len(distinct) and distinct[0] < 0:
            distinct, places = distinct[1:], places - 1
        self._places = places.reshape(-1, 2)
        return {IDS: distinct}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        embeddings = outputs[EMBEDDINGS]
        places = self._places
        known: NDArray[np.bool_] = np.all(places >= 0, axis=1)
        scores = np.zeros(len(places))
        # In pieces: the pairs may be many more than the words.
        for start in range(0, len(places), 1024):
            some = np.flatnonzero(known[start : start + 1024]) + start
            scores[some] = np.einsum("nd,nd->n", embeddings[places[some, 0]], embeddings[places[some, 1]])
        return {
            "results": [
                {"score": score} if good else {"score": None, "unknown": self._unknown(index)}
                for index, (score, good) in enumerate(zip(cosines(scores), known.tolist(), strict=True))
            ]
        }

    def _unknown(self, index: int) -> list[str]:
        places = self._places[index].tolist()
        return list(dict.fromkeys(word for word, place in zip(self._pairs[index], places, strict=True) if place < 0))
