"""Words in a plane, for a plot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Tensors
from service.tasks.word_vectors.lookup import Lookup, items_of
from service.tasks.word_vectors.preprocessing import EMBEDDINGS, IDS
from service.tasks.word_vectors.request import LIGHT_WORDS, WordsRequest
from service.tasks.word_vectors.schemas import ProjectionBody


class ProjectionRequest(WordsRequest):
    """The body of /v1/projection."""

    def __init__(self, body: ProjectionBody) -> None:
        self._words = body.words
        self._ids: NDArray[np.int64]
        self._places: NDArray[np.int64]
        """Rows of `embeddings` by word."""

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._words) > LIGHT_WORDS

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._words), "words", "words")
        self._ids = lookup.find(self._words, items_of("words"))
        distinct = np.unique(self._ids[self._ids >= 0])
        self._places = np.searchsorted(distinct, self._ids)
        return {IDS: distinct}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        points, shares = principal_plane(outputs[EMBEDDINGS])
        results: list[dict[str, Any]] = []
        for word, row, place in zip(self._words, self._ids.tolist(), self._places.tolist(), strict=True):
            if row < 0:
                results.append({"word": word, "x": None, "y": None, "unknown": [word]})
            else:
                x, y = points[place].tolist()
                results.append({"word": lookup.vocabulary.word(row), "x": round(x, 6), "y": round(y, 6)})
        return {"results": results, "explained_variance": [round(share, 6) for share in shares.tolist()]}


def principal_plane(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates along the two directions of largest variance (PCA).

    Args:
        vectors: [n, D].

    Returns:
        Points [n, 2], and the share of the variance along each direction [2]. Where there is no variance along one,
        as with a single vector, both are zero. The largest component of a direction is positive, so that the same
        vectors always give the same picture.
    """
    points, shares = np.zeros((len(vectors), 2)), np.zeros(2)
    if len(vectors) < 2:
        return points, shares
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    # From the right singular vectors of the D x D product: of ten thousand words a decomposition would take a second.
    values, directions = _leading(centred)
    total = float(np.einsum("nd,nd->", centred, centred))
    for axis, (value, direction) in enumerate(zip(values, directions, strict=True)):
        if value > 1e-9 * total:
            direction = direction * np.sign(direction[np.argmax(np.abs(direction))])
            points[:, axis] = centred @ direction
            shares[axis] = value / total
    return points, shares


def _leading(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two largest squared singular values and their right singular vectors, [2] and [2, D], or fewer."""
    if len(centred) <= centred.shape[1]:
        _, singular, directions = np.linalg.svd(centred, full_matrices=False)
        return singular[:2] ** 2, directions[:2]
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return values[::-1][:2], vectors.T[::-1][:2]
