"""From grey pixels to a model's input, as the manifest says."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.tasks.image_classification.preprocessing.mnist import normalise_mnist


class ImagePreprocessing(BaseModel):
    """How a picture becomes a model's input: the manifest's `preprocessing` of the task image-classification."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normaliser: Literal["mnist", "fit"] = "mnist"
    """`mnist`: find the ink, crop, scale and centre it as MNIST's makers did. `fit`: keep the whole picture."""
    height: int = Field(default=28, ge=8, le=1024)
    """Rows of the model's input."""
    width: int = Field(default=28, ge=8, le=1024)
    """Columns of the model's input."""


def normalise(grey: NDArray[np.uint8], preprocessing: ImagePreprocessing) -> NDArray[np.float32]:
    """Turn a decoded picture, grey [H, W], into a model's input, float32 [height, width] in 0..1.

    With `mnist` 0 is paper and 1 is ink, whichever is darker in the picture; raises `BlankImageError` where there is
    no ink. With `fit` 0 is black and 1 is white, as sent.
    """
    size = (preprocessing.height, preprocessing.width)
    if preprocessing.normaliser == "mnist":
        return normalise_mnist(grey, size)
    return _fit(grey, size)


def _fit(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale [H, W] to `size` keeping its shape, padded with the median of its border; float32 in 0..1."""
    height, width = size
    scale = min(height / grey.shape[0], width / grey.shape[1])
    inner_height = min(height, max(1, round(grey.shape[0] * scale)))
    inner_width = min(width, max(1, round(grey.shape[1] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    inner = cv2.resize(grey, (inner_width, inner_height), interpolation=how)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    canvas = np.full(size, np.median(border) / 255.0, np.float32)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = inner.astype(np.float32) / 255.0
    return canvas
