"""The record of a beam search: every hypothesis of every step, for people who look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.decoding.beam_state import EndedHypothesis
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


def make_record(
    tokens: NDArray[Any],
    parents: NDArray[Any],
    scores: Sequence[NDArray[np.float64]],
    ended: Sequence[EndedHypothesis],
    best: EndedHypothesis,
) -> SearchRecord:
    """The record of the search of one sentence with W hypotheses.

    Args:
        tokens: token chosen at each step, [T, W].
        parents: slot of the hypothesis that each of them extends, [T, W].
        scores: log-probabilities after each recorded step, [W] each; -inf in unused slots.
        ended: the hypotheses that ended; of truncated ones only the best is recorded.
        best: the one of them that is the translation.
    """
    steps: list[list[RecordedHypothesis]] = []
    before: dict[int, int] = {}  # Number of each slot's hypothesis.
    number_of_best: int | None = None
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
                if one is best:
                    number_of_best = count + len(hypotheses)
                hypotheses.append(RecordedHypothesis(before.get(one.slot), END, one.log_prob))
            elif one is best and not one.has_end and one.length == step + 1:
                number_of_best = numbers.get(one.slot)
        if hypotheses:  # In the last step there may be nothing left.
            steps.append(hypotheses)
        before, count = numbers, count + len(hypotheses)
    return SearchRecord(steps, number_of_best)
