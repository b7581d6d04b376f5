"""What a search does with arrays that only graphs read: numpy's here, those on a device by their own methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.decoding.graph_io import Array


def take(array: Array, indices: Sequence[int] | NDArray[np.int64], size: int | None = None) -> Array:
    """The rows at `indices`, which may have any shape, along the first axis; the second is cut at `size`."""
    if isinstance(array, np.ndarray):
        return array[indices] if size is None else array[indices, :size]
    result: Array = array.take(np.asarray(indices, np.int64), size)
    return result


def append(first: Array, second: Array) -> Array:
    """Two arrays of the same sizes but the first, one after the other."""
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    result: Array = first.append(second, first.shape[1])
    return result


def reorder(array: Array, parents: NDArray[np.int64]) -> Array:
    """Of an array [N, W, Z], the rows at `parents` [N, W] within each of the N."""
    if isinstance(array, np.ndarray):
        rows: Array = array[np.arange(len(parents))[:, None], parents]
        return rows
    result: Array = array.reorder(parents)
    return result
