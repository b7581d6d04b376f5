"""One drawn figure as a file of every format, mode and bit depth, with the pixels that reading each must give."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support import picture_writers as writers
from tests.support.hostile_pictures import bmp_run_length_encoded, png_chunk
from tests.support.pictures import picture_file

HEIGHT, WIDTH = 64, 48

_EXACT, _ROUNDED, _LOSSY = 0, 4, 30
"""Greatest differences of a gray level: of lossless files, of fewer bits or of converted colors, of lossy files."""


class Entry(NamedTuple):
    """A file and what reading it must give."""

    make: Callable[[], bytes]
    expected: NDArray[np.uint8]
    tolerance: int = _EXACT


def drawing() -> NDArray[np.uint8]:
    """A seven, black on white with smooth edges, [64, 48]."""
    levels = np.full((HEIGHT, WIDTH), 255, np.uint8)
    corners = np.array([[12, 14], [36, 14], [20, 50]], np.int32)
    cv2.polylines(levels, [corners], isClosed=False, color=0, thickness=5, lineType=cv2.LINE_AA)
    return levels


_GRAY = drawing()
_INK = _GRAY < 128
_HARD = np.where(_INK, 0, 255).astype(np.uint8)
_IMAGE = Image.fromarray(_GRAY)
_BLACK_WITH_ALPHA = np.stack([np.zeros_like(_GRAY)] * 3 + [255 - _GRAY], axis=-1)


def _rounded(bits: int) -> NDArray[np.uint8]:
    """The drawing in as many gray levels as `bits` have."""
    return np.round(writers.quantize(_GRAY, bits) * 255 / (2**bits - 1)).astype(np.uint8)


def _png() -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for bits in (1, 2, 4, 8, 16):
        top = 2**bits - 1
        levels, key = writers.quantize(_GRAY, bits), max(1, top // 3)
        entries[f"gray {bits}"] = Entry(lambda s=levels, b=bits: writers.png(s, b, 0), _rounded(bits))
        interlaced = lambda s=levels, b=bits: writers.png(s, b, 0, interlaced=True)  # noqa: E731
        entries[f"gray {bits} interlaced"] = Entry(interlaced, _rounded(bits))
        transparent = png_chunk(b"tRNS", struct.pack(">H", key))
        keyed = np.where(_INK, 0, key)
        entries[f"gray {bits} tRNS"] = Entry(lambda s=keyed, b=bits, t=transparent: writers.png(s, b, 0, t), _HARD)
    for bits in (1, 2, 4, 8):
        top = 2**bits - 1
        levels = writers.quantize(_GRAY, bits)
        ramp = np.arange(top + 1) * 255 // top
        grays = png_chunk(b"PLTE", np.repeat(ramp, 3).astype(np.uint8).tobytes())
        entries[f"palette {bits}"] = Entry(lambda s=levels, b=bits, p=grays: writers.png(s, b, 3, p), _rounded(bits), 1)
        black = png_chunk(b"PLTE", bytes(3 * (top + 1))) + png_chunk(b"tRNS", (255 - ramp).astype(np.uint8).tobytes())
        keyed = lambda s=levels, b=bits, p=black: writers.png(s, b, 3, p)  # noqa: E731
        entries[f"palette {bits} tRNS"] = Entry(keyed, _rounded(bits), 1)
    for bits, factor in ((8, 1), (16, 257)):
        rgb = np.repeat(_GRAY[..., None], 3, axis=2).astype(np.int64) * factor
        entries[f"RGB {bits}"] = Entry(lambda s=rgb, b=bits: writers.png(s, b, 2), _GRAY)
        entries[f"RGB {bits} interlaced"] = Entry(lambda s=rgb, b=bits: writers.png(s, b, 2, interlaced=True), _GRAY)
        key_color = np.array([120, 90, 60]) * factor
        keyed_rgb = np.where(_INK[..., None], 0, key_color)
        transparent = png_chunk(b"tRNS", struct.pack(">HHH", *key_color))
        keyed = lambda s=keyed_rgb, b=bits, t=transparent: writers.png(s, b, 2, t)  # noqa: E731
        entries[f"RGB {bits} tRNS"] = Entry(keyed, _HARD)
        alpha = _BLACK_WITH_ALPHA.astype(np.int64) * factor
        entries[f"gray+alpha {bits}"] = Entry(lambda s=alpha[..., 2:], b=bits: writers.png(s, b, 4), _GRAY)
        entries[f"RGBA {bits}"] = Entry(lambda s=alpha, b=bits: writers.png(s, b, 6), _GRAY)
    white = np.stack([np.full_like(_GRAY, 255), 255 - _GRAY], axis=-1).astype(np.int64)
    entries["white ink with alpha"] = Entry(lambda: writers.png(white, 8, 4), 255 - _GRAY)
    gamma = png_chunk(b"gAMA", struct.pack(">I", 100_000))
    entries["gamma"] = Entry(lambda: writers.png(_GRAY.astype(np.int64), 8, 0, gamma), _GRAY)
    for bits in (10, 12, 14):
        samples = writers.quantize(_GRAY, bits)
        entries[f"gray 16 of {bits} bits"] = Entry(lambda s=samples: writers.png(s, 16, 0), _rounded(bits), 1)
    entries["gray 16 white on black"] = Entry(
        lambda: writers.png((255 - _GRAY).astype(np.int64) * 257, 16, 0), 255 - _GRAY
    )
    return entries


def _jpeg() -> dict[str, Entry]:
    rgb = _IMAGE.convert("RGB")
    entries = {
        "gray": Entry(lambda: picture_file(_IMAGE, "JPEG", quality=95), _GRAY, _LOSSY),
        "progressive": Entry(lambda: picture_file(rgb, "JPEG", quality=95, progressive=True), _GRAY, _LOSSY),
        "RGB as RGB": Entry(lambda: picture_file(rgb, "JPEG", quality=95, keep_rgb=True), _GRAY, _LOSSY),
        "CMYK of Adobe": Entry(lambda: _four_channel_jpeg(255 - _GRAY, 255), _GRAY, _LOSSY),
        "CMYK inverted": Entry(lambda: _without_adobe(_four_channel_jpeg(_GRAY, 0)), _GRAY, _LOSSY),
        "YCCK": Entry(_ycck_jpeg, _GRAY, _LOSSY),
    }
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        make = lambda s=subsampling: picture_file(rgb, "JPEG", quality=95, subsampling=s)  # noqa: E731
        entries[f"YCbCr {subsampling}"] = Entry(make, _GRAY, _LOSSY)
    return entries


def _four_channel_jpeg(black: NDArray[np.uint8], white: int) -> bytes:
    """A JPEG of cyan, magenta, yellow and black, which Pillow stores inverted and with a marker of Adobe's.

    Args:
        black: the black channel.
        white: the level of the empty channels, 255 - white.
    """
    empty = Image.new("L", _IMAGE.size, 255 - white)
    return picture_file(Image.merge("CMYK", (empty, empty, empty, Image.fromarray(black))), "JPEG", quality=98)


def _without_adobe(data: bytes) -> bytes:
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def _ycck_jpeg() -> bytes:
    """A JPEG whose cyan, magenta and yellow are stored as luma and chroma."""
    stored = [
        255 - np.asarray(channel) for channel in Image.fromarray(255 - _GRAY).convert("RGB").convert("YCbCr").split()
    ]
    channels = [Image.fromarray(channel) for channel in stored]
    data = picture_file(Image.merge("CMYK", (*channels, Image.new("L", _IMAGE.size, 0))), "JPEG", quality=98)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\x02" + data[transform + 1 :]


def _tiff() -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for order, name in (("<", "little"), (">", "big")):
        for bits in (1, 2, 4, 8, 16, 32):
            samples = writers.quantize(_GRAY, bits)
            make = lambda s=samples, b=bits, o=order: writers.tiff(s, b, 1, order=o)  # noqa: E731
            entries[f"gray {bits} {name}"] = Entry(make, _rounded(bits))
            inverse = 2**bits - 1 - samples
            make = lambda s=inverse, b=bits, o=order: writers.tiff(s, b, 0, order=o)  # noqa: E731
            entries[f"white is zero {bits} {name}"] = Entry(make, _rounded(bits))
        for bits in (16, 32):
            samples, middle = writers.quantize(_GRAY, bits - 1), 2 ** (bits - 1) - 1
            make = lambda s=samples, b=bits, o=order: writers.tiff(s, b, 1, order=o, tags=[(339, [2])])  # noqa: E731
            entries[f"signed {bits} {name}"] = Entry(make, _GRAY)
            centered = 2 * samples - middle
            make = lambda s=centered, b=bits, o=order: writers.tiff(s, b, 1, order=o, tags=[(339, [2])])  # noqa: E731
            entries[f"signed {bits} with negative values {name}"] = Entry(make, _GRAY, 1)
        for scale, photometric in ((1.0, 1), (255.0, 1), (1.0, 0)):
            floats = ((255 - _GRAY if photometric == 0 else _GRAY) / 255 * scale).astype(np.float32)
            make = lambda f=floats, p=photometric, o=order: writers.tiff(f, 32, p, order=o, tags=[(339, [3])])  # noqa: E731
            entries[f"float to {scale:g} photometric {photometric} {name}"] = Entry(make, _GRAY, 1)
        for bits, factor in ((8, 1), (16, 257)):
            rgb = np.repeat(_GRAY[..., None], 3, axis=2).astype(np.int64) * factor
            make = lambda s=rgb, b=bits, o=order: writers.tiff(s, b, 2, order=o)  # noqa: E731
            entries[f"RGB {bits} {name}"] = Entry(make, _GRAY)
            alpha = _BLACK_WITH_ALPHA.astype(np.int64) * factor
            make = lambda s=alpha, b=bits, o=order: writers.tiff(s, b, 2, order=o, tags=[(338, [2])])  # noqa: E731
            entries[f"RGBA {bits} {name}"] = Entry(make, _GRAY)
            make = lambda s=alpha, b=bits, o=order: writers.tiff(s, b, 5, order=o)  # noqa: E731
            entries[f"CMYK {bits} {name}"] = Entry(make, _GRAY)
        for bits in (1, 2, 4, 8):
            ramp = [index * 65535 // (2**bits - 1) for index in range(2**bits)] * 3
            samples = writers.quantize(_GRAY, bits)
            make = lambda s=samples, b=bits, o=order, r=ramp: writers.tiff(s, b, 3, order=o, tags=[(320, r)])  # noqa: E731
            entries[f"palette {bits} {name}"] = Entry(make, _rounded(bits), 1)
    gray = _GRAY.astype(np.int64)
    entries["tiled"] = Entry(lambda: writers.tiff(gray, 8, 1, tile=16), _GRAY)
    premultiplied = np.repeat((255 - gray)[..., None], 4, axis=2)
    entries["premultiplied alpha"] = Entry(lambda: writers.tiff(premultiplied, 8, 2, tags=[(338, [1])]), 255 - _GRAY)
    for method in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        entries[method] = Entry(lambda m=method: picture_file(_IMAGE, "TIFF", compression=m), _GRAY)
    entries["jpeg"] = Entry(lambda: picture_file(_IMAGE, "TIFF", compression="jpeg", quality=95), _GRAY, _LOSSY)
    for method in ("group3", "group4", "tiff_ccitt"):
        entries[method] = Entry(
            lambda m=method: picture_file(Image.fromarray(_HARD).convert("1"), "TIFF", compression=m), _HARD
        )
    for mode in ("LAB", "YCbCr", "LA", "RGBX"):
        source = _IMAGE if mode in {"LA", "RGBX"} else _IMAGE.convert("RGB")
        entries[mode] = Entry(lambda s=source, m=mode: picture_file(s.convert(m), "TIFF"), _GRAY, _ROUNDED)
    return entries


def _bmp() -> dict[str, Entry]:
    entries: dict[str, Entry] = {}

    def add(name: str, rows: list[bytes], bits: int, expected: NDArray[np.uint8], **options: Any) -> None:
        stored = rows[::-1]
        entries[name] = Entry(lambda: writers.bmp(stored, (WIDTH, HEIGHT), bits, **options), expected, _ROUNDED)
        top_down = lambda: writers.bmp(rows, (WIDTH, -HEIGHT), bits, **options)  # noqa: E731
        entries[f"{name} from the top down"] = Entry(top_down, expected, _ROUNDED)

    for bits in (1, 4, 8):
        palette = b"".join(bytes([index * 255 // (2**bits - 1)] * 3 + [0]) for index in range(2**bits))
        rows = writers.packed_rows(writers.quantize(_GRAY, bits), bits)
        add(f"palette {bits}", rows, bits, _rounded(bits), palette=palette)
    five, six = writers.quantize(_GRAY, 5), writers.quantize(_GRAY, 6)
    add("16 of 5, 5 and 5 bits", writers.packed_rows(five << 10 | five << 5 | five, 16, "<"), 16, _rounded(5))
    masks = (0xF800, 0x07E0, 0x001F)
    add(
        "16 of 5, 6 and 5 bits",
        writers.packed_rows(five << 11 | six << 5 | five, 16, "<"),
        16,
        _GRAY,
        masks=masks,
        header=52,
    )
    gray = np.repeat(_GRAY[..., None], 4, axis=2).astype(np.int64)
    add("24", writers.packed_rows(gray[..., :3], 8), 24, _GRAY)
    gray[..., 3] = 0
    add("32 without alpha", writers.packed_rows(gray, 8), 32, _GRAY)
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    alpha = writers.packed_rows(_BLACK_WITH_ALPHA.astype(np.int64), 8)
    add("32 with alpha", alpha, 32, _GRAY, masks=masks, header=124)
    add("32 with an alpha of zero", writers.packed_rows(gray, 8), 32, _GRAY, masks=masks, header=124)
    rows = [b"".join(bytes([1, level]) for level in row) + b"\0\0" for row in _GRAY[::-1].tolist()]
    entries["run lengths 8"] = Entry(lambda: bmp_run_length_encoded(WIDTH, HEIGHT, b"".join(rows) + b"\0\1"), _GRAY)
    return entries


def _gif_and_webp() -> dict[str, Entry]:
    transparent = Image.fromarray(np.where(_INK, 1, 0).astype(np.uint8)).convert("P")
    transparent.putpalette([70, 70, 70, 0, 0, 0])
    rgba = Image.fromarray(_BLACK_WITH_ALPHA, "RGBA")
    return {
        "GIF gray": Entry(lambda: picture_file(_IMAGE, "GIF"), _GRAY),
        "GIF interlaced": Entry(lambda: picture_file(_IMAGE, "GIF", interlace=True), _GRAY),
        "GIF with a transparent color": Entry(lambda: picture_file(transparent, "GIF", transparency=0), _HARD),
        "WebP lossless": Entry(lambda: picture_file(_IMAGE.convert("RGB"), "WEBP", lossless=True), _GRAY),
        "WebP lossy": Entry(lambda: picture_file(_IMAGE.convert("RGB"), "WEBP", lossless=False), _GRAY, _LOSSY),
        "WebP alpha": Entry(lambda: picture_file(rgba, "WEBP", lossless=True), _GRAY),
        "WebP lossy alpha": Entry(lambda: picture_file(rgba, "WEBP", lossless=False), _GRAY, _LOSSY),
    }


# The transposition that the EXIF orientation undoes, of each orientation.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _oriented(form: str, **options: Any) -> dict[str, Entry]:
    """The drawing in each of the orientations of EXIF."""
    entries = {}
    for orientation, transposition in _STORED.items():
        image = _IMAGE.convert("RGB").transpose(transposition)
        exif = Image.Exif()
        exif[0x0112] = orientation
        make = lambda i=image, e=exif: picture_file(i, form, exif=e.tobytes(), **options)  # noqa: E731
        entries[f"{form} orientation {orientation}"] = Entry(make, _GRAY, _LOSSY)
    return entries


def _avif() -> dict[str, Entry]:
    rgb = _IMAGE.convert("RGB")
    rgba = Image.fromarray(_BLACK_WITH_ALPHA, "RGBA")
    entries = {
        "gray": Entry(lambda: picture_file(_IMAGE, "AVIF", quality=100), _GRAY),
        "alpha": Entry(lambda: picture_file(rgba, "AVIF"), _GRAY, _LOSSY),
        "limited range": Entry(lambda: picture_file(rgb, "AVIF", range="limited"), _GRAY, _LOSSY),
    }
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        make = lambda s=subsampling: picture_file(rgb, "AVIF", subsampling=s)  # noqa: E731
        entries[f"color {subsampling}"] = Entry(make, _GRAY, _LOSSY)
    for bits in (8, 10, 12):
        deep = np.repeat(writers.quantize(_GRAY, bits)[..., None], 3, axis=2).astype(
            np.uint8 if bits == 8 else np.uint16
        )
        options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
        make = lambda d=deep, o=options: cv2.imencode(".avif", d, o)[1].tobytes()  # noqa: E731
        entries[f"{bits} bits"] = Entry(make, _GRAY, _LOSSY)
    return entries


TABLE: dict[str, Entry] = {
    **{f"PNG {name}": entry for name, entry in _png().items()},
    **{f"JPEG {name}": entry for name, entry in _jpeg().items()},
    **{f"TIFF {name}": entry for name, entry in _tiff().items()},
    **{f"BMP {name}": entry for name, entry in _bmp().items()},
    **_gif_and_webp(),
    **_oriented("PNG"),
    **_oriented("JPEG", quality=95),
    **_oriented("TIFF"),
    **_oriented("WEBP"),
    **{f"AVIF {name}": entry for name, entry in _avif().items()},
    **_oriented("AVIF"),
}
