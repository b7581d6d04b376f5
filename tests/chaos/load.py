"""Clients that ask a server again and again over persistent connections, and count what became of every request."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import orjson

from tests.support.classify_requests import pixels

BODY = orjson.dumps({"model": "digits", **pixels(7)})
HEADERS = {"content-type": "application/json"}


@dataclass
class Outcomes:
    """What became of the requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    """Answers of status 200 with another label than the right one."""
    refused: int = 0
    """Connections that could not be made: nothing was sent."""
    lost: int = 0
    """Requests that were sent, and whose connection ended without a whole answer."""
    times: list[float] = field(default_factory=list)
    """When each answer of status 200 came, as time.monotonic()."""
    slowest: float = 0.0
    """Seconds of the slowest answer."""

    def rate(self, begin: float, end: float) -> float:
        """Answers a second between two times."""
        return sum(begin <= moment < end for moment in self.times) / max(end - begin, 1e-9)


class Load:
    """Clients in threads, each with one request at a time; the block's end stops them.

    Args:
        address: host and port.
        clients: number of clients.
        pause: seconds between an answer and the next request of the same client.
    """

    def __init__(self, address: tuple[str, int], *, clients: int = 8, pause: float = 0.0) -> None:
        self.outcomes = Outcomes()
        self._address = address
        self._pause = pause
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        while not self._ended.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                with self._lock:
                    self.outcomes.refused += 1
                time.sleep(0.02)
                continue
            begin = time.monotonic()
            try:
                connection.request("POST", "/v1/classify", BODY, HEADERS)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with self._lock:
                    self.outcomes.lost += 1
                continue
            self._count(answer.status, body, begin)
            if answer.will_close:
                connection.close()
            if self._pause:
                time.sleep(self._pause)
        connection.close()

    def _count(self, status: int, body: bytes, begin: float) -> None:
        now = time.monotonic()
        right = status != 200 or orjson.loads(body)["results"][0]["predictions"][0]["label"] == "7"
        with self._lock:
            self.outcomes.statuses[status] += 1
            self.outcomes.wrong += not right
            self.outcomes.slowest = max(self.outcomes.slowest, now - begin)
            if status == 200:
                self.outcomes.times.append(now)
