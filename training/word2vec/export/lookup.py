"""The graph run as the predictor runs it: for samples, and to hold the graph against plain numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.tasks.word_vectors.preprocessing import (
    EMBEDDINGS,
    IDS,
    INDICES,
    SCALES,
    SCORES,
    TABLE,
    VECTORS,
    WEIGHTS,
    K,
)
from training.common.export import open_graph
from training.word2vec.export.graph import is_outside
from training.word2vec.export.quantized_table import Table

_CHUNK = 16_384
"""Rows of a table outside the graph that are searched at a time."""

_SCORES = 1 << 23
"""Scores that are computed at a time: 32 MB."""


class Lookup:
    """Embeddings and nearest rows by the graph of a bundle.

    Args:
        graph: the ONNX file.
        table: what it was built for.
    """

    def __init__(self, graph: bytes, table: Table) -> None:
        self._session = open_graph(graph)
        self._table = table
        self._outside = is_outside(table)

    def embed(self, ids: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """The unit vectors [N, D] of weighted sums of rows; ids and weights are [N, M]."""
        vectors = np.zeros((len(ids), self._table.dimensions), np.float32)
        return self._run(ids, weights, vectors, 0, slice(None))[0]

    def nearest(self, embeddings: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and rows [N, K] of the K nearest rows to unit vectors [N, D], best first; K = min(k, rows)."""
        rows = _CHUNK if self._outside else len(self._table)
        step = max(1, _SCORES // rows)
        parts = [self._nearest(embeddings[start : start + step], k, rows) for start in range(0, len(embeddings), step)]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([indices for _, indices in parts])

    def _nearest(
        self, embeddings: NDArray[np.float32], k: int, step: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        no_ids, no_weights = np.zeros((len(embeddings), 0), np.int64), np.zeros((len(embeddings), 0), np.float32)
        scores, indices = no_weights, no_ids
        for start in range(0, len(self._table), step):
            _, more, places = self._run(no_ids, no_weights, embeddings, k, slice(start, start + step))
            scores = np.concatenate([scores, more], axis=1)
            indices = np.concatenate([indices, places + start], axis=1)
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            scores = np.take_along_axis(scores, best, axis=1)
            indices = np.take_along_axis(indices, best, axis=1)
        return scores, indices

    def _run(
        self, ids: NDArray[np.int64], weights: NDArray[np.float32], vectors: NDArray[np.float32], k: int, rows: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        feeds: dict[str, Any] = {IDS: ids, WEIGHTS: weights, VECTORS: vectors, K: np.full(len(vectors), k, np.int64)}
        if self._outside:
            feeds[TABLE] = self._table.codes[rows]
            if self._table.scales is not None:
                feeds[SCALES] = self._table.scales[rows]
        embeddings, scores, indices = self._session.run([EMBEDDINGS, SCORES, INDICES], feeds)
        return embeddings, scores, indices
