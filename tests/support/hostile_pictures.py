"""Picture files that are small, and that a decoder would work on for seconds or hours, or fill the memory with."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.support.pictures import picture_file

SIDE = (5000, 4000)
"""The largest picture that is allowed: 20 megapixels."""


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, side: int = 100) -> bytes:
    """A gray PNG with other chunks before its pixels."""
    data = picture_file(Image.new("L", (side, side), 200))
    return data[:33] + b"".join(chunks) + data[33:]


def jpeg_with_scans(count: int, size: tuple[int, int] = SIDE, mode: str = "RGB") -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = picture_file(Image.new(mode, size, 200 if mode == "L" else (200,) * len(mode)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


def sequential_jpeg_with_scans(count: int) -> bytes:
    """A baseline JPEG that stores its components in scans of their own, one of them many times."""
    data = picture_file(Image.new("RGB", (2000, 2000), (200, 200, 200)), "JPEG", subsampling=0)
    start = data.rindex(b"\xff\xda")
    # The scan's header: its length, the number of components, three components, and the range of coefficients.
    scan = b"\xff\xda\x00\x08\x01" + data[start + 5 : start + 7] + b"\x00\x3f\x00" + data[start + 14 : start + 40]
    return data[:start] + scan * count + b"\xff\xd9"


def jpeg_segments(segment: bytes, count: int) -> bytes:
    """A JPEG with a segment many times before its picture."""
    data = picture_file(Image.new("L", (100, 100), 200), "JPEG")
    return data[:2] + segment * count + data[2:]


def arithmetic_jpeg() -> bytes:
    """A JPEG whose frame header says that it is arithmetic-coded."""
    return picture_file(Image.new("L", (64, 64)), "JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1)


def gif_with_blocks(count: int) -> bytes:
    """A GIF with many comments of one byte in front of its frame."""
    data = picture_file(Image.new("L", (100, 100)), "GIF")
    frame = data.index(b",")
    return data[:frame] + b"\x21\xfe" + b"\x01a" * count + b"\x00" + data[frame:]


def bmp_run_length_encoded(width: int, height: int, data: bytes, bits: int = 8) -> bytes:
    """A BMP whose pixels are run-length encoded."""
    colors = 2**bits
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 if bits == 8 else 2, len(data), 0, 0, colors, 0)
    palette = b"".join(bytes((level, level, level, 0)) for level in range(colors))
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


def webp_with_chunks(count: int) -> bytes:
    """A WebP with many unknown chunks behind its picture."""
    data = picture_file(Image.new("RGB", (100, 100)), "WEBP")
    body = data[8:] + b"abcd\0\0\0\0" * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(entries: list[tuple[int, int, int, int]], tail: bytes = b"", following: int = 0, big: bool = False) -> bytes:
    """A TIFF of one directory.

    Args:
        entries: tag, type, number of values, and the value or its offset, of each entry.
        tail: bytes behind the directory.
        following: the offset of the next directory.
        big: write a BigTIFF.
    """
    if big:
        head = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, len(entries))
        return head + b"".join(struct.pack("<HHQQ", *entry) for entry in entries) + struct.pack("<Q", following) + tail
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *entry) for entry in entries) + struct.pack("<I", following) + tail


def gray_tiff_entries(width: int, height: int, *, compression: int = 1) -> list[tuple[int, int, int, int]]:
    """The entries that every gray TIFF has, its strips left out."""
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1)]


def tiff_of_jpeg_scans(count: int) -> bytes:
    """A TIFF of 20 megapixels in one strip, which is a progressive JPEG of many scans."""
    stream = jpeg_with_scans(count, mode="L")
    entries = [*gray_tiff_entries(*SIDE, compression=7), (273, 4, 1, 8 + 2 + 12 * 8 + 4), (277, 3, 1, 1)]
    return tiff([*entries, (279, 4, 1, len(stream))], stream)


def overlapping_tiff(strips: int = 4000, size: int = 2**20) -> bytes:
    """A TIFF all of whose strips are the same megabyte."""
    directory = 8 + 2 + 12 * 9 + 4
    offsets, lengths = struct.pack("<I", directory) * strips, struct.pack("<I", size) * strips
    entries = [
        *gray_tiff_entries(5000, strips, compression=5),
        (273, 4, strips, directory + size),
        (277, 3, 1, 1),
        (278, 3, 1, 1),
        (279, 4, strips, directory + size + len(offsets)),
    ]
    return tiff(entries, b"\x80\x00" * (size // 2) + offsets + lengths)


TOO_COMPLEX: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG of 20,000 scans": (lambda: jpeg_with_scans(20_000), "LECTERN_MAX_SCANNED_PIXELS"),
    "gray JPEG of 20,000 scans": (lambda: jpeg_with_scans(20_000, mode="L"), "LECTERN_MAX_SCANNED_PIXELS"),
    "sequential JPEG of many scans": (lambda: sequential_jpeg_with_scans(500), "LECTERN_MAX_SCANNED_PIXELS"),
    "small JPEG of many scans": (lambda: jpeg_with_scans(30_000, (64, 64)), "LECTERN_MAX_IMAGE_PARTS"),
    "JPEG of comments": (lambda: jpeg_segments(b"\xff\xfe\x00\x02", 4_000_000), "LECTERN_MAX_IMAGE_PARTS"),
    "JPEG of tables": (lambda: jpeg_segments(b"\xff\xdd\x00\x04\x00\x00", 100_000), "LECTERN_MAX_IMAGE_PARTS"),
    "PNG of empty chunks": (lambda: png(png_chunk(b"abCd", b"") * 1_000_000), "LECTERN_MAX_IMAGE_PARTS"),
    "PNG of empty data chunks": (lambda: png(png_chunk(b"IDAT", b"") * 1_000_000), "LECTERN_MAX_IMAGE_PARTS"),
    "GIF of tiny blocks": (lambda: gif_with_blocks(8_000_000), "LECTERN_MAX_IMAGE_PARTS"),
    "WebP of empty chunks": (lambda: webp_with_chunks(1_000_000), "LECTERN_MAX_IMAGE_PARTS"),
    "BMP of single pixels": (lambda: bmp_run_length_encoded(4000, 2000, b"\1\7" * 8_000_000), "save it as a PNG"),
    "BMP of short rows": (lambda: bmp_run_length_encoded(5000, 4000, b"\1\7\0\0" * 4000), "save it as a PNG"),
    "BMP of four bits": (lambda: bmp_run_length_encoded(5000, 4000, b"\xff\7" * 80_000, 4), "save it as a PNG"),
    "TIFF of a JPEG of many scans": (lambda: tiff_of_jpeg_scans(20_000), "LECTERN_MAX_SCANNED_PIXELS"),
    "TIFF of overlapping strips": (overlapping_tiff, "overlap"),
    "TIFF of millions of strips": (
        lambda: tiff([*gray_tiff_entries(100, 100), (273, 4, 4_000_000, 80), (279, 4, 4_000_000, 80)], bytes(2**24)),
        "LECTERN_MAX_IMAGE_PARTS",
    ),
    "TIFF of 65,535 tags": (
        lambda: tiff([(tag, 7, 15_000_000, 8) for tag in range(65_535)], bytes(15_000_000)),
        "LECTERN_MAX_IMAGE_PARTS",
    ),
}
"""Files within the limits of bytes and pixels that are refused by their structure: how they are made, and what the
error says."""


def _harmless() -> dict[str, Callable[[], bytes]]:
    bomb = zlib.compress(b"a" * 1_000_000)
    texts = [png_chunk(b"zTXt", b"%d\0\0" % index + bomb) for index in range(1000)]
    profile = b"name\0\0" + bomb
    entries = struct.pack(">H", 5000) + b"".join(struct.pack(">HHII", tag, 7, 60_000, 8) for tag in range(5000))
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + entries
    return {
        "PNG of compressed texts": lambda: png(*texts),
        "PNG of compressed international texts": lambda: png(
            *(png_chunk(b"iTXt", b"%d\0\1\0\0\0" % index + bomb) for index in range(1000))
        ),
        "PNG with a compressed profile": lambda: png(png_chunk(b"iCCP", profile)),
        "PNG with endless data": lambda: _png_with_data(zlib.compress(bytes(2**27), 1)),
        "JPEG with a large directory": lambda: jpeg_segments(
            b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif, 200
        ),
        "JPEG of filled bytes": lambda: jpeg_segments(b"\xff", 16_000_000),
        "JPEG with markers in a profile": lambda: jpeg_segments(b"\xff\xe2\xff\xfe" + b"\xff\xda" * 32_766, 200),
        "JPEG with bytes behind its end": lambda: (
            picture_file(Image.new("L", (100, 100)), "JPEG") + b"\xff\xda\x00\x02" * 4_000_000
        ),
        "WebP with a large profile": lambda: picture_file(
            Image.new("RGB", (100, 100)), "WEBP", icc_profile=bytes(8_000_000)
        ),
    }


def _png_with_data(compressed: bytes) -> bytes:
    data = picture_file(Image.new("L", (100, 100), 200))
    return data[:33] + png_chunk(b"IDAT", compressed) + png_chunk(b"IEND", b"")


HARMLESS = _harmless()
"""Files whose decoders would do much that the pixels do not need; they are read as if it were not there."""


def largest_pictures() -> dict[str, Callable[[], bytes]]:
    """The largest pictures that are allowed, of the formats and modes that take the most work."""
    width, height = SIDE
    raw = (b"\x04" + b"\x01" * (width * 8)) * height
    deep = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    noise = np.random.default_rng(0).integers(0, 255, (2400, 3000, 3), np.uint8)
    transparent = Image.new("RGBA", SIDE, (0, 0, 0, 0))
    transparent.paste((9, 9, 9, 255), (2000, 1000, 2500, 3000))
    return {
        "PNG of 64 bits": lambda: (
            b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", deep)
            + png_chunk(b"IDAT", zlib.compress(raw, 1))
            + png_chunk(b"IEND", b"")
        ),
        "transparent PNG": lambda: picture_file(transparent, compress_level=1),
        "transparent WebP": lambda: picture_file(transparent, "WEBP", method=0),
        "progressive JPEG": lambda: picture_file(
            Image.new("RGB", SIDE, "white"), "JPEG", progressive=True, subsampling=0
        ),
        "noisy JPEG": lambda: picture_file(Image.fromarray(noise), "JPEG", quality=95, progressive=True),
        "TIFF": lambda: picture_file(transparent, "TIFF", compression="tiff_adobe_deflate"),
    }
