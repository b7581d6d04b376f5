"""A server under test: its log, its memory, and how long its liveness probe had to wait."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from tests.support.processes import ROOT, environment

MODELS = ROOT / "models"
"""The shipped models."""

_START_SECONDS = 180
_MOST_MB = 4_000


class Server:
    """`lectern serve` as a process of its own, on a free port, with its log in a file.

    Args:
        models: the model repository.
        descriptors: how many file descriptors it may have; None leaves the limit of this process.
        settings: further settings by name, without the prefix `LECTERN_`.
    """

    def __init__(self, models: Path = MODELS, *, descriptors: int | None = None, **settings: str) -> None:
        limit = f"ulimit -n {descriptors}; " if descriptors else ""
        self._command = ["sh", "-c", f'{limit}exec "$@"', "sh", sys.executable, "-m", "service", "serve"]
        self._folder = tempfile.TemporaryDirectory(prefix="lectern-server-")
        self.log = Path(self._folder.name) / "log"
        self._settings = {"MODELS": str(models), "PORT": "0", **settings}
        self.process: subprocess.Popen[bytes]
        self.url = ""

    def __enter__(self) -> Server:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                env=environment(**self._settings),
                cwd=ROOT,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.url = self._wait_until_serving()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        self._folder.cleanup()

    def kill(self) -> None:
        """Kill the server with all its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(15)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 80)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def text(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace")

    def messages(self) -> list[str]:
        """The `message` of every log line."""
        lines = (line for line in self.text().splitlines() if line.startswith("{"))
        return [str(json.loads(line).get("message", "")) for line in lines]

    def log_faults(self) -> list[str]:
        """What must not be in the log: tracebacks, and lines that are no log line, such as warnings of numpy."""
        return log_faults(self.text())

    def processes(self) -> list[int]:
        """The server and its descendants, by process id."""
        return [self.process.pid, *_descendants(self.process.pid)]

    def rss(self) -> float:
        """Resident memory of the server and its descendants, in megabytes; shared pages count once per process."""
        return sum(_rss(process) for process in self.processes())

    def threads(self) -> int:
        """Number of threads of the server and its descendants."""
        return sum(_status(process, "Threads") for process in self.processes())

    def descriptors(self) -> int:
        """Number of open file descriptors of the server's own process."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _wait_until_serving(self) -> str:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self.alive:
            for line in self.text().splitlines():
                if line.startswith("{") and '"message":"serving"' in line and line.endswith("}"):
                    return str(json.loads(line)["address"])
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.text()}")


class LivenessProbe:
    """Asks `/livez` all the time from a process of its own, and says how long it had to wait.

    The time by which the probe's own process overslept is subtracted: on a busy machine that is not the server's.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.count = 0
        self.failures = 0
        self.p99 = self.longest = float("nan")
        """Seconds."""

    def __enter__(self) -> LivenessProbe:
        host, port = self._server.address
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROBE, host, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        output, _ = self._process.communicate(b"\n", timeout=90)
        result = json.loads(output)
        waits = sorted(result["waits"])
        self.count, self.failures = len(waits), result["failures"]
        if waits:
            self.longest = waits[-1]
            self.p99 = statistics.quantiles(waits, n=100)[98] if len(waits) > 1 else waits[0]


_PROBE = """
import json, socket, sys, threading, time
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(1), ended.set()), daemon=True).start()
waits, failures, connection, late = [], 0, None, 0.0
while not ended.is_set():
    begin = time.perf_counter()
    try:
        if connection is None:
            connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"GET /livez HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
        data = b""
        while b"live" not in data:
            part = connection.recv(4096)
            if not part:
                raise OSError("closed")
            data += part
        if not data.startswith(b"HTTP/1.1 200"):
            raise OSError(data[:30])
        waits.append(max(0.0, time.perf_counter() - begin - late))
    except OSError:
        failures += 1
        connection = None
    before = time.perf_counter()
    time.sleep(0.01)
    late = max(0.0, time.perf_counter() - before - 0.012)
print(json.dumps({"waits": waits, "failures": failures}))
"""


class MemoryWatch:
    """Reads the memory of a server every tenth of a second; `peak` is the highest value, in megabytes.

    A server above `_MOST_MB` is killed before the machine runs out of memory.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = threading.Event()
        self.before = server.rss()
        self.peak = self.before
        self.after = self.before

    def __enter__(self) -> MemoryWatch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.after = self._server.rss()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.peak = max(self.peak, self._server.rss())
            if self.peak > _MOST_MB and self._server.alive:
                self._server.kill()


def log_faults(text: str) -> list[str]:
    """The lines of a log that must not be there: tracebacks, and what is no log line."""
    faults = []
    for line in text.splitlines():
        if line.startswith("{"):
            if "Traceback (most recent call last)" in line:
                faults.append(line[:2000])
        elif line.strip():
            faults.append(line[:500])
    return faults


@contextmanager
def watched(server: Server) -> Iterator[tuple[MemoryWatch, LivenessProbe]]:
    """Watch memory and liveness of a server while the block runs."""
    with LivenessProbe(server) as probe, MemoryWatch(server) as memory:
        yield memory, probe


def _descendants(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [found for child in children for found in (int(child), *_descendants(int(child)))]


def _rss(process: int) -> float:
    return _status(process, "VmRSS") / 1024


def _status(process: int, field: str) -> int:
    """A number of /proc/<process>/status; 0 if the process has ended."""
    try:
        found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
