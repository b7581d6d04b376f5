"""Structured logs and Prometheus metrics."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from service.errors import RefusalReason
from service.metric_files import use_metric_files

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request being answered; its log lines carry it."""

client: ContextVar[str | None] = ContextVar("client", default=None)
"""Address of the client whose request is being answered; never logged."""

STAGES = ("queue", "preprocess", "infer", "postprocess", "total")

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client stores its values in this folder if the variable is set when the library is first imported."""

_BUFFERED_SECONDS = 0.05
"""For how long what was counted may be missing from what another worker process answers to a scrape.

The death of a worker loses so much of its times and runs, never a request that it answered.
"""

_LOGGED_CHARACTERS = 1000
"""Longest text in a line of the log, tracebacks excepted."""

use_metric_files()  # Before the first metric is made, in whichever process.

_OVERHEAD_BUCKETS = (0.00003, 0.00006, 0.00012, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0)
_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time, level, logger, message, request_id, and `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if identifier := request_id.get():
            entry["request_id"] = identifier
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            entry.update(fields)
        entry = {name: _shortened(value) for name, value in entry.items()}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # Text that is not Unicode, or an integer beyond 64 bits, must not lose the line.
            return json.dumps({str(key): str(value) for key, value in entry.items()})


def _shortened(value: object) -> object:
    """A value as it is logged. A caller can make a path, say, as long as `LECTERN_MAX_HEADER_BYTES`."""
    return f"{value[:_LOGGED_CHARACTERS]}…" if isinstance(value, str) and len(value) > _LOGGED_CHARACTERS else value


def configure_logging(level: str) -> None:
    """Send every log of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # At the level debug, libraries log what they read: Pillow, say, the tags of a picture.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.getLogger("service").setLevel(level.upper())
    logging.captureWarnings(True)  # A warning of numpy, say, is one line of the log like any other.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # uvicorn's access log would repeat ours without ids; of its other messages only warnings and errors are useful.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.INFO if level == "debug" else logging.NOTSET)


class BufferedMetrics(Protocol):
    """Counts in plain attributes what happens often, and writes it to Prometheus' values when it is asked to.

    A value of prometheus_client takes a lock or a write into a mapped file, about a microsecond, and an observation of
    a histogram two of them.
    """

    def write_metrics(self) -> None:
        """Write what was counted since the last call."""


class TimeHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Add observations."""
        if not amounts:
            return
        counts = np.bincount(np.searchsorted(self._upper_bounds, amounts))
        for bucket in np.flatnonzero(counts).tolist():
            self._buckets[bucket].inc(int(counts[bucket]))
        self._sum.inc(sum(amounts))


class InFlight:
    """The number of requests being answered by this process, all of them in its event loop.

    Args:
        gauge: where it is written.
        write_soon: has it written.
    """

    def __init__(self, gauge: Gauge, write_soon: Callable[[], None]) -> None:
        self._gauge = gauge
        self._write_soon = write_soon
        self._count = 0
        self._is_written = True

    def add(self, change: int) -> None:
        """Count a request in (1) or out (-1)."""
        self._count += change
        if self._is_written:
            self._is_written = False
            self._write_soon()

    def write_metrics(self) -> None:
        self._gauge.set(self._count)
        self._is_written = True


class _Writer:
    """Calls a function a moment after it is asked to, once for all who ask meanwhile.

    Args:
        write: the function.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop in which it is about to be called."""

    def write_soon(self) -> None:
        """Ask for it, in the event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(_BUFFERED_SECONDS, self._call)

    def _call(self) -> None:
        self._loop = None
        self._write()


