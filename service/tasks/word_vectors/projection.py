"""Projection of words onto a plane or into space, for plots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Tensors
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.preprocessing import EMBEDDINGS
from service.tasks.word_vectors.request import PROJECTION, WordListRequest
from service.tasks.word_vectors.schemas import ProjectionBody


class ProjectionRequest(WordListRequest):
    """A request of /v1/projection."""

    kind = PROJECTION

    def __init__(self, body: ProjectionBody) -> None:
        super().__init__(body.words)
        self._axes = ("x", "y", "z")[: body.dimensions]

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        points, shares = principal_components(outputs[EMBEDDINGS], len(self._axes))
        results: list[dict[str, Any]] = []
        for word, row, index in zip(self._words, self._resolved.ids.tolist(), self._indices.tolist(), strict=True):
            if row < 0:
                results.append({"word": word} | dict.fromkeys(self._axes) | {"unknown": [word]})
            else:
                coordinates = [round(value, 6) for value in points[index].tolist()]
                point = {"word": self._resolved.word(row)} | dict(zip(self._axes, coordinates, strict=True))
                results.append(point | self._resolved.composed_field([word], [row]))
        return {"results": results, "explained_variance": [round(share, 6) for share in shares.tolist()]}


def principal_components(
    vectors: NDArray[np.float32], dimensions: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project vectors onto their first principal components (PCA).

    The largest component of each direction is made positive, so that equal vectors always give the same plot.

    Args:
        vectors: [n, D].
        dimensions: P, the number of components.

    Returns:
        Points [n, P], and the share of the variance along each direction [P]. Both are zero along directions without
        variance, as with a single vector.
    """
    points, shares = np.zeros((len(vectors), dimensions)), np.zeros(dimensions)
    if len(vectors) < 2:
        return points, shares
    centered = vectors.astype(np.float64)
    centered -= centered.mean(axis=0)
    # If there are more words than dimensions, the D x D matrix is decomposed instead: an SVD of ten thousand words
    # would take a second.
    values, directions = _leading_components(centered, dimensions)
    total = float(np.einsum("nd,nd->", centered, centered))
    for axis, (value, direction) in enumerate(zip(values, directions, strict=True)):
        if value > 1e-9 * total:
            direction = direction * np.sign(direction[np.argmax(np.abs(direction))])
            points[:, axis] = centered @ direction
            shares[axis] = value / total
    return points, shares


def _leading_components(centered: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest squared singular values [count] and their right singular vectors [count, D].

    Fewer if there are fewer vectors or dimensions.
    """
    if len(centered) <= centered.shape[1]:
        _, singular, directions = np.linalg.svd(centered, full_matrices=False)
        return singular[:count] ** 2, directions[:count]
    values, vectors = np.linalg.eigh(centered.T @ centered)
    return values[::-1][:count], vectors.T[::-1][:count]
