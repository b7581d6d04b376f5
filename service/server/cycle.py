"""One request of a connection and its answer: uvicorn's, with whole answers at once and answers in HTTP/1.0."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = Sequence[tuple[bytes, bytes]]


class Cycle(RequestResponseCycle):
    """A request and its answer, by ASGI's `receive` and `send` or by `respond`."""

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Write a whole answer, unless the client has left.

        Args:
            status: of the answer.
            headers: its headers, content-length among them.
            body: its body.
        """
        _respond(self, status, headers, body)
        self.message_event.set()


class RepeatedCycle:
    """A request that repeats the head of the one before, and its answer by `respond`: a `Cycle` without ASGI's part.

    Args:
        transport: of the connection.
        default_headers: those of every answer of the server.
        on_response: called when the answer is written.
        keep_alive: whether the connection goes on after the answer.
    """

    __slots__ = (
        "default_headers", "disconnected", "keep_alive", "on_response", "response_complete", "response_started",
        "transport",
    )  # fmt: skip

    more_body = False

    def __init__(
        self,
        transport: asyncio.Transport,
        default_headers: Headers,
        on_response: Callable[[], None],
        *,
        keep_alive: bool,
    ) -> None:
        self.transport = transport
        self.default_headers = default_headers
        self.on_response = on_response
        self.keep_alive = keep_alive
        self.disconnected = self.response_started = self.response_complete = False

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """As `Cycle.respond`."""
        _respond(self, status, headers, body)

    @property
    def message_event(self) -> _NobodyWaits:
        """Of a request that is received in parts."""
        return _NOBODY_WAITS


class _NobodyWaits:
    """The event of a request whose body is complete."""

    def set(self) -> None:
        """Do nothing."""


_NOBODY_WAITS = _NobodyWaits()


class _Answerable(Protocol):
    """What a cycle must have for `_respond`."""

    transport: asyncio.Transport
    on_response: Callable[..., None]
    disconnected: bool
    keep_alive: bool
    response_started: bool
    response_complete: bool

    @property
    def default_headers(self) -> Headers: ...


def _respond(cycle: _Answerable, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    # As after an ASGI answer: otherwise the connection and its last request would hold each other.
    on_response, cycle.on_response = cycle.on_response, _nothing
    transport = cycle.transport
    if cycle.disconnected or transport.is_closing():
        return
    if (b"connection", b"close") in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        headers.append((b"connection", b"close"))
    lines = [b": ".join(header) for header in (*cycle.default_headers, *headers)]
    transport.write(STATUS_LINE[status] + b"\r\n".join((*lines, b"", body)))
    cycle.response_started = cycle.response_complete = True
    if not cycle.keep_alive:
        transport.close()
    on_response()


def _nothing() -> None:
    """What follows an answer that is complete."""


class Http10Cycle(Cycle):
    """An answer in HTTP/1.0, which has no chunks: one of unknown length ends with its connection (RFC 9112, 6.3).

    uvicorn would send it in chunks.
    """

    _ends_with_connection = False

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._ends_with_connection = all(name != b"content-length" for name, _ in message["headers"])
            if self._ends_with_connection:
                self.chunked_encoding = False
        elif self._ends_with_connection and message["type"] == "http.response.body":
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
