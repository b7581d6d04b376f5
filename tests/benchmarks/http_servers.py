"""HTTP servers as processes that are started, measured and ended: for http_floor.py and peers.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.bundle.files import Bundle
from tests.benchmarks.contenders import BenchmarkError
from tests.benchmarks.http_load import Body, Load, answered_label, load

HERE = Path(__file__).parent
_START_SECONDS = 180.0
_STOP_SECONDS = 20.0
_MARK = "HTTP_SERVER_MARK"
"""Every process of a server inherits this variable, those too that leave its process group."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A row of the table: where requests go, and which body they have."""

    name: str
    path: str
    body: Body = Body.PIXELS


@dataclass(frozen=True, kw_only=True)
class HttpServer:
    """A server that can be started.

    In its command and variables {port}, {model} (the ONNX file) and {home} (a folder of its own) are replaced.
    """

    name: str
    command: Sequence[str | Path]
    routes: Sequence[Route]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A server that has answered its first request."""

    loads: list[Load]
    start_seconds: float
    """From the start of its process to the first answer with a label."""
    mark: str

    def memory(self) -> Memory | None:
        """The memory of all its processes now; None where there is no /proc."""
        sizes = [_memory(pid) for pid in _marked(self.mark)]
        return Memory(len(sizes), sum(rss for rss, _ in sizes), sum(pss for _, pss in sizes)) if sizes else None

    def processor_seconds(self) -> float:
        """The processor time that all its processes have taken; of Linux only."""
        return sum(_processor_seconds(pid) for pid in _marked(self.mark))


@dataclass(frozen=True)
class Memory:
    """Of all processes of a server."""

    processes: int
    rss_mb: float
    """The sum of their resident sets, in which a page that several share counts for each."""
    pss_mb: float
    """The same with shared pages in parts."""


FLOOR = HttpServer(
    name="floor",
    command=(sys.executable, HERE / "floor.py", "{model}", "{port}"),
    routes=(Route(name="floor, pixels as JSON", path="/"),),
)


def lectern(models: Path, model: str, workers: int = 1) -> HttpServer:
    """`lectern serve` with its defaults."""
    infer = f"/v2/models/{model}/infer"
    suffix = "" if workers == 1 else f", {workers} workers"
    return HttpServer(
        name="lectern" if workers == 1 else f"lectern-{workers}",
        command=(sys.executable, "-m", "service", "serve"),
        routes=(
            Route(name=f"/v1/classify, pixels as JSON{suffix}", path="/v1/classify"),
            Route(name=f"/v1/classify, PNG{suffix}", path="/v1/classify", body=Body.PNG),
            Route(name=f"/v2 infer, JSON{suffix}", path=infer, body=Body.TENSOR),
            Route(name=f"/v2 infer, binary{suffix}", path=infer, body=Body.BINARY),
        ),
        environment={
            "LECTERN_PORT": "{port}",
            "LECTERN_MODELS": str(models),
            "LECTERN_WORKERS": str(workers),
            "LECTERN_DRAIN_SECONDS": "0",
        },
    )


@contextmanager
def running(server: HttpServer, bundle: Bundle, pixels: Any) -> Iterator[Running]:
    """Start a server, wait for its first answer, and end all its processes with the block.

    Args:
        server: the server.
        bundle: the model that it serves.
        pixels: the image of its requests.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, tempfile.TemporaryFile() as output:
        model = (bundle.path / bundle.manifest.graphs["model"].file).resolve()
        values = {"port": str(_free_port()), "home": home, "model": str(model)}
        mark = uuid.uuid4().hex
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")}
        own = {name: value.format(**values) for name, value in server.environment.items()}
        command = [str(part).format(**values) for part in server.command]
        loads = [load(route.name, f"http://127.0.0.1:{values['port']}{route.path}", route.body, pixels)
                 for route in server.routes]  # fmt: skip
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=inherited | own | {_MARK: mark}, start_new_session=True
        )
        try:
            _wait(process, loads[0], bundle, output)
            yield Running(loads, time.perf_counter() - begun, mark)
        finally:
            _stop(process, mark)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], load: Load, bundle: Bundle, output: Any) -> None:
    """Ask until there is an answer."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            answered_label(load, bundle.manifest.labels)
        except BenchmarkError as error:
            reason = str(error)
        else:
            return
        if process.poll() is not None:
            raise BenchmarkError(f"it ended with exit code {process.returncode}: {_last_line(output)}")
        if time.monotonic() > deadline:
            raise BenchmarkError(f"it did not answer within {_START_SECONDS:.0f} s: {reason}")
        time.sleep(0.05)


def _last_line(output: Any) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it wrote nothing"


def _stop(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask the process group to end, and end what is left of it and of what left the group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in _marked(mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _marked(mark: str) -> list[int]:
    """The processes that have inherited the mark."""
    line = f"{_MARK}={mark}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # It has ended, or it is somebody else's.
            if line in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _memory(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:  # It has ended.
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines}
    return sizes["Rss"], sizes["Pss"]


def _processor_seconds(pid: int) -> float:
    """The processor time of all threads of a process, to the nanosecond."""
    seconds = 0.0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # It has ended.
            seconds += int(path.read_text(encoding="ascii").split()[0]) / 1e9
    return seconds
