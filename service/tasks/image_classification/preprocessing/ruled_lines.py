"""Removal of the printed lines of ruled and squared paper from a mask of ink."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.arrays import Mask
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS

_TILT = np.deg2rad(THRESHOLDS.line_tilt)
_REACH = THRESHOLDS.line_thickness + THRESHOLDS.line_slack


def erase_lines(mask: Mask) -> Mask:
    """Erase thin straight lines that run from one side of the picture to the other from a mask of ink [H, W].

    A stroke that crosses a line stays whole: only pixels where the ink is no thicker than the line are erased.
    """
    if min(mask.shape) < THRESHOLDS.line_min_side:
        return mask
    cleaned = np.ascontiguousarray(mask)
    if _may_hold_lines(mask):
        cleaned = cleaned.copy()
        _erase_horizontal(cleaned)
    if _may_hold_lines(mask.T):
        transposed = np.ascontiguousarray(cleaned.T)
        _erase_horizontal(transposed)
        cleaned = np.ascontiguousarray(transposed.T)
    return cleaned


def _may_hold_lines(mask: Mask) -> bool:
    """Whether there is ink at the left and at the right side; without it no line runs across."""
    edge = max(THRESHOLDS.line_min_edge, mask.shape[1] // THRESHOLDS.line_edge)
    return bool(mask[:, :edge].any() and mask[:, -edge:].any())


def _erase_horizontal(mask: Mask) -> None:
    """Erase the roughly horizontal lines of a mask, in place."""
    pixels = mask.view(np.uint8)
    thick = np.asarray(cv2.morphologyEx(pixels, cv2.MORPH_OPEN, np.ones((_REACH, _REACH), np.uint8)))
    width = mask.shape[1]
    lines = cv2.HoughLines(
        pixels - thick,
        1,
        np.deg2rad(THRESHOLDS.line_angle_step),
        int(THRESHOLDS.line_votes * width),
        min_theta=np.pi / 2 - _TILT,
        max_theta=np.pi / 2 + _TILT,
    )
    if lines is None:
        return
    rho, theta = lines[: THRESHOLDS.max_lines, 0, 0, None], lines[: THRESHOLDS.max_lines, 0, 1, None]
    columns = np.arange(width)
    for path in np.rint((rho - columns * np.cos(theta)) / np.sin(theta)).astype(np.intp):
        _erase_along(mask, path)


def _erase_along(mask: Mask, path: NDArray[np.intp]) -> None:
    """Erase a thin line in place; `path` [W] is its row in each column."""
    columns = np.flatnonzero((path >= 0) & (path < mask.shape[0]))
    rows = path[columns]
    if np.count_nonzero(mask[rows, columns]) < THRESHOLDS.line_coverage * len(columns):
        return  # a second Hough line of a line that is erased already
    window = np.clip(rows[:, None] + np.arange(-_REACH, _REACH + 1), 0, mask.shape[0] - 1)
    ink = mask[window, columns[:, None]]
    above = np.logical_and.accumulate(ink[:, _REACH::-1], axis=1)
    below = np.logical_and.accumulate(ink[:, _REACH:], axis=1)
    run = above.sum(axis=1) + below.sum(axis=1) - 1
    on_line = run > 0
    thickness = float(np.median(run[on_line]))
    if thickness > THRESHOLDS.line_thickness:
        return
    erased = on_line & (run <= thickness + THRESHOLDS.line_slack)
    connected = np.concatenate([above[:, :0:-1], below], axis=1) & erased[:, None]
    mask[window[connected], np.broadcast_to(columns[:, None], window.shape)[connected]] = False
