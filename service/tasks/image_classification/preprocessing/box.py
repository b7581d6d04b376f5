"""Rectangles of pixels."""

from typing import NamedTuple, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.arrays import Gray, Mask

_Pixel = TypeVar("_Pixel", bound=np.generic)


class Box(NamedTuple):
    """A rectangle in pixels; `bottom` and `right` are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def around(cls, mask: Mask | Gray) -> Self:
        """The bounding box of the pixels that are set in a mask, or not 0 in a picture."""
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
        return cls(top, left, top + height, left + width)

    @property
    def height(self) -> int:
        """Its rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Its columns."""
        return self.right - self.left

    @property
    def side(self) -> int:
        """The longer of its sides."""
        return max(self.height, self.width)

    def scaled(self, factor: float, margin: float) -> Self:
        """The same box, with a margin of `margin` pixels, in a picture `factor` times larger."""
        top, left = max(0, int((self.top - margin) * factor)), max(0, int((self.left - margin) * factor))
        return type(self)(top, left, int((self.bottom + margin) * factor), int((self.right + margin) * factor))

    def in_picture(self, scale: float, margin: int, shape: tuple[int, ...]) -> Self:
        """The same box in the picture of `shape` that was scaled by 1 / `scale` and then surrounded by `margin`."""
        limits = (shape[0], shape[1], shape[0], shape[1])
        sides = [min(max(round((side - margin) * scale), 0), limit) for side, limit in zip(self, limits, strict=True)]
        return type(self)(*sides)

    def crop(self, picture: NDArray[_Pixel]) -> NDArray[_Pixel]:
        """The part of a picture inside the box."""
        return picture[self.top : self.bottom, self.left : self.right]
