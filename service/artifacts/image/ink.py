"""Find the ink of one digit in a picture: without paper, ruled lines, specks and the edge of the desk."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.artifacts.image.background import Contrast, contrast
from service.artifacts.image.errors import BlankImageError
from service.artifacts.image.lines import Mask, erase_lines

_LOOK = 400
"""The longer side of the picture on which the ink is looked for."""

_DETAIL = 100
"""A digit smaller than so many pixels there is looked at again, nearer."""

_LEVELS = (0.25, 0.45)
"""Shares of the strongest contrast from which on a pixel is taken for ink."""

_SPECK = 0.04
"""What is smaller than this share of the picture is dust, as long as there is something larger."""

_BLANK = "the picture is blank: nothing on it stands out from the background; send a picture with a digit on it"


class Box(NamedTuple):
    """A rectangle in pixels; bottom and right are outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def side(self) -> int:
        """The longer of its sides."""
        return max(self.bottom - self.top, self.right - self.left)


def find_ink(grey: NDArray[np.uint8]) -> Contrast:
    """The ink of the digit in a grey picture [H, W], cropped to it: 0 = paper .. 1 = the full strength of the pen.

    Raises `BlankImageError` where nothing stands out.
    """
    reduced = _reduce(grey, _LOOK)
    ink = _separate(reduced)
    box = _box(ink)
    if reduced is not grey and box.side < _DETAIL:
        nearer = _reduce(_around(grey, box, grey.shape[0] / reduced.shape[0]), _LOOK)
        ink = _separate(nearer)
        box = _box(ink)
    return ink[box.top : box.bottom, box.left : box.right]


def _separate(grey: NDArray[np.uint8]) -> Contrast:
    """The ink of the digit [H, W], everything else 0."""
    raw = contrast(grey)
    noise = _noise(raw[::3, ::3])
    smooth = np.asarray(cv2.GaussianBlur(raw, (0, 0), 0.8), np.float32) if noise > 0.01 else raw
    strongest = _strongest(smooth)
    if strongest < max(0.05, 5 * noise):
        raise BlankImageError(_BLANK)
    parts = _digit(smooth, strongest, 3.5 * noise)
    # The digit's own ink now says how strong ink is: what is much fainter was paper, a line or a shadow after all.
    strength = float(np.percentile(smooth[parts], 70))
    core = _parts(parts & (smooth > 0.4 * strength), smooth, inside=False)
    assert core is not None, "the strongest of the digit's ink is there"
    strength = float(np.percentile(smooth[core], 60))
    near = cv2.dilate(core.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(near, np.clip(smooth / strength, 0, 1), 0).astype(np.float32)


def _noise(values: Contrast) -> float:
    """The standard deviation of the paper's contrast, which may be a little off 0, with up to two thirds under ink."""
    centres = (0.0, float(np.median(values)))
    # 15 % of a normal distribution is within 0.19 deviations of its middle.
    return min(float(np.percentile(np.abs(values - centre), 15)) for centre in centres) / 0.19


def _strongest(values: Contrast) -> float:
    """The contrast of the strongest ink: the mean of the top 0.03 % of the pixels, at least of nine."""
    count = min(values.size, max(9, values.size // 3000))
    return float(np.partition(values.ravel(), values.size - count)[-count:].mean())


def _digit(values: Contrast, strongest: float, least: float) -> Mask:
    """The parts of the picture [H, W] that make up the digit, going by their contrast.

    Faint ink is looked for first, then stronger ink, in case lines or shadows join the digit to the border. What
    touches the border is taken only where there is nothing else: a picture cut out close to the digit.
    """
    for share in _LEVELS:
        mask = erase_lines(values > max(share * strongest, least))
        parts = _parts(mask, values, inside=True)
        if parts is not None:
            return parts
    for candidates, inside in ((_without_edges(mask), True), (mask, False)):
        parts = _parts(candidates, values, inside=inside)
        if parts is not None:
            return parts
    raise BlankImageError(_BLANK)


def _parts(mask: Mask, values: Contrast, *, inside: bool) -> Mask | None:
    """The heaviest part of a mask of ink, and what is near it and no speck; None if there is none.

    `inside`: parts that touch the border or are tiny are left out, unless hardly anything would be left.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    left, top, width, height = stats[:, :4].T
    right, bottom = left + width, top + height
    weight = np.bincount(labels[mask], values[mask] ** 2, count)
    total = float(weight.sum())
    if inside:
        at_border = (left == 0) | (top == 0) | (right == mask.shape[1]) | (bottom == mask.shape[0])
        tiny = np.maximum(width, height) < _SPECK * max(mask.shape)
        weight[at_border | tiny] = 0
    main = int(weight.argmax())
    if weight[main] <= (0.005 * total if inside else 0):
        return None
    gap_x = np.maximum(left[main] - right, left - right[main])
    gap_y = np.maximum(top[main] - bottom, top - bottom[main])
    near = np.maximum(gap_x, gap_y) < 0.35 * max(width[main], height[main])
    keep = near & (weight > 0.05 * weight[main])
    return np.asarray(keep[labels], np.bool_)


def _without_edges(mask: Mask) -> Mask:
    """Clear what is all ink along the border: the dark edge that a scanner leaves."""
    cleared = mask.copy()
    for side in (cleared, cleared[::-1], cleared.T, cleared.T[::-1]):
        full = np.flatnonzero(side[: len(side) // 8].mean(axis=1) > 0.95)
        if len(full) > 0:
            side[: int(full[-1]) + 2] = False
    return cleared


def _reduce(grey: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Scale a picture down to `longest`; the picture itself where it is smaller."""
    scale = longest / max(grey.shape)
    if scale >= 1:
        return grey
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _box(ink: Contrast) -> Box:
    """The rectangle around everything that is not 0."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _around(grey: NDArray[np.uint8], box: Box, scale: float) -> NDArray[np.uint8]:
    """Cut a box found on a picture `scale` times smaller out of the whole one, with paper around it."""
    margin = 0.5 * box.side
    top, left = max(0, int((box.top - margin) * scale)), max(0, int((box.left - margin) * scale))
    return grey[top : int((box.bottom + margin) * scale), left : int((box.right + margin) * scale)]
