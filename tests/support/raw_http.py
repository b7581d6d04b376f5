"""Raw HTTP/1.1 on a socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import orjson

from tests.support.classify_requests import pixels

BODY = orjson.dumps(pixels(7))


class Connection:
    """A connection that speaks raw HTTP/1.1."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")

    def send(self, head: str, body: bytes = b"") -> None:
        """Send a request line with headers, and a body or a part of it."""
        self.send_bytes(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def classify(self, body: bytes = BODY, *headers: str) -> None:
        """Send a complete request to /v1/classify."""
        lines = ["POST /v1/classify HTTP/1.1", "host: x", "content-type: application/json", *headers]
        self.send("\n".join([*lines, f"content-length: {len(body)}"]), body)

    def answer(self) -> tuple[int, bytes]:
        """Read one answer: its status and body."""
        status, _, body = self.full_answer()
        return status, body

    def full_answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: its status, headers and body, unless it has none, as that to HEAD."""
        status = int(self._stream.readline().split()[1])
        headers = {}
        while (line := self._stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self._stream.read(int(headers.get("content-length", "0")) if has_body else 0)

    def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        parts = []
        try:
            while part := self._stream.read1(65536):
                parts.append(part)
        except ConnectionError:
            pass
        return b"".join(parts)

    def set_timeout(self, seconds: float) -> None:
        """Wait no longer than this for the server to send or to take anything."""
        self._socket.settimeout(seconds)

    def at_end(self) -> bool:
        """Whether the server has closed the connection."""
        return self._stream.read(1) == b""

    def close(self) -> None:
        """Close it."""
        self._stream.close()


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A new connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as raw:
        connection = Connection(raw)
        try:
            yield connection
        finally:
            connection.close()
