"""One version of a model, live: its predictor, its batcher, its threads and its times."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from service.errors import DeadlineExceeded, InvalidRequest, PayloadTooLarge, Saturated
from service.observability import Metrics, Timings
from service.runtime.batcher import Answer, DynamicBatcher, pieces
from service.runtime.session import Tensors
from service.runtime.stepper import OnToken, Stepper
from service.settings import ModelSettings
from service.tasks import Predictor

T = TypeVar("T")

INLINE_THRESHOLD_SECONDS = 1e-3
"""A model whose ordinary request runs faster than this runs in the event loop.

Handing a run to a thread costs some 100 us, so a model well below this gains nothing from one; LeNet takes 30 us, the
recurrent networks take several ms, so that neither is near the threshold on any likely machine.
"""


class ServedModel:
    """Answers requests for one version of a model.

    Args:
        predictor: loaded, verified and warmed up.
        settings: this model's, complete.
        inline: whether it runs in the event loop; else it gets a thread, as one that steps always does.
        warm_up_seconds: what an ordinary request took when it was warmed up.
        metrics: where its numbers go.
        threads: for the preprocessing of heavy requests.
        max_in_flight: requests beyond this are refused as saturated.
        deadline_seconds: longest time for one request.
    """

    def __init__(
        self,
        predictor: Predictor[Any],
        settings: ModelSettings,
        metrics: Metrics,
        *,
        inline: bool,
        warm_up_seconds: float,
        threads: ThreadPoolExecutor,
        max_in_flight: int,
        deadline_seconds: float,
    ) -> None:
        self.predictor = predictor
        self.manifest = predictor.manifest
        self.name = self.manifest.name
        self.version = str(self.manifest.version)
        self.max_batch_size = predictor.limits.max_batch_size
        self._budget = predictor.budget
        self.warm_up_seconds = warm_up_seconds
        self.inline = inline
        self.provider = ",".join(dict.fromkeys(report.actual[0] for report in predictor.reports.values()))
        """The execution provider that runs the model; several where its graphs differ."""
        self._threads = threads
        # One thread: the graph's own threads share the CPUs, and what arrives meanwhile forms the next batch.
        no_thread = inline or predictor.steps
        self._runner = None if no_thread else ThreadPoolExecutor(1, thread_name_prefix=f"run-{self.name}")
        on_depth = metrics.queue_depth.labels(self.name).set
        self._stepper = self._make_stepper(on_depth) if predictor.steps else None
        self._batcher = None if predictor.steps else self._make_batcher(settings, on_depth)
        # In the event loop, wherever the model's ordinary requests run.
        self._quick_batcher = DynamicBatcher(
            predictor.infer, max_batch_size=self._budget, on_execution=self._count_execution
        )
        self._max_in_flight = max_in_flight
        self._deadline_seconds = deadline_seconds
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._metrics = metrics
        self._stages = metrics.stages(self.name, self.version)
        self._succeeded = metrics.requests.labels(self.name, self.version, "success")
        self._inferences = metrics.inferences.labels(self.name, self.version)
        self._executions = metrics.executions.labels(self.name, self.version)
        self._last_inference = metrics.last_inference.labels(self.name, self.version)

    async def predict(
        self, request: Any, timings: Timings, timeout: float | None = None, on_token: OnToken | None = None
    ) -> dict[str, Any]:
        """Answer a request of the model's task; returns the fields of the answer.

        Args:
            request: what the predictor's `parse` made, or its like.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
            on_token: gets the tokens of a greedy search as they come, of models that step.
        """
        with self._admitted(timings):
            return await self._answer(request, timings, self._deadline(timings, timeout), on_token)

    async def infer(
        self,
        tensors: Tensors,
        finish: Callable[[Tensors], T],
        timings: Timings,
        timeout: float | None = None,
    ) -> T:
        """Run the model on checked tensors whose first axis is the batch.

        Args:
            tensors: by input, as the predictor's `inputs` describe them.
            finish: makes the answer of the outputs; its time is the stage `postprocess`.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
        """
        with self._admitted(timings):
            rows = len(next(iter(tensors.values())))
            if rows > self.max_batch_size:
                raise InvalidRequest(
                    f"a batch of {rows}, the limit is {self.max_batch_size}; send several requests", "inputs"
                )
            deadline = self._deadline(timings, timeout)
            request = self.predictor.read_request(tensors)
            if request is not None:
                outputs = self.predictor.write_results(await self._answer(request, timings, deadline))
            else:
                ready = self.predictor.read_tensors(tensors)
                timings.lap("preprocess")
                answer = await self._run(ready, deadline)
                timings.add("queue", answer.queue)
                timings.add("infer", answer.infer)
                outputs = self.predictor.write_tensors(answer.outputs)
            finished = finish(outputs)
            timings.lap("postprocess")
        return finished

    async def close(self) -> None:
        """Wait for the requests in flight, then release the threads."""
        await self._idle.wait()
        if self._runner is not None:
            self._runner.shutdown(wait=False)
        if self._stepper is not None:
            self._stepper.close()

    def _make_batcher(self, settings: ModelSettings, on_depth: Callable[[int], None]) -> DynamicBatcher:
        return DynamicBatcher(
            self.predictor.infer,
            max_batch_size=self._budget,
            max_queue_delay=(settings.max_queue_delay_us or 0) / 1e6,
            executor=self._runner,
            on_execution=self._count_execution,
            on_depth=on_depth,
        )

    def _make_stepper(self, on_depth: Callable[[int], None]) -> Stepper:
        return Stepper(
            self.predictor.step_loop,
            max_rows=self._budget,
            name=f"step-{self.name}",
            on_execution=self._count_execution,
            on_depth=on_depth,
        )

    async def _answer(
        self, request: Any, timings: Timings, deadline: float, on_token: OnToken | None = None
    ) -> dict[str, Any]:
        """Take an admitted request through the stages."""
        heavy = self.predictor.is_heavy(request)
        if heavy:
            tensors = await self._in_thread(lambda: self.predictor.preprocess(request), deadline)
        else:
            tensors = self.predictor.preprocess(request)
        timings.lap("preprocess")
        answer = await self._run(tensors, deadline, on_token)
        timings.add("queue", answer.queue)
        timings.add("infer", answer.infer)
        if heavy:
            fields = await self._in_thread(lambda: self.predictor.postprocess(request, answer.outputs), deadline)
        else:
            fields = self.predictor.postprocess(request, answer.outputs)
        timings.lap("postprocess")
        return fields

    async def _run(self, tensors: Tensors, deadline: float, on_token: OnToken | None = None) -> Answer:
        """Run through the batcher, in pieces where one run would cost more than the budget."""
        if self.predictor.is_quick(tensors):
            return await self._quick_batcher.submit(tensors, deadline)
        if self._stepper is not None:
            return await _before(self._stepper.submit(tensors, deadline, on_token=on_token), deadline)
        rows = len(next(iter(tensors.values())))
        costs = self.predictor.costs(tensors)
        cost = rows if costs is None else int(costs.sum())
        if cost <= self._budget or rows == 1:
            return await self._run_piece(tensors, deadline, cost)
        if costs is None:
            costs = np.ones(rows, np.int64)
        answers = []
        # One piece waits at a time: the requests of others come between those of a large one.
        for start, end in pieces(costs, self._budget):
            piece = {name: array[start:end] for name, array in tensors.items()}
            answers.append(await self._run_piece(piece, deadline, int(costs[start:end].sum())))
        return Answer.joined(answers)

    async def _run_piece(self, tensors: Tensors, deadline: float, cost: int) -> Answer:
        assert self._batcher is not None, "what steps has none"
        future = self._batcher.submit(tensors, deadline, cost)
        return await (future if self.inline else _before(future, deadline))

    async def _in_thread(self, work: Callable[[], T], deadline: float) -> T:
        return await _before(asyncio.get_running_loop().run_in_executor(self._threads, work), deadline)

    def _deadline(self, timings: Timings, timeout: float | None) -> float:
        allowed = self._deadline_seconds if timeout is None else min(timeout, self._deadline_seconds)
        return timings.started + allowed

    def _admitted(self, timings: Timings) -> _Admission:
        """Count a request in and out, refuse it when there are too many, and record how it ended."""
        return _Admission(self, timings)

    def _enter(self) -> None:
        if self._in_flight >= self._max_in_flight:
            self._metrics.requests.labels(self.name, self.version, "saturated").inc()
            raise Saturated(f"model {self.name!r} has {self._in_flight} requests in flight", self._retry_after())
        self._in_flight += 1
        self._idle.clear()

    def _leave(self, error: BaseException | None, timings: Timings) -> None:
        if error is not None:
            self._metrics.requests.labels(self.name, self.version, _outcome(error)).inc()
            self._metrics.failure_seconds.labels(self.name, self.version).inc(timings.total)
        else:
            self._succeeded.inc()
            for stage, seconds in timings.stages.items():
                self._stages.observe(stage, seconds)
            self._stages.observe("total", timings.total)
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()

    def _retry_after(self) -> int:
        """Seconds until what is in flight has been worked off, by the warm-up's speed."""
        return max(1, math.ceil(self._in_flight * self.warm_up_seconds))

    def _count_execution(self, rows: int) -> None:
        self._executions.inc()
        self._inferences.inc(rows)
        self._last_inference.set_to_current_time()


