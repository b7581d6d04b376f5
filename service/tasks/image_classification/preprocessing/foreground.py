"""Find the ink of one digit in a picture: without paper, ruled lines, specks and the edge of the desk."""

from typing import NamedTuple, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.background import Contrast, contrast, deviation, quantile
from service.tasks.image_classification.preprocessing.errors import BlankImageError
from service.tasks.image_classification.preprocessing.ruled_lines import Mask, erase_lines

_Pixel = TypeVar("_Pixel", bound=np.generic)

_LOOK = 400
"""The longer side of the picture on which the ink is looked for."""

_DETAIL = 100
"""A digit smaller than so many pixels there is looked at again, nearer."""

_LEVELS = (0.25, 0.45)
"""Shares of the strongest contrast from which on a pixel is taken for ink."""

_SPECK = 0.04
"""What is smaller than this share of the picture is dust, as long as there is something larger."""

_FAINTEST = 0.05
"""Where nothing has more contrast, the picture is blank."""

_BLANK = "the picture is blank: nothing on it stands out from the background; send a picture with a digit on it"


class _Box(NamedTuple):
    """A rectangle in pixels; bottom and right are outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def side(self) -> int:
        """The longer of its sides."""
        return max(self.bottom - self.top, self.right - self.left)

    def scaled(self, factor: float, margin: float) -> Self:
        """The same place in a picture `factor` times larger, with `margin` pixels of this one around it."""
        top, left = max(0, int((self.top - margin) * factor)), max(0, int((self.left - margin) * factor))
        return type(self)(top, left, int((self.bottom + margin) * factor), int((self.right + margin) * factor))

    def cut(self, picture: NDArray[_Pixel]) -> NDArray[_Pixel]:
        """What a picture shows there."""
        return picture[self.top : self.bottom, self.left : self.right]


def find_ink(grey: NDArray[np.uint8]) -> Contrast:
    """The ink of the digit in a grey picture [H, W], cropped to it: 0 = paper .. 1 = the full strength of the pen.

    Raises `BlankImageError` where nothing stands out.
    """
    reduced = _reduce(grey)
    ink, box = _separate(reduced)
    if reduced is not grey and box.side < _DETAIL:
        around = box.scaled(len(grey) / len(reduced), margin=0.5 * box.side)
        ink, _ = _separate(_reduce(around.cut(grey)))
    return _box(ink > 0).cut(ink)


def _separate(grey: NDArray[np.uint8]) -> tuple[Contrast, _Box]:
    """The ink of the digit [h, w], everything else 0, and where it is in a grey picture [H, W]."""
    values = contrast(grey)
    noise = _noise(values[::3, ::3])
    if noise > 0.01:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), 0.8), np.float32)
    strongest = _strongest(values)
    if strongest < max(_FAINTEST, 5 * noise):
        raise BlankImageError(_BLANK)
    parts = _digit(values, strongest, 3.5 * noise)
    box = _box(parts).scaled(1, margin=1)
    values, parts = box.cut(values), box.cut(parts)
    # The digit's own ink now says how strong ink is: what is much fainter was paper, a line or a shadow after all.
    strength = quantile(values[parts], 0.7)
    core = _parts(parts & (values > 0.4 * strength), values, inside=False)
    assert core is not None, "the strongest of the digit's ink is there"
    strength = quantile(values[core], 0.6)
    near = cv2.dilate(core.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ink = np.where(near & (values > 0.05 * strength), np.minimum(values / strength, 1), 0)
    return ink.astype(np.float32), box


def _noise(values: Contrast) -> float:
    """The standard deviation of the paper's contrast, which may be a little off 0."""
    return min(deviation(values), deviation(values - np.float32(quantile(values, 0.5))))


def _strongest(values: Contrast) -> float:
    """The contrast of the strongest ink: the mean of the top 0.03 % of the pixels, at least of nine."""
    if values.size > 40_000:
        values = values[::2, ::2]
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
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.astype(np.uint8), 8, cv2.CV_32S, cv2.CCL_BBDT
    )
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


def _reduce(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale a picture down to the size that is looked at; the picture itself where it is smaller."""
    scale = _LOOK / max(grey.shape)
    if scale >= 1:
        return grey
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    # Sixteen pixels are enough for the mean that each pixel of the result is; reading all takes most of the time.
    step = max(1, int(0.25 / scale))
    return np.asarray(cv2.resize(grey[::step, ::step], size, interpolation=cv2.INTER_AREA), np.uint8)


def _box(mask: Mask) -> _Box:
    """The rectangle around what is set in a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return _Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
