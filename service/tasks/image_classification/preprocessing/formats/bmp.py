"""The headers of a BMP file."""

from __future__ import annotations

import struct

from service.tasks.image_classification.preprocessing.errors import ImageTooComplexError
from service.tasks.image_classification.preprocessing.formats.base import FileLimits, InspectedFile

_CORE_HEADER = 12
"""Bytes of the oldest header, whose width and height have 16 bits."""

_RUN_LENGTH_ENCODED = frozenset({1, 2})

# Pillow decodes run lengths in Python, some 200 ns for a run or a row's missing pixel.
_MAX_ENCODED_BYTES = 2**20
_MAX_ENCODED_PIXELS = 4_000_000


def inspect_bmp(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the size, and limit run-length encoded files."""
    (header,) = struct.unpack_from("<I", data, 14)
    compression = 0
    if header == _CORE_HEADER:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # Rows are stored from the top down if it is negative.
    if compression in _RUN_LENGTH_ENCODED and (
        len(data) > _MAX_ENCODED_BYTES or width * height > min(limits.max_pixels, _MAX_ENCODED_PIXELS)
    ):
        raise ImageTooComplexError(
            f"the BMP is run-length encoded and over the limit of {_MAX_ENCODED_PIXELS:,} pixels or "
            f"{_MAX_ENCODED_BYTES:,} bytes for such files; save it as a PNG"
        )
    return InspectedFile(width=width, height=height, content=data)
