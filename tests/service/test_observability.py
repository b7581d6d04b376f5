"""Logs are JSON lines, stage times add up, and metrics are right."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from service.metric_files import MetricFile
from service.observability import (
    MULTIPROCESS_DIR,
    JsonFormatter,
    Metrics,
    Timings,
    configure_logging,
    forget_process,
    request_id,
)


def _record(message: str = "hello %s", **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("service.test", logging.WARNING, "file.py", 1, message, ("you",), None)
    record.__dict__.update(extra)
    return record


def test_a_log_line_is_one_json_object() -> None:
    entry = json.loads(JsonFormatter().format(_record(fields={"model": "digits", "path": Path("/x"), 7: 1})))
    assert datetime.fromisoformat(entry.pop("time")).tzinfo is not None
    assert entry == {
        "level": "warning",
        "logger": "service.test",
        "message": "hello you",
        "model": "digits",
        "path": "/x",
        "7": 1,
    }


def test_a_log_line_is_short_whatever_a_caller_sends() -> None:
    line = JsonFormatter().format(_record(fields={"path": "/" + "x" * 60_000}))
    assert json.loads(line)["path"].startswith("/xxx")
    assert len(line) < 1500


def test_a_log_line_carries_the_requests_id() -> None:
    token = request_id.set("abc")
    try:
        assert json.loads(JsonFormatter().format(_record()))["request_id"] == "abc"
    finally:
        request_id.reset(token)


def test_an_exception_stays_on_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = JsonFormatter().format(_record(exc_info=sys.exc_info()))
    assert "\n" not in line
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


@pytest.mark.parametrize("value", ["\udcff", 2**70, float("nan"), b"bytes", {1, 2}])
def test_no_value_breaks_a_log_line(value: object) -> None:
    assert json.loads(JsonFormatter().format(_record(fields={"odd": value})))["message"] == "hello you"


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """Restore the logging of the process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    others = [logging.getLogger(name) for name in ("service", "uvicorn", "uvicorn.error", "uvicorn.access")]
    saved = [(logger, logger.level, logger.disabled, logger.propagate, list(logger.handlers)) for logger in others]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    for logger, old, disabled, propagate, own in saved:
        logger.setLevel(old)
        logger.disabled, logger.propagate = disabled, propagate
        logger.handlers[:] = own


@pytest.mark.usefixtures("_root_logger")
def test_all_logs_go_to_standard_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    logging.getLogger("service").info("not this")
    logging.getLogger("service").warning("this")
    logging.getLogger("uvicorn.error").error("and this")
    logging.getLogger("uvicorn.access").error("not this either")
    output = capsys.readouterr()
    assert output.out == ""
    assert [json.loads(line)["message"] for line in output.err.splitlines()] == ["this", "and this"]


@pytest.mark.usefixtures("_root_logger")
def test_a_warning_of_a_library_is_one_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("warning")
        np.float32(1) / np.zeros(1, np.float32)
        logging.captureWarnings(False)
    (line,) = capsys.readouterr().err.splitlines()
    assert "divide by zero" in json.loads(line)["message"]


def test_stage_times_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 10.5, 11.0, 12.0, 13.0, 14.0])
    monkeypatch.setattr("service.observability.time.perf_counter", lambda: next(now))
    timings = Timings()  # 10.0
    timings.skip()  # 10.5: the body came
    timings.lap("preprocess")  # 11.0
    timings.add("infer", 0.25)  # 12.0
    timings.lap("postprocess")  # 13.0
    assert timings.stages == {"preprocess": 0.5, "infer": 0.25, "postprocess": 1.0}
    assert timings.overhead(4.0) == 4.0 - 0.5 - 0.25
    assert timings.header() == "preprocess;dur=500.000, infer;dur=250.000, postprocess;dur=1000.000"
    assert timings.total == 4.0


def test_samples_have_their_prometheus_names() -> None:
    metrics = Metrics()
    metrics.requests.labels("digits", "1", "success").inc(2)
    metrics.queue_depth.labels("digits", "1").set(3)
    values = {(name, tuple(sorted(labels.items()))): value for name, labels, value in metrics.samples()}
    assert values["lectern_requests_total", (("model", "digits"), ("outcome", "success"), ("version", "1"))] == 2
    assert values["lectern_queue_depth", (("model", "digits"), ("version", "1"))] == 3
    assert b'lectern_requests_total{model="digits",outcome="success",version="1"} 2.0' in metrics.render()


def test_two_applications_in_one_process_do_not_share_their_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.requests.labels("digits", "1", "success").inc()
    assert b"digits" not in second.render()


def test_a_dead_process_leaves_no_live_gauge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MULTIPROCESS_DIR, str(tmp_path))
    dead, alive = 2**22 + 1, os.getpid()  # Beyond the largest process id of Linux.
    names = [f"{kind}_{pid}.db" for kind in ("gauge_livesum", "gauge_livemin", "counter") for pid in (dead, alive)]
    for name in names:
        (tmp_path / name).touch()
    forget_process(dead)
    remaining = {path.name for path in tmp_path.iterdir()}
    assert remaining == set(names) - {f"gauge_livesum_{dead}.db", f"gauge_livemin_{dead}.db"}, "what was counted stays"


def test_without_worker_processes_there_is_nothing_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS_DIR, raising=False)
    forget_process(os.getpid())


_COUNT_IN_FILES = """
import resource, sys
from prometheus_client.mmap_dict import MmapedDict
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from service.observability import Metrics
metrics = Metrics()
for number in range(400):
    metrics.requests.labels("model" * 20, str(number), "success").inc()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sum(value for name, _, value in metrics.samples() if name == "lectern_requests_total"))
print(metrics.requests.labels("model" * 20, "399", "success")._value.get())
"""


@pytest.mark.parametrize(("limit", "counted"), [(0, range(1)), (1 << 16, range(100, 399))], ids=["none", "some"])
def test_metrics_for_which_the_disk_has_no_room_end_no_process(tmp_path: Path, limit: int, counted: range) -> None:
    """The limit stands for a full disk: beyond it the kernel refuses to let a file grow."""
    result = subprocess.run(
        [sys.executable, "-c", _COUNT_IN_FILES, str(limit)],
        env={**os.environ, MULTIPROCESS_DIR: str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    shared, own = map(float, result.stdout.split())
    assert int(shared) in counted
    assert own == 1


_ANSWER_AND_DIE = """
import asyncio, os, signal
from service.observability import Metrics, Timings
from service.serving.recorder import Recorder
async def answer():
    recorder = Recorder(Metrics(), "digits", "1")
    for _ in range(3):
        recorder.succeeded(Timings())
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(answer())
"""


def test_a_killed_worker_leaves_the_number_of_its_answers(tmp_path: Path) -> None:
    environment = {**os.environ, MULTIPROCESS_DIR: str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", _ANSWER_AND_DIE], env=environment, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]
    assert (
        registry.get_sample_value("lectern_requests_total", {"model": "digits", "version": "1", "outcome": "success"})
        == 3
    )


def test_the_room_of_a_file_of_metrics_is_taken_before_it_is_used(tmp_path: Path) -> None:
    """Writing to a hole of a mapped file for which the disk has no room would end the process."""
    file = MetricFile(str(tmp_path / "counter_1.db"))
    file.write_value("one", 1.0, 0.0)
    status = (tmp_path / "counter_1.db").stat()
    assert status.st_blocks * 512 >= status.st_size > 0
    file.close()
    again = MetricFile(str(tmp_path / "counter_1.db"))
    assert again.read_value("one") == (1.0, 0.0)
    again.close()
