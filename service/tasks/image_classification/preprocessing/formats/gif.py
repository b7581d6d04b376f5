"""The blocks of a GIF file (GIF89a specification, sections 15 to 27)."""

from __future__ import annotations

import struct

from service.tasks.image_classification.preprocessing.formats.base import (
    FileLimits,
    InspectedFile,
    PartCounter,
    damaged,
)

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
"""The extension that holds the transparent color; the others hold comments, texts and the data of programs."""

_SMALL_BLOCK = 64
"""Bytes of a data block below which it counts as a part: the blocks of ordinary files hold 255 bytes each."""


def inspect_gif(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the size of the canvas, keep the first frame and count the frames."""
    parts = PartCounter("GIF", limits.max_parts)
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _color_table_bytes(flags)
    needed = [data[:position]]
    frames = 0
    while position < len(data):
        parts.add()
        start, kind = position, data[position]
        if kind == _EXTENSION:
            label = data[position + 1] if position + 1 < len(data) else None
            position = _skip_data_blocks(data, position + 2, parts)
            if label == _GRAPHIC_CONTROL:
                needed.append(data[start:position])
        elif kind == _IMAGE:
            frames += 1
            if frames > 1:
                break
            left, top, columns, rows, flags = struct.unpack_from("<HHHHB", data, position + 1)
            # The canvas grows to hold a frame that exceeds it, as Pillow does.
            width, height = max(width, left + columns), max(height, top + rows)
            position = _skip_data_blocks(data, position + 11 + _color_table_bytes(flags), parts)
            needed.append(data[start:position])
        else:  # the trailer, or bytes that are no block
            break
    if frames == 0:
        raise damaged("GIF")
    needed.append(bytes([_TRAILER]))
    return InspectedFile(width=width, height=height, content=b"".join(needed), frames=frames)


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_data_blocks(data: bytes, position: int, parts: PartCounter) -> int:
    """The position after a sequence of data blocks; the end of the file if it is not complete."""
    end = len(data)
    while position < end:
        size = data[position]
        position += 1 + size
        if size == 0:
            return position
        if size < _SMALL_BLOCK:
            parts.add()
    return end
