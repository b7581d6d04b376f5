"""One version of a model while it serves: its predictor, its lane, its admission and its metrics."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from service.errors import DeadlineExceeded, InvalidRequest, PayloadTooLarge, Saturated
from service.limits import variable
from service.observability import Metrics, Timings
from service.runtime.session import Tensors
from service.runtime.stepper import OnToken
from service.serving.lane import BatchLane, Lane, StepLane, await_until
from service.settings import ModelSettings
from service.tasks import Predictor
from service.tasks.base import Check
from service.tasks.tensors import RowTensors

T = TypeVar("T")

INLINE_THRESHOLD_SECONDS = 1e-3
"""A model whose ordinary request runs faster than this runs in the event loop.

Handing a run to a thread costs some 100 us, so a model well below this gains nothing from one; LeNet takes 30 us, the
recurrent networks take several ms, so that neither is near the threshold on any likely machine.
"""


class ServedModel:
    """Answers requests with one version of a model.

    Args:
        predictor: the loaded predictor, verified and warmed up.
        settings: the settings of this model, none of them None.
        metrics: the metrics that it reports to.
        inline: whether it runs in the event loop; otherwise it gets a thread. A model that decodes step by step always
            gets one.
        warm_up_seconds: the time of an ordinary request, measured at warm-up.
        preprocess_pool: the threads that preprocess and postprocess large requests.
        max_in_flight: requests beyond this are refused as saturated.
        deadline_seconds: the maximum time for one request.
    """

    def __init__(
        self,
        predictor: Predictor[Any],
        settings: ModelSettings,
        metrics: Metrics,
        *,
        inline: bool,
        warm_up_seconds: float,
        preprocess_pool: ThreadPoolExecutor,
        max_in_flight: int,
        deadline_seconds: float,
    ) -> None:
        self.predictor = predictor
        self.manifest = predictor.manifest
        self.name = self.manifest.name
        self.version = str(self.manifest.version)
        self.max_batch_size = predictor.limits.max_batch_size
        self.warm_up_seconds = warm_up_seconds
        self.inline = inline
        self.provider = ",".join(dict.fromkeys(report.actual[0] for report in predictor.reports.values()))
        """The execution provider that runs the model; several where its graphs differ."""
        self._preprocess_pool = preprocess_pool
        self._recorder = _Recorder(metrics, self.name, self.version)
        on_depth = metrics.queue_depth.labels(self.name).set
        self._lane = _make_lane(predictor, settings, inline, self._recorder.executed, on_depth)
        self._max_in_flight = max_in_flight
        self._deadline_seconds = deadline_seconds
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def predict(
        self, request: Any, timings: Timings, timeout: float | None = None, on_token: OnToken | None = None
    ) -> dict[str, Any]:
        """Answer a request of the model's task; returns the fields of the answer.

        Args:
            request: made by the predictor's `parse`, or by hand in the same class.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
            on_token: gets the tokens of a greedy search as they come, of models that decode step by step.
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
            tensors: the tensors by input name, as the predictor's `tensors.inputs` describe them.
            finish: makes the answer of the outputs; its time is the stage `postprocess`.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
        """
        with self._admitted(timings):
            rows = len(next(iter(tensors.values())))
            if rows > self.max_batch_size:
                limit = self.predictor.limits.describe("max_batch_size")
                raise InvalidRequest(f"a batch of {rows}, {limit}; send several requests", "inputs")
            deadline = self._deadline(timings, timeout)
            adapter = self.predictor.tensors
            if isinstance(adapter, RowTensors):
                feeds = adapter.read(tensors)
                timings.lap("preprocess")
                answer = await self._lane.run(feeds, deadline)
                timings.add("queue", answer.queue)
                timings.add("infer", answer.infer)
                outputs = adapter.write(answer.outputs)
            else:
                outputs = adapter.write(await self._answer(adapter.read(tensors), timings, deadline))
            finished = finish(outputs)
            timings.lap("postprocess")
        return finished

    async def close(self) -> None:
        """Wait for the requests in flight, then release the threads."""
        await self._idle.wait()
        self._lane.close()

    async def _answer(
        self, request: Any, timings: Timings, deadline: float, on_token: OnToken | None = None
    ) -> dict[str, Any]:
        """Take an admitted request through the stages."""
        predictor = self.predictor
        in_thread = predictor.scheduling.is_slow(request)
        if in_thread:
            tensors = await self._in_thread(partial(predictor.preprocess_with_checks, request), deadline)
        else:
            tensors = predictor.preprocess(request)
        timings.lap("preprocess")
        answer = await self._lane.run(tensors, deadline, on_token)
        timings.add("queue", answer.queue)
        timings.add("infer", answer.infer)
        if in_thread:
            fields = await self._in_thread(lambda _: predictor.postprocess(request, answer.outputs), deadline)
        else:
            fields = predictor.postprocess(request, answer.outputs)
        timings.lap("postprocess")
        return fields

    async def _in_thread(self, work: Callable[[Check], T], deadline: float) -> T:
        """Call `work` in a thread; the check that it gets raises once nobody waits for its result."""
        is_abandoned = False

        def check() -> None:
            if is_abandoned:
                raise DeadlineExceeded("nobody waits for the answer any longer")

        try:
            loop = asyncio.get_running_loop()
            return await await_until(loop.run_in_executor(self._preprocess_pool, work, check), deadline)
        finally:
            is_abandoned = True

    def _deadline(self, timings: Timings, timeout: float | None) -> float:
        allowed = self._deadline_seconds if timeout is None else min(timeout, self._deadline_seconds)
        return timings.started + allowed

    def _admitted(self, timings: Timings) -> _Admission:
        """Count a request in and out, refuse it when there are too many, and record how it ended."""
        return _Admission(self, timings)

    def _enter(self) -> None:
        if self._in_flight >= self._max_in_flight:
            self._recorder.count_outcome("saturated")
            raise Saturated(
                f"model {self.name!r} has {self._in_flight} requests in flight, which is the limit "
                f"({variable('max_queue_size')})",
                self._retry_after(),
            )
        self._in_flight += 1
        self._idle.clear()

    def _leave(self, error: BaseException | None, timings: Timings) -> None:
        if error is None:
            self._recorder.succeeded(timings)
        else:
            self._recorder.failed(error, timings)
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()

    def _retry_after(self) -> int:
        """Seconds until the requests in flight are answered, at the speed of the warm-up."""
        return max(1, math.ceil(self._in_flight * self.warm_up_seconds))


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


class _Recorder:
    """The metrics of one version of a model; lanes call it back.

    Holds no reference to the model, so that an unloaded model can be freed.
    """

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self._metrics = metrics
        self._labels = (name, version)
        self._stages = metrics.stages(name, version)
        self._success = metrics.requests.labels(name, version, "success")
        self._inferences = metrics.inferences.labels(name, version)
        self._executions = metrics.executions.labels(name, version)
        self._last_inference = metrics.last_inference.labels(name, version)

    def executed(self, rows: int) -> None:
        self._executions.inc()
        self._inferences.inc(rows)
        self._last_inference.set_to_current_time()

    def succeeded(self, timings: Timings) -> None:
        self._success.inc()
        for stage, seconds in timings.stages.items():
            self._stages.observe(stage, seconds)
        self._stages.observe("total", timings.total)

    def failed(self, error: BaseException, timings: Timings) -> None:
        self.count_outcome(_outcome(error))
        self._metrics.failure_seconds.labels(*self._labels).inc(timings.total)

    def count_outcome(self, outcome: str) -> None:
        self._metrics.requests.labels(*self._labels, outcome).inc()


def runs_inline(setting: str | None, warm_up_seconds: float) -> bool:
    """Whether a model runs in the event loop, by its setting and the time of its warm-up."""
    return setting == "always" or (setting == "auto" and warm_up_seconds < INLINE_THRESHOLD_SECONDS)


def warm_up(predictor: Predictor[Any]) -> float:
    """Run an ordinary request a few times; the median time of one, in seconds."""
    tensors = predictor.scheduling.warm_up()
    predictor.infer(tensors)
    times = []
    for _ in range(9):
        started = time.perf_counter()
        predictor.infer(tensors)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _make_lane(
    predictor: Predictor[Any],
    settings: ModelSettings,
    inline: bool,
    on_execution: Callable[[int], None],
    on_depth: Callable[[int], None],
) -> Lane:
    if predictor.scheduling.decodes_stepwise:
        return StepLane(predictor, on_execution=on_execution, on_depth=on_depth)
    return BatchLane(
        predictor,
        inline=inline,
        max_queue_delay=(settings.max_queue_delay_us or 0) / 1e6,
        on_execution=on_execution,
        on_depth=on_depth,
    )


def _outcome(error: BaseException) -> str:
    if isinstance(error, InvalidRequest | PayloadTooLarge):
        return "invalid"
    if isinstance(error, DeadlineExceeded):
        return "deadline"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "failed"
