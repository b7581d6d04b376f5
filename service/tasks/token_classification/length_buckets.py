"""Length bucketing: sentences of similar length run together, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP_OVERHEAD_ROWS = 3
"""Fixed cost of a time step, expressed in rows; it keeps many short runs of few sentences from looking cheap."""


def length_buckets(lengths: NDArray[np.integer[Any]], budget: int) -> Iterator[NDArray[np.int64]]:
    """Partition sentences into buckets to run together, as indices into `lengths`, the longest sentences first.

    The padded tokens of a bucket (sentences times the longest) are at most `budget`; a sentence longer than that is
    alone. Within that limit the total cost is minimal, where a run of B sentences costs B + `_STEP_OVERHEAD_ROWS` for
    each time step.

    Args:
        lengths: tokens of each sentence, [N], at least 1.
        budget: maximum padded tokens of a bucket.
    """
    order = np.argsort(-lengths, kind="stable")
    distinct, counts = np.unique(lengths, return_counts=True)
    for start, end in _cheapest_runs(distinct[::-1].astype(np.int64), counts[::-1]):
        size = max(1, budget // int(lengths[order[start]]))
        for first in range(start, end, size):
            yield order[first : min(first + size, end)]


def _cheapest_runs(distinct: NDArray[np.int64], counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The cheapest partition of sentences, sorted by descending length, into runs [start, end): dynamic programming.

    Args:
        distinct: the distinct lengths, descending, [D].
        counts: the number of sentences of each length, [D].
    """
    ends = np.concatenate([[0], np.cumsum(counts)])
    cheapest = np.zeros(len(ends), np.int64)
    run_start = np.zeros(len(ends), np.int64)
    for last in range(1, len(ends)):
        costs = cheapest[:last] + distinct[:last] * (ends[last] - ends[:last] + _STEP_OVERHEAD_ROWS)
        run_start[last] = np.argmin(costs)
        cheapest[last] = costs[run_start[last]]
    runs = []
    last = len(ends) - 1
    while last:
        first = int(run_start[last])
        runs.append((int(ends[first]), int(ends[last])))
        last = first
    return runs[::-1]
