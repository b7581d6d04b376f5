"""Margins for pictures that were cut to their ink, as every segmentation makes them."""

from typing import NamedTuple

import cv2
import numpy as np

from service.tasks.image_classification.preprocessing.arrays import Gray, Mask, border_pixels, quantile, to_thumbnail
from service.tasks.image_classification.preprocessing.thresholds import THRESHOLDS


def restore_margin(gray: Gray) -> Gray | None:
    """Surround a picture [H, W] that was cut to its ink with its own paper, so that the border is paper again.

    Such a picture has two tones (Otsu 1979), and both are at its border. Which one is ink is decided by shape, see
    `_evidence`.

    Returns:
        The picture with a margin; None where it was not cut to its ink, or may be a photograph.
    """
    thumbnail = np.rint(to_thumbnail(gray)).astype(np.uint8)
    _, light = cv2.threshold(thumbnail, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    border = border_pixels(np.asarray(light, np.uint8))
    if border.min() == border.max():
        return None
    light_mask = light > 0
    tones = (_describe(~light_mask), _describe(light_mask))
    log_odds = _evidence(tones[1]) - _evidence(tones[0])
    ink_is_light = log_odds > 0
    if not _is_cut(tones[ink_is_light], tones[not ink_is_light], gray.shape):
        return None
    level, evenness = _paper_level(thumbnail[light_mask != ink_is_light], is_dark=ink_is_light)
    # Photographs, too, can have both of their tones at the border: only what is beyond doubt is taken for cut.
    is_narrow = max(gray.shape) >= THRESHOLDS.cut_narrow * min(gray.shape)
    is_large = max(gray.shape) >= THRESHOLDS.cut_large_side
    is_clean = evenness >= THRESHOLDS.cut_evenness[is_large] or is_narrow
    is_certain = abs(log_odds) >= THRESHOLDS.cut_log_odds and is_clean
    if not is_certain and max(gray.shape) >= THRESHOLDS.small_side:
        return None
    margin = max(THRESHOLDS.cut_min_margin, round(THRESHOLDS.cut_margin * max(gray.shape)))
    return np.pad(gray, margin, constant_values=level)


class _Tone(NamedTuple):
    """The shape of one of the two tones."""

    patches: int
    """Connected parts, specks left out."""
    sides: int
    """Sides of the picture that these parts come close to."""
    radius: float
    """Radius of the largest circle inside, as a share of the picture's longer side."""
    share: float
    """Share of the picture."""
    corners: float
    """Share of the corners."""
    middle: float
    """Share of the columns in the middle."""
    center: float
    """Share of the center, weighted by a Gaussian."""


def _describe(mask: Mask) -> _Tone:
    """Measure the shape of a tone; it must have pixels."""
    height, width = mask.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    parts = stats[1:][stats[1:, 4] > THRESHOLDS.cut_speck * mask.size]
    sides = 0
    if len(parts):
        slack_x, slack_y = (max(1, round(THRESHOLDS.cut_slack * side)) for side in (width, height))
        left, top = parts[:, 0].min(), parts[:, 1].min()
        right, bottom = (parts[:, 0] + parts[:, 2]).max(), (parts[:, 1] + parts[:, 3]).max()
        sides = sum((left <= slack_x, top <= slack_y, right >= width - slack_x, bottom >= height - slack_y))
    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
    reach = max(1, width // 10)
    weights = np.outer(*(np.exp(-(np.linspace(-2, 2, side) ** 2)) for side in mask.shape))
    return _Tone(
        patches=len(parts),
        sides=sides,
        radius=float(inside.max()) / max(mask.shape),
        share=float(mask.mean()),
        corners=float(mask[[0, 0, -1, -1], [0, -1, 0, -1]].mean()),
        middle=float(mask[:, width // 2 - reach : width // 2 + reach + 1].mean()),
        center=float((mask * weights).sum() / weights.sum()),
    )


def _evidence(tone: _Tone) -> float:
    """How much the shape of a tone speaks for ink: the log odds of two tones are the difference of theirs.

    Ink is narrow, hangs together, runs through the middle and leaves the corners free.
    """
    weights = THRESHOLDS.cut_evidence
    return (
        weights["corners"] * tone.corners
        + weights["patches"] * min(tone.patches, 5)
        + weights["radius"] * tone.radius
        + weights["share"] * tone.share
        + weights["middle"] * (tone.middle - tone.share)
        + weights["center"] * (tone.center - tone.share)
    )


def _is_cut(ink: _Tone, paper: _Tone, shape: tuple[int, ...]) -> bool:
    """Whether the ink of a picture of `shape` fills it from side to side as a digit does."""
    is_narrow = shape[0] >= THRESHOLDS.cut_narrow * shape[1]  # a 1, whose gray edges count as paper
    return (
        ink.sides >= THRESHOLDS.cut_sides - is_narrow
        and ink.radius <= THRESHOLDS.cut_radius
        and paper.patches <= THRESHOLDS.cut_patches
    )


def _paper_level(paper: Gray, *, is_dark: bool) -> tuple[int, float]:
    """The gray level of the paper's pixels, and the share of them that are within the tolerance of a uniform border.

    The edges of strokes are gray: the paper itself is among the levels that differ most from the ink.
    """
    share = THRESHOLDS.cut_paper_quantile
    level = int(quantile(paper, share if is_dark else 1 - share))
    differences = np.abs(paper.astype(np.int16) - level)
    return level, float(np.mean(differences <= THRESHOLDS.border_tolerance))
