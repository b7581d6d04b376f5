"""What a beam search keeps of each sentence, in arrays that can be cut and joined."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Rows:
    """What is known of N sentences, first axis N; `tokens` and `parents` by step, [N, C, W]."""

    scores: NDArray[np.float64]
    """[N, W]: log-probabilities; -inf: no hypothesis."""
    made: NDArray[np.int64]
    """Pieces so far."""
    longest: NDArray[np.int64]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    worst: NDArray[np.float64]
    """What a hypothesis must beat to be among the answers; -inf while there are too few."""
    tokens: NDArray[np.int32]
    parents: NDArray[np.int64]
    coverage: NDArray[np.float64]
    """[N, W, C]: attention so far, 1 beyond the source's length; C is 0 where nothing asks for it."""

    def select(self, places: NDArray[np.int64]) -> Rows:
        return Rows(*(getattr(self, one.name)[places] for one in fields(self)))

    def join(self, other: Rows) -> Rows:
        padding = {"tokens": (1, 0), "parents": (1, 0), "coverage": (2, 1)}
        joined = []
        for one in fields(self):
            first, second = getattr(self, one.name), getattr(other, one.name)
            if one.name in padding:
                axis, value = padding[one.name]
                size = max(first.shape[axis], second.shape[axis])
                first, second = (_padded(array, axis, size, value) for array in (first, second))
            joined.append(np.concatenate([first, second]))
        return Rows(*joined)


def _padded(values: NDArray[Any], axis: int, size: int, value: int) -> NDArray[Any]:
    if values.shape[axis] == size:
        return values
    widths = [(0, size - values.shape[axis] if number == axis else 0) for number in range(values.ndim)]
    return np.pad(values, widths, constant_values=value)
