"""Server-sent events: an answer that is sent piece by piece."""

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
from service.api.io import wait_for_disconnect
from service.api.operation import error_shape
from service.errors import LecternError

log = logging.getLogger(__name__)


class EventStream(Response):
    """A response that sends the events which a coroutine puts into it, and cancels that coroutine on disconnect.

    `begin` starts the work and returns once its first event is there. If the work fails before that, `begin` raises
    its error and nothing is streamed. A later error is sent as the last event, `{"error": ...}` with the body that
    errors of the route have.
    """

    media_type = "text/event-stream"

    def __init__(self) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._work: asyncio.Task[None] | None = None
        self._first: bytes | None = None

    def put(self, event: Any) -> None:
        """Send an event, written as JSON."""
        self._events.put_nowait(b"data: " + orjson.dumps(event, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n\n")

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start the work and wait for its first event.

        Raises:
            Exception: the error of work that fails before its first event.
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
        # Not kept: work that was cancelled has an error whose frames hold this stream.
        work, self._work = self._work, None
        assert work is not None
        disconnect = asyncio.ensure_future(wait_for_disconnect(receive))
        disconnect.add_done_callback(lambda done: work.cancel())
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            event = self._first
            while event is not None:
                await send({"type": "http.response.body", "body": event, "more_body": True})
                event = await self._events.get()
            if disconnect.done():
                raise ClientDisconnect
            if not work.cancelled() and (error := work.exception()):
                await send({"type": "http.response.body", "body": _error_event(error, scope), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            disconnect.cancel()
            work.cancel()

    def _end(self, work: asyncio.Task[None]) -> None:
        self._events.put_nowait(None)
        if not work.cancelled():
            work.exception()  # Marks it as retrieved: after a disconnect nobody else asks for it.


def _error_event(error: BaseException, scope: Scope) -> bytes:
    if not isinstance(error, LecternError):
        log.error("stream failed", exc_info=error, extra={"fields": {"path": scope["path"]}})
    body = bytes(error_response(error, error_shape(scope), scope["path"], scope["app"].context.settings.models).body)
    return b'data: {"error":' + body + b"}\n\n"
