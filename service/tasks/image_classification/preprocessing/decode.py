"""Decoding of image files to gray pixels, within limits."""

import io
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.limits import Limits, variable
from service.tasks.image_classification.preprocessing.decoder_messages import silence_decoders
from service.tasks.image_classification.preprocessing.errors import (
    AnimatedImageError,
    DamagedImageError,
    EmptyImageError,
    ImageShapeError,
    ImageTooLargeError,
    UnknownImageFormatError,
    VectorImageError,
)
from service.tasks.image_classification.preprocessing.grayscale import to_grayscale

MAX_PIXELS = Limits().max_pixels
"""Default limit of width times height; larger pictures are refused."""

MAX_ASPECT = 100
"""Ratio of the longer to the shorter side above which a picture is refused."""

_MIN_DRAFT_SIDE = 900
"""Minimum number of pixels that JPEG's scaled decoding keeps of each side."""

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff")
"""The media types that `decode_image` reads. It recognizes them by the bytes, not by a declared type."""

silence_decoders()


class _Format(NamedTuple):
    """A file format and Pillow's reader for it."""

    name: str
    open: Callable[[io.BytesIO], ImageFile.ImageFile]


_JPEG = _Format("JPEG", JpegImageFile)
_WEBP = _Format("WebP", WebPImageFile)

# The accepted formats by the first bytes of the file. Readers are called directly rather than through Image.open, whose
# decompression bomb check comes after reading, warns instead of refusing, and takes its limit from a global.
_SIGNATURES: tuple[tuple[bytes, _Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", _Format("PNG", PngImageFile)),
    (b"\xff\xd8\xff", _JPEG),
    (b"GIF87a", _Format("GIF", GifImageFile)),
    (b"GIF89a", _Format("GIF", GifImageFile)),
    (b"BM", _Format("BMP", BmpImageFile)),
    (b"II*\x00", _Format("TIFF", TiffImageFile)),
    (b"MM\x00*", _Format("TIFF", TiffImageFile)),
    (b"II+\x00", _Format("TIFF", TiffImageFile)),
    (b"MM\x00+", _Format("TIFF", TiffImageFile)),
)
_ACCEPTED = "send a PNG, JPEG, WebP, BMP, GIF or TIFF"


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode the bytes of an image file to upright gray pixels [H, W] with transparency filled.

    The number of pixels is checked from the header, before anything is decoded. A JPEG larger than any model needs is
    decoded at a half, a quarter or an eighth of its size, which saves most of the time that a phone's photograph takes.
    Thread-safe: no global state of Pillow is changed.

    Args:
        data: the file's contents; limiting the number of bytes is up to the caller.
        max_pixels: limit of width times height.

    Raises:
        ImageError: one of its subclasses for anything that is wrong with the file, and nothing else.
    """
    file_format = _detect_format(data)
    if file_format is _WEBP:
        _check_size(_webp_size(data), max_pixels)
    try:
        with file_format.open(io.BytesIO(data)) as image:
            _check_size(image.size, max_pixels)
            _check_frames(image, file_format.name)
            if file_format is _JPEG:
                image.draft(None, (_MIN_DRAFT_SIDE, _MIN_DRAFT_SIDE))
            image.load()
            return to_grayscale(image)
    except (AnimatedImageError, ImageShapeError, ImageTooLargeError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(
            f"the picture is over the limit of {max_pixels:,} pixels ({variable('max_pixels')}); send a smaller one"
        ) from error
    except MemoryError as error:
        raise ImageTooLargeError("the picture needs more memory than there is; send a smaller one") from error
    except Exception as error:  # parsers raise anything on hostile bytes, and the cause is always the file
        raise DamagedImageError(
            f"the {file_format.name} file is truncated or damaged: it cannot be decoded; send the whole file"
        ) from error


def _detect_format(data: bytes) -> _Format:
    """Detect the format of a file by its first bytes, or raise the error that names what was sent instead."""
    if not data:
        raise EmptyImageError(f"the image has no bytes; {_ACCEPTED}")
    for signature, file_format in _SIGNATURES:
        if data.startswith(signature):
            return file_format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _WEBP
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype")) and b"<svg" in start):
        raise VectorImageError("the image is an SVG, a drawing without pixels; send a PNG of it")
    if start.startswith(b"%pdf"):
        raise VectorImageError("the file is a PDF, not an image; send a PNG of the page")
    raise UnknownImageFormatError(f"the bytes are not an image of a known format; {_ACCEPTED}")


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture whose width and height exceed the limits or are zero."""
    width, height = size
    if width <= 0 or height <= 0:
        raise ImageShapeError(f"the picture is {width} x {height} pixels: there is nothing in it")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"the picture is {width} x {height} pixels, over the limit of {max_pixels:,} "
            f"({variable('max_pixels')}); send a smaller one"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageShapeError(f"the picture is {width} x {height} pixels, a thin line; send one nearer to a square")


def _check_frames(image: ImageFile.ImageFile, name: str) -> None:
    """Refuse animations and multi-page files. The preview that phones append to a JPEG does not count."""
    if getattr(image, "is_animated", False):
        raise AnimatedImageError(f"the {name} file holds more than one frame or page; send one picture a file")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Read width and height from a WebP header (RFC 9649): Pillow's reader allocates the canvas on opening."""
    kind, body = data[12:16], data[20:30]
    try:
        if kind == b"VP8X":
            width, height = body[4:7], body[7:10]
            return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
        if kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", body, 1)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            return width & 0x3FFF, height & 0x3FFF
    except struct.error:
        pass
    raise DamagedImageError("the WebP file is truncated or damaged: its header is not complete; send the whole file")
