"""Upscaling of a 28 x 28 digit to a drawing with a pen of any width."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]
"""Ink coverage [H, W], 0 = none to 1 = full."""

SCALE = 12
"""Pixels of a drawing per pixel of the digit: the digit's 20-pixel box becomes 240 pixels."""


def outline(
    digit: NDArray[np.uint8],
    *,
    width: float | None = None,
    slant: float = 0.0,
    aspect: float = 1.0,
    rotation: float = 0.0,
) -> Mask:
    """Draw a digit [28, 28] at high resolution, cropped to its ink.

    The geometry is changed before the pen is applied, so that strokes keep their width.

    Args:
        digit: the digit.
        width: width of the pen in pixels of the digit's 20-pixel box; MNIST's own strokes are 2 to 4 wide, and None
            keeps them.
        slant: shear.
        aspect: ratio of width to height.
        rotation: in degrees.
    """
    large = _enlarge(digit, slant=slant, aspect=aspect, rotation=rotation)
    ys, xs = np.nonzero(large > 0.45)
    margin = 4 * SCALE  # for a pen thicker than the original strokes
    mask = np.pad(large[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] > 0.45, margin)
    if width is not None:
        mask = _with_pen(mask, width)
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SCALE * 0.15)
    ys, xs = np.nonzero(smooth > 0.5)
    crop = smooth[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    # An edge of one pixel, as on paper or a canvas, regardless of the blur.
    return np.clip((crop - 0.5) * 4 + 0.5, 0, 1).astype(np.float32)


def fit_height(mask: Mask, height: int) -> Mask:
    """Scale a drawing so that its longer side is `height` pixels."""
    scale = height / max(mask.shape)
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    return np.asarray(
        cv2.resize(mask, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.float32
    )


def paste(mask: Mask, size: tuple[int, int], top: int, left: int) -> Mask:
    """An empty page [H, W] with `mask` at the position (top, left)."""
    page = np.zeros(size, np.float32)
    page[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return page


def _enlarge(digit: NDArray[np.uint8], *, slant: float, aspect: float, rotation: float) -> Mask:
    """Upscale and smooth a digit after an affine map of its shape."""
    side = 28 * SCALE * 2
    angle = math.radians(rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    stretch = np.array([[math.sqrt(aspect), 0.0], [0.0, 1 / math.sqrt(aspect)]])
    shear = np.array([[1.0, -slant], [0.0, 1.0]])
    linear = turn @ shear @ stretch * SCALE
    center = np.array([side / 2, side / 2]) - linear @ np.array([13.5, 13.5])
    matrix = np.concatenate([linear, center[:, None]], axis=1)
    large = cv2.warpAffine(digit.astype(np.float32) / 255, matrix, (side, side), flags=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), SCALE * 0.45), np.float32)


def _with_pen(mask: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """Redraw a shape with a round pen: its skeleton, thickened to `width`."""
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
            neighbors = cv2.filter2D(ink, -1, _BITS, borderType=cv2.BORDER_CONSTANT)
            ink &= cv2.LUT(neighbors, kept)
        if cv2.countNonZero(ink) == before:
            return np.asarray(ink[1:-1, 1:-1], np.bool_)


_BITS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.uint8)
"""Bit of each neighbor p2 to p9 of a pixel, clockwise from above."""


def _kept(*, first: bool) -> NDArray[np.uint8]:
    """Lookup table of a sub-iteration of Zhang and Suen's thinning: whether a pixel is kept, by its neighbors' bits."""
    kept = np.ones(256, np.uint8)
    for bits in range(256):
        neighbors = [bool(bits >> bit & 1) for bit in range(8)]
        transitions = sum(not a and b for a, b in zip(neighbors, neighbors[1:] + neighbors[:1], strict=True))
        p2, _, p4, _, p6, _, p8, _ = neighbors
        has_sides = (p4 and p6 and (p2 or p8)) if first else (p2 and p8 and (p4 or p6))
        kept[bits] = not (2 <= sum(neighbors) <= 6 and transitions == 1 and not has_sides)
    return kept


_KEPT = (_kept(first=True), _kept(first=False))
