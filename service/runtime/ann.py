"""Approximate nearest neighbors: an HNSW index in a memory-mapped file that worker processes share."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.files import BundleError

INSTALL = "in Lectern's folder run: pip install -c constraints.txt '.[ann]'"
"""The command that installs the library, for messages."""


def is_installed() -> bool:
    """Whether usearch, which reads the indexes, is installed."""
    return importlib.util.find_spec("usearch") is not None


class ApproximateIndex:
    """A usearch index over the rows of a table, whose keys are row ids; memory-mapped.

    Args:
        path: the index file.
        rows: number of rows of the table.
        dimensions: length of a row.
        expansion: minimum number of candidates that a search keeps.

    Raises:
        BundleError: the file is not an index, or is the index of another table.
    """

    def __init__(self, path: Path, *, rows: int, dimensions: int, expansion: int) -> None:
        # onnxruntime must be imported before usearch, whose SIMD library makes a later import of onnxruntime crash
        # (numkong 7.8, onnxruntime 1.31).
        import onnxruntime  # noqa: F401
        from usearch.compiled import ScalarKind
        from usearch.index import Index

        try:
            index = Index.restore(str(path), view=True, expansion_search=expansion, enable_key_lookups=False)
        except Exception as error:  # usearch raises bare errors of several kinds.
            raise BundleError(f"{path}: usearch cannot load it ({error}); import the vectors again") from error
        if index is None or (len(index), index.ndim) != (rows, dimensions):
            actual = "no index" if index is None else f"an index of {len(index)} rows of {index.ndim} numbers"
            raise BundleError(f"{path}: is {actual}, the table has {rows} of {dimensions}; import the vectors again")
        self._index: Any = index
        self._rows = rows
        self._expansion = expansion
        self._is_int8 = index.dtype == ScalarKind.I8

    def candidates(self, vectors: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Find rows that are likely to include the `k` nearest to each vector. Releases the GIL during the search.

        Args:
            vectors: unit vectors [n, D].
            k: neighbors of each.

        Returns:
            Row ids [n, m] with m >= min(k, rows), padded with -1.
        """
        count = min(max(k, self._expansion), self._rows)
        candidates = np.full((len(vectors), count), -1, np.int64)
        queries: NDArray[Any] = vectors
        if self._is_int8:
            # usearch's own conversion uses few of the 256 steps in many dimensions, which lowers the recall.
            largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
            queries = np.rint(vectors / largest * 127).astype(np.int8)
        results = self._index.search(queries, count, threads=1)
        # For a single vector usearch returns its matches, for several a sequence of them.
        for query, matches in enumerate([results] if len(vectors) == 1 else results):
            candidates[query, : len(matches.keys)] = matches.keys
        return candidates
