"""Server-sent events: an answer that comes piece by piece."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.errors import error_response
from service.errors import LecternError

log = logging.getLogger(__name__)


class EventStream(Response):
    """A response of the events that some work puts into it; the work is cancelled when the client leaves.

    `begin` starts the work and returns with its first event, or raises what it ended in before any: then there is no
    stream. What goes wrong later is the last event, `{"error": …}` with the body that the route's errors have.

    Args:
        path: of the route.
    """

    media_type = "text/event-stream"

    def __init__(self, path: str) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._path = path
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._work: asyncio.Task[None] | None = None
        self._first: bytes | None = None

    def put(self, event: Any) -> None:
        """Send an event; it is JSON."""
        self._events.put_nowait(b"data: " + orjson.dumps(event, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n\n")

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start the work and wait for its first event.

        Raises:
            Exception: that the work ended in before any.
        """
        self._work = asyncio.ensure_future(work)
        self._work.add_done_callback(self._end)
        try:
            self._first = await self._events.get()
        except asyncio.CancelledError:
            self._work.cancel()
            raise
        if self._first is None:
            await self._work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._work is not None
        leaving = asyncio.ensure_future(_left(receive))
        leaving.add_done_callback(lambda done: self._work and self._work.cancel())
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            event = self._first
            while event is not None:
                await send({"type": "http.response.body", "body": event, "more_body": True})
                event = await self._events.get()
            if leaving.done():
                raise ClientDisconnect
            if not self._work.cancelled() and (error := self._work.exception()):
                await send({"type": "http.response.body", "body": self._last(error), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            self._work.cancel()

    def _end(self, work: asyncio.Task[None]) -> None:
        self._events.put_nowait(None)
        if not work.cancelled():
            work.exception()  # Nobody may be left to ask for it.

    def _last(self, error: BaseException) -> bytes:
        if not isinstance(error, LecternError):
            log.error("stream failed", exc_info=error, extra={"fields": {"path": self._path}})
        body = bytes(error_response(error, self._path).body)
        return b'data: {"error":' + body + b"}\n\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
