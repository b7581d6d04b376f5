"""Messages between the supervisor and a worker process: one JSON object a line, over a pair of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import orjson

Message = dict[str, Any]
"""`kind` says what it is; the other keys depend on it."""

_CHUNK = 65_536


class Channel:
    """One end of a pair of connected sockets.

    Args:
        end: the socket; the channel owns it from now on.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._received = bytearray()
        self._sending = asyncio.Lock()

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message and return once the kernel has all of it; without effect if the other end is closed."""
        line = orjson.dumps({"kind": kind, **fields}, option=orjson.OPT_NON_STR_KEYS) + b"\n"
        async with self._sending:
            with contextlib.suppress(OSError):  # Who reads learns of a closed end.
                await asyncio.get_running_loop().sock_sendall(self._socket, line)

    async def receive(self) -> Message | None:
        """The next message, or None once the other end is closed. It may be canceled without losing a message."""
        while (end := self._received.find(b"\n")) < 0:
            try:
                chunk = await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)
            except OSError:
                return None
            if not chunk:
                return None
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        message: Message = orjson.loads(line)
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
