"""The rows of a table and the search among them, through the graph of the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.runtime.ann import ApproximateIndex
from service.runtime.session import Session, Tensors
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

Found = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Cosines and rows of the nearest, [n, k], best first."""

_SCORES = 1 << 23
"""Most scores that one run computes: 32 MB."""
_ROWS = 16_384
"""Rows of a mapped table that one run searches."""


class Table(Protocol):
    """Unit vectors by row, and the nearest to given ones."""

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The unit vectors [n, D] of rows [n]."""

    def search(self, vectors: NDArray[np.float32], k: int) -> Found:
        """The min(k, rows) nearest rows to each of the unit vectors [n, D]."""


class GraphTable:
    """A table that lies in the graph.

    Args:
        session: the graph.
        size: rows.
        dimensions: numbers of a row.
    """

    def __init__(self, session: Session, size: int, dimensions: int) -> None:
        self._session = session
        self._size = size
        self._dimensions = dimensions
        self._rows_per_run = size

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Table`."""
        count = len(ids)
        if not count:
            return np.empty((0, self._dimensions), np.float32)
        feeds: Tensors = {
            IDS: ids.reshape(-1, 1),
            WEIGHTS: np.ones((count, 1), np.float32),
            VECTORS: np.zeros((count, self._dimensions), np.float32),
            K: np.zeros(count, np.int64),
        }
        found: NDArray[np.float32] = self._session.run(feeds | self._constants())[EMBEDDINGS]
        return found

    def search(self, vectors: NDArray[np.float32], k: int) -> Found:
        """See `Table`."""
        step = max(1, _SCORES // self._rows_per_run)
        parts = [self._search(vectors[start : start + step], k) for start in range(0, len(vectors), step)]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts])

    def _search(self, vectors: NDArray[np.float32], k: int) -> Found:
        return self._run_search(vectors, k, {})

    def _run_search(self, vectors: NDArray[np.float32], k: int, constants: Tensors) -> Found:
        count = len(vectors)
        feeds: Tensors = {
            IDS: np.empty((count, 0), np.int64),
            WEIGHTS: np.empty((count, 0), np.float32),
            VECTORS: vectors,
            K: np.full(count, k, np.int64),
        }
        outputs = self._session.run(feeds | constants)
        return outputs[SCORES], outputs[INDICES]

    def _constants(self) -> Tensors:
        """What every look-up feeds besides the request."""
        return {}


class MappedTable(GraphTable):
    """A table in a memory-mapped file, an input of the graph.

    On the CPU the graph reads the pages it needs where they lie; a GPU gets one copy of the whole when it is loaded.

    Args:
        session: the graph.
        table: [rows, D], int8 or float16, memory-mapped.
        scales: float32 [rows, 1], for int8.
    """

    def __init__(self, session: Session, table: NDArray[np.generic], scales: NDArray[np.float32] | None) -> None:
        super().__init__(session, *table.shape)
        self._table: Tensors = {TABLE: table}
        if scales is not None:
            self._table[SCALES] = scales
        if session.on_gpu:
            session.hold(self._table)
        else:
            self._rows_per_run = _ROWS

    def _constants(self) -> Tensors:
        return {} if self._session.on_gpu else self._table

    def _search(self, vectors: NDArray[np.float32], k: int) -> Found:
        if self._session.on_gpu:
            return self._run_search(vectors, k, {})
        scores = np.empty((len(vectors), 0), np.float32)
        rows = np.empty((len(vectors), 0), np.int64)
        for start, part in self._parts():
            more, places = self._run_search(vectors, k, part)
            scores = np.concatenate([scores, more], axis=1)
            rows = np.concatenate([rows, places + start], axis=1)
            scores, rows = _best(scores, rows, k)
        return scores, rows

    def _parts(self) -> Iterator[tuple[int, Tensors]]:
        for start in range(0, self._size, _ROWS):
            yield start, {name: array[start : start + _ROWS] for name, array in self._table.items()}


class IndexedTable:
    """A table with an approximate index: the index proposes, the table scores exactly.

    Args:
        table: all rows.
        index: over the same rows.
    """

    def __init__(self, table: Table, index: ApproximateIndex) -> None:
        self._table = table
        self._index = index

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Table`."""
        return self._table.rows(ids)

    def search(self, vectors: NDArray[np.float32], k: int) -> Found:
        """See `Table`; a few of the nearest may be missing, and others stand in their place."""
        candidates = self._index.candidates(vectors, k)
        scores = np.empty(candidates.shape, np.float32)
        for place, (vector, rows) in enumerate(zip(vectors, candidates, strict=True)):
            scores[place] = self._table.rows(np.maximum(rows, 0)) @ vector
        scores[candidates < 0] = -np.inf
        return _best(scores, candidates, k)


def _best(scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Found:
    """The k best of each row, best first; of equal ones the first."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)
