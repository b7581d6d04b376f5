"""Separate figures on one picture, such as digits beside each other."""

from typing import NamedTuple, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.arrays import Contrast, Gray, Mask
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS

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


def separate_figures(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Divide the ink of a picture [H, W] into figures.

    A connected part is a figure of its own if it is about as high as the highest and there is a gap around it. All
    other parts, such as the bar of a 5 that is not joined to it, belong to the nearest figure or are specks.

    Returns:
        The figure of each pixel [H, W], 1 for the first in reading order, 0 for none, and the number of figures.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = _boxes(stats.tolist(), mask.shape)
    if not boxes:
        return mask.astype(np.int32), 1
    figures = _group(boxes)
    around = [_union([boxes[label] for label in figure]) for figure in figures]
    number = np.zeros(len(stats), np.int32)
    for position, index in enumerate(_reading_order(around), 1):
        number[figures[index]] = position
    return number[labels], len(figures)


def count_figures(mask: Mask, values: Contrast) -> int | None:
    """The number of figures that `separate_figures` finds in the ink of a picture [H, W], if nothing else is on it.

    Args:
        mask: the ink; none of it touches the border.
        values: contrast of each pixel [H, W], whose squares are its energy.

    Returns:
        None if hardly any of the energy is in parts that are no specks.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        np.ascontiguousarray(mask).view(np.uint8), 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    boxes = _boxes(stats.tolist(), mask.shape)
    if count == len(boxes) + 1 == 2:  # A single part has all of the energy.
        return 1
    sums = np.bincount(labels.ravel(), np.square(values).ravel(), count).tolist()
    if max([sums[label] for label in boxes], default=0.0) <= THRESHOLDS.min_inner_energy * sum(sums[1:]):
        return None
    return len(_group(boxes))


def _boxes(stats: list[list[int]], shape: tuple[int, ...]) -> dict[int, Box]:
    """The boxes of the connected parts of a picture of `shape`, by label, without specks and background."""
    speck = THRESHOLDS.speck_side * max(shape)
    return {
        label: Box(y, x, y + height, x + width)
        for label, (x, y, width, height, _) in enumerate(stats)
        if label > 0 and max(width, height) >= speck
    }


def _group(boxes: dict[int, Box]) -> list[list[int]]:
    """The connected parts of each figure, by their labels."""
    lowest = THRESHOLDS.figure_height * max(box.height for box in boxes.values())
    figures: list[list[int]] = []
    for label in sorted((label for label in boxes if boxes[label].height >= lowest), key=lambda i: -boxes[i].height):
        broken = (figure for figure in figures if _belong_together(boxes[figure[0]], boxes[label]))
        figure = next(broken, None)
        if figure is None:
            figures.append([label])
        else:
            figure.append(label)
    for label in (label for label in boxes if boxes[label].height < lowest):
        nearest = min(figures, key=lambda figure: _gap(boxes[figure[0]], boxes[label]))
        if _gap(boxes[nearest[0]], boxes[label]) < THRESHOLDS.component_gap * boxes[nearest[0]].side:
            nearest.append(label)
    return figures


def _union(boxes: list[Box]) -> Box:
    """The smallest box around all boxes."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


def _belong_together(first: Box, second: Box) -> bool:
    """Whether two high parts are pieces of one broken figure: one above the other with a small gap, or interleaved."""
    height = max(first.height, second.height)
    overlap_x = min(first.right, second.right) - max(first.left, second.left)
    gap_y = max(first.top, second.top) - min(first.bottom, second.bottom)
    if overlap_x < THRESHOLDS.figure_overlap * min(first.width, second.width):
        return False
    return gap_y < THRESHOLDS.figure_gap * height


def _gap(first: Box, second: Box) -> int:
    """Pixels between two boxes along the axis on which they are farther apart; negative if they overlap."""
    return max(
        max(first.left, second.left) - min(first.right, second.right),
        max(first.top, second.top) - min(first.bottom, second.bottom),
    )


def _reading_order(boxes: list[Box]) -> list[int]:
    """Indices of boxes line by line from the top, and from left to right within a line."""
    lines: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda index: boxes[index].top):
        box = boxes[index]
        for line in lines:
            first = boxes[line[0]]
            overlap = min(first.bottom, box.bottom) - max(first.top, box.top)
            if overlap > min(first.height, box.height) / 2:
                line.append(index)
                break
        else:
            lines.append([index])
    return [index for line in lines for index in sorted(line, key=lambda index: boxes[index].left)]
