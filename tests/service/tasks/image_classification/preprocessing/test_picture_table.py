"""One figure in every format, mode and bit depth is read as the same picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from service.tasks.image_classification.preprocessing import (
    AnimatedImageError,
    ImagePreprocessing,
    UnsupportedImageError,
    decode_image,
    normalize,
)
from tests.support.picture_table import TABLE, drawing
from tests.support.picture_writers import tiff
from tests.support.pictures import picture_file


@pytest.mark.parametrize("name", TABLE)
def test_every_format_mode_and_depth_is_read_as_the_same_picture(name: str) -> None:
    make, expected, tolerance = TABLE[name]
    gray = decode_image(make())
    assert gray.shape == expected.shape
    assert np.abs(gray.astype(int) - expected).max() <= tolerance
    normalized = normalize(gray, ImagePreprocessing())
    # Pictures of two or four levels have rougher edges.
    assert np.abs(normalized - normalize(drawing(), ImagePreprocessing())).mean() < 0.05


@pytest.mark.parametrize(
    ("bits", "samples"),
    [(16, np.float16), (64, np.float64), (64, np.int64)],
    ids=["float of 16 bits", "float of 64 bits", "integers of 64 bits"],
)
def test_samples_that_are_not_read_are_refused_by_name(bits: int, samples: type) -> None:
    kind = 3 if issubclass(samples, np.floating) else 1
    data = tiff((drawing() / 255).astype(samples), bits, 1, tags=[(339, [kind])])
    with pytest.raises(
        UnsupportedImageError, match="TIFF stores its pixels in a way that is not read; save it as a PNG"
    ):
        decode_image(data)


def test_a_jpeg_of_12_bits_is_refused_by_name() -> None:
    data = bytearray(picture_file(Image.fromarray(drawing()), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UnsupportedImageError, match="12 bits a sample; save it with 8"):
        decode_image(bytes(data))


@pytest.mark.parametrize(
    ("subfile_type", "is_another_page"), [(0, True), (1, False), (2, True), (4, False), (5, False)]
)
def test_previews_and_masks_in_a_tiff_are_no_pages(subfile_type: int, is_another_page: bool) -> None:
    page, preview = Image.fromarray(drawing()), Image.fromarray(drawing()[::4, ::4])
    preview.encoderinfo = {"tiffinfo": {254: subfile_type}}
    data = picture_file(page, "TIFF", save_all=True, append_images=[preview])
    if is_another_page:
        with pytest.raises(AnimatedImageError, match="one picture a file"):
            decode_image(data)
    else:
        assert np.array_equal(decode_image(data), drawing())


def test_a_picture_that_is_transparent_everywhere_shows_its_colors() -> None:
    rgba = np.stack([drawing()] * 3 + [np.zeros_like(drawing())], axis=-1)
    assert np.array_equal(decode_image(picture_file(Image.fromarray(rgba, "RGBA"))), drawing())
