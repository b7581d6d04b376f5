"""The life of one connection: how long it may be idle, how it ends, and what is refused on it.

`service.server.protocol` has the other half: what the connection makes of the bytes it gets.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.api.cors import Cors
from service.limits import variable
from service.server.refusals import Refusal, refusal_answer

_LINGER_SECONDS = 2.0
"""Time in which the client can read the last answer before the connection is closed under what it still sends."""
_STALL_SECONDS = 30.0
_STALL_BYTES = 65_536
"""A client must take the rest of an answer, or this much of it, in each period of `_STALL_SECONDS`."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What one connection may take."""

    header_bytes: int
    """Largest request line with headers, or trailers with chunk extensions, in bytes."""
    header_seconds: float
    """Time for the headers from their first byte, and for the first byte from the connection on."""
    keep_alive_seconds: float
    """Time for which a connection stays open without a request."""


class _Transport:
    """The transport as requests see it: closing it leaves the client time to read the answer."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self.write = transport.write
        self.close = connection.close
        self.is_closing = connection.is_closing


class Connection(HttpToolsProtocol):
    """A connection that ends when its time has passed, and ends so that its last answer arrives.

    Args:
        config: uvicorn's configuration.
        server_state: what the connections of a process share in uvicorn.
        app_state: the state of the lifespan.
        limits: what the connection may take.
        draining: set once the process is asked to stop; from then on every answer ends its connection.
        on_refusal: called with what it refuses.
        cors: adds headers for web pages of other origins to what it refuses, where some are allowed.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        draining: threading.Event,
        on_refusal: Callable[[Refusal], None],
        cors: Cors | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._draining = draining
        self._on_refusal = on_refusal
        self._cors = cors
        self._in_message = False
        """A message has begun and is not complete."""
        self._head_since = 0.0
        """When headers that are not complete began."""
        self.is_ended = False
        """Nothing more is parsed; the connection closes after the last answer."""
        self._lingering = False
        """The last answer is written; what still comes is dropped."""
        self._stall_since = 0.0
        self._stall_size = 0
        self._idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._socket = transport
        self.transport = cast(asyncio.Transport, _Transport(self, transport))
        self._idle_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        # Requests still hold this view: it must not hold the connection.
        self.transport.close = self._socket.close  # type: ignore[method-assign]
        self.transport.is_closing = self._socket.is_closing  # type: ignore[method-assign]
        self.transport = self._socket
        super().connection_lost(exc)

    @property
    def is_active(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and not self._lingering

    @property
    def waiting_since(self) -> float | None:
        """Since when it waits for a request, or for the end of its headers; None if it does neither."""
        return None if self.is_active or self.is_closing() else self._head_since or self._idle_since

    @property
    def is_aborted(self) -> bool:
        """Whether its descriptor is about to be free."""
        return self._socket.is_closing()

    def fileno(self) -> int:
        """The descriptor of its socket."""
        return int(self._socket.get_extra_info("socket").fileno())

    def is_closing(self) -> bool:
        """Whether the last answer has been written."""
        return self._lingering or self._socket.is_closing()

    def close(self) -> None:
        """Close after what was written; if the client may be sending, only when it had time to read the answer.

        A socket that is closed while data arrive is reset, and the client loses the answer.
        """
        if self._in_message or self.flow.read_paused:
            self.linger()
        elif not self.is_closing():
            self._socket.close()

    def linger(self) -> None:
        """End the answers, and drop what the client still sends until it closes its side."""
        if self.is_closing():
            return
        self._lingering = self.is_ended = True
        self._idle_since = self.loop.time()
        self.flow.resume_reading()
        if self._socket.can_write_eof():
            self._socket.write_eof()

    def close_idle(self) -> None:
        """Close a connection without a request: not by a reset, in case one is on its way."""
        if self._socket.can_write_eof():
            self.linger()
        else:
            self._socket.close()

    def abort(self) -> None:
        """Close at once; what was written may be lost."""
        self._socket.abort()

    def shutdown(self) -> None:
        """Close after the answer in progress, if there is one."""
        if self.is_active:
            self.cycle.keep_alive = False

    def give_up(self, refusal: Refusal) -> None:
        """Tell the application that its client is gone, and refuse the request whose answer has not begun."""
        self.pipeline.clear()
        self._disconnect()
        if self.cycle.response_started:
            self.abort()
        else:
            self._write_refusal(refusal)

    def _disconnect(self) -> None:
        """Tell the application that the client of the newest request is gone."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse what the client is sending. Complete requests before it are answered first; then it closes."""
        self.is_ended = True
        if not self.is_active:
            self._write_refusal(refusal)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self.pipeline:
            self._disconnect()
        else:
            self.give_up(refusal)

    def _write_refusal(self, refusal: Refusal) -> None:
        self._on_refusal(refusal)
        headers = list(self.server_state.default_headers)
        if self._cors is not None:
            scope = cast("Scope | None", self.scope)  # None before the first request begins.
            headers += self._cors.headers(scope or {"headers": []})
        self._socket.write(refusal_answer(refusal, getattr(self, "url", b""), headers))
        self.linger()

    def expire(self, now: float) -> None:
        """Close the connection if its time has passed; called about once a second."""
        if unsent := self._socket.get_write_buffer_size():
            self._expire_answer(now, unsent)
            return
        self._stall_since = 0.0
        if self._lingering:
            if now - self._idle_since > _LINGER_SECONDS:
                self.abort()
        elif self.is_active:
            return
        elif self._head_since:
            if now - self._head_since > self._limits.header_seconds:
                seconds = f"{self._limits.header_seconds:g} s ({variable('header_seconds')})"
                self._refuse(Refusal(408, f"the headers did not arrive within {seconds}"))
        else:
            first = self.cycle is None
            if now - self._idle_since > (self._limits.header_seconds if first else self._limits.keep_alive_seconds):
                self.close_idle()

    def _expire_answer(self, now: float, unsent: int) -> None:
        """Give up a client that does not read its answer."""
        if not self._stall_since or unsent <= self._stall_size - _STALL_BYTES:
            self._stall_since, self._stall_size = now, unsent
        elif now - self._stall_since > _STALL_SECONDS:
            self.abort()
