"""Which sentences run together: those of like length, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP_ROWS = 3
"""What a step through time costs besides its rows, in rows: many short runs of few sentences would be slow as well."""


def groups(lengths: NDArray[np.integer[Any]], budget: int) -> Iterator[NDArray[np.int64]]:
    """Sentences that run together, as places in `lengths`, each in one group, the longest first.

    The padded tokens of a group (sentences times the longest) are at most `budget`; a sentence longer than that is
    alone. Within that the runs are the cheapest, where a run of B sentences costs B + `_STEP_ROWS` for each step.

    Args:
        lengths: tokens of each sentence, [N], at least 1.
        budget: padded tokens of a run.
    """
    order = np.argsort(-lengths, kind="stable")
    distinct, counts = np.unique(lengths, return_counts=True)
    for start, end in _runs(distinct[::-1].astype(np.int64), counts[::-1]):
        most = max(1, budget // int(lengths[order[start]]))
        for first in range(start, end, most):
            yield order[first : min(first + most, end)]


def _runs(distinct: NDArray[np.int64], counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The cheapest cuts of sentences in descending order of length, from sentence to sentence.

    Args:
        distinct: the lengths there are, descending, [D].
        counts: how many sentences have each, [D].
    """
    ends = np.concatenate([[0], np.cumsum(counts)])
    cheapest = np.zeros(len(ends), np.int64)
    begun = np.zeros(len(ends), np.int64)
    for last in range(1, len(ends)):
        costs = cheapest[:last] + distinct[:last] * (ends[last] - ends[:last] + _STEP_ROWS)
        begun[last] = np.argmin(costs)
        cheapest[last] = costs[begun[last]]
    runs = []
    last = len(ends) - 1
    while last:
        first = int(begun[last])
        runs.append((int(ends[first]), int(ends[last])))
        last = first
    return runs[::-1]
