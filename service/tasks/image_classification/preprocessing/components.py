"""Connected components of a mask: labeled in the box around them alone, which is a part of most pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.arrays import Contrast, Mask
from service.tasks.image_classification.preprocessing.box import Box

_FEW = 10
"""Up to so many labels are looked for one by one. Speed."""


@dataclass(frozen=True, eq=False)
class Components:
    """The 8-connected components of a mask [H, W], labeled 1 to `count` - 1; 0 is the background."""

    shape: tuple[int, int]
    """Height and width of the mask."""
    frame: Box
    """The part of the mask that is labeled; it holds all components."""
    labels: NDArray[np.int32]
    """The label of each pixel of the frame."""
    boxes: NDArray[np.int32]
    """The box of each label in the mask, [count, 4], as the fields of `Box`. That of the background means nothing."""

    @property
    def count(self) -> int:
        """The number of labels, that of the background included."""
        return len(self.boxes)

    def touch_border(self) -> Mask:
        """Which labels [count] have pixels in the outermost rows and columns of the mask."""
        top, left, bottom, right = self.boxes.T
        touching: Mask = (top == 0) | (left == 0) | (bottom == self.shape[0]) | (right == self.shape[1])
        return touching

    def energy(self, values: Contrast) -> NDArray[np.float64]:
        """The sum of squared contrast [H, W] of each label [count]; 0 of the background."""
        pixels = np.flatnonzero(self.labels > 0)
        squares = np.square(self.frame.crop(values).ravel()[pixels])
        sums = np.bincount(self.labels.ravel()[pixels], squares, self.count)
        return np.asarray(sums, np.float64)

    def select(self, labels: Mask | Sequence[int]) -> Mask:
        """The mask [H, W] of some components.

        Args:
            labels: their labels, or for each label whether it is selected [count].
        """
        is_selected = np.zeros(self.count, np.bool_)
        is_selected[labels] = True
        is_selected[0] = False
        mask = np.zeros(self.shape, np.bool_)
        self.frame.crop(mask)[:] = self.labels > 0 if is_selected[1:].all() else is_selected[self.labels]
        return mask


def label_components(mask: Mask) -> Components:
    """Label the 8-connected components of a mask [H, W]."""
    box = Box.around(mask)
    # Labels are in the order of blocks of 2 x 2 pixels. A frame that begins between blocks leaves it as it is.
    frame = Box(box.top & ~1, box.left & ~1, max(box.bottom, 1), max(box.right, 1))
    pixels = np.ascontiguousarray(frame.crop(mask)).view(np.uint8)
    count, found = cv2.connectedComponentsWithAlgorithm(pixels, 8, cv2.CV_32S, cv2.CCL_BBDT)
    labels = np.asarray(found, np.int32)
    boxes = _boxes(pixels, labels, count) + np.array((frame.top, frame.left) * 2, np.int32)
    return Components((mask.shape[0], mask.shape[1]), frame, labels, boxes)


def _boxes(pixels: NDArray[np.uint8], labels: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The boxes [count, 4] of the labels [h, w] of a mask. Measuring all at once takes as long as looking for ten."""
    if count <= _FEW:
        boxes = [Box.around(labels == label) for label in range(1, count)]
        return np.array([(0, 0, 0, 0), *boxes], np.int32)
    _, _, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(pixels, 8, cv2.CV_32S, cv2.CCL_BBDT)
    left, top, width, height = stats[:, :4].T
    return np.stack([top, left, top + height, left + width], axis=1)
