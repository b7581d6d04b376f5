"""The segments and scans of a JPEG file (ITU-T T.81, annex B)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.limits import variable
from service.tasks.image_classification.preprocessing.errors import ImageTooComplexError, UnsupportedImageError
from service.tasks.image_classification.preprocessing.formats.base import (
    FileLimits,
    InspectedFile,
    PartCounter,
    damaged,
)
from service.tasks.image_classification.preprocessing.formats.exif import read_orientation

MIN_REDUCED_SIDE = 900
"""Minimum number of pixels that decoding at a reduced scale keeps of each side."""

_FIRST_RESTART, _SOI, _EOI, _SOS = 0xD0, 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_WITHOUT_LENGTH = frozenset({0x01, _SOI, _EOI})

_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3})
"""Frame headers of baseline, extended, progressive and lossless coding."""

_ARITHMETIC_FRAMES = frozenset({0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""Frame headers of arithmetic coding, which hardly any program writes: a few bytes of it decode to millions of pixels,
several times slower than anything else."""

_NOT_NEEDED = frozenset({_COM, *range(_APP1, _APP15 + 1)}) - {_APP14}
"""Comments, profiles and previews. APP0 and APP14 tell how colors are stored."""

_BITS = 8
"""Bits of a sample that are read, as in nearly every file."""

_EXIF = b"Exif\0\0"
_ADOBE = b"Adobe"


class _Scans:
    """Counts the scans of a file, and the pixels that they decode together, of each component by its own resolution."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pixels_of: dict[int, float] = {}
        self.width = 0
        self.height = 0
        self.components = 0
        self.count = 0
        self.pixels = 0.0

    def read_frame(self, segment: bytes) -> None:
        """Read the size and the components of a frame header.

        Raises:
            UnsupportedImageError: samples have other than 8 bits.
        """
        if segment[0] != _BITS:
            raise UnsupportedImageError(f"the JPEG has {segment[0]} bits a sample; save it with {_BITS}, or as a PNG")
        self.height, self.width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        components = [(segment[i], segment[i + 1] >> 4, segment[i + 1] & 15) for i in range(6, 6 + 3 * segment[5], 3)]
        widest, highest = max(across for _, across, _ in components), max(down for _, _, down in components)
        self.components = len(components)
        pixels = self.width * self.height / max(1, widest * highest)
        self._pixels_of = {name: pixels * across * down for name, across, down in components}

    def read_scan(self, segment: bytes) -> None:
        """Count a scan by its header.

        Raises:
            ImageTooComplexError: there are several, and they exceed the limit.
        """
        self.count += 1
        self.pixels += sum(self._pixels_of[segment[i]] for i in range(1, 1 + 2 * segment[0], 2))
        if self.count > 1 and self.pixels > self._limit:
            raise ImageTooComplexError(
                f"the JPEG stores its {self.width} x {self.height} pixels in so many scans that more than "
                f"{self._limit:,} pixels are decoded ({variable('max_scanned_pixels')}); save it as a baseline JPEG"
            )


def inspect_jpeg(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the size, limit the scans, and keep the needed segments up to the end of the first image."""
    parts = PartCounter("JPEG", limits.max_parts)
    scans = _Scans(limits.max_scanned_pixels)
    needed: list[bytes] = []
    exif: list[bytes] = []
    is_adobe = False
    markers = _find_markers(data)
    position = 0
    while (start := _next_marker(markers, position)) is not None:
        parts.add()
        kind = data[start + 1]
        position = start + 2
        if kind not in _WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], "big")
        segment = data[start + 4 : position]
        if kind in _FRAMES:
            scans.read_frame(segment)
        elif kind in _ARITHMETIC_FRAMES:
            raise UnsupportedImageError("the JPEG is arithmetic-coded; save it as a baseline JPEG")
        elif kind == _SOS:
            scans.read_scan(segment)
            following = _next_marker(markers, position)
            position = len(data) if following is None else following
        elif kind == _APP1 and scans.count == 0 and segment.startswith(_EXIF):
            exif.append(segment[len(_EXIF) :])
        is_adobe |= kind == _APP14 and segment.startswith(_ADOBE)
        if kind not in _NOT_NEEDED:
            needed.append(data[start:position])
        if kind == _EOI:
            break
    if scans.count == 0:
        raise damaged("JPEG")
    return InspectedFile(
        width=scans.width,
        height=scans.height,
        content=b"".join(needed),
        orientation=read_orientation(b"".join(exif)),
        # Pillow takes all files of four components for Adobe's, which are stored inverted.
        is_inverted=scans.components == 4 and not is_adobe,
        scans=scans.count,
        scanned_pixels=scans.pixels,
    )


def _find_markers(data: bytes) -> NDArray[np.intp]:
    """The offsets of all that may be markers, restarts left out: 0xFF followed by neither 0x00 nor 0xFF."""
    values = np.frombuffer(data, np.uint8)
    following = values[1:]
    is_restart = following & 0xF8 == _FIRST_RESTART
    return np.flatnonzero((values[:-1] == 0xFF) & (following != 0x00) & (following != 0xFF) & ~is_restart)


def _next_marker(markers: NDArray[np.intp], position: int) -> int | None:
    """The offset of the first marker from `position` on."""
    index = int(np.searchsorted(markers, position))
    return int(markers[index]) if index < len(markers) else None
