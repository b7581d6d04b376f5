"""Scheduling: the cost of a model's requests and runs, and whether they may run in the event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.decoding import StepLoop
from service.runtime.session import Tensors

RequestT = TypeVar("RequestT")


class Scheduling(ABC, Generic[RequestT]):
    """The cost of a model's requests and runs.

    Args:
        budget: largest cost of one run: in rows, or in the unit of `costs`.
    """

    decodes_stepwise: ClassVar[bool] = False
    """Whether the model decodes step by step: then `preprocess` makes the jobs of `service.runtime.stepper`."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    @abstractmethod
    def is_slow(self, request: RequestT) -> bool:
        """Whether `preprocess` or `postprocess` may take over a millisecond and must run in a thread."""

    @abstractmethod
    def warm_up(self) -> Tensors:
        """The tensors of one ordinary request, to run before the first caller comes."""

    def is_quick(self, tensors: Tensors) -> bool:
        """Whether this run takes microseconds, whatever an ordinary one takes: then the event loop runs it."""
        return False

    def costs(self, tensors: Tensors) -> NDArray[np.int64] | None:
        """The cost of each row, [N]; None: one each."""
        return None

    def step_loop(self) -> StepLoop:
        """A loop for the sentences of all requests together; only if the model `decodes_stepwise`."""
        raise NotImplementedError
