"""Extraction of one digit's ink from a picture, without paper, ruled lines, specks and dark edges."""

from typing import NamedTuple

import cv2
import numpy as np

from service.tasks.image_classification.preprocessing.arrays import (
    Contrast,
    Gray,
    Mask,
    border_pixels,
    deviation,
    quantile,
    shrink,
)
from service.tasks.image_classification.preprocessing.background import contrast
from service.tasks.image_classification.preprocessing.box import Box
from service.tasks.image_classification.preprocessing.components import Components, label_components
from service.tasks.image_classification.preprocessing.errors import BlankImageError
from service.tasks.image_classification.preprocessing.figures import count_figures, group_figures
from service.tasks.image_classification.preprocessing.ruled_lines import erase_lines
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS
from service.tasks.image_classification.preprocessing.tight_crop import restore_margin

_BLANK = "the picture is blank: nothing on it stands out from the background; send a picture with a digit on it"


def extract_ink(gray: Gray) -> Contrast:
    """Extract the digit's ink from a gray picture [H, W], cropped to it: 0 = paper to 1 = the pen's full strength.

    Raises:
        BlankImageError: nothing stands out from the background.
    """
    ink = extract_figures(gray, split=False).ink
    assert ink is not None
    return ink


class Foreground(NamedTuple):
    """What is drawn on a picture."""

    ink: Contrast | None
    """Ink of the digit [h, w], cropped to it: 0 = paper to 1 = the pen's full strength; None unless asked for."""
    figures: int
    """Number of separate figures, such as digits beside each other."""
    parts: tuple[tuple[Box, Contrast], ...]
    """The box of each figure in the picture, and its ink, in reading order; empty unless asked for."""


def extract_figures(gray: Gray, *, split: bool, with_ink: bool = True) -> Foreground:
    """Extract the digit's ink from a gray picture [H, W], and count the figures on it.

    Args:
        gray: the picture.
        split: whether each figure is extracted too.
        with_ink: whether the ink is needed; finding out what is a figure takes half of the time.

    Raises:
        BlankImageError: nothing stands out from the background.
    """
    reduced = shrink(gray, THRESHOLDS.working_side)
    with_margin = restore_margin(reduced)
    searched = reduced if with_margin is None else with_margin
    drawn = _find_ink(searched)
    components = label_components(drawn.mask)
    figures = group_figures(components)
    parts: list[tuple[Box, Contrast]] = []
    if split:
        scale, margin = len(gray) / len(reduced), (searched.shape[0] - reduced.shape[0]) // 2
        for figure in figures:
            mask = components.select(figure)
            inner = Box.around(mask)
            grown = inner.scaled(1, margin=1)
            part = _scale_to_pen(grown.crop(drawn.values), grown.crop(mask))
            parts.append((inner.in_picture(scale, margin, gray.shape), Box.around(part > 0).crop(part)))
    if not with_ink:
        return Foreground(None, len(figures), tuple(parts))
    if with_margin is None and reduced is not gray and drawn.box.side < THRESHOLDS.detail_side:
        detail = drawn.box.scaled(len(gray) / len(reduced), margin=THRESHOLDS.detail_margin * drawn.box.side)
        drawn = _find_ink(shrink(detail.crop(gray), THRESHOLDS.working_side))
    ink = drawn.digit_ink()
    return Foreground(Box.around(ink > 0).crop(ink), len(figures), tuple(parts))


def count_on_clean_paper(values: Contrast) -> int | None:
    """The number of figures that `extract_figures` finds on a small picture whose paper is 0 everywhere.

    On such paper the contrast is what the picture has, there is no noise, and nothing was cut off.

    Args:
        values: contrast [H, W] of a picture of which at least half is paper.

    Returns:
        None if the picture is not such a one, or shows hardly any ink.
    """
    if max(values.shape) >= min(THRESHOLDS.small_side, THRESHOLDS.line_min_side) or border_pixels(values).any():
        return None
    peak = _peak_contrast(values)
    if peak < THRESHOLDS.min_contrast:
        return None
    return count_figures(values > THRESHOLDS.mask_levels[0] * peak, values)


class _Ink(NamedTuple):
    """The ink of a picture."""

    values: Contrast
    """Contrast of the picture [H, W]."""
    mask: Mask
    """All that may be part of a figure [H, W]."""
    digit: Mask
    """The digit [H, W]."""
    box: Box
    """The box of the digit, with a margin of a pixel."""

    def digit_ink(self) -> Contrast:
        """The digit's ink in its box [h, w], 0 elsewhere."""
        return _scale_to_pen(self.box.crop(self.values), self.box.crop(self.digit))


