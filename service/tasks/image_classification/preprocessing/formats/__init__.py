"""The accepted file formats: what is read of a file before any decoder sees it.

Every format has a function that walks over the file's structure without decoding anything. It reads the size, refuses
what exceeds the limits, and leaves out all that the pixels do not need. So the work and the memory of a decoder are
known before it starts, and its code for profiles, texts and previews never sees a client's bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.tasks.image_classification.preprocessing.errors import (
    EmptyImageError,
    UnknownImageFormatError,
    VectorImageError,
)
from service.tasks.image_classification.preprocessing.formats.base import FileLimits, InspectedFile
from service.tasks.image_classification.preprocessing.formats.bmp import inspect_bmp
from service.tasks.image_classification.preprocessing.formats.gif import inspect_gif
from service.tasks.image_classification.preprocessing.formats.jpeg import MIN_REDUCED_SIDE, inspect_jpeg
from service.tasks.image_classification.preprocessing.formats.png import inspect_png
from service.tasks.image_classification.preprocessing.formats.tiff import inspect_tiff
from service.tasks.image_classification.preprocessing.formats.webp import inspect_webp

__all__ = [
    "JPEG",
    "MEDIA_TYPES",
    "MIN_REDUCED_SIDE",
    "WEBP",
    "FileLimits",
    "Format",
    "InspectedFile",
    "detect_format",
    "is_picture",
]

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff")
"""The media types that are read. They are recognized by the bytes, not by a declared type."""


class Format(NamedTuple):
    """A file format, the inspection of its files and Pillow's reader for it."""

    name: str
    inspect: Callable[[bytes, FileLimits], InspectedFile]
    open: Callable[[io.BytesIO], ImageFile.ImageFile]


JPEG = Format("JPEG", inspect_jpeg, JpegImageFile)
WEBP = Format("WebP", inspect_webp, WebPImageFile)
_PNG = Format("PNG", inspect_png, PngImageFile)
_GIF = Format("GIF", inspect_gif, GifImageFile)
_BMP = Format("BMP", inspect_bmp, BmpImageFile)
_TIFF = Format("TIFF", inspect_tiff, TiffImageFile)

# The accepted formats by the first bytes of the file. Readers are called directly rather than through Image.open, whose
# decompression bomb check comes after reading, warns instead of refusing, and takes its limit from a global.
_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", _GIF),
    (b"GIF89a", _GIF),
    (b"BM", _BMP),
    (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF),
    (b"II+\x00", _TIFF),
    (b"MM\x00+", _TIFF),
)
_DIB_HEADER_SIZES = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
"""Bytes that the second header of a BMP may have, as it says itself at this offset."""
_DIB_HEADER_OFFSET = 14
_ACCEPTED = "send a PNG, JPEG, WebP, BMP, GIF or TIFF"


def is_picture(data: bytes) -> bool:
    """Whether data of any kind are a file of an accepted format, as far as their first bytes say."""
    if data.startswith(b"BM"):  # So do texts.
        size = data[_DIB_HEADER_OFFSET : _DIB_HEADER_OFFSET + 4]
        return int.from_bytes(size, "little") in _DIB_HEADER_SIZES
    return data.startswith(tuple(signature for signature, _ in _SIGNATURES)) or _is_webp(data)


def detect_format(data: bytes) -> Format:
    """The format of a file, by its first bytes.

    Raises:
        ImageError: it is none of the accepted formats; the error names what was sent instead.
    """
    if not data:
        raise EmptyImageError(f"the image has no bytes; {_ACCEPTED}")
    for signature, file_format in _SIGNATURES:
        if data.startswith(signature):
            return file_format
    if _is_webp(data):
        return WEBP
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype")) and b"<svg" in start):
        raise VectorImageError("the image is an SVG, a drawing without pixels; send a PNG of it")
    if start.startswith(b"%pdf"):
        raise VectorImageError("the file is a PDF, not an image; send a PNG of the page")
    raise UnknownImageFormatError(f"the bytes are not an image of a known format; {_ACCEPTED}")


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"
