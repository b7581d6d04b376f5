"""The first directory of a TIFF or BigTIFF file (TIFF 6.0, section 2)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from service.limits import variable
from service.tasks.image_classification.preprocessing.errors import (
    ImageTooComplexError,
    ImageTooLargeError,
    UnsupportedImageError,
)
from service.tasks.image_classification.preprocessing.formats.base import (
    FileLimits,
    InspectedFile,
    PartCounter,
    damaged,
)
from service.tasks.image_classification.preprocessing.formats.jpeg import inspect_jpeg

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 256, 257, 258, 259, 262, 274
_SAMPLES, _SAMPLE_FORMAT, _SUBFILE_TYPE = 277, 339, 254
_STRIP_OFFSETS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 273, 279, 322, 323, 324, 325

_NEEDED = frozenset(
    {
        _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _SAMPLE_FORMAT,
        _STRIP_OFFSETS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES,
        266, 278, 284,  # fill order, rows per strip, planes
        292, 293, 317, 320, 332,  # options of fax coding, predictor, color map, ink set
        338, 347,  # extra samples, JPEG tables
        529, 530, 531, 532,  # YCbCr
    }
)  # fmt: skip
"""Tags that pixels are made of. Others hold profiles, previews, further directories and whatever programs add."""

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_SUPPLEMENT = 1 | 4
"""Bits of the subfile type that mark a reduced version and a mask of another page."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1
_UNSIGNED, _SIGNED = 1, 2

_MAX_VALUES = 3 * 2**16
"""Most values of one tag: the color map of 16 bits. Strips and tiles have a limit of their own."""

_OLD_JPEG, _JPEG = 6, 7


@dataclass(frozen=True)
class _Layout:
    """Sizes of the numbers in a directory: TIFF's, or BigTIFF's."""

    order: str
    count: str
    """Format of the number of entries."""
    entry: str
    """Format of tag, type, number of values, and values or their offset."""
    offset: str
    header: int
    """Bytes before the offset of the first directory."""

    @property
    def inline(self) -> int:
        """Bytes of values that an entry holds itself."""
        return struct.calcsize(self.offset)


@dataclass(frozen=True)
class _Entry:
    """One tag of a directory."""

    tag: int
    kind: int
    count: int
    value: bytes
    raw: bytes
    order: str

    def integers(self) -> tuple[int, ...]:
        """The values; none if they are no integers."""
        code = _INTEGERS.get(self.kind)
        return struct.unpack(f"{self.order}{self.count}{code}", self.value) if code else ()


