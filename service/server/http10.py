"""Answers to clients of HTTP/1.0."""

from __future__ import annotations

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Http10Cycle(RequestResponseCycle):
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
