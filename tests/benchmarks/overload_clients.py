"""Clients of a server under load, without an HTTP library: they must take little of the cores that the server needs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import uvloop

_MAX_PAUSE = 2.0
"""Seconds: the most that a refused client waits, whatever Retry-After says."""


@dataclass
class Outcome:
    """What clients got within the seconds that were measured."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Of the requests answered with 200, in seconds."""
    retry_after: Counter[int] = field(default_factory=Counter)

    def add(self, other: Outcome) -> None:
        """Add what was measured at another time."""
        self.statuses += other.statuses
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.retry_after += other.retry_after

    @property
    def goodput(self) -> float:
        """Answers with 200 per second."""
        return self.statuses[200] / self.seconds


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


LIVE = b"GET /livez HTTP/1.1\r\nhost: bench\r\n\r\n"


class _Client(asyncio.Protocol):
    """A connection that sends the request again as soon as it is answered, and pauses after a 503."""

    def __init__(self, request: bytes, outcome: Outcome, window: tuple[float, float]) -> None:
        self._request, self._outcome, self._window = request, outcome, window
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        if self._transport.is_closing():
            return
        self._head = b""
        self._missing = -1  # bytes of the body; -1: the head is not complete
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._missing = int(_header(self._head[:end], b"content-length")) - (len(self._head) - end - 4)
        else:
            self._missing -= len(data)
        if self._missing == 0:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        status = int(self._head[9:12])
        pause = 0.0
        if status != 200:
            after = int(_header(self._head, b"retry-after") or 1)
            pause = min(after, _MAX_PAUSE)
        if self._window[0] <= now <= self._window[1]:
            self._outcome.statuses[status] += 1
            if status == 200:
                self._outcome.latencies.append(now - self._sent)
            else:
                self._outcome.retry_after[after] += 1
        self._loop.call_later(pause, self._send)

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self._window[1]:
            self._outcome.statuses[0] += 1


def _header(head: bytes, name: bytes) -> bytes:
    _, found, rest = head.lower().partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else b""


def load(port: int, request: bytes, clients: int, settle: float, seconds: float) -> Outcome:
    """Keep clients busy; each waits for its answer before it asks again.

    Args:
        port: of the server on this machine.
        request: its bytes.
        clients: how many connections.
        settle: seconds before the measurement begins.
        seconds: how long to measure.
    """

    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        begin = time.perf_counter() + settle
        outcome = Outcome(seconds=seconds)
        window = (begin, begin + seconds)
        connections = [
            await loop.create_connection(lambda: _Client(request, outcome, window), "127.0.0.1", port)
            for _ in range(clients)
        ]
        await asyncio.sleep(window[1] - time.perf_counter())
        while time.perf_counter() < window[1]:  # A connection that ends before counts as a failure of the server.
            await asyncio.sleep(0.001)
        for transport, _ in connections:
            transport.abort()
        return outcome

    return uvloop.run(main())


def probe(port: int, request: bytes, delay: float, seconds: float, interval: float = 0.02) -> list[float]:
    """Send one request after another, each `interval` after the last answer; their latencies in seconds."""
    latencies = []
    time.sleep(delay)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while (sent := time.perf_counter()) < end or not latencies:
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or not _is_complete(answer):
                answer += connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            latencies.append(time.perf_counter() - sent)
            time.sleep(interval)
    return latencies


def _is_complete(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return len(body) >= int(_header(head, b"content-length"))
