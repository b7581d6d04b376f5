"""One request of a connection and its answer: uvicorn's, with whole answers at once and answers in HTTP/1.0."""

from __future__ import annotations

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class Cycle(RequestResponseCycle):
    """A request and its answer, by ASGI's `receive` and `send` or by `respond`."""

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Write a whole answer, unless the client has left.

        Args:
            status: of the answer.
            headers: its headers, content-length among them.
            body: its body.
        """
        # As after an ASGI answer: otherwise the connection and its last request would hold each other.
        on_response, self.on_response = self.on_response, _nothing
        if self.disconnected or self.transport.is_closing():
            return
        if (b"connection", b"close") in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b": ".join(header) for header in (*self.default_headers, *headers)]
        self.transport.write(STATUS_LINE[status] + b"\r\n".join((*lines, b"", body)))
        self.response_started = self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
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
