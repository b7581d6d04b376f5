"""Tables of word vectors: look-up of rows and nearest neighbor search, both run by the bundle's graph."""

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

SearchResult = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Cosines and row ids of the nearest rows, [n, k] each, best first."""

_MAX_SCORES = 1 << 20
"""Maximum number of scores that one run computes: 32 MB for a table of bytes, whose integer products are there too."""
_BLOCK_ROWS = 16_384
"""Rows of a mapped table that one run searches, where the graph converts them to float32."""
_BLOCK_SCORES = 1 << 16
"""Scores that one run computes of a mapped table of bytes; fewer of them stay in the processor's cache."""


class Table(Protocol):
    """Look-up of unit vectors by row id, and search of the rows nearest to vectors."""

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Unit vectors [n, D] of row ids [n]."""

    def search(self, vectors: NDArray[np.float32], k: int) -> SearchResult:
        """Find the min(k, rows) nearest rows to each of the unit vectors [n, D]."""


class GraphTable:
    """A table inside the graph.

    Args:
        session: session of the graph.
        size: number of rows.
        dimensions: length of each vector.
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
        embeddings: NDArray[np.float32] = self._session.run(feeds | self._constants())[EMBEDDINGS]
        return embeddings

    def search(self, vectors: NDArray[np.float32], k: int) -> SearchResult:
        """See `Table`."""
        step = max(1, _MAX_SCORES // self._rows_per_run)
        results = [self._search(vectors[start : start + step], k) for start in range(0, len(vectors), step)]
        return np.concatenate([scores for scores, _ in results]), np.concatenate([rows for _, rows in results])

    def _search(self, vectors: NDArray[np.float32], k: int) -> SearchResult:
        """Search with no more vectors than one run may take."""
        return self._run_search(vectors, k, {})

    def _run_search(self, vectors: NDArray[np.float32], k: int, constants: Tensors) -> SearchResult:
        """Run the graph's search once."""
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
        """Inputs of every look-up besides the request's own."""
        return {}


class MappedTable(GraphTable):
    """A memory-mapped table outside the graph, which takes it as an input.

    On the CPU the graph reads the pages that it needs in place; a device with memory of its own gets a copy of the
    whole table on loading.

    Args:
        session: session of the graph.
        table: uint8, int8 or float16 [rows, D], memory-mapped; only of uint8 the graph makes no copy in float32.
        scales: float32 [rows, 1]; not for float16.
    """

    def __init__(self, session: Session, table: NDArray[np.generic], scales: NDArray[np.float32] | None) -> None:
        super().__init__(session, *table.shape)
        self._table: Tensors = {TABLE: table}
        if scales is not None:
            self._table[SCALES] = scales
        if session.device is not None:
            session.bind_constants(self._table)
        else:
            self._rows_per_run = _BLOCK_ROWS

    def _constants(self) -> Tensors:
        return self._table if self._session.device is None else {}

    def _search(self, vectors: NDArray[np.float32], k: int) -> SearchResult:
        if self._session.device is not None:
            return self._run_search(vectors, k, {})
        scores = np.empty((len(vectors), 0), np.float32)
        rows = np.empty((len(vectors), 0), np.int64)
        for start, block in self._blocks(len(vectors)):
            block_scores, block_rows = self._run_search(vectors, k, block)
            scores = np.concatenate([scores, block_scores], axis=1)
            rows = np.concatenate([rows, block_rows + start], axis=1)
            scores, rows = _top_k(scores, rows, k)
        return scores, rows

    def _blocks(self, queries: int) -> Iterator[tuple[int, Tensors]]:
        """Consecutive blocks of the table, each with the id of its first row."""
        in_bytes = self._table[TABLE].dtype == np.uint8
        step = max(_BLOCK_ROWS, _BLOCK_SCORES // queries) if in_bytes else _BLOCK_ROWS
        for start in range(0, self._size, step):
            yield start, {name: array[start : start + step] for name, array in self._table.items()}


class IndexedTable:
    """A table with an approximate index, which finds candidates that the table then scores exactly.

    Args:
        table: the table.
        index: an index of the same rows.
    """

    def __init__(self, table: Table, index: ApproximateIndex) -> None:
        self._table = table
        self._index = index

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Table`."""
        return self._table.rows(ids)

    def search(self, vectors: NDArray[np.float32], k: int) -> SearchResult:
        """See `Table`; approximate: farther rows may be returned instead of some of the nearest."""
        candidates = self._index.candidates(vectors, k)
        scores = np.empty(candidates.shape, np.float32)
        for index, (vector, rows) in enumerate(zip(vectors, candidates, strict=True)):
            scores[index] = self._table.rows(np.maximum(rows, 0)) @ vector
        scores[candidates < 0] = -np.inf
        return _top_k(scores, candidates, k)


def _top_k(scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> SearchResult:
    """The k best of the scores [n, m] of each row and their row ids, best first; ties keep their order."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)
