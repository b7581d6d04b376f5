"""The chunks of a WebP file (RFC 9649)."""

from __future__ import annotations

import struct

from service.tasks.image_classification.preprocessing.formats.base import (
    FileLimits,
    InspectedFile,
    PartCounter,
    damaged,
)
from service.tasks.image_classification.preprocessing.formats.exif import read_orientation

_NEEDED = frozenset({b"ALPH", b"VP8 ", b"VP8L", b"ANIM", b"ANMF"})
_HAS_ALPHA, _IS_ANIMATED = 0x10, 0x02
"""The flags of the extended header whose chunks are kept."""


def inspect_webp(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the size of the canvas, keep the needed chunks and count the frames of an animation."""
    parts = PartCounter("WebP", limits.max_parts)
    needed: list[bytes] = []
    exif, frames = b"", 0
    position = 12
    while position + 8 <= len(data):
        parts.add()
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + length % 2
        if kind == b"VP8X":
            flags = data[position + 8] & (_HAS_ALPHA | _IS_ANIMATED)
            needed.append(data[position : position + 8] + bytes([flags]) + data[position + 9 : end])
        elif kind in _NEEDED:
            needed.append(data[position:end])
            frames += kind == b"ANMF"
        elif kind == b"EXIF":
            exif = data[position + 8 : position + 8 + length]
        position = end
    width, height = _size(needed[0]) if needed else _size(data[12:30])
    chunks = b"".join(needed)
    content = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
    return InspectedFile(
        width=width,
        height=height,
        content=content,
        orientation=read_orientation(exif),
        frames=max(1, min(2, frames)),
        is_animation=frames > 0,
    )


def _size(chunk: bytes) -> tuple[int, int]:
    """Width and height, from the beginning of the first chunk."""
    kind, body = chunk[:4], chunk[8:18]
    try:
        if kind == b"VP8X":
            return _uint24(body, 4) + 1, _uint24(body, 7) + 1
        if kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", body, 1)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            return width & 0x3FFF, height & 0x3FFF
    except (struct.error, IndexError):
        pass
    raise damaged("WebP")


def _uint24(data: bytes, position: int) -> int:
    return data[position] | data[position + 1] << 8 | data[position + 2] << 16
