"""The picture of an AVIF or HEIC file (ISO/IEC 23008-12 and 23000-22; AV1 Image File Format).

Such a file holds any number of items: pictures, tiles, thumbnails, depth maps, profiles. A new file is written of those
that the primary picture consists of, after the sizes that they state and the sizes in their streams were compared.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from service.limits import variable
from service.tasks.image_classification.preprocessing.errors import (
    ImageTooComplexError,
    UnsupportedImageError,
)
from service.tasks.image_classification.preprocessing.formats.av1 import read_av1
from service.tasks.image_classification.preprocessing.formats.base import (
    Area,
    FileLimits,
    InspectedFile,
    PartCounter,
    too_large,
)
from service.tasks.image_classification.preprocessing.formats.boxes import Box, Fields, read_boxes
from service.tasks.image_classification.preprocessing.formats.coded_stream import CodedStream
from service.tasks.image_classification.preprocessing.formats.heif_items import Extent, ItemTable, read_items
from service.tasks.image_classification.preprocessing.formats.heif_writer import PICTURE_PROPERTIES, write_heif
from service.tasks.image_classification.preprocessing.formats.hevc import read_hevc

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_TRANSFORMATIONS = frozenset({b"clap", b"irot", b"imir"})

_MIN_TILE_SIDE = 64
"""Least width and height of a tile (ISO/IEC 23000-22, section 7.3.11.4.2)."""

# The orientation, numbered as in EXIF, by the quarter turns counterclockwise (`irot`) and the axis (`imir`, after it).
_ORIENTATIONS = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}


_MAX_BRANDS_BYTES = 1024
"""Bytes of the first box, which names the brands of a file, that are looked at."""
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
)


class _Codec(NamedTuple):
    """How the pictures of a format are coded."""

    name: str
    item: bytes
    """Kind of the items."""
    configuration: bytes
    """Kind of the property that configures the decoder."""
    brand: bytes
    read: Callable[[bytes, bytes, PartCounter], CodedStream]


_AVIF = _Codec("AVIF", b"av01", b"av1C", b"avif", read_av1)
_HEIC = _Codec("HEIC", b"hvc1", b"hvcC", b"heic", read_hevc)


@dataclass(frozen=True)
class _Plane:
    """The colors or the transparency of the picture: an item, and the tiles that it is put together from."""

    item: int
    width: int
    height: int
    tiles: tuple[int, ...] = ()

    @property
    def coded(self) -> tuple[int, ...]:
        """The items that are decoded."""
        return self.tiles or (self.item,)


def heif_format(data: bytes) -> Literal["AVIF", "HEIC"] | None:
    """Which of the two formats a file is, by its brands; None for any other file."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), _MAX_BRANDS_BYTES, len(data))
    brands = {data[offset : offset + 4] for offset in (8, *range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & _HEIC_BRANDS else None


def inspect_avif(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the sizes of an AVIF file and keep the primary picture."""
    return _Inspection(data, limits, _AVIF).inspect()


def inspect_heic(data: bytes, limits: FileLimits) -> InspectedFile:
    """Read the sizes of a HEIC file and keep the primary picture."""
    return _Inspection(data, limits, _HEIC).inspect()


class _Inspection:
    """Reads one file."""

    def __init__(self, data: bytes, limits: FileLimits, codec: _Codec) -> None:
        self._data = data
        self._limits = limits
        self._codec = codec
        self._parts = PartCounter(codec.name, limits.max_parts)
        self._copied = 0

    def inspect(self) -> InspectedFile:
        """Read the sizes, limit what is decoded, and write the primary picture as a file of its own."""
        boxes = {box.kind: box for box in read_boxes(self._data, 0, len(self._data), self._parts)}
        frames = self._count_frames(boxes[b"moov"]) if b"moov" in boxes else 1
        if b"meta" not in boxes:
            raise UnsupportedImageError(f"the {self._codec.name} file holds a sequence of frames only; send a picture")
        table = read_items(self._data, boxes[b"meta"], self._parts)
        color = self._plane(table, table.primary)
        alpha = self._alpha(table)
        planes = (color,) if alpha is None else (color, alpha)
        payloads = {item: self._payload(table, item) for plane in planes for item in {plane.item, *plane.coded}}
        self._check_streams(table, planes, payloads)
        crop, orientation = _transformations(table, color)
        content = write_heif(
            table,
            payloads,
            self._codec.brand,
            tiles={plane.item: plane.tiles for plane in planes},
            alpha=None if alpha is None else alpha.item,
        )
        return InspectedFile(
            width=color.width, height=color.height, content=content, frames=frames, crop=crop, orientation=orientation
        )

    def _count_frames(self, moov: Box) -> int:
        """Frames of the longest track of a sequence; 2 stands for any larger number."""
        frames = 1
        boxes = [moov]
        for kind in (b"trak", b"mdia", b"minf", b"stbl", b"stsz"):
            boxes = [
                child
                for box in boxes
                for child in read_boxes(self._data, box.start, box.end, self._parts)
                if child.kind == kind
            ]
        for box in boxes:
            frames = max(frames, Fields(self._data, box.start + 8, box.end).integer(4))
        return min(2, frames)

    def _plane(self, table: ItemTable, item: int) -> _Plane:
        """An item that is coded, or a grid of such items."""
        kind = table.kinds[item]
        for association in table.associations.get(item, []):
            name = table.properties[association.position][0]
            if association.is_essential and name not in PICTURE_PROPERTIES | _TRANSFORMATIONS:
                raise self._unsupported(name)
        if kind == self._codec.item:
            return _Plane(item, *_size(table, item))
        if kind != b"grid":
            raise self._unsupported(kind)
        tiles = table.targets(b"dimg", item)
        for tile in tiles:
            if table.kinds[tile] != self._codec.item:
                raise self._unsupported(table.kinds[tile])
        grid = Fields(payload := self._payload(table, item), 0, len(payload))
        grid.integer(1)
        size = 4 if grid.integer(1) & 1 else 2
        rows, columns = grid.integer(1) + 1, grid.integer(1) + 1
        width, height = grid.integer(size), grid.integer(size)
        across, down = _size(table, tiles[0])
        if (
            len(tiles) != rows * columns
            or any(_size(table, tile) != (across, down) for tile in tiles)
            or min(across, down) < _MIN_TILE_SIDE
            or (columns, rows) != (math.ceil(width / across), math.ceil(height / down))
        ):
            raise ValueError("the tiles do not make up the picture")
        return _Plane(item, width, height, tiles)

    def _alpha(self, table: ItemTable) -> _Plane | None:
        """The transparency of the primary picture."""
        for kind, source, targets in table.references:
            if kind == b"auxl" and table.primary in targets:
                kinds = [content[4:] for name, content in table.of_item(source) if name == b"auxC"]
                if any(content.startswith(_ALPHA) for content in kinds):
                    return self._plane(table, source)
        return None

    def _payload(self, table: ItemTable, item: int) -> bytes:
        """The bytes of an item."""
        pieces = [_piece(self._data, extent) for extent in table.extents[item]]
        self._copied += sum(map(len, pieces))
        if self._copied > 2 * len(self._data):
            raise ImageTooComplexError(
                f"the parts of the {self._codec.name} file overlap, so that the same bytes are decoded many times; "
                "save it as a PNG or JPEG"
            )
        return b"".join(pieces)

    def _check_streams(self, table: ItemTable, planes: tuple[_Plane, ...], payloads: dict[int, bytes]) -> None:
        """Limit the pixels that are decoded, and compare the sizes in the streams with those of their items."""
        limits, decoded, has_hidden_frames = self._limits, 0, False
        for plane in planes:
            tiles = sum(math.prod(_size(table, item)) for item in plane.coded)
            if max(plane.width * plane.height, tiles / 2) > limits.max_pixels:
                raise too_large(plane.width, plane.height, limits.max_pixels)
            for item in plane.coded:
                configuration = table.property_of(item, self._codec.configuration)
                stream = self._codec.read(configuration, payloads[item], self._parts)
                if (stream.width, stream.height) != _size(table, item):
                    raise ValueError("the size in the stream is not that of its item")
                has_hidden_frames |= stream.frames > 1
                decoded += stream.pixels
        if has_hidden_frames and decoded > limits.max_scanned_pixels:
            raise ImageTooComplexError(
                f"the {self._codec.name} file stores its picture in so many frames that more than "
                f"{limits.max_scanned_pixels:,} pixels are decoded ({variable('max_scanned_pixels')}); "
                "save it as a PNG or JPEG"
            )

    def _unsupported(self, kind: bytes) -> UnsupportedImageError:
        name = kind.decode("ascii", "replace")
        return UnsupportedImageError(
            f"the {self._codec.name} file stores its picture as {name!r}, which is not read; save it as a PNG or JPEG"
        )


def _size(table: ItemTable, item: int) -> tuple[int, int]:
    """Width and height that an item states."""
    width, height = struct.unpack(">4xII", table.property_of(item, b"ispe"))
    return width, height


def _piece(data: bytes, extent: Extent) -> bytes:
    """One range of the bytes of an item."""
    end = len(data) if extent.length is None else extent.offset + extent.length
    if extent.offset > end or end > len(data):
        raise ValueError("an item goes beyond the end of the file")
    return data[extent.offset : end]


def _transformations(table: ItemTable, plane: _Plane) -> tuple[Area | None, int]:
    """The area that is shown of the picture, and its orientation, numbered as in EXIF."""
    crop, turns, axis = None, 0, None
    applied: set[bytes] = set()
    for kind, content in table.of_item(plane.item):
        if kind not in _TRANSFORMATIONS:
            continue
        if kind in applied:
            raise ValueError("a transformation is there twice")
        applied.add(kind)
        if kind == b"clap":
            crop = _clean_aperture(content, plane)
        elif kind == b"imir":
            axis = content[0] & 1
        else:
            turns = content[0] & 3 if axis is None else -content[0] & 3  # the mirror comes last in the table
    return crop, _ORIENTATIONS[axis][turns]


def _clean_aperture(content: bytes, plane: _Plane) -> Area:
    """The area of the property `clap` (ISO/IEC 14496-12, section 12.1.4)."""
    values = struct.unpack(">IIIIiIiI", content)
    width, height, right, down = (top / bottom for top, bottom in zip(values[::2], values[1::2], strict=True))
    left, top = (plane.width - width) / 2 + right, (plane.height - height) / 2 + down
    area = Area(round(left), round(top), round(width), round(height))
    if min(area) < 0 or area.left + area.width > plane.width or area.top + area.height > plane.height:
        raise ValueError("the area that is shown is larger than the picture")
    return area
