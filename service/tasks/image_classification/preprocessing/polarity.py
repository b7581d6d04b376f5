"""Polarity of a picture: whether ink is darker or lighter than its background."""

import cv2
import numpy as np

from service.tasks.image_classification.preprocessing.arrays import (
    Floats,
    border_pixels,
    deviation,
    is_wide,
    quantile,
    remove_strokes,
)
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS


def ink_is_dark(thumbnail: Floats, level: np.float32 | None) -> bool:
    """Decide whether ink is darker than its background.

    The first of these that applies decides:

    1. with a uniform background: the side (darker or lighter) with the larger total difference from it
       (`_dark_predominates`);
    2. what is left of the digit when everything light, or everything dark, that is no wider than a stroke is removed;
    3. if few pixels fit a smooth paper surface, as in tight crops: the tone at the border and corners is the paper
       (`_ink_is_dark_by_shape`);
    4. the side with the larger total difference from that surface.

    Args:
        thumbnail: the picture, gray levels [h, w].
        level: gray level of a uniform background; None if the background is uneven.
    """
    if level is not None:
        return _dark_predominates(thumbnail - level)
    dark, light = _patches(thumbnail)
    if max(dark, light) > THRESHOLDS.patch_ratio * min(dark, light):
        return dark > light
    return _ink_is_dark_on_surface(thumbnail)


def _patches(thumbnail: Floats) -> tuple[float, float]:
    """Energy of the dark and of the light patches left when narrow things of the other tone are removed.

    If light things were the ink, opening leaves nothing of the digit; if they were gaps that dark strokes enclose, it
    leaves the digit as a dark patch. Closing tells the same with the tones exchanged.
    """
    opened, closed = remove_strokes(thumbnail, cv2.MORPH_OPEN), remove_strokes(thumbnail, cv2.MORPH_CLOSE)
    dark = remove_strokes(opened, cv2.MORPH_CLOSE) - opened
    light = closed - remove_strokes(closed, cv2.MORPH_OPEN)
    threshold = THRESHOLDS.patch_level * float((closed - opened).max())
    dark_energy, light_energy = (float((patch[patch > threshold] ** 2).sum()) for patch in (dark, light))
    return dark_energy, light_energy


def _ink_is_dark_on_surface(thumbnail: Floats) -> bool:
    """Fallback: ink is what differs from a smooth surface of paper, unless little of the picture is paper."""
    paper = _fit_surface(thumbnail)
    residual = thumbnail - paper
    tolerance = np.maximum(THRESHOLDS.paper_difference * paper, THRESHOLDS.min_paper_difference)
    if float(np.mean(np.abs(residual) < tolerance)) < THRESHOLDS.paper_share:
        by_shape = _ink_is_dark_by_shape(thumbnail)
        if by_shape is not None:
            return by_shape
    return _dark_predominates(residual)


def _dark_predominates(residual: Floats) -> bool:
    """Whether more of the difference from the background [h, w] is darker than lighter, noise ignored."""
    limit = max(THRESHOLDS.min_residual, THRESHOLDS.residual_noise * deviation(residual[::2, ::2]))
    return bool(-residual[residual < -limit].sum() >= residual[residual > limit].sum())


def _ink_is_dark_by_shape(thumbnail: Floats) -> bool | None:
    """Whether the darker of two tones (Otsu) is the ink; None if both are too wide for strokes, as light and shadow.

    Paper is the tone of border and corners, unless that frames a sheet of the other tone: a desk.
    """
    levels = np.clip(thumbnail, 0, 255).astype(np.uint8)
    light = np.asarray(cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1], np.uint8)
    dark_is_wide, light_is_wide = is_wide(light == 0), is_wide(light == 1)
    if dark_is_wide and light_is_wide:
        return None
    side = THRESHOLDS.corner_side
    corners = np.array([light[:side, :side], light[:side, -side:], light[-side:, :side], light[-side:, -side:]])
    light_border = bool(border_pixels(light).mean() + corners.mean() >= 1)
    light_share = float(light.mean())
    is_desk = dark_is_wide and light_share < 0.5 if light_border else light_is_wide and light_share > 0.5
    return light_border != is_desk


def _fit_surface(thumbnail: Floats) -> Floats:
    """Fit a second-degree surface to the brightness of the paper, repeatedly to the pixels that agree with it.

    The median, with the picture's center counted twice, is where it starts.
    """
    height, width = thumbnail.shape
    terms = _polynomial_terms(height, width)
    pixels, pixel_terms = thumbnail[::2, ::2].ravel(), terms[::2, ::2].reshape(-1, 6)
    top, left = height // THRESHOLDS.surface_center, width // THRESHOLDS.surface_center
    center = thumbnail[top : height - top : 2, left : width - left : 2]
    paper = np.full_like(pixels, quantile(np.concatenate([pixels, center.ravel()]), 0.5))
    weights = np.array([paper[0], 0, 0, 0, 0, 0], np.float32)
    for share, degree in THRESHOLDS.surface_schedule:
        agrees = np.abs(pixels - paper) < np.maximum(share * paper, THRESHOLDS.min_paper_difference)
        fitted = pixel_terms[agrees, :degree]
        if len(fitted) < THRESHOLDS.surface_min_pixels:
            break
        normal = fitted.T @ fitted + THRESHOLDS.surface_ridge * np.eye(degree, dtype=np.float32)
        weights[:degree] = np.linalg.solve(normal, fitted.T @ pixels[agrees])
        paper = pixel_terms @ weights
    return np.asarray(np.clip(terms @ weights, 0, 255), np.float32)


def _polynomial_terms(height: int, width: int) -> Floats:
    """1, x, y, xy, x^2, y^2 of each pixel [H, W, 6], with x and y in -1..1."""
    terms = np.ones((height, width, 6), np.float32)
    xs, ys = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    terms[..., 1], terms[..., 2], terms[..., 3], terms[..., 4], terms[..., 5] = xs, ys, xs * ys, xs * xs, ys * ys
    return terms
