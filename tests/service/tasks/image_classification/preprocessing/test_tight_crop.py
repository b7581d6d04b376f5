"""Pictures that were cut to their ink are normalized as the same digit with its margin."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import ImagePreprocessing, normalize
from service.tasks.image_classification.preprocessing.tight_crop import restore_margin
from tests.support.photographs.held_out import held_out

Gray = NDArray[np.uint8]


def _cut(digit: Gray) -> Gray:
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _seven() -> Gray:
    """A bold 7, light on black, whose ink touches all sides."""
    picture = np.zeros((100, 70), np.uint8)
    picture[:20] = 255
    cv2.line(picture, (60, 10), (20, 99), 255, 20)
    return picture


@pytest.mark.parametrize("invert", [False, True], ids=["light ink", "dark ink"])
def test_a_cut_digit_gets_a_margin_of_its_paper(*, invert: bool) -> None:
    picture = 255 - _seven() if invert else _seven()
    padded = restore_margin(picture)
    assert padded is not None
    assert padded[0, 0] == (255 if invert else 0)
    inner = (padded.shape[0] - 100) // 2
    assert np.array_equal(padded[inner:-inner, inner:-inner], picture)


def test_a_picture_with_a_margin_stays_as_it_is() -> None:
    assert restore_margin(np.pad(_seven(), 2)) is None


@pytest.mark.parametrize("invert", [False, True], ids=["light ink", "dark ink"])
@pytest.mark.parametrize("factor", [1, 5])
def test_cutting_hardly_changes_the_normalized_digit(data_dir: Path, factor: int, *, invert: bool) -> None:
    unlike = 0
    for digit in held_out(data_dir)[0][:60]:
        cut = cv2.resize(_cut(digit), None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        cut = np.asarray(255 - cut if invert else cut, np.uint8)
        normalized = normalize(cut, ImagePreprocessing())
        unlike += float(np.abs(normalized - digit / np.float32(255)).mean()) > 0.1
    assert unlike <= 1


@pytest.mark.parametrize("width", [1, 2])
def test_thin_strokes_are_thickened_before_they_fade(width: int) -> None:
    canvas = np.full((180, 180), 255, np.uint8)
    cv2.line(canvas, (40, 30), (120, 30), 0, width)
    cv2.line(canvas, (120, 30), (70, 150), 0, width)
    normalized = normalize(canvas, ImagePreprocessing())
    assert normalized.max() > 0.9
    assert (normalized > 0.5).sum() > 40
