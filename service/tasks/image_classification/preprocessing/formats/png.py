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

_PLAIN_GRAY = b"\x08\x00\x00\x00\x00"
"""Bit depth, color type, compression, filter and interlace method of 8-bit gray without interlacing."""
_LAST_FILTER = 4
"""The highest type of filter that a row may have: Paeth."""
_MAX_PLAIN_PIXELS = 128 * 128
"""Files above this size are not read a second time to find out whether they are plain."""

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
        width=width,
        height=height,
        content=b"".join(needed),
        orientation=read_orientation(exif) if exif else 1,
        frames=frames,
        # Rows without columns still have a byte each: such files would be decompressed to any size.
        is_plain=0 < width * height <= _MAX_PLAIN_PIXELS and _is_plain(needed[1:], width, height),
    )


def _is_plain(chunks: list[bytes], width: int, height: int) -> bool:
    """Whether the chunks of a file are those of 8-bit gray without transparency and interlacing, and are undamaged.

    Decoders differ in what they make of damage; all other pixels follow from the standard (sections 9 and 10).
    """
    if len(chunks) < 3 or chunks[0][16:21] != _PLAIN_GRAY:
        return False
    if [chunk[4:8] for chunk in chunks] != [b"IHDR", *[b"IDAT"] * (len(chunks) - 2), b"IEND"]:
        return False
    for chunk in chunks:
        size, checksum = int.from_bytes(chunk[:4], "big"), int.from_bytes(chunk[-4:], "big")
        if size != len(chunk) - 12 or checksum != zlib.crc32(chunk[4:-4]):
            return False
    stream, expected = zlib.decompressobj(), height * (width + 1)
    try:
        rows = stream.decompress(b"".join([chunk[8:-4] for chunk in chunks[1:-1]]), expected + 1)
    except zlib.error:
        return False
    if len(rows) != expected or not stream.eof or stream.unused_data:
        return False
    return max(rows[:: width + 1], default=0) <= _LAST_FILTER


def _scaled_transparency(chunk: bytes, bits: int) -> bytes:
    """The chunk of a transparent gray level of few bits, scaled to the 8 bits to which Pillow scales the pixels."""
    (level,) = struct.unpack_from(">H", chunk, 8)
    body = b"tRNS" + struct.pack(">H", level * 255 // (2**bits - 1) & 0xFFFF)
    return chunk[:4] + body + struct.pack(">I", zlib.crc32(body))
