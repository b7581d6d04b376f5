"""An approximate index over the rows of a large table: a hierarchical navigable small world (HNSW) graph.

Malkov and Yashunin 2018, built by usearch over the rows as int8. What a search keeps is scored again, exactly, by the
table; how many that must be is found here.

Measured on 20,000 to 100,000 jittered words in 300 dimensions: bfloat16 finds no more than int8 with as many
candidates, and is built at 0.6 of the speed. The inner product of unit vectors is their cosine, and costs two thirds of
usearch's cosine, which computes the norms again.
"""

import importlib.util
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from service.tasks.word_vectors.preprocessing import ApproximateIndex
from training.common.errors import ExportError
from training.common.progress import bar
from training.word2vec.export.parity import NEIGHBOURS, Parity, overlap
from training.word2vec.export.quantized_table import Table

if TYPE_CHECKING:
    from usearch.index import Index

IndexChoice = Literal["auto", "none", "hnsw"]

LARGEST_EXACT = 200_000
"""Rows up to which `auto` searches exactly."""

WANTED_RECALL = 0.95
_EXPANSIONS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
_CONNECTIVITY, _EXPANSION_ADD = 16, 128
_BLOCK = 8_192
_FIRST_ROWS = 1_000
"""Rows inserted on one thread: usearch may leave rows unreachable that several threads insert into an empty index."""


@dataclass(frozen=True, kw_only=True)
class BuiltIndex:
    """An index on disk, what the manifest says of it, and how fast it was built."""

    path: Path
    entry: ApproximateIndex
    words_per_second: float


def wants_index(choice: IndexChoice, rows: int) -> bool:
    """Whether a table of so many rows gets an index.

    Raises:
        ExportError: it does, and usearch is not installed.
    """
    wanted = choice == "hnsw" or (choice == "auto" and rows > LARGEST_EXACT)
    if wanted and importlib.util.find_spec("usearch") is None:
        raise ExportError(
            f"an approximate index{f' for {rows:,} words' if rows else ''} needs usearch; in Lectern's folder run: "
            "pip install -c constraints.txt '.[ann]', or search exactly with --index none"
        )
    return wanted


def build_index(table: Table, path: Path, *, threads: int = 0) -> float:
    """Write the index of all rows to `path`.

    Args:
        threads: 0 takes every CPU.

    Returns:
        Words per second.
    """
    index = _new_index(table.dimensions)
    begun = time.perf_counter()
    with bar(total=len(table), text="building the index", unit="words", scaled=True) as progress:
        for start, stop in pairwise([0, *range(_FIRST_ROWS, len(table), _BLOCK), len(table)]):
            rows = table.rows(slice(start, stop))
            index.add(np.arange(start, start + len(rows)), rows, threads=threads if start else 1)
            progress.update(len(rows))
    index.save(str(path))
    return len(table) / (time.perf_counter() - begun)


def tune(table: Table, path: Path, parity: Parity) -> ApproximateIndex:
    """The fewest candidates with which the index finds 95 % of the ten nearest, or the most there may be.

    Args:
        parity: the queries, and their nearest rows by exact search.
    """
    search = ApproximateSearch(table, path)
    recall = 0.0
    expansion = _EXPANSIONS[0]
    for expansion in _EXPANSIONS:
        _, found = search.nearest(table.rows(parity.queries), NEIGHBOURS + 1, expansion=expansion)
        recall = overlap(parity.neighbours, found)
        if recall >= WANTED_RECALL:
            break
    return ApproximateIndex(file=path.name, expansion=expansion, recall=round(recall, 4))


class ApproximateSearch:
    """Search as the predictor does it: candidates from the index, scored exactly by the table.

    Args:
        table: the rows.
        path: the index, which is memory-mapped.
    """

    def __init__(self, table: Table, path: Path) -> None:
        self._table = table
        self._index = _new_index(table.dimensions)
        self._index.view(str(path))

    def nearest(
        self, embeddings: NDArray[np.float32], k: int, *, expansion: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and rows [N, K] of the nearest rows that are found for unit vectors [N, D]; K = min(k, rows)."""
        found_scores, found = [], []
        for embedding in embeddings:
            # A search keeps as many candidates as it is to return, and numbers them in uint64.
            candidates = np.asarray(self._index.search(embedding, max(expansion, k), threads=1).keys).astype(np.int64)
            scores = self._table.rows(candidates) @ embedding
            best = np.argsort(-scores, kind="stable")[:k]
            found_scores.append(scores[best])
            found.append(candidates[best])
        return np.stack(found_scores), np.stack(found)


def _new_index(dimensions: int) -> "Index":
    # Imported here: only large tables need it; and after onnxruntime, which crashes when it is loaded second.
    import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index(
        ndim=dimensions,
        metric="ip",
        dtype="i8",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        enable_key_lookups=False,
    )
