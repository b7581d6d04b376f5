"""Dynamic batching: waiting requests are joined into one run.

Greedy: when the model is free it takes the waiting requests, up to a limit; by default none waits for others. In the
event loop, requests that arrived in one turn of the loop form a batch by themselves; with a thread, those that
arrived while it was busy do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineExceeded, DeviceLost, LecternError, ModelFailure, NotReady, OutOfMemory
from service.runtime.run_deadline import stop_at
from service.runtime.run_failures import as_failure
from service.runtime.session import Tensors

log = logging.getLogger(__name__)

Infer = Callable[[Tensors], Tensors]


@dataclass(slots=True)
class RunResult:
    """The outputs of a run for one request, with the time it waited and the time the run took, in seconds."""

    outputs: Tensors
    queue: float
    infer: float

    @classmethod
    def concatenate(cls, parts: Sequence[RunResult]) -> RunResult:
        """The result of a request from those of its consecutive chunks, which ran one after another."""
        return cls(
            {name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs},
            queue=sum(part.queue for part in parts),
            infer=sum(part.infer for part in parts),
        )


class Waiter(Protocol):
    """Who waits for a run: a future, or something lighter that is called back at once, in the event loop."""

    def done(self) -> bool:
        """Whether the result is not wanted any longer."""

    def set_result(self, result: RunResult, /) -> None:
        """Take the result."""

    def set_exception(self, exception: Exception, /) -> None:
        """Take the error that the run ended with."""


@dataclass(slots=True)
class _Item:
    tensors: Tensors
    rows: int
    cost: int
    key: tuple[Any, ...]
    deadline: float
    waiter: Waiter
    arrived: float


class DynamicBatcher:
    """Groups requests of one model along the first axis.

    Only requests whose tensors agree in everything but the first axis are joined. A run that fails is repeated for
    each of its requests alone, so that only the faulty request fails; one that finds no memory is repeated in halves.
    Every failure completes its waiters.

    Args:
        infer: runs a batch; tensors in, tensors out, the first axis being the batch.
        max_batch_size: maximum number of rows of one run, or its largest cost if `submit` gets the cost of requests.
        max_queue_delay: maximum time a request waits for others to join its batch, in seconds; a full batch does not
            wait.
        executor: where `infer` runs; None runs it in the event loop.
        on_execution: called after every run with its number of rows.
        on_depth: called with the number of requests that wait, whenever it changes; not of those that only wait for
            the turn of the event loop to end.
    """

    def __init__(
        self,
        infer: Infer,
        *,
        max_batch_size: int,
        max_queue_delay: float = 0.0,
        executor: Executor | None = None,
        on_execution: Callable[[int], None] = lambda rows: None,
        on_depth: Callable[[int], None] = lambda depth: None,
    ) -> None:
        self._infer = infer
        self._max_batch_size = max_batch_size
        self._max_queue_delay = max_queue_delay
        self._executor = executor
        self._on_execution = on_execution
        self._on_depth = on_depth
        self._reported_depth = 0
        self._waiting: deque[_Item] = deque()
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    def submit(self, tensors: Tensors, deadline: float, cost: int | None = None) -> asyncio.Future[RunResult]:
        """Queue a request, and return a future of its result; the arguments are those of `queue`."""
        future: asyncio.Future[RunResult] = asyncio.get_running_loop().create_future()
        self.queue(tensors, deadline, future, cost)
        return future

    def queue(self, tensors: Tensors, deadline: float, waiter: Waiter, cost: int | None = None) -> None:
        """Queue a request; must be called in the event loop.

        Args:
            tensors: inputs whose first axes are equal.
            deadline: the `time.perf_counter()` after which the answer is of no use.
            waiter: gets the result.
            cost: the part of `max_batch_size` that the request uses up; a request that costs more than `max_batch_size`
                runs alone. None: its number of rows.
        """
        rows = len(next(iter(tensors.values())))
        key = tuple([(name, array.dtype, array.shape[1:]) for name, array in tensors.items()])
        if cost is None:
            cost = rows
        self._waiting.append(_Item(tensors, rows, cost, key, deadline, waiter, time.perf_counter()))
        if self._executor is not None or self._max_queue_delay > 0:
            self._report_depth()
        if not self._scheduled:
            self._scheduled = True
            # Asked for here alone: it costs a system call, and most requests of a turn find the run scheduled.
            loop = asyncio.get_running_loop()
            if self._max_queue_delay > 0:
                self._timer = loop.call_later(self._max_queue_delay, self._run_next)
            else:
                loop.call_soon(self._run_next)
        if self._timer is not None and sum(item.cost for item in self._waiting) >= self._max_batch_size:
            self._timer.cancel()
            self._timer = None
            asyncio.get_running_loop().call_soon(self._run_next)

    def _report_depth(self) -> None:
        depth = len(self._waiting)
        if depth != self._reported_depth:
            self._reported_depth = depth
            self._on_depth(depth)

    def _run_next(self) -> None:
        """Take a batch and run it; at its end come back for the next, or rest until `submit`."""
        self._timer = None
        batch = self._take()
        if not batch:
            self._scheduled = False
            return
        if self._executor is None:
            _deliver(batch, self._execute(batch))
            self._continue()
            return
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._executor, self._execute, batch)
        except RuntimeError:  # The executor was shut down.
            _deliver(batch, [NotReady("the model was unloaded")] * len(batch))
            self._continue()
            return
        running.add_done_callback(partial(self._finish, batch))

    def _finish(self, batch: list[_Item], done: asyncio.Future[list[RunResult | Exception]]) -> None:
        failed = done.exception() if not done.cancelled() else ModelFailure("the run was cancelled")
        _deliver(batch, [as_failure(failed)] * len(batch) if failed else done.result())
        self._continue()

    def _continue(self) -> None:
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run_next)
        else:
            self._scheduled = False

    def _take(self) -> list[_Item]:
        """The next batch: the oldest request and the following ones that fit it; late and abandoned ones drop out."""
        batch: list[_Item] = []
        skipped: list[_Item] = []
        cost = 0
        now = time.perf_counter()
        while self._waiting:
            item = self._waiting.popleft()
            if item.waiter.done():  # Its client left.
                continue
            if item.deadline <= now:
                _complete(item.waiter, DeadlineExceeded("the deadline passed while the request waited"))
            elif batch and item.key != batch[0].key:
                skipped.append(item)
            elif cost + item.cost > self._max_batch_size and batch:
                self._waiting.appendleft(item)
                break
            else:
                batch.append(item)
                cost += item.cost
        self._waiting.extendleft(reversed(skipped))
        self._report_depth()
        return batch

    def _execute(self, batch: Sequence[_Item]) -> list[RunResult | Exception]:
        """Run the batch; one outcome for each of its requests, whatever happens. May run in a thread."""
        started = time.perf_counter()
        try:
            if len(batch) == 1:
                return [self._execute_alone(batch[0], started)]
            # The latest one: a request with a short deadline must not stop the others that run with it.
            with stop_at(max([item.deadline for item in batch])):
                outputs = self._infer(_join([item.tensors for item in batch]))
            parts = _split(outputs, [item.rows for item in batch])
            self._on_execution(sum([item.rows for item in batch]))
        except Exception as error:
            return self._retry(batch, as_failure(error))
        took = time.perf_counter() - started
        return [RunResult(part, started - item.arrived, took) for part, item in zip(parts, batch, strict=True)]

    def _execute_alone(self, item: _Item, started: float) -> RunResult:
        """Run one request, of which nothing is joined or split."""
        with stop_at(item.deadline):
            outputs = self._infer(item.tensors)
        _check_rows(outputs, item.rows)
        self._on_execution(item.rows)
        return RunResult(outputs, started - item.arrived, time.perf_counter() - started)

    def _retry(self, batch: Sequence[_Item], failure: LecternError) -> list[RunResult | Exception]:
        """Run the requests of a batch that failed alone, or, where memory ran out, in halves down to single rows."""
        if isinstance(failure, DeviceLost):  # Whatever is tried there fails too.
            return [failure] * len(batch)
        if not isinstance(failure, OutOfMemory):
            return [failure] if len(batch) == 1 else [self._execute([item])[0] for item in batch]
        if len(batch) > 1:
            half = len(batch) // 2
            return self._execute(batch[:half]) + self._execute(batch[half:])
        (item,) = batch
        if item.rows == 1:
            return [failure]
        half = item.rows // 2
        parts: list[RunResult] = []
        for rows in (slice(None, half), slice(half, None)):
            tensors = {name: array[rows] for name, array in item.tensors.items()}
            part = replace(item, tensors=tensors, rows=len(next(iter(tensors.values()))))
            (outcome,) = self._execute([part])
            if isinstance(outcome, Exception):
                return [outcome]
            parts.append(outcome)
        outputs = RunResult.concatenate(parts).outputs
        return [RunResult(outputs, parts[0].queue, sum(part.infer for part in parts))]


def split_by_cost(costs: NDArray[np.int64], budget: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of consecutive chunks of rows whose total cost is at most `budget`.

    A row that costs more is a chunk by itself.
    """
    ends = np.cumsum(costs)
    start = 0
    while start < len(costs):
        spent = int(ends[start - 1]) if start else 0
        end = max(int(np.searchsorted(ends, spent + budget, side="right")), start + 1)
        yield start, end
        start = end


def _deliver(batch: Sequence[_Item], outcomes: Sequence[RunResult | Exception]) -> None:
    for item, outcome in zip(batch, outcomes, strict=True):
        _complete(item.waiter, outcome)


def _complete(waiter: Waiter, outcome: RunResult | Exception) -> None:
    """Give a waiter its outcome; whatever it does, the other requests and the batcher go on."""
    if waiter.done():
        return
    try:
        if isinstance(outcome, Exception):
            waiter.set_exception(outcome)
        else:
            waiter.set_result(outcome)
    except Exception:
        log.exception("a result could not be delivered")


def _join(parts: Sequence[Tensors]) -> Tensors:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _split(outputs: Tensors, rows: Sequence[int]) -> list[Tensors]:
    ends = list(accumulate(rows))
    _check_rows(outputs, ends[-1])
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for count, end in zip(rows, ends, strict=True)
    ]


def _check_rows(outputs: Tensors, rows: int) -> None:
    for array in outputs.values():
        if len(array) != rows:
            raise ValueError(f"the first axis of an output is not the batch of {rows}")
