"""Files that would keep a decoder busy or fill the memory are refused, or read without what pixels do not need."""

from __future__ import annotations

import re
import resource
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from service.tasks.image_classification.preprocessing import (
    AnimatedImageError,
    EncodedImage,
    ImageError,
    ImageTooComplexError,
    ImageTooLargeError,
    UnsupportedImageError,
    decode_image,
)
from tests.support import hostile_pictures as hostile
from tests.support.pictures import FORMATS, gray_levels, picture_file

_HANGS = 10.0
"""CPU seconds that no file may take; ordinary ones take less than one."""


@pytest.mark.parametrize("name", hostile.TOO_COMPLEX)
def test_a_file_that_would_take_too_long_is_refused_by_its_structure(name: str) -> None:
    make, message = hostile.TOO_COMPLEX[name]
    data = make()
    assert len(data) < 17 * 2**20
    started = time.process_time()
    with pytest.raises(ImageTooComplexError, match=message):
        EncodedImage(data)
    assert time.process_time() - started < _HANGS


@pytest.mark.parametrize("name", hostile.HARMLESS)
def test_what_pixels_do_not_need_never_reaches_a_decoder(name: str) -> None:
    data = hostile.HARMLESS[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        assert decode_image(data).shape == (100, 100)
    except ImageError:
        assert "endless" in name
    assert time.process_time() - started < _HANGS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_arithmetic_coding_and_the_old_jpeg_compression_of_tiff_are_not_read() -> None:
    with pytest.raises(UnsupportedImageError, match="arithmetic-coded; save it as a baseline JPEG"):
        decode_image(hostile.arithmetic_jpeg())
    with pytest.raises(UnsupportedImageError, match="save it as a PNG"):
        decode_image(hostile.tiff([*hostile.gray_tiff_entries(10, 10, compression=6), (273, 4, 1, 8)], bytes(100)))


@pytest.mark.parametrize("big", [False, True])
def test_directories_of_a_tiff_that_lead_in_a_circle(big: bool) -> None:
    entries = [*hostile.gray_tiff_entries(10, 10), (273, 4, 1, 8), (279, 4, 1, 100)]
    assert decode_image(hostile.tiff(entries, bytes(100), big=big)).shape == (10, 10)
    with pytest.raises(AnimatedImageError, match="one picture a file"):
        decode_image(hostile.tiff(entries, bytes(100), following=16 if big else 8, big=big))


@pytest.mark.parametrize("side", [2**14, 2**20, 2**31])
def test_tiles_of_a_tiff_that_are_larger_than_any_picture(side: int) -> None:
    tiles = [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8), (325, 4, 1, 100)]
    with pytest.raises(ImageTooLargeError, match="LECTERN_MAX_PIXELS"):
        decode_image(hostile.tiff([*hostile.gray_tiff_entries(10, 10, compression=5), *tiles], bytes(100)))


def test_values_of_a_tiff_that_overlap() -> None:
    entries = [(tag, 7, 150_000, 8) for tag in (258, 262, 266, 320, 347)]
    with pytest.raises(ImageError):
        decode_image(hostile.tiff([*hostile.gray_tiff_entries(10, 10), *entries], bytes(160_000)))


def test_a_bmp_from_the_top_down_and_a_short_run_length_encoded_one() -> None:
    data = bytearray(picture_file(Image.fromarray(gray_levels()), "BMP"))
    data[22:26] = (-20).to_bytes(4, "little", signed=True)
    assert np.array_equal(decode_image(bytes(data)), gray_levels()[::-1])
    rows = b"".join(b"\x05" + bytes([level]) + b"\x05\x00\x00\x00" for level in (200, 100))
    assert decode_image(hostile.bmp_run_length_encoded(10, 2, rows)).tolist() == [
        [100] * 5 + [0] * 5,
        [200] * 5 + [0] * 5,
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_every_truncation_ends_in_an_image_error_or_a_picture(form: str) -> None:
    data = picture_file(Image.fromarray(gray_levels()), form)
    for end in range(1, len(data)):
        try:
            decode_image(data[:end])
        except ImageError:
            continue


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 5)])
@pytest.mark.parametrize("form", FORMATS)
def test_pictures_of_a_few_pixels(form: str, size: tuple[int, int]) -> None:
    assert decode_image(picture_file(Image.new("RGB", size, "white"), form)).shape == size[::-1]


def test_a_part_is_allowed_up_to_the_limit() -> None:
    ordinary = picture_file(Image.new("RGB", (4000, 3000), "white"), "JPEG", progressive=True, subsampling=0)
    assert decode_image(ordinary).shape == (1500, 2000)
    chunks = hostile.png_chunk(b"abCd", b"") * 15_000
    assert decode_image(hostile.png(chunks)).shape == (100, 100)


def test_inspection_takes_hardly_any_memory() -> None:
    data = hostile.jpeg_segments(b"\xff\xe2\xff\xfe" + b"\xff\xda" * 32_766, 200)
    tracemalloc.start()
    try:
        EncodedImage(data)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()


def test_the_errors_say_what_to_do() -> None:
    with pytest.raises(ImageTooComplexError) as caught:
        EncodedImage(hostile.jpeg_with_scans(20_000))
    assert re.search(r"5000 x 4000 pixels.*300,000,000.*save it as a baseline JPEG", str(caught.value))
