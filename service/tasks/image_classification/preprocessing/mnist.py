"""MNIST's own normalization (LeCun, Bottou, Bengio and Haffner 1998, section III.A; yann.lecun.com/exdb/mnist).

The digit is scaled to fit a 20 x 20 box with its aspect ratio kept, gray where the scaling averages, and placed in a
28 x 28 field so that its center of mass is the field's center. Other sizes keep the proportion.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.arrays import Contrast, Gray
from service.tasks.image_classification.preprocessing.box import Box
from service.tasks.image_classification.preprocessing.foreground import (
    count_on_clean_paper,
    extract_figures,
    extract_ink,
)
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS


def normalize_mnist(gray: Gray, size: tuple[int, int]) -> NDArray[np.float32]:
    """Turn a picture of a digit into the form of MNIST's images.

    The steps in order; `MnistThresholds` has their constants:

    1. A picture that is in MNIST's form already, light on dark or dark on light, keeps every pixel (`_as_mnist`).
    2. Reduction: scale the picture down to the working size (`foreground`).
    3. Margin: a picture that was cut to its ink gets one of its own paper (`tight_crop`).
    4. Background: a uniform level if the border is even, otherwise estimated on a thumbnail (`background`).
    5. Polarity: decide whether ink is darker or lighter than the background (`polarity`).
    6. Contrast: divide the background out, which removes light, shadows and the desk around a sheet (`background`).
    7. Noise: estimate it, smooth if there is much, and refuse the picture as blank if nothing exceeds it
       (`foreground`).
    8. Mask: threshold the contrast at rising levels and erase printed lines (`ruled_lines`), until a component remains
       that is inside the picture; keep it with its neighbors, without specks and scanner edges (`foreground`).
    9. Strength: scale the ink so that the pen's full strength is 1, and crop to it (`foreground`).
    10. Detail: if the digit is small, repeat steps 2 and 4 to 9 on a crop of the full-size picture around it
       (`foreground`).
    11. Placement: thicken strokes too thin for the field, scale the ink into the box and center it by mass in the
       field (`center_in_field`).

    Args:
        gray: the picture, gray levels [H, W].
        size: rows and columns of the field.

    Returns:
        Ink, float32 `size`, 0 = paper to 1 = ink.

    Raises:
        BlankImageError: nothing stands out from the background.
    """
    image = _as_mnist(gray, size)
    return center_in_field(extract_ink(gray), size) if image is None else image


class NormalizedFigures(NamedTuple):
    """A picture in the form of MNIST's images, and its figures."""

    image: NDArray[np.float32]
    """The picture as one digit."""
    figures: int
    """How many figures are on it."""
    ink: Contrast | None
    """The ink of the digit [h, w] that the image was made of, cropped to it; None where the picture was in the form."""
    parts: tuple[tuple[Box, NDArray[np.float32]], ...]
    """The box of each figure and its image, in reading order; empty unless asked for."""


def normalize_figures(gray: Gray, size: tuple[int, int], *, split: bool) -> NormalizedFigures:
    """Turn a picture into the form of MNIST's images as `normalize_mnist` does, and count or split its figures.

    Raises:
        BlankImageError: nothing stands out from the background.
    """
    image = _as_mnist(gray, size)
    if image is not None and not split and (figures := count_on_clean_paper(image)) is not None:
        return NormalizedFigures(image, figures, None, ())
    foreground = extract_figures(gray, split=split, with_ink=image is None)
    parts = tuple((box, center_in_field(ink, size)) for box, ink in foreground.parts)
    if image is None:
        assert foreground.ink is not None
        image = center_in_field(foreground.ink, size)
    if len(parts) == 1:
        parts = ((parts[0][0], image),)
    return NormalizedFigures(image, foreground.figures, foreground.ink, parts)


def _as_mnist(gray: Gray, size: tuple[int, int]) -> NDArray[np.float32] | None:
    """The picture as ink in 0..1 if it is in MNIST's form already: size, box, clean paper, full ink, center of mass."""
    if gray.shape != size:
        return None
    ink = gray if gray[0, 0] == 0 else 255 - gray
    if ink.max() < THRESHOLDS.mnist_min_peak:
        return None
    box = Box.around(ink)
    room = [round(side * THRESHOLDS.box) - length for side, length in zip(size, (box.height, box.width), strict=True)]
    if not 0 <= min(room) <= THRESHOLDS.mnist_max_slack:
        return None
    moments = cv2.moments(ink)  # Of bytes they are exact.
    center_of_mass = moments["m01"] / moments["m00"], moments["m10"] / moments["m00"]
    offset = max(abs(center - side / 2) for center, side in zip(center_of_mass, size, strict=True))
    return ink.astype(np.float32) / np.float32(255) if offset <= THRESHOLDS.mnist_max_offset else None


def center_in_field(ink: Contrast, size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale ink [h, w] in 0..1, cropped to it, into the box and center it by mass in a field of `size`."""
    scale = min(round(side * THRESHOLDS.box) / length for side, length in zip(size, ink.shape, strict=True))
    thickened = _thicken(ink, scale * 28 / max(size))
    if thickened is not ink:
        return center_in_field(thickened, size)
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(ink, (width, height), interpolation=interpolation)
    top, left = (
        min(max(round(side / 2 - center), 0), side - length)
        for side, center, length in zip(size, _center_of_mass(scaled), scaled.shape, strict=True)
    )
    field = np.zeros(size, np.float32)
    # Averaging can end just above 1 by rounding.
    field[top : top + height, left : left + width] = np.minimum(scaled, 1)
    return field


def _thicken(ink: Contrast, scale: float) -> Contrast:
    """Thicken the strokes of ink [h, w] if scaling it by `scale` would make them too faint; else return it as it is."""
    padded = np.pad(ink, 1)
    mask = (padded > 0.5).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    # The outline of a stroke runs along both of its sides.
    length = sum(cv2.arcLength(outline, True) for outline in outlines) / 2
    width = float(ink.sum()) / max(length, 1.0)
    if width * scale >= THRESHOLDS.thin_stroke:
        return ink
    extra = max(1, round(THRESHOLDS.thickened_stroke / scale - width))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (extra + 1, extra + 1))
    return np.asarray(cv2.dilate(np.pad(ink, extra), disc), np.float32)


def _center_of_mass(ink: NDArray[np.generic]) -> tuple[float, float]:
    """Row and column of the center of mass, in pixel indices."""
    rows, columns = ink.sum(axis=1, dtype=np.float64), ink.sum(axis=0, dtype=np.float64)
    mass = rows.sum()
    return float(rows @ np.arange(len(rows)) / mass), float(columns @ np.arange(len(columns)) / mass)
