"""Scheduling: the cost of a model's requests and runs, and whether they may run in the event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.decoding import StepLoop
from service.runtime.session import Tensors

RequestT = TypeVar("RequestT")

RUN = "run"
"""The kind of work that every model has: its runs. Its units are those of `Scheduling.row_work`."""


class Work(NamedTuple):
    """The estimated work of a request."""

    units: float
    """Of the whole request, `overhead` included."""
    kind: str = RUN
    """RUN, or one of `Scheduling.seconds_per_unit`: the server learns the speed of each kind by itself."""
    amount: int = 0
    """How many things the request holds, for the error of one that holds too many."""
    noun: str = ""
    """What they are: words, images."""
    overhead: float = 0.0
    """The units of what is done beside the runs: the request itself, and reading what it holds. Without them many small
    requests, or texts in which nothing is to be run, make a unit look slow, and large requests are refused."""


class Scheduling(ABC, Generic[RequestT]):
    """The cost of a model's requests and runs.

    Args:
        budget: largest cost of one run: in rows, or in the unit of `costs`.
    """

    decodes_stepwise: ClassVar[bool] = False
    """Whether the model decodes step by step: then `preprocess` makes the jobs of `service.runtime.stepper`."""
    seconds_per_unit: ClassVar[Mapping[str, float]] = {}
    """The kinds of work besides RUN, each with about the seconds that a unit takes; the server corrects them."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    @abstractmethod
    def is_slow(self, request: RequestT) -> bool:
        """Whether `preprocess` or `postprocess` may take over a millisecond and must run in a thread."""

    @abstractmethod
    def warm_up(self) -> Tensors:
        """The tensors of one ordinary request, to run before the first caller comes."""

    def work(self, request: RequestT) -> Work:
        """Estimate the work of a request before it is preprocessed; takes microseconds."""
        return Work(1.0)

    def row_work(self, tensors: Tensors) -> NDArray[np.float64]:
        """Units of RUN of each row, [N], once a request is preprocessed; the overhead of the request comes on top."""
        costs = self.costs(tensors)
        return np.ones(_rows(tensors)) if costs is None else costs.astype(np.float64)

    def run_work(self, tensors: Tensors) -> Work:
        """The work of tensors that a client sent ready for the run."""
        return Work(float(self.row_work(tensors).sum()), RUN, _rows(tensors), "rows")

    def is_quick(self, tensors: Tensors) -> bool:
        """Whether this run takes microseconds, whatever an ordinary one takes: then the event loop runs it."""
        return False

    def costs(self, tensors: Tensors) -> NDArray[np.int64] | None:
        """The part of `budget` that each row uses up, [N]; None: one each."""
        return None

    def step_loop(self) -> StepLoop:
        """A loop for the sentences of all requests together; only if the model `decodes_stepwise`."""
        raise NotImplementedError


def _rows(tensors: Tensors) -> int:
    return len(next(iter(tensors.values())))
