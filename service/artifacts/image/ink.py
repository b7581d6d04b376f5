"""Find the ink of one digit in a picture: without paper, ruled lines, specks and the edge of the desk."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from service.artifacts.image.background import Contrast, contrast
from service.artifacts.image.errors import BlankImageError
from service.artifacts.image.lines import erase_lines

_LOOK = 400
"""The longer side of the picture on which the ink is looked for."""

_DETAIL = 100
"""A digit smaller than so many pixels there is looked at again, nearer."""

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
    noise = 1.4826 * float(np.median(np.abs(raw[::3, ::3])))
    smooth = cv2.GaussianBlur(raw, (0, 0), 0.8) if noise > 0.01 else raw
    peak = _strongest(smooth)
    if peak < max(0.05, 5 * noise):
        raise BlankImageError(_BLANK)
    threshold = _threshold(smooth, peak, noise)
    mask = erase_lines(smooth > threshold)
    mask = _digit(mask, smooth)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    strength = float(np.percentile(smooth[mask], 60))
    return np.where(near, np.clip(smooth / strength, 0, 1), 0).astype(np.float32)


def _strongest(values: Contrast) -> float:
    """The contrast of the strongest ink: the mean of the top 0.03 % of the pixels, at least of nine."""
    count = min(values.size, max(9, values.size // 3000))
    return float(np.partition(values.ravel(), values.size - count)[-count:].mean())


def _threshold(values: Contrast, peak: float, noise: float) -> float:
    """Where ink begins: Otsu's threshold among what stands out, kept between bounds."""
    floor = max(0.15 * peak, 3.5 * noise)
    standing_out = np.clip(values[values > floor] * (255 / peak), 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(standing_out, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return max(floor, min(max(otsu / 255, 0.3), 0.55) * peak)


def _digit(mask: NDArray[np.bool_], values: Contrast) -> NDArray[np.bool_]:
    """Keep the parts that make up the digit: the heaviest part, and what is near it and not a speck."""
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 1:
        raise BlankImageError(_BLANK)
    mass = np.bincount(labels.ravel(), np.where(mask, values, 0).ravel(), count)
    mass[0] = 0
    height, width = mask.shape
    touching = (stats[:, 0] == 0) | (stats[:, 1] == 0)
    touching |= (stats[:, 0] + stats[:, 2] == width) | (stats[:, 1] + stats[:, 3] == height)
    inside = np.where(touching, 0, mass)
    candidates = inside if inside.max() > 0.02 * mass.max() else mass
    main = int(candidates.argmax())
    keep = np.zeros(count, np.bool_)
    keep[main] = True
    reach = 0.35 * max(stats[main, 2], stats[main, 3])
    left, top = stats[:, 0], stats[:, 1]
    right, bottom = left + stats[:, 2], top + stats[:, 3]
    gap_x = np.maximum(0, np.maximum(left[main] - right, left - right[main]))
    gap_y = np.maximum(0, np.maximum(top[main] - bottom, top - bottom[main]))
    keep |= (candidates > 0.05 * candidates[main]) & (np.maximum(gap_x, gap_y) < reach)
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


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
