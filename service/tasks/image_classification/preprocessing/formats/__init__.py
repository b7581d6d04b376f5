"""The accepted file formats: what is read of a file before any decoder sees it.

Every format has a function that walks over the file's structure without decoding anything. It reads the size, refuses
what exceeds the limits, and leaves out all that the pixels do not need. So the work and the memory of a decoder are
known before it starts, and its code for profiles, texts and previews never sees a client's bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

from PIL import AvifImagePlugin, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

try:  # the extra `heif`
    from pi_heif import HeifImageFile
except ImportError:
    HeifImageFile = None

from service.tasks.image_classification.preprocessing.errors import (
    EmptyImageError,
    UnknownImageFormatError,
    UnreadImageFormatError,
)
from service.tasks.image_classification.preprocessing.formats.base import FileLimits, InspectedFile
from service.tasks.image_classification.preprocessing.formats.bmp import inspect_bmp
from service.tasks.image_classification.preprocessing.formats.gif import inspect_gif
from service.tasks.image_classification.preprocessing.formats.heif import heif_format, inspect_avif, inspect_heic
from service.tasks.image_classification.preprocessing.formats.jpeg import MIN_REDUCED_SIDE, inspect_jpeg
from service.tasks.image_classification.preprocessing.formats.png import inspect_png
from service.tasks.image_classification.preprocessing.formats.tiff import inspect_tiff
from service.tasks.image_classification.preprocessing.formats.unread import unread_format
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
    "is_recognized",
    "read_media_types",
]

MEDIA_TYPES = tuple(f"image/{name}" for name in ("png", "jpeg", "webp", "avif", "heic", "bmp", "gif", "tiff"))
"""The media types that are read, HEIC where its extra is installed. They are recognized by the bytes, not by a declared
type."""


def read_media_types() -> tuple[str, ...]:
    """The media types that this process reads: HEIC takes the extra `heif`, AVIF a Pillow that was built with it."""
    missing = {"image/heic"} if HeifImageFile is None else set()
    if not AvifImagePlugin.SUPPORTED:
        missing.add("image/avif")
    return tuple(each for each in MEDIA_TYPES if each not in missing)


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
_AVIF = Format("AVIF", inspect_avif, AvifImageFile)
_HEIC = Format("HEIC", inspect_heic, HeifImageFile) if HeifImageFile else None

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
_FIRST_BYTES = tuple(signature for signature, _ in _SIGNATURES)
_DIB_HEADER_SIZES = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
"""Bytes that the second header of a BMP may have, as it says itself at this offset."""
_DIB_HEADER_OFFSET = 14
_ACCEPTED = "send a PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF"
_COMMON = "send a PNG or JPEG of it"


def is_picture(data: bytes) -> bool:
    """Whether data of any kind are a file of an accepted format, or HEIC, as far as their first bytes say."""
    if data.startswith(b"BM"):  # So do texts.
        size = data[_DIB_HEADER_OFFSET : _DIB_HEADER_OFFSET + 4]
        return int.from_bytes(size, "little") in _DIB_HEADER_SIZES
    if data.startswith(_FIRST_BYTES) or _is_webp(data):
        return True
    return heif_format(data) is not None


def is_recognized(data: bytes) -> bool:
    """Whether data of any kind are a file of a format that is read, or of another one that an error can name."""
    return is_picture(data) or type(unread_format(data, _ACCEPTED)) is not UnknownImageFormatError


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
    family = heif_format(data)
    if family == "AVIF":
        if not AvifImagePlugin.SUPPORTED:
            raise UnreadImageFormatError(f"the image is AVIF, which this build of Pillow does not read; {_COMMON}")
        return _AVIF
    if family == "HEIC":
        if _HEIC is None:
            raise UnreadImageFormatError(
                "the image is HEIC, which is read only where the extra `heif` is installed "
                f"(pip install 'lectern[heif]'); {_COMMON}"
            )
        return _HEIC
    raise unread_format(data, _ACCEPTED)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"
