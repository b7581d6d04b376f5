"""A request made of raw ASGI messages."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message


class Caller:
    """A POST of JSON whose client can disconnect at any time; without a client library, which may leave cycles.

    Args:
        body: the content.
        path: the route.
        complete: whether the content ends with `body`.
    """

    def __init__(self, body: bytes, path: str = "/v1/classify", *, complete: bool = True) -> None:
        self.messages: list[Message] = []
        """The answer so far."""
        self.disconnected = asyncio.Event()
        self._request: list[Message] = [{"type": "http.request", "body": body, "more_body": not complete}]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json"), (b"host", b"lectern")],
            "client": ("127.0.0.1", 1),
            "server": ("lectern", 80),
            "scheme": "http",
        }

    async def call(self, app: ASGIApp) -> None:
        """Send the request to an application, until it has answered."""
        await app(self._scope, self._receive, self._send)

    @property
    def status(self) -> int:
        """The status of the answer."""
        status: int = self.messages[0]["status"]
        return status

    async def _receive(self) -> Message:
        if self._request:
            return self._request.pop()
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
