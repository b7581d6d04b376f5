"""MNIST's own normalisation (LeCun, Bottou, Bengio and Haffner 1998, section III.A; yann.lecun.com/exdb/mnist).

The digit is scaled into a box of 20 x 20 keeping its shape, grey where the scaling averages, and moved in a field of
28 x 28 so that its centre of mass is the field's centre. Other sizes keep the proportion.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.background import Contrast
from service.tasks.image_classification.preprocessing.foreground import find_ink

_BOX = 20 / 28
"""The share of the field that the box takes."""

_OFF_CENTRE = 0.53
"""How far, in pixels, the centre of mass may be from the field's centre: half a pixel, and what rounding adds."""


def normalise_mnist(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Turn a grey picture [H, W] into ink, float32 `size`, 0 = paper .. 1 = ink.

    A picture that was made this way already, light on dark or dark on light, keeps every pixel. Raises
    `BlankImageError` where there is no ink.
    """
    ready = _already_made(grey, size)
    return _place(find_ink(grey), size) if ready is None else ready


def _already_made(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32] | None:
    """The picture as it is, in 0..1, if it is in MNIST's form: size, box, clean paper, full ink, centre of mass."""
    if grey.shape != size:
        return None
    ink = grey if grey[0, 0] == 0 else 255 - grey
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0 or ink.max() < 200:
        return None
    room = [round(side * _BOX) - int(line[-1] - line[0] + 1) for side, line in zip(size, (rows, columns), strict=True)]
    if not 0 <= min(room) <= 1:
        return None
    off = [abs(centre - side / 2) for centre, side in zip(_centre_of_mass(ink), size, strict=True)]
    return ink.astype(np.float32) / np.float32(255) if max(off) <= _OFF_CENTRE else None


def _place(ink: Contrast, size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale ink [H, W] into the box and centre it by mass in a field of `size`."""
    scale = min(round(side * _BOX) / length for side, length in zip(size, ink.shape, strict=True))
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(ink, (width, height), interpolation=how)
    middle = _centre_of_mass(small)
    top, left = (
        min(max(round(side / 2 - centre), 0), side - length)
        for side, centre, length in zip(size, middle, small.shape, strict=True)
    )
    field = np.zeros(size, np.float32)
    field[top : top + height, left : left + width] = np.minimum(small, 1)  # averaging can end a rounding above it
    return field


def _centre_of_mass(ink: NDArray[np.generic]) -> tuple[float, float]:
    """Row and column of the centre of mass; the index of a pixel is its place."""
    rows, columns = ink.sum(axis=1, dtype=np.float64), ink.sum(axis=0, dtype=np.float64)
    mass = rows.sum()
    return float(rows @ np.arange(len(rows)) / mass), float(columns @ np.arange(len(columns)) / mass)
