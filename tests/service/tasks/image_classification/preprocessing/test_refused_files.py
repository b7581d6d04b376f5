"""Files that cannot be used as pictures are refused with the reason and a remedy."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.tasks.image_classification.preprocessing import (
    AnimatedImageError,
    DamagedImageError,
    EmptyImageError,
    ImageError,
    ImageShapeError,
    ImageTooLargeError,
    UnknownImageFormatError,
    UnreadImageFormatError,
    VectorImageError,
    decode_image,
)
from tests.support.pictures import FORMATS, gray_levels, picture_file, with_preview

TEXTS: list[tuple[bytes, type[ImageError], str]] = [
    (b"", EmptyImageError, "no bytes"),
    (b"hello", UnknownImageFormatError, "PNG, JPEG"),
    (b"\x00" * 1000, UnknownImageFormatError, "PNG, JPEG"),
    (b"<html><body>404</body></html>", UnknownImageFormatError, "PNG, JPEG"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', VectorImageError, "SVG.*send a PNG"),
    (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg/>', VectorImageError, "SVG.*send a PNG"),
    (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>\n<svg/>", VectorImageError, "SVG.*send a PNG"),
    (b"%PDF-1.7\n", VectorImageError, "PDF.*send a PNG"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", UnreadImageFormatError, "PostScript.*PNG, JPEG"),
    (b"\x00\x00\x00\x1cftypmp42", UnreadImageFormatError, "a video.*PNG, JPEG"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", UnreadImageFormatError, "JPEG XL.*PNG, JPEG"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", UnreadImageFormatError, "JPEG 2000.*PNG, JPEG"),
    (b"\x00\x00\x01\x00\x01\x00", UnreadImageFormatError, "an icon.*PNG, JPEG"),
    (b"8BPS\x00\x01", UnreadImageFormatError, "Photoshop.*PNG, JPEG"),
    (bytes(128) + b"DICM", UnreadImageFormatError, "DICOM.*PNG, JPEG"),
    (b"P4\n# by GIMP\n28 28\n" + b"\x00" * 112, UnreadImageFormatError, "Netpbm.*PNG, JPEG"),
    (b"P50 is a model of phone", UnknownImageFormatError, "not an image of a known format"),
    (b"P5 28 28 255 " + b"\x00" * 784, UnreadImageFormatError, "Netpbm.*PNG, JPEG"),
]


@pytest.mark.parametrize(("data", "kind", "message"), TEXTS)
def test_other_files_are_refused_by_kind(data: bytes, kind: type[ImageError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        decode_image(data)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)
    data = picture_file(Image.fromarray(noise), form)
    with pytest.raises(ImageError, match=r"truncated or damaged|known format") as caught:
        decode_image(data[: max(4, int(len(data) * share))])
    assert share < 0.1 or form in str(caught.value).upper()


def _png_claiming(width: int, height: int) -> bytes:
    """A small PNG whose header announces a picture of another size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = picture_file(Image.new("L", (8, 8)))
    return data[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def _bmp_claiming(width: int, height: int) -> bytes:
    data = picture_file(Image.new("L", (8, 8)), "BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def _jpeg_claiming(width: int, height: int) -> bytes:
    data = picture_file(Image.new("L", (8, 8)), "JPEG")
    offset = data.index(b"\xff\xc0") + 5
    return data[:offset] + struct.pack(">HH", height, width) + data[offset + 4 :]


def _gif_claiming(width: int, height: int, *, frame: bool = False) -> bytes:
    data = picture_file(Image.new("L", (8, 8)), "GIF")
    offset = data.index(b",") + 5 if frame else 6
    return data[:offset] + struct.pack("<HH", width, height) + data[offset + 4 :]


def _gif_frame_claiming(width: int, height: int) -> bytes:
    return _gif_claiming(width, height, frame=True)


def _webp_claiming(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _tiff_claiming(width: int, height: int) -> bytes:
    data = picture_file(Image.new("L", (8, 8)), "TIFF")
    for tag, value in ((256, width), (257, height)):
        entry = struct.pack("<HHI", tag, 4, 1)
        offset = data.index(entry) + 8 if entry in data else data.index(struct.pack("<HHI", tag, 3, 1)) + 8
        field_type, count = struct.pack("<H", 4), data[offset - 4 : offset]
        data = data[: offset - 6] + field_type + count + struct.pack("<I", value) + data[offset + 4 :]
    return data


BOMBS: list[Callable[[int, int], bytes]] = [
    _png_claiming,
    _bmp_claiming,
    _jpeg_claiming,
    _gif_claiming,
    _gif_frame_claiming,
    _webp_claiming,
    _tiff_claiming,
]


@pytest.mark.parametrize("claiming", BOMBS)
@pytest.mark.parametrize("size", [(5000, 4001), (10_000, 10_000), (16_383, 16_383)])
def test_a_decompression_bomb_is_refused_by_its_header(
    claiming: Callable[[int, int], bytes], size: tuple[int, int]
) -> None:
    with pytest.raises(ImageTooLargeError, match=r"20,000,000.*send a smaller one"):
        decode_image(claiming(*size))


def test_a_png_of_billions_of_pixels() -> None:
    with pytest.raises(ImageTooLargeError, match="60000 x 60000"):
        decode_image(_png_claiming(60_000, 60_000))


def test_the_limit_itself_is_allowed() -> None:
    data = picture_file(Image.fromarray(gray_levels()))
    assert decode_image(data, max_pixels=600).shape == (20, 30)
    with pytest.raises(ImageTooLargeError, match=r"30 x 20 pixels, over the limit of 599 \(LECTERN_MAX_PIXELS\)"):
        decode_image(data, max_pixels=599)


@pytest.mark.parametrize("claiming", BOMBS[:3])
def test_a_picture_without_pixels(claiming: Callable[[int, int], bytes]) -> None:
    with pytest.raises((DamagedImageError, ImageShapeError)):
        decode_image(claiming(0, 10))


def test_extreme_aspect_ratios_are_refused() -> None:
    with pytest.raises(ImageShapeError, match="5 x 1000"):
        decode_image(picture_file(Image.new("L", (5, 1000))))
    assert decode_image(picture_file(Image.new("L", (1, 1)))).shape == (1, 1)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_or_pages(form: str) -> None:
    frames = [Image.fromarray(np.full((10, 10), level, np.uint8)) for level in (0, 100, 200)]
    with pytest.raises(AnimatedImageError, match="one picture a file"):
        decode_image(picture_file(frames[0], form, save_all=True, append_images=frames[1:]))
    assert decode_image(picture_file(frames[1], form, save_all=True)).shape == (10, 10)


def _hostile(*more: bytes) -> list[bytes]:
    """Random bytes, random bytes after each signature, and files with changed bytes."""
    rng = np.random.default_rng(0)
    valid = [picture_file(Image.fromarray(gray_levels()), form) for form in FORMATS]
    valid += [with_preview(), _tiff_claiming(30, 20), _webp_claiming(30, 20), *more]
    files = [rng.bytes(int(rng.integers(1, 200))) for _ in range(50)]
    files += [data[: int(rng.integers(2, 40))] + rng.bytes(200) for data in valid for _ in range(15)]
    for data in valid:
        for _ in range(60):
            changed = bytearray(data)
            for offset in rng.integers(0, min(len(data), int(rng.choice([40, 200, 4000]))), int(rng.integers(1, 6))):
                changed[offset] = int(rng.integers(256))
            files.append(bytes(changed))
    return files


def test_hostile_bytes_raise_nothing_but_an_image_error() -> None:
    image = Image.fromarray(gray_levels())
    compressed = [picture_file(image, "TIFF", compression=method) for method in ("tiff_lzw", "jpeg")]
    for data in _hostile(*compressed):
        try:
            gray = decode_image(data, max_pixels=1_000_000)
        except ImageError:
            continue
        assert gray.dtype == np.uint8
        assert gray.ndim == 2


def test_hostile_files_write_nothing_to_the_log(tmp_path: Path) -> None:
    image = Image.fromarray(gray_levels())
    tiffs = [picture_file(image, "TIFF", compression=method) for method in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
    one_pixel = picture_file(Image.new("RGB", (1, 1), "red"))  # numpy warned about its variance
    files = [*_hostile(*tiffs), one_pixel, *(claiming(12_000, 12_000) for claiming in BOMBS)]
    for index, data in enumerate(files):
        (tmp_path / f"{index}").write_bytes(data)
    program = (
        "import pathlib, sys\n"
        "from service.tasks.image_classification.preprocessing import ImageError, decode_image\n"
        "for file in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode_image(file.read_bytes())\n"
        "    except ImageError: pass\n"
    )
    result = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert not result.stderr
