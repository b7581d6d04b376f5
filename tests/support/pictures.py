"""Small picture files for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "BMP": {}, "GIF": {}, "TIFF": {}, "WEBP": {"lossless": True}}
FORMATS = (*LOSSLESS, "JPEG")


def picture_file(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture in a format, lossless where the format can."""
    file = io.BytesIO()
    image.save(file, form, **(LOSSLESS.get(form, {}) | options))
    return file.getvalue()


def levels() -> NDArray[np.uint8]:
    """Grey levels that differ in every corner [20, 30]."""
    return (np.arange(20)[:, None] * 7 + np.arange(30) * 4).astype(np.uint8)


def with_preview() -> bytes:
    """What telephones send: a JPEG that carries a second, smaller one (MPO)."""
    return picture_file(Image.fromarray(levels()), "MPO", save_all=True, append_images=[Image.new("L", (8, 8))])
