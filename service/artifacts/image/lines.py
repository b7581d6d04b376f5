"""Ruled and squared paper: find its printed lines in a mask of ink and take them out, leaving the pen's strokes."""

import cv2
import numpy as np
from numpy.typing import NDArray

_TILT = np.deg2rad(14)
"""How far a printed line may lean from the picture's sides."""

_MOST = 80
"""Lines looked at in each direction."""

_REACH = 7
"""Pixels looked at on both sides of a line to find how thick it is, in a picture of 400 pixels."""


def erase_lines(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Erase from a mask of ink [H, W] thin straight lines that run from one side of the picture to the other."""
    if min(mask.shape) < 64:
        return mask
    cleaned = mask.copy()
    _erase_level(cleaned, mask)
    _erase_level(cleaned.T, mask.T)
    return cleaned


def _erase_level(cleaned: NDArray[np.bool_], mask: NDArray[np.bool_]) -> None:
    """Erase the more or less horizontal lines of `mask` from `cleaned`, in place."""
    height, width = mask.shape
    found = cv2.HoughLines(
        np.ascontiguousarray(mask, np.uint8), 1, np.deg2rad(0.5), int(0.55 * width),
        min_theta=np.pi / 2 - _TILT, max_theta=np.pi / 2 + _TILT,
    )  # fmt: skip
    if found is None:
        return
    rho, theta = found[:_MOST, 0, 0], found[:_MOST, 0, 1]
    columns = np.arange(width)
    rows = np.rint((rho[:, None] - columns * np.cos(theta)[:, None]) / np.sin(theta)[:, None]).astype(np.intp)
    for path in rows:
        _erase_along(cleaned, mask, path, columns)


def _erase_along(
    cleaned: NDArray[np.bool_], mask: NDArray[np.bool_], path: NDArray[np.intp], columns: NDArray[np.intp]
) -> None:
    offsets = np.arange(-_REACH, _REACH + 1)
    window = path[:, None] + offsets
    inside = (window >= 0) & (window < mask.shape[0])
    ink = mask[np.clip(window, 0, mask.shape[0] - 1), columns[:, None]] & inside
    # Ink joined to the line's own pixel, or to the one above or below it: lines are seldom quite straight.
    above = np.logical_and.accumulate(ink[:, _REACH::-1], axis=1)
    below = np.logical_and.accumulate(ink[:, _REACH:], axis=1)
    run = above.sum(axis=1) + below.sum(axis=1) - 1
    on = run > 0
    visible = inside[:, _REACH]
    if on.sum() < 0.5 * max(1, visible.sum()):
        return
    thickness = float(np.median(run[on]))
    if thickness > 5:
        return
    erase = on & (run <= thickness + 2)
    joined = np.concatenate([above[:, :0:-1], below], axis=1) & erase[:, None]
    cleaned[np.clip(window, 0, mask.shape[0] - 1)[joined], np.broadcast_to(columns[:, None], window.shape)[joined]] = False
