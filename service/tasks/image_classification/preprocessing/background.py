"""How far each pixel stands out from its paper, whatever the light and whichever of the two is darker."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Contrast = NDArray[np.float32]
"""How much a pixel differs from the paper around it, [H, W]: 0 = paper, 1 = black on white or white on black."""

_SMALL = 80
"""The longer side of the small picture on which the paper, its light and its shadows are estimated."""

_WIDEST_STROKE = 0.32
"""No stroke is wider than this share of the picture's longer side, a crossing of thick strokes included."""


def contrast(grey: NDArray[np.uint8]) -> Contrast:
    """Estimate the paper under the ink of a grey picture [H, W] and divide it out.

    Where the border is even, and does not frame a sheet, that is the paper. Elsewhere strokes are closed up from both
    sides, which leaves light, shadows and the desk around a sheet, all of which are wider than strokes. Negative where
    a pixel differs from the paper the other way than ink does.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    middle = np.float32(quantile(border, 0.5))
    small = _resize(grey.astype(np.float32), _small_size(grey.shape))
    even = float(np.mean(np.abs(border - middle) <= 6)) >= 0.75 and not _frames_a_sheet(small, middle)
    dark = _stands_out_dark(small - middle) if even else _ink_is_dark(small)
    lit = grey.astype(np.float32) if dark else 255 - grey.astype(np.float32)  # ink is the darker in it
    if even:
        level = middle if dark else 255 - middle
        return np.asarray((level - lit) / max(float(level), 24.0), np.float32)
    paper, step = _under_ink(small if dark else 255 - small)
    paper, step = _resize(paper, grey.shape), _resize(step, grey.shape)
    return np.asarray((paper - step - lit) / np.maximum(paper, 24), np.float32)


def quantile(values: NDArray[np.generic], share: float) -> float:
    """The value that `share` of all are no greater than: numpy's own takes ten times as long over a small picture."""
    rank = min(int(share * values.size), values.size - 1)
    return float(np.partition(values, rank, axis=None)[rank])


def deviation(values: Floats) -> float:
    """The standard deviation of what is around 0, with up to two thirds of the values elsewhere."""
    return quantile(np.abs(values), 0.15) / 0.19  # 15 % of a normal distribution is within 0.19 deviations


def _under_ink(small: Floats) -> tuple[Floats, Floats]:
    """The paper [h, w] of a picture whose ink is dark, and by how much it changes from each place to the next.

    Where the paper itself has an edge, that of a shadow or of the sheet, its place is uncertain by a pixel or two, and
    a difference no greater than the step there is no ink.
    """
    closed = _morph(small, cv2.MORPH_CLOSE)
    # Closing takes the lightest of the paper's grain: put it back to what is usual where there is no ink.
    grain = closed - small
    smooth = cv2.GaussianBlur(closed - quantile(grain, 0.3), (0, 0), 1.0)
    around = np.ones((3, 3), np.uint8)
    step = cv2.dilate(smooth, around) - cv2.erode(smooth, around)
    return np.asarray(smooth, np.float32), np.asarray(step, np.float32)


