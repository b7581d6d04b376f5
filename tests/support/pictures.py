"""Small picture files for tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "BMP": {}, "GIF": {}, "TIFF": {}, "WEBP": {"lossless": True}}
FORMATS = (*LOSSLESS, "JPEG", "AVIF")


def picture_file(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """Encode an image in a format, losslessly if the format supports it."""
    file = io.BytesIO()
    image.save(file, form, **(LOSSLESS.get(form, {}) | options))
    return file.getvalue()


def gray_levels() -> NDArray[np.uint8]:
    """A gray picture [20, 30] whose corners all differ, so that its orientation is visible."""
    return (np.arange(20)[:, None] * 7 + np.arange(30) * 4).astype(np.uint8)


def with_preview() -> bytes:
    """A JPEG with an appended preview (MPO), as phones write it."""
    return picture_file(Image.fromarray(gray_levels()), "MPO", save_all=True, append_images=[Image.new("L", (8, 8))])


def is_drawn(path: Path) -> bool:
    """Whether a file is a PNG that is not of one tone."""
    with Image.open(path) as image:
        return image.format == "PNG" and bool(np.asarray(image.convert("L")).std() > 1)
