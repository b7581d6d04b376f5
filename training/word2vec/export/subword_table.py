"""The vectors of n-grams in a bundle: along the axes of the table, quantized, memory-mapped."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.tasks.word_vectors.preprocessing import Subwords
from training.common.files import new_memory_map
from training.common.progress import progress_bar
from training.common.vectors import SubwordVectors
from training.word2vec.export.quantized_table import (
    Axes,
    Precision,
    choose_column_scales,
    to_bytes,
    to_int8,
    unit_row_scales,
)

SCALES_FILE, COLUMNS_FILE = "bucket_scales.npy", "bucket_columns.npy"

_BLOCK = 16_384
"""Rows in memory at a time."""


def write_subwords(subwords: SubwordVectors, axes: Axes, precision: Precision, folder: Path) -> Subwords:
    """Project the vectors of the buckets on the axes of the table, quantize them, and write their files.

    Unlike the rows of the table they keep their norms: in the mean of a word's n-grams a longer vector counts more.

    Args:
        subwords: the vectors of the buckets.
        axes: the principal axes of the table; its origin must be zero.
        precision: precision of the table; fp32 has its n-grams in fp16.
        folder: folder of the files.

    Returns:
        The manifest's entry.
    """
    assert axes.origin is None
    ngrams = subwords.ngrams
    settings = Subwords(min_ngram=ngrams.min_ngram, max_ngram=ngrams.max_ngram, buckets=ngrams.buckets)
    shape = (ngrams.buckets, axes.vectors.shape[1])
    if precision != "int8":
        codes = new_memory_map(folder / settings.file, np.float16, shape)
        for start, rows in _projected_blocks(subwords, axes):
            codes[start : start + len(rows)] = rows
        codes.flush()
        return settings
    columns = _column_scales(subwords, axes)
    np.save(folder / COLUMNS_FILE, columns)
    codes = new_memory_map(folder / settings.file, np.uint8, shape)
    scales = new_memory_map(folder / SCALES_FILE, np.float32, (shape[0], 1))
    for start, rows in _projected_blocks(subwords, axes):
        stop = start + len(rows)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        trained = np.flatnonzero(norms)
        values = np.zeros(rows.shape, np.int8)
        values[trained] = to_int8(rows[trained] / columns)
        codes[start:stop] = to_bytes(values)
        scales[start + trained] = unit_row_scales(values[trained], columns) * norms[trained]
    codes.flush()
    scales.flush()
    return settings.model_copy(update={"scales": SCALES_FILE, "columns": COLUMNS_FILE})


def _projected_blocks(subwords: SubwordVectors, axes: Axes) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The index of the first bucket of each block, and the block [n, d], along the axes."""
    buckets = subwords.ngrams.buckets
    with progress_bar(total=buckets, description="writing the n-grams", unit="buckets", unit_scale=True) as progress:
        for start in range(0, buckets, _BLOCK):
            rows = subwords.table.rows(slice(start, start + _BLOCK)) @ axes.vectors
            yield start, rows
            progress.update(len(rows))


def _column_scales(subwords: SubwordVectors, axes: Axes) -> NDArray[np.float32]:
    """The divisors of the components before rounding, [1, d], chosen on a sample of the vectors."""
    buckets = subwords.ngrams.buckets
    sample = np.unique(np.linspace(0, buckets - 1, min(buckets, _BLOCK)).astype(np.int64)).tolist()
    rows = subwords.table.rows(sample) @ axes.vectors
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        return np.ones((1, axes.vectors.shape[1]), np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return choose_column_scales(unit, np.sqrt(np.square(unit).mean(axis=0)))
