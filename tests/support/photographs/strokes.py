"""The shape of a 28 x 28 digit at the resolution of a drawing, with a pen of any width."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]
"""Ink coverage [H, W], 0 = none .. 1 = covered."""

SCALE = 12
"""Pixels of a drawing for each pixel of the digit: the digit's 20-pixel box becomes 240 pixels."""


def outline(
    digit: NDArray[np.uint8],
    *,
    width: float | None = None,
    slant: float = 0.0,
    aspect: float = 1.0,
    rotation: float = 0.0,
) -> Mask:
    """Draw a digit [28, 28] large, cropped to its ink.

    `width` is the pen's, in pixels of the digit's 20-pixel box (MNIST's own strokes are 2 to 4); None keeps the
    strokes as they are. `slant` is the shear, `aspect` width over height, `rotation` in degrees. The shape is changed
    before the pen is laid on it, so that strokes keep their width.
    """
    large = _enlarge(digit, slant=slant, aspect=aspect, rotation=rotation)
    ys, xs = np.nonzero(large > 0.45)
    room = 4 * SCALE  # for a pen thicker than the strokes are
    mask = np.pad(large[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] > 0.45, room)
    if width is not None:
        mask = _with_pen(mask, width)
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SCALE * 0.15)
    ys, xs = np.nonzero(smooth > 0.5)
    crop = smooth[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    # One pixel of edge, as ink or a canvas has it, whatever the blur was.
    return np.clip((crop - 0.5) * 4 + 0.5, 0, 1).astype(np.float32)


def fit_height(mask: Mask, height: int) -> Mask:
    """Scale a drawing to `height` pixels of its longer side."""
    scale = height / max(mask.shape)
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    return np.asarray(
        cv2.resize(mask, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.float32
    )


def place(mask: Mask, size: tuple[int, int], top: int, left: int) -> Mask:
    """A page [H, W] without ink but for `mask` at the given corner."""
    page = np.zeros(size, np.float32)
    page[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return page


def _enlarge(digit: NDArray[np.uint8], *, slant: float, aspect: float, rotation: float) -> Mask:
    side = 28 * SCALE * 2
    angle = math.radians(rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    stretch = np.array([[math.sqrt(aspect), 0.0], [0.0, 1 / math.sqrt(aspect)]])
    shear = np.array([[1.0, -slant], [0.0, 1.0]])
    linear = turn @ shear @ stretch * SCALE
    centre = np.array([side / 2, side / 2]) - linear @ np.array([13.5, 13.5])
    matrix = np.concatenate([linear, centre[:, None]], axis=1)
    large = cv2.warpAffine(digit.astype(np.float32) / 255, matrix, (side, side), flags=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), SCALE * 0.45), np.float32)


def _with_pen(mask: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """The same shape drawn by a round pen: its skeleton, thickened."""
    small = cv2.resize(mask.astype(np.uint8), None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    skeleton = thin(small > 0)
    distance = cv2.distanceTransform((~skeleton).astype(np.uint8), cv2.DIST_L2, 5)
    distance = cv2.resize(distance, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) * 3
    return np.asarray(cv2.GaussianBlur(distance, (0, 0), SCALE * 0.2) < max(width * SCALE / 2, 3.5), np.bool_)


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Zhang and Suen's thinning (1984): a skeleton one pixel wide."""
    ink = np.pad(mask, 1).astype(np.uint8)
    while True:
        before = cv2.countNonZero(ink)
        for kept in _KEPT:
            around = cv2.filter2D(ink, -1, _BITS, borderType=cv2.BORDER_CONSTANT)
            ink &= cv2.LUT(around, kept)
        if cv2.countNonZero(ink) == before:
            return np.asarray(ink[1:-1, 1:-1], np.bool_)


_BITS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.uint8)
"""A bit for each of a pixel's neighbours p2 .. p9, clockwise from above."""


def _kept(*, first: bool) -> NDArray[np.uint8]:
    """One half-step of Zhang and Suen's thinning: whether a pixel stays, by the bits of its neighbours."""
    kept = np.ones(256, np.uint8)
    for bits in range(256):
        around = [bool(bits >> place & 1) for place in range(8)]
        changes = sum(not a and b for a, b in zip(around, around[1:] + around[:1], strict=True))
        p2, _, p4, _, p6, _, p8, _ = around
        sides = (p4 and p6 and (p2 or p8)) if first else (p2 and p8 and (p4 or p6))
        kept[bits] = not (2 <= sum(around) <= 6 and changes == 1 and not sides)
    return kept


_KEPT = (_kept(first=True), _kept(first=False))
