"""The execution lane of a model, its scheduler: decides where runs happen (event loop or thread) and batches requests.

`BatchLane` runs whole requests through a `DynamicBatcher`; `StepLane` runs models that decode through a `Stepper`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from service.runtime.batcher import DynamicBatcher, RunResult, Waiter, split_by_cost
from service.runtime.session import Tensors
from service.runtime.stepper import JOBS, Job, OnToken, Stepper
from service.serving.ticket import Ticket
from service.tasks import Predictor


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

    async def run(self, tensors: Tensors, ticket: Ticket, on_token: OnToken | None = None) -> RunResult:
        """Run the model.

        Args:
            tensors: the tensors of one request; the first axis of each is the batch.
            ticket: of the request; its work advances with every run.
            on_token: gets the tokens of a greedy search as they come, of models that decode step by step.

        Raises:
            DeadlineExceeded: the answer was not ready in time.
            Saturated: the request was dropped, as it could not be answered in time.
        """
        if self.scheduling.is_quick(tensors):
            return await self._quick_batcher.submit(tensors, ticket.deadline)
        return await self._run(tensors, ticket, on_token)

    def queue(self, tensors: Tensors, ticket: Ticket, waiter: Waiter) -> bool:
        """Queue the tensors of a request for a single run in the event loop.

        Args:
            tensors: as for `run`.
            ticket: of the request.
            waiter: gets the result.

        Returns:
            False, and nothing is queued, where `run` would use a thread or several runs.
        """
        if not self.scheduling.is_quick(tensors):
            return False
        self._quick_batcher.queue(tensors, ticket.deadline, waiter)
        return True

    @abstractmethod
    async def _run(self, tensors: Tensors, ticket: Ticket, on_token: OnToken | None) -> RunResult: ...

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

    async def _run(self, tensors: Tensors, ticket: Ticket, on_token: OnToken | None) -> RunResult:
        budget = self.scheduling.budget
        rows = len(next(iter(tensors.values())))
        costs = self.scheduling.costs(tensors)
        cost = rows if costs is None else int(costs.sum())
        if cost <= budget or rows == 1:
            return await self._submit(tensors, ticket, cost)
        if costs is None:
            costs = np.ones(rows, np.int64)
        work = self.scheduling.row_work(tensors)
        work /= work.sum()
        results = []
        done = 0.0
        # One chunk waits at a time, so that other requests run between the chunks of a large one.
        for start, end in split_by_cost(costs, budget):
            chunk = {name: array[start:end] for name, array in tensors.items()}
            results.append(await self._submit(chunk, ticket, int(costs[start:end].sum())))
            done += float(work[start:end].sum())
            ticket.advance_to(done)
        return RunResult.concatenate(results)

    def queue(self, tensors: Tensors, ticket: Ticket, waiter: Waiter) -> bool:
        if super().queue(tensors, ticket, waiter):
            return True
        if self._executor is not None:
            return False
        costs = self.scheduling.costs(tensors)
        cost = len(next(iter(tensors.values()))) if costs is None else int(costs.sum())
        if cost > self.scheduling.budget:
            return False
        self._batcher.queue(tensors, ticket.deadline, waiter, cost)
        return True

    def _submit(self, tensors: Tensors, ticket: Ticket, cost: int) -> Awaitable[RunResult]:
        future = self._batcher.submit(tensors, ticket.deadline, cost)
        # In the event loop nothing else could run until the deadline has passed.
        return future if self._executor is None else ticket.wait(future)

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

    async def _run(self, tensors: Tensors, ticket: Ticket, on_token: OnToken | None) -> RunResult:
        jobs: list[Job] = tensors[JOBS].tolist()
        # A translation has about as many tokens as its source.
        expected = sum([job.settings.beam_size * (len(job.tokens) + 1) for job in jobs])
        future = self._stepper.submit(
            tensors,
            ticket.deadline,
            on_token=on_token,
            on_progress=lambda decoded: ticket.advance_to(decoded / expected),
        )
        return await ticket.wait(future)

    def close(self) -> None:
        self._stepper.close()


def make_lane(
    predictor: Predictor[Any],
    *,
    inline: bool,
    max_queue_delay: float,
    on_execution: Callable[[int], None],
    on_depth: Callable[[int], None],
) -> Lane:
    """The lane of a model; the arguments are those of `BatchLane` and `StepLane`."""
    if predictor.scheduling.decodes_stepwise:
        return StepLane(predictor, on_execution=on_execution, on_depth=on_depth)
    return BatchLane(
        predictor, inline=inline, max_queue_delay=max_queue_delay, on_execution=on_execution, on_depth=on_depth
    )
