"""Formats that are recognized but not read, so that errors can name them."""

from __future__ import annotations

import re

from service.tasks.image_classification.preprocessing.errors import (
    ImageError,
    UnknownImageFormatError,
    UnreadImageFormatError,
    VectorImageError,
)

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL \r\n", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  \r\n", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"II\xbc", "a JPEG XR image"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x00\x00\x02\x00", "a cursor (CUR)"),
    (b"8BPS", "a Photoshop file (PSD)"),
    (b"gimp xcf", "a GIMP file (XCF)"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"AT&TFORM", "a DjVu file"),
    (b"qoif", "a QOI image"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"DDS ", "a DirectDraw surface (DDS)"),
    (b"SIMPLE  =", "a FITS image"),
    (b"\x59\xa6\x6a\x95", "a Sun raster image"),
    (b"\x01\xda\x00\x01", "an SGI image"),
    (b"\x01\xda\x01\x01", "an SGI image"),
    (b"/* XPM */", "an XPM image"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"PK\x03\x04", "a ZIP archive"),
)
_NETPBM = re.compile(rb"P[1-7fF][ \t\r\n#]")
"""Beginning of portable bitmaps, graymaps, pixmaps, anymaps and float maps."""
_BOX_FORMATS = {b"crx ": "a camera's raw file", b"qt  ": "a video", b"jxl ": "a JPEG XL image"}
_VIDEO_BRANDS = (b"mp4", b"isom", b"iso", b"M4V", b"3gp", b"avc1", b"dash", b"mmp4", b"f4v")


def unread_format(data: bytes, accepted: str) -> ImageError:
    """The error of a file that is in none of the formats that are read; it names the format if it is recognized.

    Args:
        data: the file.
        accepted: what to send instead.
    """
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype")) and b"<svg" in start):
        return VectorImageError("the image is an SVG, a drawing without pixels; send a PNG of it")
    if start.startswith(b"%pdf"):
        return VectorImageError("the file is a PDF, not an image; send a PNG of the page")
    name = _name(data)
    if name is None:
        return UnknownImageFormatError(f"the bytes are not an image of a known format; {accepted}")
    return UnreadImageFormatError(f"the file is {name}, which is not read; {accepted}")


def _name(data: bytes) -> str | None:
    """What a file is, by its first bytes; None if nothing is known of it."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if _NETPBM.match(data):
        return "a Netpbm image (PBM, PGM, PPM or PNM)"
    if data[128:132] == b"DICM":
        return "a DICOM file"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return _BOX_FORMATS.get(brand) or ("a video" if brand.startswith(_VIDEO_BRANDS) else None)
    if data[:4] == b"RIFF" and data[8:12] in {b"AVI ", b"WAVE"}:
        return "a video or sound"
    return None
