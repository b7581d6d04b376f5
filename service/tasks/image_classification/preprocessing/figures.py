"""Separate figures on one picture, such as digits beside each other."""

from collections.abc import Sequence

import cv2
import numpy as np

from service.tasks.image_classification.preprocessing.arrays import Contrast, Mask
from service.tasks.image_classification.preprocessing.box import Box
from service.tasks.image_classification.preprocessing.components import Components
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS


def group_figures(components: Components) -> list[list[int]]:
    """Divide the ink of a picture into figures.

    A connected part is a figure of its own if it is about as high as the highest and there is a gap around it. All
    other parts, such as the bar of a 5 that is not joined to it, belong to the nearest figure or are specks.

    Args:
        components: the connected parts of the ink.

    Returns:
        The labels of each figure's components, in reading order.
    """
    boxes = _without_specks([Box(*sides) for sides in components.boxes.tolist()], components.shape)
    if not boxes:
        return [list(range(1, components.count))]
    figures = _group(boxes)
    order = _reading_order([_union([boxes[label] for label in figure]) for figure in figures])
    return [figures[index] for index in order]


def count_figures(mask: Mask, values: Contrast) -> int | None:
    """The number of figures in the ink of a picture [H, W], if nothing else is on it.

    Args:
        mask: the ink; none of it touches the border.
        values: contrast of each pixel [H, W], whose squares are its energy.

    Returns:
        None if hardly any of the energy is in parts that are no specks.
    """
    # On such small pictures one call of OpenCV takes less time than looking for the frame of the ink first.
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        np.ascontiguousarray(mask).view(np.uint8), 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    parts = [Box(y, x, y + height, x + width) for x, y, width, height, _ in stats.tolist()]
    boxes = _without_specks(parts, mask.shape)
    if count == len(boxes) + 1 == 2:  # A single part has all of the energy.
        return 1
    sums = np.bincount(labels.ravel(), np.square(values).ravel(), count).tolist()
    if max([sums[label] for label in boxes], default=0.0) <= THRESHOLDS.min_inner_energy * sum(sums[1:]):
        return None
    return len(_group(boxes))


def _without_specks(boxes: Sequence[Box], shape: tuple[int, ...]) -> dict[int, Box]:
    """The boxes of the components of a mask of `shape`, by label, without specks and background."""
    speck = THRESHOLDS.speck_side * max(shape)
    return {label: box for label, box in enumerate(boxes) if label > 0 and box.side >= speck}


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
