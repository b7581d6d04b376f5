"""The approximate index of a large table: a hierarchical navigable small world (HNSW) graph.

The index (Malkov and Yashunin 2018) is built by usearch over the rows as int8. A search finds candidates, which the
table then scores exactly; the number of candidates is chosen here by the recall that it gives.

Measured on 20,000 to 100,000 generated words in 300 dimensions: bfloat16 gives no better recall than int8 for the same
number of candidates, and is built at 0.6 times the speed. The inner product of unit vectors equals their cosine and
takes two thirds of the time of usearch's cosine, which computes the norms again.
"""

import importlib.util
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from service.bundle.files import Bundle
from service.tasks.word_vectors.preprocessing import ApproximateIndex
from training.common.errors import ExportError
from training.common.progress import progress_bar
from training.common.samples import SampleAnswers
from training.word2vec.export.parity import TOP_K, Parity, nearest_rows, overlap
from training.word2vec.export.quantized_table import Table

if TYPE_CHECKING:
    from usearch.index import Index

IndexChoice = Literal["auto", "none", "hnsw"]

MAX_EXACT_ROWS = 200_000
"""Rows up to which `auto` searches exactly."""

TARGET_RECALL = 0.95
_EXPANSIONS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
_CONNECTIVITY, _EXPANSION_ADD = 16, 128
_BLOCK = 8_192
_FIRST_ROWS = 1_000
"""Rows inserted on one thread: usearch may leave rows unreachable that several threads insert into an empty index."""


def needs_index(choice: IndexChoice, rows: int) -> bool:
    """Whether a table of this many rows gets an index.

    Raises:
        ExportError: it does, and usearch is not installed.
    """
    is_needed = choice == "hnsw" or (choice == "auto" and rows > MAX_EXACT_ROWS)
    if is_needed and importlib.util.find_spec("usearch") is None:
        raise ExportError(
            f"an approximate index{f' for {rows:,} words' if rows else ''} needs usearch; in Lectern's folder run: "
            "pip install -c constraints.txt '.[ann]', or search exactly with --index none"
        )
    return is_needed


def build_index(table: Table, path: Path, *, threads: int = 0) -> float:
    """Build the index of all rows and write it to `path`.

    Args:
        table: the rows.
        path: path of the index file.
        threads: 0 for one per CPU.

    Returns:
        Words per second.
    """
    index = _new_index(table.dimensions)
    start_time = time.perf_counter()
    with progress_bar(total=len(table), description="building the index", unit="words", unit_scale=True) as progress:
        for start, stop in pairwise([0, *range(_FIRST_ROWS, len(table), _BLOCK), len(table)]):
            rows = table.rows(slice(start, stop))
            index.add(np.arange(start, start + len(rows)), rows, threads=threads if start else 1)
            progress.update(len(rows))
    index.save(str(path))
    return len(table) / (time.perf_counter() - start_time)


def choose_expansion(bundle: Bundle, parity: Parity) -> ApproximateIndex:
    """Measure the recall of the served search, and take the fewest candidates that reach the target.

    Args:
        bundle: with the index.
        parity: the queries, and their nearest rows by exact search.

    Returns:
        The manifest's entry; with the most candidates if none of the choices reaches the target.
    """
    index = ApproximateIndex()
    for expansion in _EXPANSIONS:
        index = ApproximateIndex(expansion=expansion)
        recall = _recall(with_index(bundle, index), parity)
        index = index.model_copy(update={"recall": round(recall, 4)})
        if recall >= TARGET_RECALL:
            break
    return index


def _recall(bundle: Bundle, parity: Parity) -> float:
    """The share of the ten nearest rows by exact search that the bundle's own search finds."""
    _, rows = nearest_rows(SampleAnswers(bundle).predictor, parity.queries, TOP_K + 1)
    return overlap(parity.neighbors, rows)


def with_index(bundle: Bundle, index: ApproximateIndex | None) -> Bundle:
    """The bundle with another index entry in its manifest; None searches exactly."""
    preprocessing = bundle.manifest.preprocessing | {"index": index and index.model_dump()}
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"preprocessing": preprocessing}))


def _new_index(dimensions: int) -> "Index":
    # Imported here because only large tables need it, and after onnxruntime, which crashes if it is loaded second.
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
