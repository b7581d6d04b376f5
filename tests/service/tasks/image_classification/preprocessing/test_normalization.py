"""Normalization of pictures of digits to the form of MNIST's images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import BlankImageError, ImagePreprocessing, normalize
from tests.support.photographs.held_out import held_out

MNIST = ImagePreprocessing()


def _page(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width), 255, np.uint8)


def _draw_five(page: NDArray[np.uint8], top: int, left: int, side: int, ink: int = 0, width: float = 0.12) -> None:
    """Draw a five with a separate flag, `side` pixels high."""
    thick = max(1, round(side * width))
    points = np.array([(0.55, 0.05), (0.12, 0.05), (0.08, 0.42), (0.45, 0.40), (0.62, 0.62), (0.5, 0.88), (0.05, 0.92)])
    path = np.rint(points * side + (left, top)).astype(np.int32)
    cv2.polylines(page, [path], isClosed=False, color=ink, thickness=thick, lineType=cv2.LINE_AA)


def _five(height: int = 300, width: int = 300, side: int = 200, ink: int = 0) -> NDArray[np.uint8]:
    page = _page(height, width)
    _draw_five(page, (height - side) // 2, (width - side) // 2, side, ink)
    return page


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(image * 255).astype(np.uint8)


REFERENCE = normalize(_five(), MNIST)


def _same_digit(image: NDArray[np.float32]) -> bool:
    """Whether an image correlates with the reference five, after a blur of one pixel."""
    first, second = (cv2.GaussianBlur(picture, (0, 0), 1.0).ravel() for picture in (image, REFERENCE))
    return bool(np.corrcoef(first, second)[0, 1] > 0.93)


def test_the_result_has_mnists_form() -> None:
    assert REFERENCE.dtype == np.float32
    assert REFERENCE.shape == (28, 28)
    assert REFERENCE.min() == 0
    assert REFERENCE.max() == 1
    rows, columns = np.nonzero(REFERENCE)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    mass = REFERENCE.sum()
    assert abs((REFERENCE.sum(axis=1) @ np.arange(28)) / mass - 14) <= 0.51
    assert abs((REFERENCE.sum(axis=0) @ np.arange(28)) / mass - 14) <= 0.51
    assert np.median(REFERENCE[REFERENCE > 0.5]) > 0.9


def test_pictures_in_mnists_form_keep_every_pixel() -> None:
    ready = _bytes(REFERENCE)
    assert np.array_equal(_bytes(normalize(ready, MNIST)), ready)
    assert np.array_equal(_bytes(normalize(255 - ready, MNIST)), ready)


def test_real_mnist_keeps_every_pixel(data_dir: Path) -> None:
    for image in held_out(data_dir)[0][:2000]:
        assert np.array_equal(_bytes(normalize(image, MNIST)), image)


def test_doing_it_twice_changes_nothing() -> None:
    for side in (12, 20, 33, 90, 250):
        once = _bytes(normalize(_five(300, 340, side), MNIST))
        assert np.array_equal(_bytes(normalize(once, MNIST)), once)


def test_the_size_of_the_picture_does_not_matter() -> None:
    for height, width, side in ((100, 60, 40), (600, 800, 300), (3000, 4000, 900), (2000, 1500, 110)):
        assert _same_digit(normalize(_five(height, width, side), MNIST)), (height, width, side)


def test_a_thumbnail_is_enough() -> None:
    for side in (32, 48, 100):
        thumbnail = np.asarray(cv2.resize(_five(), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        assert _same_digit(normalize(thumbnail, MNIST)), side


def test_light_on_dark_is_the_same_as_dark_on_light() -> None:
    for side in (20, 60, 200):
        dark = _five(300, 300, side)
        assert np.abs(normalize(dark, MNIST) - normalize(255 - dark, MNIST)).max() < 0.02


def test_faint_ink_gives_the_same_digit() -> None:
    for ink in (50, 150, 220):
        assert _same_digit(normalize(_five(ink=ink), MNIST))


def test_the_position_on_the_page_does_not_matter() -> None:
    for top, left in ((5, 5), (5, 600), (600, 5), (330, 420)):
        page = _page(700, 700)
        _draw_five(page, top, left, 60)
        assert _same_digit(normalize(page, MNIST)), (top, left)


def test_crops_close_to_the_ink() -> None:
    page = _five()
    rows, columns = np.nonzero(page < 128)
    for margin in (0, 1, 4):
        crop = page[rows.min() - margin : rows.max() + 1 + margin, columns.min() - margin : columns.max() + 1 + margin]
        assert _same_digit(normalize(crop, MNIST))
        assert _same_digit(normalize(255 - crop, MNIST))


@pytest.mark.parametrize("ink", [0, 255])
def test_a_thick_pen_that_covers_most_of_the_paper(ink: int) -> None:
    page = np.full((200, 160), 255 - ink, np.uint8)
    cv2.ellipse(page, (80, 100), (58, 78), 0, 0, 360, ink, 40, cv2.LINE_AA)
    assert np.mean(page == ink) > 0.5
    zero = normalize(page, MNIST)
    assert zero[14, 14] < 0.1
    assert min(zero[5:8, 14].max(), zero[20:23, 14].max(), zero[14, 6:10].max(), zero[14, 19:22].max()) > 0.9


def test_the_aspect_ratio_is_kept() -> None:
    page = _page(200, 200)
    cv2.line(page, (100, 30), (100, 170), 0, 14, cv2.LINE_AA)
    digit = normalize(page, MNIST)
    rows, columns = np.nonzero(digit > 0.3)
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 <= 4


def _light(shape: tuple[int, int], dark: float) -> NDArray[np.float32]:
    """Illumination that falls from 1 at the top left corner to `dark` at the opposite one."""
    ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]]
    return (1 - (1 - dark) * (ys / shape[0] + xs / shape[1]) / 2).astype(np.float32)


@pytest.mark.parametrize("dark", [0.8, 0.5, 0.3])
def test_uneven_light_is_removed(dark: float) -> None:
    page = _five(300, 400, 150)
    noise = np.random.default_rng(0).normal(0, 3, page.shape)
    photograph = np.clip(page * 0.8 * _light(page.shape, dark) + 20 + noise, 0, 255).astype(np.uint8)
    assert _same_digit(normalize(photograph, MNIST))


def test_a_hard_shadow_is_not_ink() -> None:
    photograph = _five(300, 400, 130).astype(np.float32) * 0.85 + 15
    photograph[:, :210] *= 0.55
    photograph[200:] *= 0.8
    assert _same_digit(normalize(photograph.astype(np.uint8), MNIST))


def test_the_desk_around_a_sheet_is_not_ink() -> None:
    desk = np.random.default_rng(0).normal(60, 5, (400, 500))
    desk[50:360, 60:450] = _five(310, 390, 120) * 0.8 + 10
    assert _same_digit(normalize(np.clip(desk, 0, 255).astype(np.uint8), MNIST))


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("lean", [0.0, 0.05, -0.12])
def test_printed_lines_are_removed(squared: bool, lean: float) -> None:
    page = _page(360, 400)
    for line in range(-100, 500, 37):
        cv2.line(page, (0, line), (400, line + round(400 * lean)), 150, 2, cv2.LINE_AA)
        if squared:
            cv2.line(page, (line, 0), (line - round(360 * lean), 360), 150, 2, cv2.LINE_AA)
    _draw_five(page, 90, 120, 170, ink=40)
    assert _same_digit(normalize(page, MNIST))


def test_specks_are_removed() -> None:
    page = _five(300, 300, 150)
    for y, x in np.random.default_rng(0).integers(0, 300, (40, 2)):
        if page[max(0, y - 8) : y + 10, max(0, x - 8) : x + 10].min() > 250:
            page[y : y + 2, x : x + 2] = 0
    assert _same_digit(normalize(page, MNIST))


def test_the_dark_edge_of_a_scan_is_removed() -> None:
    page = _five(300, 300, 150)
    page[:, :9] = 20
    assert _same_digit(normalize(page, MNIST))


def test_a_separate_part_of_the_digit_is_kept() -> None:
    page = _page(300, 300)
    _draw_five(page, 60, 70, 180)
    page[:80, 100:] = 255  # most of the flag
    cv2.line(page, (128, 62), (180, 62), 0, 20, cv2.LINE_AA)
    rows, _ = np.nonzero(normalize(page, MNIST) > 0.5)
    assert np.ptp(rows) + 1 == 20
    assert normalize(page, MNIST)[rows.min() + 1].max() > 0.8


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 300), (400, 500), (1500, 1200)])
def test_a_blank_picture_is_refused(level: int, shape: tuple[int, int]) -> None:
    with pytest.raises(BlankImageError, match=r"blank.*send a picture with a digit on it"):
        normalize(np.full(shape, level, np.uint8), MNIST)


def test_an_empty_page_under_a_lamp_is_blank() -> None:
    rng = np.random.default_rng(0)
    for dark in (1.0, 0.7, 0.4):
        page = 220 * _light((600, 800), dark) + rng.normal(0, 4, (600, 800))
        with pytest.raises(BlankImageError):
            normalize(np.clip(page, 0, 255).astype(np.uint8), MNIST)


def test_any_picture_gives_a_valid_image_or_is_blank() -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        shape = tuple(int(side) for side in rng.integers(1, 90, 2))
        picture = rng.integers(0, rng.integers(2, 256), shape, np.uint8)
        if rng.random() < 0.5:
            picture = cv2.resize(picture, (int(rng.integers(1, 300)), int(rng.integers(1, 300))))
        try:
            image = normalize(np.atleast_2d(picture), MNIST)
        except BlankImageError:
            continue
        assert image.shape == (28, 28)
        assert np.isfinite(image).all()
        assert 0 <= image.min() <= image.max() <= 1


def test_another_size_keeps_the_proportions() -> None:
    large = normalize(_five(), ImagePreprocessing(height=56, width=56))
    assert large.shape == (56, 56)
    rows, columns = np.nonzero(large)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 40
    assert np.array_equal(_bytes(normalize(_bytes(large), ImagePreprocessing(height=56, width=56))), _bytes(large))


def test_fit_keeps_the_whole_picture() -> None:
    fit = ImagePreprocessing(normalizer="fit", height=32, width=32)
    picture = np.zeros((40, 80), np.uint8)
    picture[:, 40:] = 200
    picture[0] = picture[-1] = 60
    image = normalize(picture, fit)
    assert image.shape == (32, 32)
    assert image.dtype == np.float32
    assert np.allclose(image[:8], 60 / 255)  # padded with the median of the border
    assert np.allclose(image[12:20, :14], 0)
    assert np.allclose(image[12:20, 18:], 200 / 255)
    assert np.allclose(normalize(np.full((3, 300), 7, np.uint8), fit), 7 / 255)


def test_manifests_keep_the_key_normaliser() -> None:
    preprocessing = ImagePreprocessing(normalizer="fit")
    assert preprocessing.model_dump() == {"normaliser": "fit", "height": 28, "width": 28}
    assert ImagePreprocessing.model_validate({"normaliser": "fit"}) == preprocessing


@pytest.mark.parametrize("values", [{"normaliser": "imagenet"}, {"height": 4}, {"width": 10**6}, {"colour": True}])
def test_invalid_preprocessing_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        ImagePreprocessing.model_validate(values)
