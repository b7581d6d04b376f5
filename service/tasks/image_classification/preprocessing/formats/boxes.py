"""Boxes of the ISO base media file format (ISO/IEC 14496-12), of which AVIF and HEIC files consist."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from service.tasks.image_classification.preprocessing.formats.base import PartCounter


class Box(NamedTuple):
    """A box: its kind, and where its content is in the file."""

    kind: bytes
    start: int
    end: int


class Fields:
    """Reads big-endian integers one after another.

    Args:
        data: the file.
        start: offset of the first field.
        end: offset behind the last one.
    """

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._end = end
        self.position = start

    def integer(self, size: int) -> int:
        """An unsigned integer of `size` bytes.

        Raises:
            ValueError: the content ends before.
        """
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        """The next `size` bytes.

        Raises:
            ValueError: the content ends before.
        """
        end = self.position + size
        if end > self._end:
            raise ValueError("a box is shorter than its fields")
        content = self._data[self.position : end]
        self.position = end
        return content


def read_boxes(data: bytes, start: int, end: int, parts: PartCounter) -> Iterator[Box]:
    """The boxes between two offsets, one after another.

    Raises:
        ValueError: a box is longer than what contains it.
        ImageTooComplexError: there are more parts than allowed.
    """
    while start + 8 <= end:
        parts.add()
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:  # up to the end of what contains it
            size = end - start
        if size < header or start + size > end:
            raise ValueError("a box is longer than what contains it")
        yield Box(kind, start + header, start + size)
        start += size


def full_box(data: bytes, box: Box) -> tuple[int, int, Fields]:
    """The version, the flags and the fields of a box that begins with them."""
    fields = Fields(data, box.start, box.end)
    return fields.integer(1), fields.integer(3), fields


def write_box(kind: bytes, *content: bytes) -> bytes:
    """A box as bytes."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body
