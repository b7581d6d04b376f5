"""Writers of PNG, TIFF and BMP files in the bit depths and layouts that Pillow reads but does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.support.hostile_pictures import png_chunk

Samples = NDArray[np.int64]
"""Samples [H, W] or [H, W, channels]."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, columns and rows from one pixel to the next, of each pass (W3C PNG 3, section 8.1)."""


def quantize(levels: NDArray[np.uint8], bits: int) -> Samples:
    """Gray levels of 8 bits as samples of another depth."""
    return np.round(levels / 255 * (2**bits - 1)).astype(np.int64)


def packed_rows(samples: Samples, bits: int, order: str = ">") -> list[bytes]:
    """Each row's samples in a row's bytes, the first in the highest bits."""
    rows = samples.reshape(len(samples), -1)
    if bits >= 8:
        return [row.astype(f"{order}u{bits // 8}").tobytes() for row in rows]
    planes = rows[..., None] >> np.arange(bits)[::-1] & 1
    return [np.packbits(row.ravel()).tobytes() for row in planes]


def png(samples: Samples, bits: int, color: int, *chunks: bytes, interlaced: bool = False) -> bytes:
    """A PNG of any bit depth.

    Args:
        samples: the samples.
        bits: bits of a sample.
        color: the color type of the header: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA.
        chunks: chunks between header and pixels.
        interlaced: whether the pixels are in Adam7's order.
    """
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = [row for x, y, dx, dy in passes for row in packed_rows(samples[y::dy, x::dx], bits)]
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    body = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tiff(
    samples: Samples | NDArray[np.floating],
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    tags: Sequence[tuple[int, Sequence[int]]] = (),
    tile: int = 0,
) -> bytes:
    """An uncompressed TIFF in one strip, or in square tiles.

    Args:
        samples: the samples; of floating point as they are written.
        bits: bits of a sample.
        photometric: the meaning of the samples: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK.
        order: `<` little-endian or `>` big-endian.
        tags: further tags of 16-bit values.
        tile: pixels per side of a tile; 0 writes a strip.
    """
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    blocks = [samples]
    if tile:
        padded = np.pad(samples, [(0, -height % tile), (0, -width % tile)])
        blocks = [padded[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
    data = [_tiff_block(block, bits, order) for block in blocks]
    entries = {256: ("I", [width]), 257: ("I", [height]), 258: ("H", [bits] * channels), 259: ("H", [1])}
    entries |= {262: ("H", [photometric]), 277: ("H", [channels])}
    entries |= {322: ("I", [tile]), 323: ("I", [tile])} if tile else {278: ("I", [height])}
    entries |= {tag: ("H", list(values)) for tag, values in tags}
    offsets, lengths = (324, 325) if tile else (273, 279)
    entries |= {offsets: ("I", [0] * len(data)), lengths: ("I", [len(block) for block in data])}
    values_start = 8 + 2 + 12 * len(entries) + 4
    values_bytes = sum(len(value) for value in _tiff_values(entries, order).values() if len(value) > 4)
    ends = np.cumsum([0, *map(len, data)])[:-1] + values_start + values_bytes
    entries[offsets] = ("I", [int(end) for end in ends])
    return _tiff_header(entries, order, values_start) + b"".join(data)


def _tiff_block(block: NDArray[np.generic], bits: int, order: str) -> bytes:
    if block.dtype.kind == "f":
        return block.astype(block.dtype.newbyteorder(order)).tobytes()
    return b"".join(packed_rows(block.astype(np.int64), bits, order))


def _tiff_values(entries: dict[int, tuple[str, list[int]]], order: str) -> dict[int, bytes]:
    return {tag: struct.pack(f"{order}{len(values)}{code}", *values) for tag, (code, values) in entries.items()}


def _tiff_header(entries: dict[int, tuple[str, list[int]]], order: str, values_start: int) -> bytes:
    directory, stored = b"", b""
    for tag, value in sorted(_tiff_values(entries, order).items()):
        code, values = entries[tag]
        directory += struct.pack(order + "HHI", tag, 3 if code == "H" else 4, len(values))
        directory += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", values_start + len(stored))
        stored += value if len(value) > 4 else b""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "IH", 8, len(entries)) + directory + struct.pack(order + "I", 0)
    return head + stored


def bmp(
    rows: Sequence[bytes],
    size: tuple[int, int],
    bits: int,
    *,
    palette: bytes = b"",
    masks: Sequence[int] = (),
    header: int = 40,
) -> bytes:
    """An uncompressed BMP.

    Args:
        rows: the rows as they are stored.
        size: width and height; a negative height stores the rows from the top down.
        bits: bits of a pixel.
        palette: four bytes of each color.
        masks: the bits of red, green, blue and alpha.
        header: bytes of the header: 40, or 108 and 124 with the masks in it.
    """
    data = b"".join(row + bytes(-len(row) % 4) for row in rows)
    colors = len(palette) // 4
    info = struct.pack(
        "<IiiHHIIiiII", header, *size, 1, bits, 3 if masks else 0, len(data), 0, 0, colors, 0
    ) + struct.pack(f"<{len(masks)}I", *masks)
    info = info.ljust(header, b"\0")
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data
