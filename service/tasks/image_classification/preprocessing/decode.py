"""Bytes of an image file to grey pixels, within limits."""

import io
import struct
import warnings
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

from service.tasks.image_classification.preprocessing.errors import (
    AnimatedImageError,
    DamagedImageError,
    EmptyImageError,
    ImageShapeError,
    ImageTooLargeError,
    UnknownImageFormatError,
    VectorImageError,
)
from service.tasks.image_classification.preprocessing.grayscale import to_grey

MAX_PIXELS = 20_000_000
"""Width times height above which a picture is refused, unless the caller says otherwise."""

MAX_ASPECT = 100
"""A side more than so many times longer than the other shows nothing."""

_CLOSEST_LOOK = 900
"""Pixels of a picture's shorter side that are always kept."""

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff")
"""The media types that `decode_image` reads. It goes by the bytes themselves, not by what a caller says they are."""

# Damaged files make Pillow warn from within its parsers. What matters here is raised as an ImageError; a warning would
# only let a hostile upload write to the server's log. (Of a damaged compressed TIFF libtiff still writes a line.)
warnings.filterwarnings("ignore", module=r"PIL\.")


class _Format(NamedTuple):
    name: str
    opens: Callable[[io.BytesIO], ImageFile.ImageFile]


_JPEG = _Format("JPEG", JpegImageFile)
_WEBP = _Format("WebP", WebPImageFile)

# The closed list, by the first bytes of the file. The reader is called itself rather than through Image.open, whose
# test for bombs comes after reading, warns instead of refusing, and takes its limit from a global.
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
    """Decode the bytes of one picture into grey pixels [H, W], upright, transparency filled in.

    A JPEG larger than any model looks at is decoded at a half, a quarter or an eighth of its size, which saves most of
    the time that a telephone's photograph takes. The number of bytes is the caller's limit; the number of pixels is
    checked here, from the header, before anything is decoded. Safe in threads: no state of Pillow is changed. Raises a
    subclass of `ImageError` for whatever is wrong with the file, and nothing else.
    """
    found = _recognise(data)
    if found is _WEBP:
        _check_size(_webp_size(data), max_pixels)
    try:
        with found.opens(io.BytesIO(data)) as image:
            _check_size(image.size, max_pixels)
            _check_frames(image, found.name)
            if found is _JPEG:
                image.draft(None, (_CLOSEST_LOOK, _CLOSEST_LOOK))
            image.load()
            return to_grey(image)
    except (AnimatedImageError, ImageShapeError, ImageTooLargeError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(
            f"the picture is over the limit of {max_pixels:,} pixels; send a smaller one"
        ) from error
    except MemoryError as error:
        raise ImageTooLargeError("the picture needs more memory than there is; send a smaller one") from error
    except Exception as error:  # a parser fed with hostile bytes: whatever it raises, the file is what is wrong
        raise DamagedImageError(
            f"the {found.name} file is truncated or damaged: it cannot be decoded; send the whole file"
        ) from error


def _recognise(data: bytes) -> _Format:
    """The format of a file by its first bytes, or the error that names what was sent instead."""
    if not data:
        raise EmptyImageError(f"the image has no bytes; {_ACCEPTED}")
    for signature, found in _SIGNATURES:
        if data.startswith(signature):
            return found
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _WEBP
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype")) and b"<svg" in start):
        raise VectorImageError("the image is an SVG, a drawing without pixels; send a PNG of it")
    if start.startswith(b"%pdf"):
        raise VectorImageError("the file is a PDF, not an image; send a PNG of the page")
    raise UnknownImageFormatError(f"the bytes are not an image of a known format; {_ACCEPTED}")


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture by its header alone."""
    width, height = size
    if width <= 0 or height <= 0:
        raise ImageShapeError(f"the picture is {width} x {height} pixels: there is nothing in it")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"the picture is {width} x {height} pixels, over the limit of {max_pixels:,}; send a smaller one"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageShapeError(f"the picture is {width} x {height} pixels, a thin line; send one nearer to a square")


def _check_frames(image: ImageFile.ImageFile, name: str) -> None:
    """Refuse animations and files of several pages. What a phone hides behind a JPEG's first picture is not read."""
    if getattr(image, "is_animated", False):
        raise AnimatedImageError(f"the {name} file holds more than one frame or page; send one picture a file")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP's header (RFC 9649), because Pillow's reader allocates the canvas when it opens."""
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
