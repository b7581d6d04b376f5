"""Ruled and squared paper: find its printed lines in a mask of ink and take them out, leaving the pen's strokes."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_TILT = np.deg2rad(14)
"""How far a printed line may lean from the picture's sides."""

_MOST = 80
"""Lines looked at in each direction."""

_THICKEST = 8
"""A printed line is no thicker than so many pixels of a picture whose longer side has some 400."""

_REACH = _THICKEST + 2


def erase_lines(mask: Mask) -> Mask:
    """Erase from a mask of ink [H, W] thin straight lines that run from one side of the picture to the other.

    Where a stroke crosses a line it stays whole: only what is no thicker than the line itself goes.
    """
    if min(mask.shape) < 64:
        return mask
    cleaned = np.ascontiguousarray(mask)
    if _reaches_across(mask):
        cleaned = cleaned.copy()
        _erase_level(cleaned)
    if _reaches_across(mask.T):
        turned = np.ascontiguousarray(cleaned.T)
        _erase_level(turned)
        cleaned = np.ascontiguousarray(turned.T)
    return cleaned


def _reaches_across(mask: Mask) -> bool:
    """Whether there is ink near the left and near the right side: without, no line runs across."""
    edge = max(2, mask.shape[1] // 40)
    return bool(mask[:, :edge].any() and mask[:, -edge:].any())


def _erase_level(mask: Mask) -> None:
    """Erase the more or less level lines of a mask, in place."""
    pixels = mask.view(np.uint8)
    thick = np.asarray(cv2.morphologyEx(pixels, cv2.MORPH_OPEN, np.ones((_THICKEST + 2, _THICKEST + 2), np.uint8)))
    width = mask.shape[1]
    found = cv2.HoughLines(
        pixels - thick, 1, np.deg2rad(0.5), int(0.55 * width), min_theta=np.pi / 2 - _TILT, max_theta=np.pi / 2 + _TILT
    )
    if found is None:
        return
    rho, theta = found[:_MOST, 0, 0, None], found[:_MOST, 0, 1, None]
    columns = np.arange(width)
    for path in np.rint((rho - columns * np.cos(theta)) / np.sin(theta)).astype(np.intp):
        _erase_along(mask, path)


def _erase_along(mask: Mask, path: NDArray[np.intp]) -> None:
    """Erase the line whose row in each column is `path` [W], in place, if there is one and it is thin."""
    columns = np.flatnonzero((path >= 0) & (path < mask.shape[0]))
    rows = path[columns]
    if np.count_nonzero(mask[rows, columns]) < 0.4 * len(columns):
        return  # an echo of a line that is gone already
    window = np.clip(rows[:, None] + np.arange(-_REACH, _REACH + 1), 0, mask.shape[0] - 1)
    ink = mask[window, columns[:, None]]
    above = np.logical_and.accumulate(ink[:, _REACH::-1], axis=1)
    below = np.logical_and.accumulate(ink[:, _REACH:], axis=1)
    run = above.sum(axis=1) + below.sum(axis=1) - 1
    on = run > 0
    thickness = float(np.median(run[on]))
    if thickness > _THICKEST:
        return
    erase = on & (run <= thickness + 2)
    joined = np.concatenate([above[:, :0:-1], below], axis=1) & erase[:, None]
    mask[window[joined], np.broadcast_to(columns[:, None], window.shape)[joined]] = False
