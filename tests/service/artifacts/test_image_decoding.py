"""Whatever the bytes are, they become grey pixels or an error that says what is wrong with them."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from service.artifacts.image import (
    AnimatedImageError,
    DamagedImageError,
    EmptyImageError,
    ImageError,
    ImageShapeError,
    ImageTooLargeError,
    UnknownImageFormatError,
    VectorImageError,
    decode_image,
)

LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "BMP": {}, "GIF": {}, "TIFF": {}, "WEBP": {"lossless": True}}
FORMATS = (*LOSSLESS, "JPEG")


def _file(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **(LOSSLESS.get(form, {}) | options))
    return file.getvalue()


def _levels() -> NDArray[np.uint8]:
    """Grey levels that differ in every corner [20, 30]."""
    return (np.arange(20)[:, None] * 7 + np.arange(30) * 4).astype(np.uint8)


@pytest.mark.parametrize("form", LOSSLESS)
def test_grey_comes_back_exactly(form: str) -> None:
    assert np.array_equal(decode_image(_file(Image.fromarray(_levels()), form)), _levels())


def test_jpeg_comes_back_nearly() -> None:
    decoded = decode_image(_file(Image.fromarray(_levels()), "JPEG", quality=95)).astype(int)
    assert np.abs(decoded - _levels()).max() <= 4


MODES = {
    "PNG": ("1", "P", "RGB", "RGBA", "LA"),
    "TIFF": ("1", "P", "RGB", "RGBA", "LA", "CMYK", "LAB"),
    "BMP": ("1", "P", "RGB"),
    "GIF": ("1", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
}


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in MODES.items() for mode in modes])
def test_every_mode_is_read(form: str, mode: str) -> None:
    halves = np.repeat(np.array([[0, 255]], np.uint8), 10, axis=1).repeat(20, axis=0)
    image = Image.fromarray(halves).convert("RGB") if mode in {"CMYK", "LAB"} else Image.fromarray(halves)
    grey = decode_image(_file(image.convert(mode), form)).astype(int)
    assert grey.shape == (20, 20)
    assert np.abs(grey - halves).max() <= 2


def test_jpeg_of_printers_colours() -> None:
    image = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 16))
    grey = decode_image(_file(image, "JPEG", quality=95))
    assert grey[:, :6].max() < 20
    assert grey[:, 10:].min() > 235


@pytest.mark.parametrize(("depth", "form"), [(16, "PNG"), (16, "TIFF"), (12, "TIFF")])
def test_deep_grey(depth: int, form: str) -> None:
    values = np.linspace(0, 2**depth - 1, 256).astype(np.uint16).reshape(16, 16)
    grey = decode_image(_file(Image.fromarray(values), form)).astype(int)
    assert np.abs(grey.ravel() - np.arange(256)).max() <= 1


def test_floating_point_is_stretched() -> None:
    values = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
    grey = decode_image(_file(Image.fromarray(values), "TIFF")).astype(int)
    assert np.abs(grey.ravel() - np.arange(256)).max() <= 1
    values[3, 3] = np.nan
    with pytest.raises(DamagedImageError):
        decode_image(_file(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation_is_honoured(form: str, turn: int) -> None:
    image = Image.fromarray(_levels())
    exif = image.getexif()
    exif[0x0112] = turn
    data = _file(image, form, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L")
    assert np.array_equal(decode_image(data), np.asarray(upright))


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as decoding.py asks; pytest's own filters come first
def test_a_broken_orientation_is_ignored(exif: bytes) -> None:
    assert decode_image(_file(Image.fromarray(_levels()), "JPEG", exif=exif)).shape == (20, 30)


@pytest.mark.parametrize(("ink", "darker"), [((0, 0, 0), True), ((255, 255, 255), False), ((30, 60, 220), True)])
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_transparency_becomes_paper_that_the_ink_stands_out_from(
    form: str, ink: tuple[int, int, int], darker: bool
) -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((*ink, 255), (18, 5, 22, 35))
    grey = decode_image(_file(image, form)).astype(int)
    assert (grey[0, 0] - grey[20, 20] > 100) if darker else (grey[20, 20] - grey[0, 0] > 100)


def test_a_transparent_colour_of_a_palette() -> None:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 255, 0, 255])
    image.paste(0, (18, 5, 22, 35))
    for form, transparency in (("PNG", 1), ("GIF", 1), ("PNG", b"\xff\x00")):
        grey = decode_image(_file(image, form, transparency=transparency))
        assert grey[0, 0] > 250
        assert grey[20, 20] < 5


def test_cut_off_corners_take_the_colour_of_the_paper() -> None:
    image = Image.new("RGBA", (40, 40), (250, 250, 250, 255))
    image.paste((10, 10, 10, 255), (18, 5, 22, 35))
    image.paste((0, 0, 0, 0), (0, 0, 6, 6))
    assert decode_image(_file(image))[0, 0] == 250


def test_ink_that_differs_in_hue_alone_is_seen() -> None:
    for ink, paper in (((255, 255, 0), (255, 255, 255)), ((0, 0, 255), (0, 0, 0)), ((255, 0, 0), (0, 130, 0))):
        image = Image.new("RGB", (40, 40), paper)
        image.paste(ink, (18, 5, 22, 35))
        grey = decode_image(_file(image)).astype(int)
        assert abs(grey[20, 20] - grey[0, 0]) > 100


def test_a_telephones_photograph_is_decoded_smaller() -> None:
    data = _file(Image.new("RGB", (4000, 3000), "white"), "JPEG")
    assert min(decode_image(data).shape) >= 900
    assert max(decode_image(data).shape) <= 2000


def _with_preview() -> bytes:
    """What telephones send: a JPEG that carries a second, smaller one (MPO)."""
    return _file(Image.fromarray(_levels()), "MPO", save_all=True, append_images=[Image.new("L", (8, 8))])


def test_the_preview_behind_a_telephones_jpeg_is_not_looked_at() -> None:
    assert decode_image(_with_preview()).shape == (20, 30)


# What is refused.

TEXTS: list[tuple[bytes, type[ImageError], str]] = [
    (b"", EmptyImageError, "no bytes"),
    (b"hello", UnknownImageFormatError, "PNG, JPEG"),
    (b"\x00" * 1000, UnknownImageFormatError, "PNG, JPEG"),
    (b"<html><body>404</body></html>", UnknownImageFormatError, "PNG, JPEG"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', VectorImageError, "SVG.*send a PNG"),
    (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg/>', VectorImageError, "SVG.*send a PNG"),
    (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>\n<svg/>", VectorImageError, "SVG.*send a PNG"),
    (b"%PDF-1.7\n", VectorImageError, "PDF.*send a PNG"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", UnknownImageFormatError, "PNG, JPEG"),
    (b"\x00\x00\x00\x1cftypheic", UnknownImageFormatError, "PNG, JPEG"),
    (b"P5 28 28 255 " + b"\x00" * 784, UnknownImageFormatError, "PNG, JPEG"),
]


@pytest.mark.parametrize(("data", "kind", "message"), TEXTS)
def test_what_is_no_picture(data: bytes, kind: type[ImageError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        decode_image(data)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file(form: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60), np.uint8)
    data = _file(Image.fromarray(noise), form)
    with pytest.raises(ImageError, match=r"truncated or damaged|known format") as caught:
        decode_image(data[: max(4, int(len(data) * share))])
    assert share < 0.1 or form in str(caught.value).upper()


def _png_claiming(width: int, height: int) -> bytes:
    """A small PNG whose header announces a picture of another size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = _file(Image.new("L", (8, 8)))
    return data[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def _bmp_claiming(width: int, height: int) -> bytes:
    data = _file(Image.new("L", (8, 8)), "BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def _jpeg_claiming(width: int, height: int) -> bytes:
    data = _file(Image.new("L", (8, 8)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _gif_claiming(width: int, height: int, *, frame: bool = False) -> bytes:
    data = _file(Image.new("L", (8, 8)), "GIF")
    at = data.index(b",") + 5 if frame else 6
    return data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]


def _gif_frame_claiming(width: int, height: int) -> bytes:
    return _gif_claiming(width, height, frame=True)


def _webp_claiming(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _tiff_claiming(width: int, height: int) -> bytes:
    data = _file(Image.new("L", (8, 8)), "TIFF")
    for tag, value in ((256, width), (257, height)):
        entry = struct.pack("<HHI", tag, 4, 1)
        at = data.index(entry) + 8 if entry in data else data.index(struct.pack("<HHI", tag, 3, 1)) + 8
        data = data[: at - 6] + struct.pack("<H", 4) + data[at - 4 : at] + struct.pack("<I", value) + data[at + 4 :]
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


def test_a_png_of_a_thousand_million_pixels() -> None:
    with pytest.raises(ImageTooLargeError, match="60000 x 60000"):
        decode_image(_png_claiming(60_000, 60_000))


def test_the_limit_itself_is_allowed() -> None:
    data = _file(Image.fromarray(_levels()))
    assert decode_image(data, max_pixels=600).shape == (20, 30)
    with pytest.raises(ImageTooLargeError, match="30 x 20 pixels, over the limit of 599"):
        decode_image(data, max_pixels=599)


@pytest.mark.parametrize("claiming", BOMBS[:3])
def test_a_picture_of_no_pixels(claiming: Callable[[int, int], bytes]) -> None:
    with pytest.raises((DamagedImageError, ImageShapeError)):
        decode_image(claiming(0, 10))


def test_a_thin_line_is_no_picture() -> None:
    with pytest.raises(ImageShapeError, match="5 x 1000"):
        decode_image(_file(Image.new("L", (5, 1000))))
    assert decode_image(_file(Image.new("L", (1, 1)))).shape == (1, 1)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_or_pages(form: str) -> None:
    frames = [Image.fromarray(np.full((10, 10), level, np.uint8)) for level in (0, 100, 200)]
    with pytest.raises(AnimatedImageError, match="one picture a file"):
        decode_image(_file(frames[0], form, save_all=True, append_images=frames[1:]))
    assert decode_image(_file(frames[1], form, save_all=True)).shape == (10, 10)


def _hostile(*more: bytes) -> list[bytes]:
    """Random bytes, random bytes behind each signature, and files with bytes changed."""
    rng = np.random.default_rng(0)
    whole = [_file(Image.fromarray(_levels()), form) for form in FORMATS]
    whole += [_with_preview(), _tiff_claiming(30, 20), _webp_claiming(30, 20), *more]
    files = [rng.bytes(int(rng.integers(1, 200))) for _ in range(50)]
    files += [data[: int(rng.integers(2, 40))] + rng.bytes(200) for data in whole for _ in range(15)]
    for data in whole:
        for _ in range(60):
            changed = bytearray(data)
            for place in rng.integers(0, min(len(data), int(rng.choice([40, 200, 4000]))), int(rng.integers(1, 6))):
                changed[place] = int(rng.integers(256))
            files.append(bytes(changed))
    return files


def test_hostile_bytes_raise_nothing_but_an_image_error() -> None:
    compressed = [_file(Image.fromarray(_levels()), "TIFF", compression=how) for how in ("tiff_lzw", "jpeg")]
    for data in _hostile(*compressed):
        try:
            grey = decode_image(data, max_pixels=1_000_000)
        except ImageError:
            continue
        assert grey.dtype == np.uint8
        assert grey.ndim == 2


def test_nothing_hostile_reaches_the_log(tmp_path: Any) -> None:
    files = [*_hostile(), *(claiming(12_000, 12_000) for claiming in BOMBS)]
    for index, data in enumerate(files):
        (tmp_path / f"{index}").write_bytes(data)
    program = (
        "import pathlib, sys\n"
        "from service.artifacts.image import ImageError, decode_image\n"
        "for file in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode_image(file.read_bytes())\n"
        "    except ImageError: pass\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert not re.search(r"Warning|PIL|\.py", ran.stderr)


def test_threads_do_not_disturb_each_other_or_pillow() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    good = [_file(Image.fromarray(_levels()), form) for form in LOSSLESS]

    def decode(index: int) -> bool:
        if index % 3 == 0:
            with pytest.raises(DamagedImageError):
                decode_image(good[0][:60])
        return np.array_equal(decode_image(good[index % len(good)]), _levels())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(decode, range(400)))
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
