"""How many figures are on a picture, and where."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import ImagePreprocessing, find_figures, normalize
from tests.support.photographs.held_out import held_out

MNIST = ImagePreprocessing()
Gray = NDArray[np.uint8]


def _paper(height: int = 120, width: int = 200) -> Gray:
    return np.full((height, width), 255, np.uint8)


def _write(picture: Gray, text: str, x: int, y: int = 90) -> Gray:
    """Write one figure, about 44 pixels high."""
    return np.asarray(cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 2, 0, 5, cv2.LINE_AA), np.uint8)


def _count(picture: Gray) -> int:
    found = find_figures(picture, MNIST, split=False)
    assert found is not None
    assert found.parts == ()
    return found.figures


@pytest.mark.parametrize("text", ["7", "42", "123"])
@pytest.mark.parametrize("invert", [False, True], ids=["dark ink", "light ink"])
def test_figures_beside_each_other_are_counted(text: str, *, invert: bool) -> None:
    picture = _paper()
    for index, character in enumerate(text):
        _write(picture, character, 20 + 55 * index)
    assert _count(255 - picture if invert else picture) == len(text)


def test_the_parts_of_a_broken_figure_are_one() -> None:
    five = _paper()
    cv2.line(five, (90, 20), (130, 20), 0, 6)  # the bar, which is not joined to the rest
    cv2.ellipse(five, (95, 70), (30, 30), 0, -90, 120, 0, 6)
    assert _count(five) == 1


def test_specks_are_no_figures() -> None:
    picture = _write(_paper(), "3", 80)
    for x in range(10, 190, 20):
        cv2.circle(picture, (x, 110), 1, 0, -1)
    assert _count(picture) == 1


def test_parts_are_in_reading_order_with_their_boxes() -> None:
    picture = _write(_write(_write(_paper(220), "1", 130, 80), "0", 20, 84), "8", 20, 190)
    found = find_figures(picture, MNIST, split=True)
    assert found is not None
    assert found.figures == 3
    boxes = [box for box, _ in found.parts]
    assert [(box.left < 100, box.top < 100) for box in boxes] == [(True, True), (False, True), (True, False)]
    for (box, image), character in zip(found.parts, "018", strict=True):
        alone = np.pad(picture[box.top : box.bottom, box.left : box.right], 20, constant_values=255)
        assert np.abs(image - normalize(alone, MNIST)).mean() < 0.06, character


def test_a_model_of_whole_pictures_has_no_figures() -> None:
    assert find_figures(_paper(), ImagePreprocessing(normalizer="fit"), split=True) is None


def test_a_single_digit_is_one_figure_and_keeps_its_image(data_dir: Path) -> None:
    counts = []
    for digit in held_out(data_dir)[0][:200]:
        found = find_figures(digit, MNIST, split=True)
        assert found is not None
        assert np.array_equal(found.image, normalize(digit, MNIST))
        counts.append(found.figures)
    assert counts.count(1) >= 199
