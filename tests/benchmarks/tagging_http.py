"""`lectern serve` on one core, and a client on another that keeps connections busy: tagging.py and translation.py."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from contenders import ONE_THREAD, BenchmarkError, Measured, Row, Tags, pin

_TIMEOUT = 60


@dataclass(frozen=True)
class Server:
    """A server that is ready."""

    address: str
    model: str
    process: int
    about: str


@contextmanager
def server(bundle: Path, folder: Path, core: int | None) -> Iterator[Server]:
    """`lectern serve` with one worker process, all defaults, and this model alone."""
    models = folder / "models"
    shutil.copytree(bundle, models / bundle.parent.name / bundle.name)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")}
    env |= {"LECTERN_PORT": "0", "LECTERN_WORKERS": "1", "LECTERN_MODELS": str(models), "LECTERN_DRAIN_SECONDS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve"],
        stderr=subprocess.PIPE, text=True, env=env | ONE_THREAD, preexec_fn=pin(core),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        log: list[dict[str, object]] = []
        text = ""
        for line in process.stderr:
            text += line
            log.append(json.loads(line) if line.startswith("{") else {})
            if "address" in log[-1]:
                break
        else:
            raise BenchmarkError(f"the server did not start:\n{text}")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop the server
        ready: dict[str, object] = next((entry for entry in log if "warm_up_ms" in entry), {})
        about = f"one worker, warm-up {ready.get('warm_up_ms')} ms, inline: {ready.get('inline')}"
        yield Server(str(log[-1]["address"]), bundle.parent.name, process.pid, about)
    finally:
        process.terminate()
        process.wait()


class Client:
    """Requests by POST; `busiest` is the greatest share of a core that it took itself.

    Args:
        server: who answers.
        core: where the client runs.
        route: to where.
    """

    def __init__(self, server: Server, core: int | None, route: str = "/v1/tag") -> None:
        self._server = server
        self._core = core
        self._route = route
        self.busiest = 0.0

    def rows(self, field: str, batches: Sequence[Sequence[object]], connections: Sequence[int]) -> list[Row]:
        """A row for each number of connections; all batches are asked for once, and the answers read.

        Args:
            field: `tokens` or `texts`.
            batches: the value of it in each request.
            connections: how many are kept busy at a time.
        """
        bodies = [orjson.dumps({"model": self._server.model, field: batch}) for batch in batches]
        tags: Tags = []
        words = []
        for results in self.answers(bodies):
            predicted = [[token["tag"] for token in result["tokens"]] for result in results]
            words.append(sum(map(len, predicted)))
            tags += predicted
        return [
            Row(
                name=f"HTTP, {field}, {many} connection{'s' * (many > 1)}",
                measure=lambda seconds, many=many: self.measure(bodies, words, many, seconds),  # type: ignore[misc]
                tags=tags if field == "tokens" else None,
            )
            for many in connections
        ]

    def answers(self, bodies: Sequence[bytes]) -> list[list[Any]]:
        """The results of each request, one at a time."""
        connection = self._connect()
        try:
            return [orjson.loads(self._post(connection, body))["results"] for body in bodies]
        finally:
            connection.close()

    def measure(self, bodies: Sequence[bytes], words: Sequence[int], connections: int, seconds: float) -> Measured:
        """Send all bodies again and again, until at least so long has passed and all were sent equally often.

        Args:
            bodies: the requests.
            words: how many each of them counts.
            connections: how many are kept busy at a time.
            seconds: how long at least.
        """
        turns = _Turns(len(bodies), seconds)
        failures: list[BaseException] = []

        def work() -> None:
            if self._core is not None:
                os.sched_setaffinity(0, {self._core})
            connection = self._connect()
            try:
                for index in turns:
                    self._post(connection, bodies[index])
            except (BenchmarkError, OSError, http.client.HTTPException) as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(connections)]
        cpu, own = _cpu_seconds(self._server.process), time.process_time()
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - begun
        if failures:
            raise BenchmarkError(f"a request failed: {failures[0]!r}") from failures[0]
        self.busiest = max(self.busiest, (time.process_time() - own) / elapsed)
        return Measured(turns.passes * sum(words), elapsed, _cpu_seconds(self._server.process) - cpu)

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> bytes:
        connection.request("POST", self._route, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise BenchmarkError(f"the server answered {answer.status}: {content[:500].decode(errors='replace')}")
        return content

    def _connect(self) -> http.client.HTTPConnection:
        address = urlsplit(self._server.address)
        return http.client.HTTPConnection(str(address.hostname), address.port, timeout=_TIMEOUT)


class _Turns:
    """Which body is next, for several threads: whole passes over all of them, for at least so many seconds."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._end = time.perf_counter() + seconds
        self._next = 0
        self._lock = threading.Lock()
        self.passes = 1

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                if self._next == self.passes * self._count:
                    if time.perf_counter() >= self._end:
                        return
                    self.passes += 1
                index = self._next % self._count
                self._next += 1
            yield index


def _cpu_seconds(process: int) -> float:
    """Processor seconds of a process so far; NaN if the system does not report them."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
