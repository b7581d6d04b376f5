"""Contrast of each pixel to its background, independent of light, shadows and polarity."""

import cv2
import numpy as np

from service.tasks.image_classification.preprocessing.arrays import (
    Contrast,
    Floats,
    Gray,
    border_pixels,
    is_wide,
    quantile,
    remove_strokes,
    resize,
    to_thumbnail,
)
from service.tasks.image_classification.preprocessing.polarity import ink_is_dark
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS

_GRAY_LEVELS = np.arange(256, dtype=np.float32)


def contrast(gray: Gray) -> Contrast:
    """Estimate the background under the ink of a gray picture [H, W] and divide it out.

    A uniform border is the background. Otherwise the background is what is left of the thumbnail when everything as
    narrow as a stroke is removed: light, shadows and the desk around a sheet are wider. Negative where a pixel differs
    from the background in the direction opposite to ink.
    """
    thumbnail = to_thumbnail(gray)
    level = _uniform_level(gray, thumbnail)
    dark = ink_is_dark(thumbnail, level)
    # From here on ink is the darker of the two.
    if level is not None:
        paper_level = level if dark else 255 - level
        levels = _GRAY_LEVELS if dark else 255 - _GRAY_LEVELS
        contrasts = (paper_level - levels) / max(float(paper_level), float(THRESHOLDS.min_paper_level))
        # Looking the contrast of a gray level up takes a third of the time of computing it for each pixel.
        return np.asarray(cv2.LUT(gray, contrasts), np.float32)
    pixels = gray.astype(np.float32) if dark else 255 - gray.astype(np.float32)
    paper, step = _estimate(thumbnail if dark else 255 - thumbnail)
    paper, step = resize(paper, gray.shape), resize(step, gray.shape)
    return np.asarray((paper - step - pixels) / np.maximum(paper, THRESHOLDS.min_paper_level), np.float32)


def _uniform_level(gray: Gray, thumbnail: Floats) -> np.float32 | None:
    """Gray level of a uniform background, judged by the border; None if it is uneven or frames a sheet."""
    border = border_pixels(gray)
    median = np.float32(quantile(border, 0.5))
    share = float(np.mean(np.abs(border - median) <= THRESHOLDS.border_tolerance))
    if share < THRESHOLDS.border_share:
        return None
    is_small = max(gray.shape) < THRESHOLDS.small_side
    return median if is_small or not _frames_sheet(thumbnail, median) else None


def _frames_sheet(thumbnail: Floats, table: np.float32) -> bool:
    """Whether the uniform border is a table on which a sheet of paper lies."""
    sheet = np.abs(thumbnail - table) > THRESHOLDS.sheet_difference
    return float(sheet.mean()) > THRESHOLDS.sheet_share and is_wide(sheet)


def _estimate(thumbnail: Floats) -> tuple[Floats, Floats]:
    """Background [h, w] of a thumbnail with dark ink, and its local range in 3 x 3 pixels [h, w].

    The background's own edges, of shadows or of the sheet, are located to a pixel or two only: a difference within the
    local range there is not ink.
    """
    closed = remove_strokes(thumbnail, cv2.MORPH_CLOSE)
    # Closing keeps the lightest grain of the paper: subtract the grain that is usual where there is no ink.
    grain = quantile(closed - thumbnail, THRESHOLDS.grain_quantile)
    smooth = cv2.GaussianBlur(closed - grain, (0, 0), THRESHOLDS.background_blur)
    window = np.ones((3, 3), np.uint8)
    step = cv2.dilate(smooth, window) - cv2.erode(smooth, window)
    return np.asarray(smooth, np.float32), np.asarray(step, np.float32)
