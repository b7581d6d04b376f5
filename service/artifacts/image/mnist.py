"""MNIST's own normalisation: crop to the ink, scale it into a 20 x 20 box, centre it by mass in 28 x 28."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.artifacts.image.ink import find_ink


def normalise_mnist(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Turn grey [H, W] into ink, float32 `size`, 0 = paper .. 1 = ink."""
    crop = find_ink(grey)
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
