"""The head of a request that its client repeats, as programs do on a connection that they keep."""

from __future__ import annotations

import re
from typing import Any

from starlette.types import Scope

_MAX_DIGITS = 6
_NAME = b"content-length"
_LENGTH = re.compile(rb"(.*\n%b:[ \t]*)([0-9]{1,%d})(\r\n.*)" % (_NAME, _MAX_DIGITS), re.DOTALL | re.IGNORECASE)
_END = b"\r\n\r\n"


class RepeatedHead:
    """The head of a request that was parsed; a request that repeats it is split without the parser.

    It repeats it if all bytes are the same, but for the number in Content-Length. What the parser reports of a message
    follows from its bytes alone, so what it reported of the first head is true of the second.

    Args:
        before: the head up to the digits of Content-Length.
        after: the head from there on, with the empty line.
        target: of the request line.
        scope: what the parser and the inline path made of it.
    """

    __slots__ = ("_after", "_before", "_head", "_headers", "_position", "_scope", "_size", "target")

    def __init__(self, before: bytes, after: bytes, target: bytes, scope: Scope) -> None:
        self.target = target
        self._before = before
        self._after = after
        self._scope = scope
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._position = [name for name, _ in self._headers].index(_NAME)
        self._head = before + self._headers[self._position][1] + after
        """The whole head of the last request, with its length."""
        self._size = len(self._head) + int(self._headers[self._position][1])
        """Bytes of the last request with its body."""

    @classmethod
    def of(cls, data: Any, target: bytes, scope: Scope) -> RepeatedHead | None:
        """The head of the request that the parser has read; None if `data` is not all of one ordinary request.

        Args:
            data: the bytes that the parser was given.
            target: the target that it reported.
            scope: what came of the head, before it was answered.
        """
        if type(data) is not bytes:
            return None
        end = data.find(_END) + len(_END)
        match = _LENGTH.fullmatch(data, 0, end)
        if match is None or int(match[2]) != len(data) - end:
            return None
        if data.count(b"\n", 0, end) != data.count(b"\r\n", 0, end):  # Then the empty line may be another one.
            return None
        return cls(match[1], match[3], target, scope)

    def split(self, data: Any) -> tuple[Scope, bytes] | None:
        """The scope and the body of another request; None if `data` is not all of one that repeats the head."""
        if type(data) is not bytes:
            return None
        if not (len(data) == self._size and data.startswith(self._head)) and not self._take_length(data):
            return None
        scope = {**self._scope, "state": self._scope["state"].copy(), "headers": self._headers}
        return scope, data[len(self._head) :]

    def _take_length(self, data: bytes) -> bool:
        """Take over another Content-Length; False if `data` is not all of one request that repeats the rest."""
        before, after = self._before, self._after
        if not data.startswith(before):
            return False
        end = data.find(b"\r", len(before), len(before) + _MAX_DIGITS + 1)
        length = data[len(before) : end]
        begin = end + len(after)
        if not length.isdigit() or not data.startswith(after, end) or len(data) - begin != int(length):
            return False
        self._headers = self._headers.copy()
        self._headers[self._position] = (_NAME, length)
        self._head, self._size = data[:begin], len(data)
        return True