def _find_ink(gray: Gray) -> _Ink:
    """Find the ink of a gray picture [H, W].

    Raises:
        BlankImageError: nothing stands out from the background.
    """
    values = contrast(gray)
    noise = _noise(values[:: THRESHOLDS.noise_stride, :: THRESHOLDS.noise_stride])
    if noise > THRESHOLDS.blur_above_noise:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), THRESHOLDS.blur_sigma), np.float32)
    peak = _peak_contrast(values)
    if peak < max(THRESHOLDS.min_contrast, THRESHOLDS.min_contrast_noise * noise):
        raise BlankImageError(_BLANK)
    digit, mask = _digit_mask(values, peak, THRESHOLDS.mask_noise * noise)
    return _Ink(values, mask, digit, Box.around(digit).scaled(1, margin=1))


def _noise(values: Contrast) -> float:
    """Standard deviation of the paper's contrast, whose mean may be slightly off 0."""
    return min(deviation(values), deviation(values - np.float32(quantile(values, 0.5))))


def _peak_contrast(values: Contrast) -> float:
    """Contrast of the strongest ink: the mean of a small share of the pixels."""
    if values.size > THRESHOLDS.peak_subsample_above:
        values = values[::2, ::2]
    count = min(values.size, max(THRESHOLDS.peak_min_pixels, values.size // THRESHOLDS.peak_share))
    strongest = np.sort(values, axis=None)[-count:]
    return float(np.add.reduce(strongest) / count)  # What `mean` does, in a third of its time.


def _digit_mask(values: Contrast, peak: float, min_contrast: float) -> tuple[Mask, Mask]:
    """The pixels [H, W] of the digit, and of all ink that may be part of a figure.

    1. Ink is what exceeds a share of the peak contrast; printed lines are erased from it. A higher share is tried only
       if nothing inside the picture is left, because lines or shadows join the digit to the border.
    2. Then the same without the dark edges that a scanner leaves.
    3. Last, parts that touch the border are accepted: the picture was cropped close to the digit.
    """
    for level in THRESHOLDS.mask_levels:
        mask = erase_lines(values > max(level * peak, min_contrast))
        components = label_components(mask)
        digit = _main_components(components, values, inside=True)
        if digit is not None:
            return digit, components.select(~components.touch_border())
    components = label_components(_clear_edges(mask))
    digit = _main_components(components, values, inside=True)
    if digit is not None:
        return digit, components.select(~components.touch_border())
    digit = _main_components(label_components(mask), values, inside=False)
    if digit is not None:
        return digit, mask
    raise BlankImageError(_BLANK)


def _main_components(components: Components, values: Contrast, *, inside: bool) -> Mask | None:
    """The component of a mask that has the most energy, and those near it that are no specks.

    Args:
        components: the components of a mask of ink [H, W].
        values: contrast [H, W].
        inside: ignore components that touch the border or are specks.

    Returns:
        Their pixels [H, W]; None if there is none, or if hardly any of the energy is inside.
    """
    top, left, bottom, right = components.boxes.T
    width, height = right - left, bottom - top
    # A single one has all of the energy, however much that is.
    energy = np.array([0.0, 1.0]) if components.count == 2 else components.energy(values)
    total = float(energy.sum())
    if inside:
        speck = np.maximum(width, height) < THRESHOLDS.speck_side * max(components.shape)
        energy[components.touch_border() | speck] = 0
    main = int(energy.argmax())
    if energy[main] <= (THRESHOLDS.min_inner_energy * total if inside else 0):
        return None
    gap_x = np.maximum(left[main] - right, left - right[main])
    gap_y = np.maximum(top[main] - bottom, top - bottom[main])
    near = np.maximum(gap_x, gap_y) < THRESHOLDS.component_gap * max(width[main], height[main])
    return components.select(near & (energy > THRESHOLDS.component_energy * energy[main]))


def _clear_edges(mask: Mask) -> Mask:
    """Clear full rows and columns along the border: the dark edge that a scanner leaves."""
    cleared = mask.copy()
    for side in (cleared, cleared[::-1], cleared.T, cleared.T[::-1]):
        band = side[: len(side) // THRESHOLDS.edge_band]
        full = np.flatnonzero(band.mean(axis=1) > THRESHOLDS.edge_fill)
        if len(full) > 0:
            side[: int(full[-1]) + THRESHOLDS.edge_margin] = False
    return cleared


def _scale_to_pen(values: Contrast, digit: Mask) -> Contrast:
    """Scale contrast [h, w] so that the pen's full strength becomes 1, and clear everything but the digit.

    What is much fainter than the digit's own ink was paper, a line or a shadow after all.
    """
    strength = quantile(values[digit], THRESHOLDS.strength_quantile)
    components = label_components(digit & (values > THRESHOLDS.core_level * strength))
    core = _main_components(components, values, inside=False)
    assert core is not None, "the strongest of the digit's ink exceeds a share of its quantile"
    strength = quantile(values[core], THRESHOLDS.core_quantile)
    near = cv2.dilate(core.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ink = np.where(near & (values > THRESHOLDS.ink_floor * strength), np.minimum(values / strength, 1), 0)
    return ink.astype(np.float32)
