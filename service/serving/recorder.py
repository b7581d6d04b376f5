"""Recorder: how the requests of one version of a model ended, in the metrics."""

from __future__ import annotations

import asyncio
import time

from service.errors import DeadlineExceeded, InvalidRequest, PayloadTooLarge, Saturated
from service.observability import Metrics, Timings


class Recorder:
    """The metrics of one version of a model; lanes call it back.

    Holds no reference to the model, so that an unloaded model can be freed. Times of answered requests are buffered.
    """

    def __init__(self, metrics: Metrics, name: str, version: str) -> None:
        self._metrics = metrics
        self._labels = (name, version)
        self._stages = metrics.stages(name, version)
        self._success = metrics.requests.labels(name, version, "success")
        self._inferences = metrics.inferences.labels(name, version)
        self._executions = metrics.executions.labels(name, version)
        self._last_inference = metrics.last_inference.labels(name, version)
        self._overhead = metrics.overhead_seconds.labels(name, version)
        self._runs = self._rows = 0
        """Runs in the event loop, and their rows."""
        self._last_run = 0.0
        self._seconds: dict[str, list[float]] = {stage: [] for stage in self._stages}
        """The times of the requests that were answered, by stage."""
        self._overheads: list[float] = []
        """Their overheads, in seconds."""
        metrics.add_buffered(self)

    def executed(self, rows: int) -> None:
        """Count a run, in whichever thread it was."""
        self._executions.inc()
        self._inferences.inc(rows)
        self._last_inference.set_to_current_time()

    def executed_in_loop(self, rows: int) -> None:
        """Count a run in the event loop, of which there may be one for every request."""
        if not self._runs:
            self._metrics.write_soon()
        self._runs += 1
        self._rows += rows
        self._last_run = time.time()

    def succeeded(self, timings: Timings) -> None:
        """Count a request whose answer is about to be sent."""
        if self._metrics.outlive_process:  # Its answer may be the last that this process does.
            self._success.inc()
        if not self._overheads:
            self._metrics.write_soon()
        total, seconds = timings.total, self._seconds
        for stage, spent in timings.stages.items():
            seconds[stage].append(spent)
        seconds["total"].append(total)
        self._overheads.append(timings.overhead(total))

    def write_metrics(self) -> None:
        if self._runs:
            self._executions.inc(self._runs)
            self._inferences.inc(self._rows)
            self._last_inference.set(self._last_run)
            self._runs = self._rows = 0
        if not self._overheads:
            return
        if not self._metrics.outlive_process:
            self._success.inc(len(self._overheads))
        for stage, histogram in self._stages.items():
            histogram.observe_all(self._seconds[stage])
            self._seconds[stage].clear()
        self._overhead.observe_all(self._overheads)
        self._overheads.clear()

    def failed(self, error: BaseException, timings: Timings) -> None:
        """Count a request that ended with an error."""
        self._metrics.requests.labels(*self._labels, _outcome(error)).inc()
        self._metrics.failure_seconds.labels(*self._labels).inc(timings.total)


def _outcome(error: BaseException) -> str:
    if isinstance(error, InvalidRequest | PayloadTooLarge):
        return "invalid"
    if isinstance(error, DeadlineExceeded):
        return "deadline"
    if isinstance(error, Saturated):
        return "saturated"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "failed"
