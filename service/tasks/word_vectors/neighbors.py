"""Nearest neighbors of words, of vectors, and of sums and differences of words."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype
from service.errors import InvalidRequest
from service.runtime.session import Tensors
from service.tasks.json_tensors import array_from_json
from service.tasks.scheduling import Work
from service.tasks.tensors import object_array
from service.tasks.word_vectors.lookup import Lookup, items_of
from service.tasks.word_vectors.preprocessing import EMBEDDINGS, VECTORS, K
from service.tasks.word_vectors.request import (
    NEIGHBORS,
    SMALL_NEIGHBORS,
    WordsRequest,
    cosines,
    search_work,
)
from service.tasks.word_vectors.resolved_words import SUMS, ResolvedWords
from service.tasks.word_vectors.schemas import AnalogyBody, NeighborsBody
from service.tasks.word_vectors.spelling import TIME_LIMIT_SECONDS

_SMALL_VECTORS = 8
"""Vectors per request that are parsed in the event loop; more go to a thread."""


class WordNeighborsRequest(WordsRequest):
    """`words` of /v1/neighbors; a word is not its own neighbor."""

    def __init__(self, words: list[str], k: int) -> None:
        self._words = words
        self._k = k
        self._resolved: ResolvedWords

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._words) > lookup.small_words or len(self._words) * self._k > SMALL_NEIGHBORS

    def work(self) -> Work:
        return search_work(len(self._words), self._k)

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._words), "words", "words")
        lookup.check_k(self._k, len(self._words))
        self._resolved = lookup.resolve(self._words, items_of("words"))
        known = self._resolved.ids[self._resolved.ids >= 0]
        return {**self._resolved.tensors(known), K: np.full(len(known), self._k + 1, np.int64)}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        ids = self._resolved.ids.tolist()
        excluded = [[row] for row in ids if row >= 0]
        neighbors = iter(_format_neighbors(lookup, outputs[NEIGHBORS], excluded, self._k))
        deadline = time.perf_counter() + TIME_LIMIT_SECONDS
        return {
            "results": [
                {"neighbors": None, "unknown": [word], "suggestions": lookup.closest(word, deadline)}
                if row < 0
                else {"neighbors": next(neighbors)} | self._resolved.composed_field([word], [row])
                for word, row in zip(self._words, ids, strict=True)
            ]
        }


class VectorNeighborsRequest(WordsRequest):
    """`vectors` of /v1/neighbors."""

    def __init__(self, vectors: Any, k: int) -> None:
        self._vectors = vectors
        self._k = k

    def is_large(self, lookup: Lookup) -> bool:
        count = len(self._vectors) if isinstance(self._vectors, list) else 0
        return count > _SMALL_VECTORS or count * self._k > SMALL_NEIGHBORS

    def work(self) -> Work:
        return search_work(len(self._vectors) if isinstance(self._vectors, list) else 1, self._k)

    def prepare(self, lookup: Lookup) -> Tensors:
        count = len(self._vectors) if isinstance(self._vectors, list) else 0
        lookup.check_count(count, "vectors", "vectors")
        lookup.check_k(self._k, count)
        return {VECTORS: self._unit_vectors(lookup.preprocessing.dimensions), K: np.full(count, self._k, np.int64)}

    def _unit_vectors(self, dimensions: int) -> NDArray[np.float32]:
        """Parse the vectors and scale them to norm 1, [n, D]."""
        if not isinstance(self._vectors, list):
            raise InvalidRequest(f"must be a list of vectors, each a list of {dimensions} numbers", "vectors")
        for index, vector in enumerate(self._vectors):
            if not isinstance(vector, list) or len(vector) != dimensions:
                problem = f"holds {len(vector)} numbers" if isinstance(vector, list) else "is no list"
                raise InvalidRequest(f"{problem}, the model's vectors have {dimensions}", f"vectors[{index}]")
        array = array_from_json(self._vectors, (len(self._vectors), dimensions), Datatype.FP32, "vectors")
        # In double precision the squares of the largest floats do not overflow.
        doubles = array.astype(np.float64)
        norms = np.linalg.norm(doubles, axis=1, keepdims=True)
        if not norms.all():
            raise InvalidRequest("is zero; it points nowhere", f"vectors[{int(np.argmin(norms))}]")
        units: NDArray[np.float32] = (doubles / norms).astype(np.float32)
        return units

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        rows = outputs[NEIGHBORS]
        neighbors = _format_neighbors(lookup, rows, [()] * len(rows), self._k)
        return {"results": [{"neighbors": entries} for entries in neighbors]}


class SumNeighborsRequest(WordsRequest):
    """Neighbors of one sum of words: `positive` and `negative` of /v1/neighbors, and /v1/analogy.

    Analogies are solved by 3CosAdd (Mikolov et al. 2013).

    Args:
        words: the words, which must all have a vector; they are excluded from the answer.
        fields: their paths in the request, for error messages.
        signs: +1 or -1 for each word.
        k: number of neighbors.
    """

    def __init__(self, words: Sequence[str], fields: Sequence[str], signs: Sequence[float], k: int) -> None:
        self._words = words
        self._fields = fields
        self._signs = signs
        self._k = k
        self._resolved: ResolvedWords

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._words) > lookup.small_words or self._k > SMALL_NEIGHBORS

    def work(self) -> Work:
        return search_work(1, self._k, words=len(self._words))

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._words), "words", self._fields[0].partition("[")[0])
        lookup.check_k(self._k, 1)
        self._resolved = lookup.require(self._words, self._fields.__getitem__)
        ids, indices = np.unique(self._resolved.ids, return_inverse=True)
        weights = np.bincount(indices, np.asarray(self._signs)).astype(np.float32)
        count = self._k + len(ids)
        return {SUMS: object_array([self._resolved.sum(ids, weights)]), K: np.array([count], np.int64)}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        if not outputs[EMBEDDINGS].any():
            raise InvalidRequest("the words cancel each other out: their sum is zero and has no neighbors")
        ids = self._resolved.ids.tolist()
        (neighbors,) = _format_neighbors(lookup, outputs[NEIGHBORS], [set(ids)], self._k)
        return {"results": [{"neighbors": neighbors} | self._resolved.composed_field(self._words, ids)]}


def neighbors_request(body: NeighborsBody) -> WordsRequest:
    """Convert a body of /v1/neighbors to its request."""
    if body.words is not None:
        return WordNeighborsRequest(body.words, body.k)
    if body.vectors is not None:
        return VectorNeighborsRequest(body.vectors, body.k)
    positive, negative = body.positive or [], body.negative or []
    fields = [f"positive[{index}]" for index in range(len(positive))]
    fields += [f"negative[{index}]" for index in range(len(negative))]
    signs = [1.0] * len(positive) + [-1.0] * len(negative)
    return SumNeighborsRequest(positive + negative, fields, signs, body.k)


def analogy_request(body: AnalogyBody) -> WordsRequest:
    """Convert a body of /v1/analogy to its request: the neighbors of b - a + c."""
    return SumNeighborsRequest((body.a, body.b, body.c), ("a", "b", "c"), (-1.0, 1.0, 1.0), body.k)


def _format_neighbors(
    lookup: Lookup, results: NDArray[np.object_], excluded: Sequence[Collection[int]], k: int
) -> list[list[dict[str, Any]]]:
    """Format the neighbors of each query for the answer: at most k words with scores, best first.

    Args:
        lookup: the model's words.
        results: (scores, row ids) of each query, object array [N].
        excluded: row ids to leave out, for each query.
        k: number of neighbors.
    """
    if not len(results):
        return []
    positions = [
        [position for position, row in enumerate(rows.tolist()) if row not in excluded_rows][:k]
        for (_, rows), excluded_rows in zip(results, excluded, strict=True)
    ]
    # All queries at once: numpy's calls take longer than their work on the few neighbors of one query.
    rows = np.concatenate([rows[kept] for (_, rows), kept in zip(results, positions, strict=True)])
    scores = np.concatenate([scores[kept] for (scores, _), kept in zip(results, positions, strict=True)])
    neighbors = zip(lookup.vocabulary.words(rows), cosines(scores), strict=True)
    return [[{"word": word, "score": score} for word, score in islice(neighbors, len(kept))] for kept in positions]
