"""Counts what a message holds before it is parsed: two bytes of an empty field may become a hundred in memory.

Source of the encoding: protobuf's "Encoding", https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from service.errors import LimitExceeded, MalformedBody

MAX_FIELDS = 1024
"""Fields of a message, or of one of its tensors: each input, output, parameter and size of an axis is one."""

MAX_ELEMENTS = 65_536
"""Elements of the contents of a tensor that are fields of their own: texts and files. Numbers are packed into one."""

_CONTENTS = 5
"""Number of the field `contents` of an input."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


def check_fields(body: bytes, tensors: Collection[int] = ()) -> None:
    """Check that a message and each of its tensors have at most `MAX_FIELDS` fields, and contents `MAX_ELEMENTS`.

    Args:
        body: the message as it came.
        tensors: the numbers of its fields that are tensors.

    Raises:
        LimitExceeded: there are more.
        MalformedBody: it is no message.
    """
    view = memoryview(body)
    for number, start, end in _fields(view, 0, len(view)):
        if number in tensors:
            for inner, first, last in _fields(view, start, end):
                if inner == _CONTENTS:
                    deque(_fields(view, first, last, MAX_ELEMENTS), maxlen=0)


def _fields(view: memoryview, position: int, end: int, most: int = MAX_FIELDS) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field, and where its content begins and ends."""
    count = 0
    while position < end:
        count += 1
        if count > most:
            raise LimitExceeded(f"a message, a tensor or its contents have more than {most} fields; send several")
        tag, position = _varint(view, position, end)
        kind = tag & 7
        if kind == _BYTES:
            size, position = _varint(view, position, end)
        elif kind in _SIZES:
            size = _SIZES[kind]
        elif kind == _VARINT:
            size = _varint(view, position, end)[1] - position
        else:
            raise MalformedBody("the message has fields that protobuf no longer has")
        if size > end - position:
            raise MalformedBody("the message is cut short")
        yield tag >> 3, position, position + size
        position += size


def _varint(view: memoryview, position: int, end: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = 0
    for index in range(min(10, end - position)):
        byte = view[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise MalformedBody("the message is cut short")
