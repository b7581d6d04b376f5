"""The nearest words to words, to vectors, and to sums and differences of words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype
from service.errors import InvalidRequest
from service.runtime.session import Tensors
from service.tasks.json_tensors import array_from_json
from service.tasks.tensors import object_array
from service.tasks.word_vectors.lookup import Lookup, items_of
from service.tasks.word_vectors.preprocessing import EMBEDDINGS, IDS, VECTORS, K
from service.tasks.word_vectors.request import (
    LIGHT_NEIGHBORS,
    LIGHT_WORDS,
    NEIGHBORS,
    SUMS,
    WordsRequest,
    cosines,
)
from service.tasks.word_vectors.schemas import AnalogyBody, NeighborsBody

_LIGHT_VECTORS = 8


class WordNeighborsRequest(WordsRequest):
    """`words` of /v1/neighbors: each without itself."""

    def __init__(self, words: list[str], k: int) -> None:
        self._words = words
        self._k = k
        self._ids: list[int] = []

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._words) > LIGHT_WORDS or len(self._words) * self._k > LIGHT_NEIGHBORS

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._words), "words", "words")
        lookup.check_k(self._k, len(self._words))
        ids = lookup.find(self._words, items_of("words"))
        self._ids = ids.tolist()
        known = ids[ids >= 0]
        return {IDS: known, K: np.full(len(known), self._k + 1, np.int64)}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        known = [[row] for row in self._ids if row >= 0]
        found = iter(_listed(lookup, outputs[NEIGHBORS], known, self._k))
        return {
            "results": [
                {"neighbors": None, "unknown": [word]} if row < 0 else {"neighbors": next(found)}
                for word, row in zip(self._words, self._ids, strict=True)
            ]
        }


class VectorNeighborsRequest(WordsRequest):
    """`vectors` of /v1/neighbors."""

    def __init__(self, vectors: Any, k: int) -> None:
        self._vectors = vectors
        self._k = k

    def is_large(self, lookup: Lookup) -> bool:
        count = len(self._vectors) if isinstance(self._vectors, list) else 0
        return count > _LIGHT_VECTORS or count * self._k > LIGHT_NEIGHBORS

    def prepare(self, lookup: Lookup) -> Tensors:
        count = len(self._vectors) if isinstance(self._vectors, list) else 0
        lookup.check_count(count, "vectors", "vectors")
        lookup.check_k(self._k, count)
        return {VECTORS: self._units(lookup.preprocessing.dimensions), K: np.full(count, self._k, np.int64)}

    def _units(self, dimensions: int) -> NDArray[np.float32]:
        """The vectors with norm 1, [n, D]."""
        if not isinstance(self._vectors, list):
            raise InvalidRequest(f"must be a list of vectors, each a list of {dimensions} numbers", "vectors")
        for index, vector in enumerate(self._vectors):
            if not isinstance(vector, list) or len(vector) != dimensions:
                found = f"holds {len(vector)} numbers" if isinstance(vector, list) else "is no list"
                raise InvalidRequest(f"{found}, the model's vectors have {dimensions}", f"vectors[{index}]")
        array = array_from_json(self._vectors, (len(self._vectors), dimensions), Datatype.FP32, "vectors")
        # In double precision the squares of the largest floats still have a sum.
        wide = array.astype(np.float64)
        norms = np.linalg.norm(wide, axis=1, keepdims=True)
        if not norms.all():
            raise InvalidRequest("is zero; it points nowhere", f"vectors[{int(np.argmin(norms))}]")
        units: NDArray[np.float32] = (wide / norms).astype(np.float32)
        return units

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        found = outputs[NEIGHBORS]
        return {"results": [{"neighbors": near} for near in _listed(lookup, found, [()] * len(found), self._k)]}


class SumNeighborsRequest(WordsRequest):
    """`positive` and `negative` of /v1/neighbors, and /v1/analogy (3CosAdd, Mikolov et al. 2013): one sum.

    Args:
        words: all of them; each must be known, and none is answered.
        fields: how errors name them.
        signs: +1 or -1 each.
        k: neighbours.
    """

    def __init__(self, words: Sequence[str], fields: Sequence[str], signs: Sequence[float], k: int) -> None:
        self._words = words
        self._fields = fields
        self._signs = signs
        self._k = k
        self._ids: NDArray[np.int64]

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._words) > LIGHT_WORDS or self._k > LIGHT_NEIGHBORS

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._words), "words", self._fields[0].partition("[")[0])
        lookup.check_k(self._k, 1)
        self._ids, places = np.unique(lookup.require(self._words, self._fields.__getitem__), return_inverse=True)
        weights = np.bincount(places, np.asarray(self._signs)).astype(np.float32)
        count = self._k + len(self._ids)
        return {SUMS: object_array([(self._ids, weights)]), K: np.array([count], np.int64)}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        if not outputs[EMBEDDINGS].any():
            raise InvalidRequest("the words cancel each other out: nothing is left to be near to")
        (near,) = _listed(lookup, outputs[NEIGHBORS], [set(self._ids.tolist())], self._k)
        return {"results": [{"neighbors": near}]}


def neighbors_request(body: NeighborsBody) -> WordsRequest:
    """What a body of /v1/neighbors asks for."""
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
    """What a body of /v1/analogy asks for: b - a + c."""
    return SumNeighborsRequest((body.a, body.b, body.c), ("a", "b", "c"), (-1.0, 1.0, 1.0), body.k)


def _listed(
    lookup: Lookup, found: NDArray[np.object_], without: Sequence[Collection[int]], k: int
) -> list[list[dict[str, Any]]]:
    """At most k neighbours for each query, best first, without the rows that are to be left out of each.

    Args:
        lookup: has the words.
        found: [N] pairs of scores and rows, as `infer` gives them.
        without: rows to leave out, for each query.
        k: how many.
    """
    if not len(found):
        return []
    kept = [
        [place for place, row in enumerate(rows.tolist()) if row not in left_out][:k]
        for (_, rows), left_out in zip(found, without, strict=True)
    ]
    # Joined: for the few neighbours of one query numpy's calls take longer than their work.
    rows = np.concatenate([rows[places] for (_, rows), places in zip(found, kept, strict=True)])
    scores = np.concatenate([scores[places] for (scores, _), places in zip(found, kept, strict=True)])
    listed = zip(lookup.vocabulary.words(rows), cosines(scores), strict=True)
    return [[{"word": word, "score": score} for word, score in islice(listed, len(places))] for places in kept]
