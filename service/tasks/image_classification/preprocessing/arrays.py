"""Array helpers shared by the steps of the MNIST normalization."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS

_Pixel = TypeVar("_Pixel", bound=np.generic)
_Level = TypeVar("_Level", np.uint8, np.float32)

Gray = NDArray[np.uint8]
"""A gray picture [H, W], 0 = black to 255 = white."""

Floats = NDArray[np.float32]

Mask = NDArray[np.bool_]
"""The pixels [H, W] that belong to something, such as ink."""

Contrast = NDArray[np.float32]
"""Difference of each pixel from the paper around it, [H, W]: 0 = paper, 1 = black on white or white on black."""


def border_pixels(picture: NDArray[_Pixel]) -> NDArray[_Pixel]:
    """The outermost rows and columns of a picture [H, W], concatenated."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def quantile(values: NDArray[np.generic], share: float) -> float:
    """The value that `share` of all values do not exceed.

    Sorting is a tenth of the work of `np.quantile` on small pictures, and of `np.partition` where most are equal.
    """
    rank = min(int(share * values.size), values.size - 1)
    return float(np.sort(values, axis=None)[rank])


def deviation(values: Floats) -> float:
    """Robust standard deviation of values centered on 0, of which up to two thirds may be outliers."""
    return quantile(np.abs(values), 0.15) / 0.19  # 15 % of a normal distribution is within 0.19 deviations


def to_thumbnail(gray: Gray) -> Floats:
    """Scale a picture down to the size on which background and polarity are estimated."""
    scale = min(1.0, THRESHOLDS.thumbnail_side / max(gray.shape))
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    return resize(gray.astype(np.float32), (height, width))


def shrink(picture: NDArray[_Level], side: int) -> NDArray[_Level]:
    """Scale a picture [H, W] down to a longer side of `side` pixels; a smaller picture is returned as it is."""
    scale = side / max(picture.shape)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    # A few samples suffice for the mean of each output pixel; reading all pixels would take most of the time.
    stride = max(1, int(1 / THRESHOLDS.reduction_samples / scale))
    return np.asarray(cv2.resize(picture[::stride, ::stride], size, interpolation=cv2.INTER_AREA), picture.dtype)


def resize(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Resample [H, W] to `shape`."""
    interpolation = cv2.INTER_AREA if shape[0] < values.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=interpolation), np.float32)


def remove_strokes(thumbnail: Floats, operation: int) -> Floats:
    """Remove features no wider than a stroke: dark ones with `cv2.MORPH_CLOSE`, light ones with `cv2.MORPH_OPEN`."""
    width = max(3, round(max(thumbnail.shape) * THRESHOLDS.stroke_width)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    # 8 bits are precise enough here, and several times faster.
    return np.asarray(cv2.morphologyEx(np.rint(thumbnail).astype(np.uint8), operation, disc), np.float32)


def is_wide(region: Mask) -> bool:
    """Whether a part of a region of the thumbnail is wider than any stroke."""
    inside = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 3)
    return bool(inside.max() > THRESHOLDS.wide_radius * max(region.shape))