def _morph(small: Floats, operation: int) -> Floats:
    """Close dark or open light things that are no wider than a stroke may be."""
    width = max(3, round(max(small.shape) * _WIDEST_STROKE)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    # Eight bits are enough here, and several times faster.
    return np.asarray(cv2.morphologyEx(np.rint(small).astype(np.uint8), operation, disc), np.float32)


def _ink_is_dark(small: Floats) -> bool:
    """Whether ink is darker than paper in a picture [h, w] whose border is uneven.

    Take the light things no wider than strokes away: were they ink, nothing is left of the digit; were they what
    strokes enclose, the digit is left as a dark patch. And the other way round.
    """
    opened, closed = _morph(small, cv2.MORPH_OPEN), _morph(small, cv2.MORPH_CLOSE)
    dark_patch = _morph(opened, cv2.MORPH_CLOSE) - opened
    light_patch = closed - _morph(closed, cv2.MORPH_OPEN)
    clear = 0.4 * float((closed - opened).max())
    dark, light = (float((patch[patch > clear] ** 2).sum()) for patch in (dark_patch, light_patch))
    if max(dark, light) > 3 * min(dark, light):
        return dark > light
    return _ink_is_rare(small)


def _ink_is_rare(small: Floats) -> bool:
    """The same where that cannot be told: most of the picture is paper, unless it was cut out close to the ink."""
    paper = _surface(small)
    away = small - paper
    if float(np.mean(np.abs(away) < np.maximum(0.12 * paper, 12))) < 0.65:
        by_shape = _ink_is_dark_by_shape(small)
        if by_shape is not None:
            return by_shape
    return _stands_out_dark(away)


def _stands_out_dark(away: Floats) -> bool:
    """Whether what stands out from the paper is darker than it."""
    limit = max(3.0, 4 * deviation(away[::2, ::2]))
    return bool(-away[away < -limit].sum() >= away[away > limit].sum())


def _ink_is_dark_by_shape(small: Floats) -> bool | None:
    """Whether the darker of two tones is the ink, where there is as much of one as of the other; None: cannot be told.

    Paper is the tone of the border and the corners, unless that frames a sheet of the other: a desk.
    """
    _, light = cv2.threshold(np.clip(small, 0, 255).astype(np.uint8), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    wide = [_is_wide(tone) for tone in (light == 0, light == 1)]
    if all(wide):  # light and shadow
        return None
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    corners = np.array([light[:3, :3], light[:3, -3:], light[-3:, :3], light[-3:, -3:]])
    light_around = bool(border.mean() + corners.mean() >= 1)
    share = float(light.mean())
    framed = wide[0] and share < 0.5 if light_around else wide[1] and share > 0.5
    return light_around != framed


def _frames_a_sheet(small: Floats, table: np.float32) -> bool:
    """Whether the even border of a small picture is a table's on which a sheet lies."""
    other = np.abs(small - table) > 24
    return float(other.mean()) > 0.4 and _is_wide(other)


def _is_wide(tone: NDArray[np.bool_]) -> bool:
    """Whether a part of a small picture is wider than any stroke."""
    inside = cv2.distanceTransform(np.pad(tone, 1).astype(np.uint8), cv2.DIST_L2, 3)
    return bool(inside.max() > 0.15 * max(tone.shape))


def _surface(small: Floats) -> Floats:
    """Brightness of the paper as a surface of second degree, fitted to what agrees with it, the middle first."""
    height, width = small.shape
    terms = _terms(height, width)
    sample, known = small[::2, ::2].ravel(), terms[::2, ::2].reshape(-1, 6)
    centre = small[height // 5 : height - height // 5 : 2, width // 5 : width - width // 5 : 2]
    paper = np.full_like(sample, quantile(np.concatenate([sample, centre.ravel()]), 0.5))
    weights = np.array([paper[0], 0, 0, 0, 0, 0], np.float32)
    # Differences that still count as paper, as shares of its brightness, and the terms fitted: constant, slope, curve.
    for share, degree in ((0.25, 3), (0.22, 3), (0.18, 6), (0.15, 6), (0.12, 6), (0.12, 6)):
        agrees = np.abs(sample - paper) < np.maximum(share * paper, 12)
        fitted = known[agrees, :degree]
        if len(fitted) < 20:
            break
        normal = fitted.T @ fitted + 1e-3 * np.eye(degree, dtype=np.float32)
        weights[:degree] = np.linalg.solve(normal, fitted.T @ sample[agrees])
        paper = known @ weights
    return np.asarray(np.clip(terms @ weights, 0, 255), np.float32)


def _terms(height: int, width: int) -> Floats:
    """1, x, y, xy, x^2, y^2 at each place [H, W, 6], x and y in -1..1."""
    terms = np.ones((height, width, 6), np.float32)
    xs, ys = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    terms[..., 1], terms[..., 2], terms[..., 3], terms[..., 4], terms[..., 5] = xs, ys, xs * ys, xs * xs, ys * ys
    return terms


def _small_size(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, _SMALL / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _resize(values: Floats, shape: tuple[int, ...]) -> Floats:
    how = cv2.INTER_AREA if shape[0] < values.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=how), np.float32)
