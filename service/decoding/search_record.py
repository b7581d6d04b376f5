"""The record of a beam search: every hypothesis of every step, for people who look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.decoding.graph_io import END

RECORDED_STEPS = 64
"""Steps that a record holds at most."""


class RecordedHypothesis(NamedTuple):
    """One hypothesis after one step."""

    parent: int | None
    """The number of the hypothesis of the step before that it extends; None in the first step."""
    token: int
    """The token that it is extended by; END if that completes it."""
    log_prob: float
    """The log-probability of all its tokens."""


class SearchRecord(NamedTuple):
    """The hypotheses of a search, numbered from 0 through all steps."""

    steps: list[list[RecordedHypothesis]]
    """Those that go on, best first, then those that END completes."""
    best: int | None
    """The number of the last hypothesis of the translation; None if that is beyond the recorded steps."""


class EndedHypothesis(NamedTuple):
    """A hypothesis that was completed, or the best one."""

    length: int
    """Its tokens without END."""
    slot: int
    """Its place among the hypotheses after the last of them."""
    log_prob: float
    has_end: bool
    is_best: bool


def make_record(
    tokens: NDArray[Any], parents: NDArray[Any], scores: Sequence[NDArray[np.float64]], ended: Sequence[EndedHypothesis]
) -> SearchRecord:
    """The record of the search of one sentence with W hypotheses.

    Args:
        tokens: token chosen at each step, [T, W].
        parents: slot of the hypothesis that each of them extends, [T, W].
        scores: log-probabilities after each recorded step, [W] each; -inf in unused slots.
        ended: the hypotheses that END completed, and the best one where it was truncated.
    """
    steps: list[list[RecordedHypothesis]] = []
    before: dict[int, int] = {}  # Number of each slot's hypothesis.
    best: int | None = None
    count = 0
    for step, scores_of_step in enumerate(scores):
        hypotheses: list[RecordedHypothesis] = []
        numbers: dict[int, int] = {}
        for slot in np.flatnonzero(scores_of_step > -np.inf).tolist():
            numbers[slot] = count + len(hypotheses)
            parent = before.get(int(parents[step, slot]))
            hypotheses.append(RecordedHypothesis(parent, int(tokens[step, slot]), float(scores_of_step[slot])))
        for one in ended:
            if one.has_end and one.length == step:
                best = count + len(hypotheses) if one.is_best else best
                hypotheses.append(RecordedHypothesis(before.get(one.slot), END, one.log_prob))
            elif not one.has_end and one.length == step + 1:
                best = numbers.get(one.slot)
        if hypotheses:  # In the last step there may be nothing left.
            steps.append(hypotheses)
        before, count = numbers, count + len(hypotheses)
    return SearchRecord(steps, best)
