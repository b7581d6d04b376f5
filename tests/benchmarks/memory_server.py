"""`lectern serve` as a process whose memory and threads are read: for memory_sizes.py and memory_reload.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from tests.support.processes import server

_TIMEOUT = 120


@dataclass(frozen=True)
class MeasuredServer:
    """A server that is ready."""

    address: str
    process: int

    def status(self, name: str) -> int:
        """A number of /proc/PID/status: `VmRSS` and `VmHWM` in kB, `Threads`."""
        for line in Path(f"/proc/{self.process}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise KeyError(name)

    @property
    def megabytes(self) -> float:
        """Resident memory in MB."""
        return self.status("VmRSS") / 1e3

    def connect(self) -> HTTPConnection:
        """A connection to it."""
        return HTTPConnection(urlsplit(self.address).netloc, timeout=_TIMEOUT)


@contextmanager
def measured_server(models: Path, **settings: str) -> Iterator[MeasuredServer]:
    """A server with one worker process on a free port."""
    with server(models, DRAIN_SECONDS="0", **settings) as running:
        yield MeasuredServer(running.wait_for("serving", timeout=300)["address"], running.process.pid)


def post(connection: HTTPConnection, path: str, document: object, media_type: str = "application/json") -> int:
    """Send a request and read its answer; returns the status."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    connection.request("POST", path, body, {"content-type": media_type})
    answer = connection.getresponse()
    answer.read()
    return answer.status


class Sampler:
    """Reads the memory of a server every tenth of a second until the block ends.

    `samples` are pairs of seconds since the start and MB.
    """

    def __init__(self, server: MeasuredServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[tuple[float, float]] = []

    def _run(self) -> None:
        start = time.monotonic()
        while not self._stop.wait(0.1):
            self.samples.append((time.monotonic() - start, self._server.megabytes))

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def highest(self, start: float, end: float) -> float:
        """The most memory between two times, in MB."""
        return max(megabytes for seconds, megabytes in self.samples if start <= seconds < end)
