"""Approximate nearest neighbours: a graph index (HNSW) in a file that worker processes share."""

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
    """Whether the library that reads the indexes is there."""
    return importlib.util.find_spec("usearch") is not None


class ApproximateIndex:
    """A usearch index over the rows of a table: its keys are the rows' numbers.

    The file is memory-mapped, never read whole.

    Args:
        path: the file.
        rows: how many rows the table has.
        dimensions: numbers of a row.
        expansion: how many candidates a search keeps at least.

    Raises:
        BundleError: it is no index, or one of another table.
    """

    def __init__(self, path: Path, *, rows: int, dimensions: int, expansion: int) -> None:
        # Loaded before onnxruntime, its SIMD library makes loading that crash (numkong 7.8, onnxruntime 1.31).
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
        """Rows that are likely among the `k` nearest to each of the unit vectors [n, D]: [n, at least min(k, rows)].

        Releases the GIL while it searches. A row of -1 is none.
        """
        count = min(max(k, self._expansion), self._rows)
        candidates = np.full((len(vectors), count), -1, np.int64)
        queries: NDArray[Any] = vectors
        if self._is_int8:
            # usearch itself would use a few steps of the 256 for a vector of many dimensions, and find less.
            largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
            queries = np.rint(vectors / largest * 127).astype(np.int8)
        matches = self._index.search(queries, count, threads=1)
        # Of one vector usearch returns its matches, of several a sequence of matches.
        for row, one in enumerate([matches] if len(vectors) == 1 else matches):
            candidates[row, : len(one.keys)] = one.keys
        return candidates
