"""The lane of a model: where its runs happen, and how requests share them."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from service.errors import DeadlineExceeded
from service.runtime.batcher import Answer, DynamicBatcher, pieces
from service.runtime.session import Tensors
from service.runtime.stepper import OnToken, Stepper
from service.tasks import Predictor

T = TypeVar("T")


class Lane(ABC):
    """Runs a model on the tensors of requests. Quick runs happen in the event loop in every lane.

    Args:
        predictor: the model.
        on_execution: called after every run with its number of rows.
    """

    def __init__(self, predictor: Predictor[Any], on_execution: Callable[[int], None]) -> None:
        self.scheduling = predictor.scheduling
        self._quick_batcher = DynamicBatcher(
            predictor.infer, max_batch_size=self.scheduling.budget, on_execution=on_execution
        )

    async def run(self, tensors: Tensors, deadline: float, on_token: OnToken | None = None) -> Answer:
        """Run the model.

        Args:
            tensors: of one request; the first axis of each is the batch.
            deadline: the `time.perf_counter()` after which the answer is of no use.
            on_token: gets the tokens of a greedy search as they come, of models that decode step by step.

        Raises:
            DeadlineExceeded: the answer was not ready in time.
        """
        if self.scheduling.is_quick(tensors):
            return await self._quick_batcher.submit(tensors, deadline)
        return await self._run(tensors, deadline, on_token)

    @abstractmethod
    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None) -> Answer: ...

    @abstractmethod
    def close(self) -> None:
        """Release the threads."""


class BatchLane(Lane):
    """Joins waiting requests into batches; a request that costs more than the budget runs in pieces.

    Args:
        predictor: the model.
        inline: run in the event loop; else in one thread of its own. One: the graph's own threads share the CPUs, and
            the requests that arrive meanwhile form the next batch.
        max_queue_delay: longest wait for batch mates, in seconds.
        on_execution: called after every run with its number of rows.
        on_depth: called with the number of requests that wait, whenever it changes.
    """

    def __init__(
        self,
        predictor: Predictor[Any],
        *,
        inline: bool,
        max_queue_delay: float,
        on_execution: Callable[[int], None],
        on_depth: Callable[[int], None],
    ) -> None:
        super().__init__(predictor, on_execution)
        self._executor = None if inline else ThreadPoolExecutor(1, thread_name_prefix=f"run-{predictor.manifest.name}")
        self._batcher = DynamicBatcher(
            predictor.infer,
            max_batch_size=self.scheduling.budget,
            max_queue_delay=max_queue_delay,
            executor=self._executor,
            on_execution=on_execution,
            on_depth=on_depth,
        )

    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None) -> Answer:
        budget = self.scheduling.budget
        rows = len(next(iter(tensors.values())))
        costs = self.scheduling.costs(tensors)
        cost = rows if costs is None else int(costs.sum())
        if cost <= budget or rows == 1:
            return await self._submit(tensors, deadline, cost)
        if costs is None:
            costs = np.ones(rows, np.int64)
        answers = []
        # One piece waits at a time: the requests of others come between those of a large one.
        for start, end in pieces(costs, budget):
            piece = {name: array[start:end] for name, array in tensors.items()}
            answers.append(await self._submit(piece, deadline, int(costs[start:end].sum())))
        return Answer.joined(answers)

    def _submit(self, tensors: Tensors, deadline: float, cost: int) -> Awaitable[Answer]:
        future = self._batcher.submit(tensors, deadline, cost)
        # In the event loop nothing else could run until the deadline has passed.
        return future if self._executor is None else before(future, deadline)

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False)


class StepLane(Lane):
    """Decodes the sentences of all requests together, step by step, in a thread of its own.

    Args:
        predictor: the model.
        on_execution: called after every step with its number of sentences.
        on_depth: called with the number of requests that wait, whenever it changes.
    """

    def __init__(
        self, predictor: Predictor[Any], *, on_execution: Callable[[int], None], on_depth: Callable[[int], None]
    ) -> None:
        super().__init__(predictor, on_execution)
        self._stepper = Stepper(
            self.scheduling.step_loop,
            max_rows=self.scheduling.budget,
            name=f"step-{predictor.manifest.name}",
            on_execution=on_execution,
            on_depth=on_depth,
        )

    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None) -> Answer:
        return await before(self._stepper.submit(tensors, deadline, on_token=on_token), deadline)

    def close(self) -> None:
        self._stepper.close()


async def before(future: asyncio.Future[T], deadline: float) -> T:
    """Await `future` until the deadline, a `time.perf_counter()`.

    Raises:
        DeadlineExceeded: it was not done by then.
    """
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            return await future
    except TimeoutError as error:
        raise DeadlineExceeded("the deadline passed before the answer was ready") from error