class _Admission:
    """The `with` block around a request; a class, as a generator would cost a hot request several microseconds."""

    __slots__ = ("_served", "_timings")

    def __init__(self, served: ServedModel, timings: Timings) -> None:
        self._served = served
        self._timings = timings

    def __enter__(self) -> None:
        self._served._enter()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._served._leave(error, self._timings)


def runs_inline(setting: str | None, warm_up_seconds: float) -> bool:
    """Whether a model runs in the event loop, by its setting and by what its warm-up took."""
    return setting == "always" or (setting == "auto" and warm_up_seconds < INLINE_THRESHOLD_SECONDS)


def warm_up(predictor: Predictor[Any]) -> float:
    """Run an ordinary request a few times; the median time of one, in seconds."""
    tensors = predictor.warm_up()
    predictor.infer(tensors)
    times = []
    for _ in range(9):
        started = time.perf_counter()
        predictor.infer(tensors)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


async def _before(future: asyncio.Future[T], deadline: float) -> T:
    """Await `future` until the deadline."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
            return await future
    except TimeoutError as error:
        raise DeadlineExceeded("the deadline passed before the answer was ready") from error


def _outcome(error: BaseException) -> str:
    if isinstance(error, InvalidRequest | PayloadTooLarge):
        return "invalid"
    if isinstance(error, DeadlineExceeded):
        return "deadline"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "failed"
