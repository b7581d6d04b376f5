"""The state of a beam search: arrays sliced and concatenated along the sentence axis, and hypotheses that ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class EndedHypothesis(NamedTuple):
    """A hypothesis that is not extended further."""

    has_end: bool
    """Whether it ended with END; otherwise it was truncated at the longest target."""
    normalized_score: float
    """Score by eq. 14 of Wu et al. 2016, by which hypotheses are ranked."""
    log_prob: float
    length: int
    """Target tokens without END."""
    slot: int
    """Index of the hypothesis in the beam at its last token."""
    coverage: NDArray[np.float32] | None
    """[S]: summed attention per source token; None without attention."""


@dataclass
class BeamState:
    """The state of N sentences with W hypotheses each, at most T target tokens long. The first axis is always N."""

    scores: NDArray[np.float64]
    """[N, W]: log-probability of each hypothesis; -inf in unused slots."""
    lengths: NDArray[np.int64]
    """[N]: target tokens so far."""
    max_lengths: NDArray[np.int64]
    """[N]: longest target, END not counted."""
    alpha: NDArray[np.float64]
    """[N]: exponent of the length normalization."""
    beta: NDArray[np.float64]
    """[N]: weight of the coverage penalty."""
    score_to_beat: NDArray[np.float64]
    """[N]: the score that a hypothesis must beat to be among the n best; -inf while there are fewer than n."""
    tokens: NDArray[np.int32]
    """[N, T, W]: token chosen at each step."""
    parents: NDArray[np.int64]
    """[N, T, W]: index of the hypothesis that each token extends."""
    coverage: NDArray[np.float32]
    """[N, W, S]: summed attention per source token, 1 beyond the source's length; S is 0 without attention."""

    def select(self, indices: NDArray[np.int64]) -> BeamState:
        """The state of the sentences at these indices."""
        return BeamState(*(getattr(self, field.name)[indices] for field in fields(self)))

    def join(self, other: BeamState) -> BeamState:
        """The state of these sentences followed by the other's, padded to the same sizes."""
        axis_and_padding = {"tokens": (1, 0), "parents": (1, 0), "coverage": (2, 1)}
        joined = []
        for field in fields(self):
            first, second = getattr(self, field.name), getattr(other, field.name)
            if field.name in axis_and_padding:
                axis, value = axis_and_padding[field.name]
                size = max(first.shape[axis], second.shape[axis])
                first, second = (_pad(array, axis, size, value) for array in (first, second))
            joined.append(np.concatenate([first, second]))
        return BeamState(*joined)


def _pad(array: NDArray[Any], axis: int, size: int, value: int) -> NDArray[Any]:
    if array.shape[axis] == size:
        return array
    widths = [(0, size - array.shape[axis] if index == axis else 0) for index in range(array.ndim)]
    return np.pad(array, widths, constant_values=value)
