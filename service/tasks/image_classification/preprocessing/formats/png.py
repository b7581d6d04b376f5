"""The chunks of a PNG file (W3C PNG 3, section 5)."""

from __future__ import annotations

import struct
import zlib

from service.tasks.image_classification.preprocessing.formats.base import (
    FileLimits,
    InspectedFile,
    PartCounter,
    damaged,
)
from service.tasks.image_classification.preprocessing.formats.exif import read_orientation

_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""Chunks that pixels are made of. Others hold texts and profiles, whose compressed content may be of any size."""

_SHORT_GRAYS = (b"\x02\x00", b"\x04\x00")
"""Bit depth and color type of gray with 2 and with 4 bits."""


def inspect_png(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the size, keep the needed chunks and count the frames of an animation."""
    parts = PartCounter("PNG", limits.max_parts)
    needed = [data[:8]]
    exif, frames = b"", 1
    position = 8
    if data[12:16] != b"IHDR":
        raise damaged("PNG")
    width, height = struct.unpack_from(">II", data, 16)
    while position + 8 <= len(data):
        parts.add()
        (length,) = struct.unpack_from(">I", data, position)
        kind, end = data[position + 4 : position + 8], position + 12 + length
        if kind == b"IHDR" and position != 8:  # Pillow would take the size from the last one.
            raise damaged("PNG")
        if kind == b"tRNS" and data[24:26] in _SHORT_GRAYS:
            needed.append(_scaled_transparency(data[position:end], data[24]))
        elif kind in _NEEDED:
            needed.append(data[position:end])
        elif kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif kind == b"acTL" and len(needed) > 1 and length >= 4:
            frames = min(2, *struct.unpack_from(">I", data, position + 8)) or 1
        if kind == b"IEND":
            break
        position = end
    return InspectedFile(
        width=width, height=height, content=b"".join(needed), orientation=read_orientation(exif), frames=frames
    )


def _scaled_transparency(chunk: bytes, bits: int) -> bytes:
    """The chunk of a transparent gray level of few bits, scaled to the 8 bits to which Pillow scales the pixels."""
    (level,) = struct.unpack_from(">H", chunk, 8)
    body = b"tRNS" + struct.pack(">H", level * 255 // (2**bits - 1) & 0xFFFF)
    return chunk[:4] + body + struct.pack(">I", zlib.crc32(body))
