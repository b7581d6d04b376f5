"""AVIF files put together box by box, around streams that Pillow's encoder writes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.pictures import picture_file


def box(kind: bytes, *content: bytes) -> bytes:
    """A box."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def av1_stream(levels: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """The lossless stream of a gray picture, and the content of the property that configures its decoder."""
    data = picture_file(Image.fromarray(levels), "AVIF", quality=100)
    configuration = data.index(b"av1C") + 4
    return data[data.index(b"mdat") + 4 :], data[configuration : configuration + 4]


@dataclass
class Item:
    """An item of a file."""

    kind: bytes
    content: bytes
    properties: Sequence[bytes] = ()
    """Its properties as boxes."""
    references: dict[bytes, Sequence[int]] = field(default_factory=dict)
    """The items it refers to, by the kind of reference."""
    length: int | None = None
    """The length that is written for it; None for its own."""
    extents: int = 1
    """How many times its bytes are counted."""


def size_property(width: int, height: int) -> bytes:
    """The property of an item's size."""
    return box(b"ispe", struct.pack(">III", 0, width, height))


def coded_item(levels: NDArray[np.uint8], *properties: bytes) -> Item:
    """An item of a gray picture."""
    stream, configuration = av1_stream(levels)
    return Item(b"av01", stream, (size_property(*levels.shape[::-1]), box(b"av1C", configuration), *properties))


def heif(
    *items: Item, brand: bytes = b"avif", meta: Sequence[bytes] = (), top: Sequence[bytes] = (), large: bool = False
) -> bytes:
    """A file of items, of which the first is the picture.

    Args:
        items: the items; their numbers are 1, 2, …
        brand: the first brand.
        meta: further boxes in the box `meta`.
        top: further boxes behind it.
        large: write the sizes of `meta` and `mdat` in 64 bits.
    """
    properties = [entry for item in items for entry in item.properties]
    associations, position = [], 0
    for number, item in enumerate(items, 1):
        numbers = range(position + 1, position + 1 + len(item.properties))
        associations.append(struct.pack(f">HB{len(numbers)}B", number, len(numbers), *numbers))
        position += len(item.properties)
    kinds = [box(b"infe", b"\2\0\0\0", struct.pack(">HH4sx", n, 0, item.kind)) for n, item in enumerate(items, 1)]
    references = [
        box(kind, struct.pack(f">HH{len(targets)}H", number, len(targets), *targets))
        for number, item in enumerate(items, 1)
        for kind, targets in item.references.items()
    ]
    first = box(b"ftyp", brand, bytes(4), brand, b"mif1")

    owners = box(b"ipma", bytes(4), struct.pack(">I", len(items)), *associations)
    properties_box = box(b"iprp", box(b"ipco", *properties), owners)

    def whole(start: int) -> bytes:
        locations = []
        for number, item in enumerate(items, 1):
            length = len(item.content) if item.length is None else item.length
            extent = struct.pack(">II", start, length) * item.extents
            locations.append(struct.pack(">HHH", number, 0, item.extents) + extent)
            start += len(item.content)
        content = [
            bytes(4),
            box(b"hdlr", struct.pack(">8x4s12xx", b"pict")),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iinf", bytes(4), struct.pack(">H", len(items)), *kinds),
            box(b"iloc", bytes(4), struct.pack(">BBH", 0x44, 0, len(items)), *locations),
            properties_box,
            box(b"iref", bytes(4), *references) if references else b"",
            *meta,
        ]
        data = b"".join(item.content for item in items)
        write = _large_box if large else box
        return b"".join([first, write(b"meta", *content), *top, write(b"mdat", data)])

    return whole(len(whole(0)) - sum(len(item.content) for item in items))


def _large_box(kind: bytes, *content: bytes) -> bytes:
    """A box whose size has 64 bits."""
    body = b"".join(content)
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def grid_item(rows: int, columns: int, width: int, height: int, tiles: Sequence[int]) -> Item:
    """An item that is put together from others."""
    content = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    return Item(b"grid", content, (size_property(width, height),), {b"dimg": tiles})


def sequence_header(width: int, height: int) -> bytes:
    """The first unit of an AV1 stream: a sequence header with the size of its frames."""
    bits = f"{0:03b}11{0:05b}" + f"{15:04b}{15:04b}{width - 1:016b}{height - 1:016b}" + "0" * 24
    content = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return bytes([1 << 3 | 2, len(content)]) + content
