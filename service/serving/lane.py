"""The execution lane of a model, its scheduler: decides where runs happen (event loop or thread) and batches requests.

`BatchLane` runs whole requests through a `DynamicBatcher`; `StepLane` runs models that decode through a `Stepper`.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from service.errors import DeadlineExceeded
from service.runtime.batcher import DynamicBatcher, RunResult, split_by_cost
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

    async def run(self, tensors: Tensors, deadline: float, on_token: OnToken | None = None) -> RunResult:
        """Run the model.

        Args:
            tensors: the tensors of one request; the first axis of each is the batch.
            deadline: the `time.perf_counter()` after which the answer is of no use.
            on_token: gets the tokens of a greedy search as they come, of models that decode step by step.

        Raises:
            DeadlineExceeded: the answer was not ready in time.
        """
        if self.scheduling.is_quick(tensors):
            return await self._quick_batcher.submit(tensors, deadline)
        return await self._run(tensors, deadline, on_token)

    @abstractmethod
    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None) -> RunResult: ...

    @abstractmethod
    def close(self) -> None:
        """Release the threads."""


class BatchLane(Lane):
    """Joins waiting requests into batches; a request that costs more than the budget runs in several chunks.

    Args:
        predictor: the model.
        inline: run in the event loop; otherwise in a single worker thread. One thread suffices because onnxruntime
            itself uses several, and requests that arrive during a run form the next batch.
        max_queue_delay: maximum time a request waits for others to join its batch, in seconds.
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

    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None) -> RunResult:
        budget = self.scheduling.budget
        rows = len(next(iter(tensors.values())))
        costs = self.scheduling.costs(tensors)
        cost = rows if costs is None else int(costs.sum())
        if cost <= budget or rows == 1:
            return await self._submit(tensors, deadline, cost)
        if costs is None:
            costs = np.ones(rows, np.int64)
        results = []
        # One chunk waits at a time, so that other requests run between the chunks of a large one.
        for start, end in split_by_cost(costs, budget):
            chunk = {name: array[start:end] for name, array in tensors.items()}
            results.append(await self._submit(chunk, deadline, int(costs[start:end].sum())))
        return RunResult.concatenate(results)

    def _submit(self, tensors: Tensors, deadline: float, cost: int) -> Awaitable[RunResult]:
        future = self._batcher.submit(tensors, deadline, cost)
        # In the event loop nothing else could run until the deadline has passed.
        return future if self._executor is None else await_until(future, deadline)

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False)


class StepLane(Lane):
    """Decodes the sentences of all requests together, step by step, in the thread of a `Stepper`.

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
            max_hypotheses=self.scheduling.budget,
            name=f"step-{predictor.manifest.name}",
            on_execution=on_execution,
            on_depth=on_depth,
        )

    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None) -> RunResult:
        return await await_until(self._stepper.submit(tensors, deadline, on_token=on_token), deadline)

    def close(self) -> None:
        self._stepper.close()


async def await_until(future: asyncio.Future[T], deadline: float) -> T:
    """Await `future` until the deadline, a `time.perf_counter()`.

    Raises:
        DeadlineExceeded: it was not done by then.
    """
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            return await future
    except TimeoutError as error:
        raise DeadlineExceeded("the deadline passed before the answer was ready") from error