def inspect_tiff(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the size, limit strips, tiles and values, and put a directory of the needed tags alone into the header."""
    layout = _layout(data)
    (start,) = struct.unpack_from(layout.order + layout.offset, data, layout.header)
    (count,) = struct.unpack_from(layout.order + layout.count, data, start)
    parts = PartCounter("TIFF", limits.max_parts)
    parts.add(count)
    first = start + struct.calcsize(layout.count)
    (next_directory,) = struct.unpack_from(
        layout.order + layout.offset, data.ljust(8), first + count * struct.calcsize(layout.order + layout.entry)
    )
    entries = {entry.tag: entry for entry in _read_entries(data, layout, first, count, limits)}
    width, height = (_integer(entries, tag, 0) for tag in (_WIDTH, _HEIGHT))
    _check_tiles(entries, width, height, limits)
    _check_strips(data, entries, limits)
    is_inverted, is_unsigned = _make_readable(entries, layout)
    return InspectedFile(
        width=width,
        height=height,
        content=_with_directory(data, layout, list(entries.values())),
        frames=2 if _has_another_page(data, layout, next_directory, parts) else 1,
        is_inverted=is_inverted,
        is_unsigned=is_unsigned,
    )


def _has_another_page(data: bytes, layout: _Layout, start: int, parts: PartCounter) -> bool:
    """Whether a further directory holds a page, rather than a preview or a mask of the first one."""
    size = struct.calcsize(layout.order + layout.entry)
    while start:
        (count,) = struct.unpack_from(layout.order + layout.count, data, start)
        parts.add(1 + count)
        first = start + struct.calcsize(layout.count)
        end = first + count * size
        purpose = 0
        for position in range(first, end, size):
            tag, kind, _, content = struct.unpack_from(layout.order + layout.entry, data, position)
            if tag == _SUBFILE_TYPE and kind in _INTEGERS:
                (purpose,) = struct.unpack_from(layout.order + _INTEGERS[kind], content.ljust(8))
        if not purpose & _SUPPLEMENT:
            return True
        (start,) = struct.unpack_from(layout.order + layout.offset, data, end)
    return False


def _layout(data: bytes) -> _Layout:
    order = ">" if data[:2] == b"MM" else "<"
    if b"+" in data[2:4]:
        return _Layout(order, "Q", "HHQ8s", "Q", 8)
    return _Layout(order, "H", "HHI4s", "I", 4)


def _read_entries(data: bytes, layout: _Layout, first: int, count: int, limits: FileLimits) -> Iterator[_Entry]:
    """The needed tags of a directory with their values."""
    remaining = len(data)
    size = struct.calcsize(layout.order + layout.entry)
    for position in range(first, first + count * size, size):
        tag, kind, values, content = struct.unpack_from(layout.order + layout.entry, data, position)
        length = values * _TYPE_BYTES.get(kind, 0)
        if tag not in _NEEDED or length == 0:
            continue
        if tag in {_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES}:
            PartCounter("TIFF", limits.max_parts).add(values)
        elif values > _MAX_VALUES and kind not in {1, 2, 6, 7}:
            raise damaged("TIFF")
        value = content[:length]
        if length > layout.inline:
            (offset,) = struct.unpack(layout.order + layout.offset, content)
            value = data[offset : offset + length]
            remaining -= length
        if len(value) < length or remaining < 0:  # values that overlap would be read again and again
            raise damaged("TIFF")
        yield _Entry(tag, kind, values, value, data[position : position + size], layout.order)


def _make_readable(entries: dict[int, _Entry], layout: _Layout) -> tuple[bool, bool]:
    """Change the tags of gray of many bits to those of the kinds that Pillow reads.

    Pillow ignores that white is zero, or refuses the file for it, and knows integers of 32 bits as signed only.

    Returns:
        Whether the samples are inverted and whether they are unsigned, unlike what the tags say now.
    """
    bits = _integer(entries, _BITS, 1)
    if bits <= 8 or _integer(entries, _SAMPLES, 1) != 1:
        return False, False
    is_inverted = _integer(entries, _PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
    is_unsigned = bits == 32 and _integer(entries, _SAMPLE_FORMAT, _UNSIGNED) == _UNSIGNED
    if is_inverted:
        entries[_PHOTOMETRIC] = _short(_PHOTOMETRIC, _BLACK_IS_ZERO, layout)
    if is_unsigned:
        entries[_SAMPLE_FORMAT] = _short(_SAMPLE_FORMAT, _SIGNED, layout)
    return is_inverted, is_unsigned


def _short(tag: int, value: int, layout: _Layout) -> _Entry:
    """A tag of one integer of 16 bits."""
    content = struct.pack(layout.order + "H", value)
    raw = struct.pack(layout.order + layout.entry, tag, 3, 1, content)  # padded to the size of an offset
    return _Entry(tag, 3, 1, content, raw, layout.order)


def _integer(entries: dict[int, _Entry], tag: int, default: int) -> int:
    values = entries[tag].integers() if tag in entries else ()
    return values[0] if values else default


def _check_tiles(entries: dict[int, _Entry], width: int, height: int, limits: FileLimits) -> None:
    """Limit the area of all tiles, of which those at the borders exceed the picture."""
    across, down = (_integer(entries, tag, 1) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if min(across, down) < 1:
        raise damaged("TIFF")
    area = math.ceil(width / across) * math.ceil(height / down) * across * down
    if across * down > limits.max_pixels or (width * height <= limits.max_pixels and area > 2 * limits.max_pixels):
        raise ImageTooLargeError(
            f"the tiles of the TIFF hold {area:,} pixels, far over the limit of {limits.max_pixels:,} "
            f"({variable('max_pixels')}); save it without tiles"
        )


def _check_strips(data: bytes, entries: dict[int, _Entry], limits: FileLimits) -> None:
    """Limit the bytes of all strips or tiles, which may overlap, and the scans of those that are JPEG streams."""
    compression = _integer(entries, _COMPRESSION, 1)
    if compression == _OLD_JPEG:
        raise UnsupportedImageError("the TIFF uses the JPEG compression of 1992; save it as a PNG")
    total, scanned = 0, 0.0
    for offset_tag, bytes_tag in ((_STRIP_OFFSETS, _STRIP_BYTES), (_TILE_OFFSETS, _TILE_BYTES)):
        if offset_tag not in entries or bytes_tag not in entries:
            continue
        for offset, length in zip(entries[offset_tag].integers(), entries[bytes_tag].integers(), strict=False):
            strip = min(length, max(0, len(data) - offset))
            total += strip
            if total > 2 * len(data):
                raise ImageTooComplexError(
                    "the strips of the TIFF overlap, so that the same bytes are decoded many times; save it as a PNG"
                )
            if compression == _JPEG:
                stream = inspect_jpeg(data[offset : offset + strip], limits)
                scanned += stream.scanned_pixels if stream.scans > 1 else 0
                if scanned > limits.max_scanned_pixels:
                    raise ImageTooComplexError(
                        f"the TIFF's JPEG strips decode more than {limits.max_scanned_pixels:,} pixels in their scans "
                        f"({variable('max_scanned_pixels')}); save it as a PNG"
                    )


def _with_directory(data: bytes, layout: _Layout, entries: list[_Entry]) -> bytes:
    """The file with another directory, which is appended to it."""
    end = len(data) + len(data) % 2
    header = data[: layout.header] + struct.pack(layout.order + layout.offset, end)
    directory = struct.pack(layout.order + layout.count, len(entries))
    directory += b"".join(entry.raw for entry in sorted(entries, key=lambda entry: entry.tag))
    directory += struct.pack(layout.order + layout.offset, 0)
    return b"".join([header, data[len(header) :], b"\0" * (end - len(data)), directory])
