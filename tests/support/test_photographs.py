"""The generator of synthetic photographs: reproducible, with the declared media types and pen widths."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support.photographs import KINDS, make_photograph, strokes

SEVEN = np.zeros((28, 28), np.uint8)
cv2.polylines(SEVEN, [np.array([(7, 6), (19, 6), (11, 23)], np.int32)], isClosed=False, color=255, thickness=2)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_make_equal_pictures(kind: str) -> None:
    first, second, different = (make_photograph(SEVEN, kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == second
    assert first.data != different.data


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_has_its_media_type(kind: str) -> None:
    photograph = make_photograph(SEVEN, kind, np.random.default_rng(3))
    image = Image.open(io.BytesIO(photograph.data))
    image.load()
    assert photograph.content_type == f"image/{(image.format or '').lower()}"
    assert min(image.size) >= 10


@pytest.mark.parametrize("width", [1.0, 2.0, 4.0])
def test_the_pen_has_the_requested_width(width: float) -> None:
    bar = np.zeros((28, 28), np.uint8)
    bar[5:24, 12:16] = 255
    mask = strokes.outline(bar, width=width)
    assert abs(np.median(mask.sum(axis=1)) / strokes.SCALE - width) < 0.35


def test_thinning_leaves_a_line_of_one_pixel() -> None:
    ring = np.zeros((40, 40), np.uint8)
    cv2.circle(ring, (20, 20), 12, 1, 6)
    skeleton = strokes.thin(ring > 0)
    assert not cv2.erode(skeleton.astype(np.uint8), np.ones((2, 2), np.uint8)).any()
    assert cv2.connectedComponents(skeleton.astype(np.uint8))[0] == 2
    assert cv2.connectedComponents((~skeleton).astype(np.uint8), connectivity=4)[0] == 3
