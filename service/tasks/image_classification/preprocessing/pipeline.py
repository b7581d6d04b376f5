"""Normalization of gray pixels to a model's input, as the manifest configures it."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.tasks.image_classification.preprocessing.arrays import Gray, border_pixels
from service.tasks.image_classification.preprocessing.mnist import NormalizedFigures, normalize_figures, normalize_mnist


class ImagePreprocessing(BaseModel):
    """The manifest's `preprocessing` for image classification: how a picture becomes the model's input."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    normalizer: Literal["mnist", "fit"] = Field(default="mnist", alias="normaliser")
    """`mnist`: extract the ink and scale and center it as in MNIST. `fit`: keep the whole picture."""
    height: int = Field(default=28, ge=8, le=1024)
    """Rows of the model's input."""
    width: int = Field(default=28, ge=8, le=1024)
    """Columns of the model's input."""


def normalize(gray: Gray, preprocessing: ImagePreprocessing) -> NDArray[np.float32]:
    """Normalize a decoded picture, gray [H, W], to a model's input, float32 [height, width] in 0..1.

    With `mnist` 0 is paper and 1 is ink, whichever of the two is darker in the picture. With `fit` 0 is black and 1 is
    white, as in the picture.

    Raises:
        BlankImageError: `mnist` finds no ink.
    """
    size = (preprocessing.height, preprocessing.width)
    if preprocessing.normalizer == "mnist":
        return normalize_mnist(gray, size)
    return _fit(gray, size)


def find_figures(gray: Gray, preprocessing: ImagePreprocessing, *, split: bool) -> NormalizedFigures | None:
    """Normalize a decoded picture, gray [H, W], as `normalize` does, and count its figures or split it into them.

    Returns:
        None where the model takes the whole picture (`fit`), of which nothing is known to be ink.

    Raises:
        BlankImageError: `mnist` finds no ink.
    """
    if preprocessing.normalizer != "mnist":
        return None
    return normalize_figures(gray, (preprocessing.height, preprocessing.width), split=split)


def _fit(gray: Gray, size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale [H, W] to fit `size` with its aspect ratio kept, padded with the median of its border; float32 in 0..1."""
    height, width = size
    scale = min(height / gray.shape[0], width / gray.shape[1])
    inner_height = min(height, max(1, round(gray.shape[0] * scale)))
    inner_width = min(width, max(1, round(gray.shape[1] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    inner = cv2.resize(gray, (inner_width, inner_height), interpolation=interpolation)
    canvas = np.full(size, np.median(border_pixels(gray)) / 255.0, np.float32)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = inner.astype(np.float32) / 255.0
    return canvas
