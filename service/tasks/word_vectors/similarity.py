"""Cosine similarity of pairs of words."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Tensors
from service.tasks.scheduling import Work
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.preprocessing import EMBEDDINGS
from service.tasks.word_vectors.request import LOOKUP, REQUEST_WORDS, WordsRequest, cosines
from service.tasks.word_vectors.resolved_words import ResolvedWords
from service.tasks.word_vectors.schemas import SimilarityBody

_BLOCK_PAIRS = 1024
"""Pairs whose vectors are gathered at a time."""


class SimilarityRequest(WordsRequest):
    """A request of /v1/similarity; each distinct word is looked up once."""

    def __init__(self, body: SimilarityBody) -> None:
        self._pairs = body.pairs
        self._resolved: ResolvedWords
        self._indices: NDArray[np.int64]
        """Index in `embeddings` of both words of each pair, [n, 2]; -1 for unknown words."""

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._pairs) > lookup.small_words // 2

    def work(self) -> Work:
        return Work(REQUEST_WORDS + 2 * len(self._pairs), LOOKUP, len(self._pairs), "pairs")

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._pairs), "pairs", "pairs")
        words = list(chain.from_iterable(self._pairs))
        self._resolved = lookup.resolve(words, lambda index: f"pairs[{index // 2}][{index % 2}]")
        distinct, indices = np.unique(self._resolved.ids, return_inverse=True)
        if len(distinct) and distinct[0] < 0:
            distinct, indices = distinct[1:], indices - 1
        self._indices = indices.reshape(-1, 2)
        return self._resolved.tensors(distinct)

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        embeddings = outputs[EMBEDDINGS]
        indices = self._indices
        known: NDArray[np.bool_] = np.all(indices >= 0, axis=1)
        scores = np.zeros(len(indices))
        # In blocks, to limit memory: there may be many more pairs than words.
        for start in range(0, len(indices), _BLOCK_PAIRS):
            pairs = np.flatnonzero(known[start : start + _BLOCK_PAIRS]) + start
            scores[pairs] = np.einsum("nd,nd->n", embeddings[indices[pairs, 0]], embeddings[indices[pairs, 1]])
        ids = self._resolved.ids.reshape(-1, 2).tolist()
        pairs_with_ids = zip(self._pairs, ids, strict=True)
        return {
            "results": [
                ({"score": score} if is_known else {"score": None, "unknown": self._unknown(index)})
                | self._resolved.composed_field(pair, pair_ids)
                for index, (score, is_known, (pair, pair_ids)) in enumerate(
                    zip(cosines(scores), known.tolist(), pairs_with_ids, strict=True)
                )
            ]
        }

    def _unknown(self, pair: int) -> list[str]:
        """The distinct unknown words of a pair."""
        words = zip(self._pairs[pair], self._indices[pair].tolist(), strict=True)
        return list(dict.fromkeys(word for word, index in words if index < 0))
