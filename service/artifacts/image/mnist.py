"""MNIST's own normalisation: crop to the ink, scale it into a 20 x 20 box, centre it by mass in 28 x 28."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.artifacts.image.errors import BlankImageError


def normalise_mnist(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Turn grey [H, W] into ink, float32 `size`, 0 = paper .. 1 = ink."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(border))
    ink = np.abs(grey.astype(np.float32) - paper)
    top = float(ink.max())
    if top < 16:
        raise BlankImageError("the picture is blank: nothing on it stands out; send one with a digit on it")
    ink /= top
    threshold, _ = cv2.threshold((ink * 255).astype(np.uint8), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    ys, xs = np.nonzero(ink > min(0.3, threshold / 255))
    crop = ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    box_height, box_width = (round(side * 20 / 28) for side in size)
    scale = min(box_height / crop.shape[0], box_width / crop.shape[1])
    height, width = max(1, round(crop.shape[0] * scale)), max(1, round(crop.shape[1] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(crop, (width, height), interpolation=how)
    mass = max(float(small.sum()), 1e-6)
    y = round(size[0] / 2 - float((small.sum(1) * np.arange(height)).sum()) / mass)
    x = round(size[1] / 2 - float((small.sum(0) * np.arange(width)).sum()) / mass)
    y, x = min(max(y, 0), size[0] - height), min(max(x, 0), size[1] - width)
    canvas = np.zeros(size, np.float32)
    canvas[y : y + height, x : x + width] = small
    return canvas