class Metrics:
    """The Prometheus metrics of the service. Their labels have low cardinality: no ids, no addresses.

    What happens with every request is buffered for a moment, or until this process is scraped; not so the number of
    requests answered, where it can outlive the process.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.outlive_process = MULTIPROCESS_DIR in os.environ
        """Whether what is written stays when this process is killed: its values are in a mapped file."""
        self._buffered: weakref.WeakSet[BufferedMetrics] = weakref.WeakSet()
        self.write_soon = _Writer(self._write).write_soon
        """Has everything that is buffered written in a moment; called in the event loop."""
        self.stage_seconds = TimeHistogram(
            "lectern_stage_seconds",
            "Time of a request by stage.",
            ("model", "version", "stage"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.overhead_seconds = TimeHistogram(
            "lectern_overhead_seconds",
            "Time of a request that was answered, less its body's arrival and the runs of its model.",
            ("model", "version"),
            buckets=_OVERHEAD_BUCKETS,
            registry=self.registry,
        )
        self.requests = Counter(
            "lectern_requests", "Requests by outcome.", ("model", "version", "outcome"), registry=self.registry
        )
        self.inferences = Counter(
            "lectern_inferences",
            "Rows inferred (images, sentences, …); for models that decode step by step, in each step.",
            ("model", "version"),
            registry=self.registry,
        )
        self.executions = Counter(
            "lectern_executions", "Runs of the model.", ("model", "version"), registry=self.registry
        )
        self.failure_seconds = Counter(
            "lectern_failure_seconds",
            "Time spent on requests that failed.",
            ("model", "version"),
            registry=self.registry,
        )
        self.last_inference = self._gauge(
            "lectern_last_inference_timestamp_seconds", "When the model last ran.", ("model", "version"), mode="max"
        )
        self.queue_depth = self._gauge("lectern_queue_depth", "Requests waiting for a run.", ("model", "version"))
        self.backlog_seconds = self._gauge(
            "lectern_backlog_seconds",
            "Estimated time that the model needs for the requests it admitted.",
            ("model", "version"),
        )
        self.in_flight = InFlight(self._gauge("lectern_in_flight", "Requests being answered.", ()), self.write_soon)
        self.add_buffered(self.in_flight)
        self.model_ready = self._gauge(
            "lectern_model_ready", "1 if the version serves, else 0.", ("model", "version"), mode="livemin"
        )
        self.canary_ok = self._gauge(
            "lectern_canary_ok",
            "1 if the version answered its canary sample as stored, else 0.",
            ("model", "version"),
            mode="livemin",
        )
        self.execution_provider = self._gauge(
            "lectern_execution_provider",
            "1 for the requested execution provider and the one in use.",
            ("model", "requested", "actual"),
            mode="livemax",
        )
        self.graph_nodes = self._gauge(
            "lectern_graph_nodes",
            "Nodes of a graph by the execution provider that runs them.",
            ("model", "version", "graph", "provider"),
            mode="livemax",
        )
        self.model_memory = self._gauge(
            "lectern_model_memory_bytes",
            "Memory that a version took when it was opened, of the process or of the device's own.",
            ("model", "version", "kind"),
            mode="livemax",
        )

        self.refusals = Counter(
            "lectern_refusals", "Requests that were refused, by reason.", ("reason",), registry=self.registry
        )
        for reason in RefusalReason:
            self.refusals.labels(reason)
        self.worker_deaths = Counter(
            "lectern_worker_deaths",
            "Worker processes that died, hung or ended without being told to, and were replaced.",
            registry=self.registry,
        )

    def _gauge(self, name: str, text: str, labels: tuple[str, ...], mode: str = "livesum") -> Gauge:
        return Gauge(name, text, labels, registry=self.registry, multiprocess_mode=mode)  # type: ignore[arg-type]

    def stages(self, model: str, version: str) -> dict[str, TimeHistogram]:
        """The histograms of the stages of one version of a model."""
        return {stage: self.stage_seconds.labels(model, version, stage) for stage in STAGES}

    def add_buffered(self, source: BufferedMetrics) -> None:
        """Have a source of metrics written with the others, as long as it lives."""
        self._buffered.add(source)

    def _write(self) -> None:
        """Write everything that is buffered in this process."""
        for source in list(self._buffered):
            source.write_metrics()

    def render(self, *, openmetrics: bool = False) -> bytes:
        """All metrics in Prometheus' text format or in that of OpenMetrics 1.0, summed over the worker processes."""
        return (generate_openmetrics if openmetrics else generate_latest)(self._collector())

    def samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Yield the name, labels and value of every sample, summed over the worker processes."""
        for family in self._collector().collect():
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    def _collector(self) -> CollectorRegistry:
        self._write()
        if MULTIPROCESS_DIR not in os.environ:
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry


class Timings:
    """Stopwatch for the stages of one request, in seconds; written as the header `Server-Timing`."""

    __slots__ = ("_mark", "skipped", "stages", "started")

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._mark = self.started
        self.skipped = 0.0
        """Seconds that belong to no stage, such as the wait for a body."""
        self.stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`."""
        now = time.perf_counter()
        self.stages[stage] = self.stages.get(stage, 0.0) + now - self._mark
        self._mark = now

    def add(self, stage: str, seconds: float) -> None:
        """Add `seconds` measured elsewhere to `stage`, and start the next lap."""
        self.stages[stage] = self.stages.get(stage, 0.0) + seconds
        self._mark = time.perf_counter()

    def skip(self) -> None:
        """Start the next lap without a stage for the last one, such as the wait for a body."""
        now = time.perf_counter()
        self.skipped += now - self._mark
        self._mark = now

    @property
    def total(self) -> float:
        """Seconds since the request began."""
        return time.perf_counter() - self.started

    def overhead(self, total: float) -> float:
        """The seconds of a request of `total` that are neither the wait for its body nor the runs of its model."""
        return total - self.skipped - self.stages.get("infer", 0.0)

    def header(self) -> str:
        """The value of `Server-Timing`, in milliseconds."""
        return ", ".join([f"{stage};dur={seconds * 1e3:.3f}" for stage, seconds in self.stages.items()])


def store_values_in_files() -> None:
    """From now on keep the values of new metrics in the folder that `MULTIPROCESS_DIR` names."""
    # prometheus_client reads the variable when it is imported, which may have been before it was set.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def forget_process(pid: int) -> None:
    """Drop the live gauges of a worker process that has ended, so that they do not stay in the sums."""
    if MULTIPROCESS_DIR in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
