"""Decoding of image files to gray pixels: formats, modes, orientation, transparency, color."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from service.tasks.image_classification.preprocessing import DamagedImageError, decode_image
from tests.support.pictures import LOSSLESS, gray_levels, picture_file, with_preview


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_formats_keep_gray_levels(form: str) -> None:
    assert np.array_equal(decode_image(picture_file(Image.fromarray(gray_levels()), form)), gray_levels())


def test_jpeg_keeps_gray_levels_approximately() -> None:
    decoded = decode_image(picture_file(Image.fromarray(gray_levels()), "JPEG", quality=95)).astype(int)
    assert np.abs(decoded - gray_levels()).max() <= 4


MODES = {
    "PNG": ("1", "P", "RGB", "RGBA", "LA"),
    "TIFF": ("1", "P", "RGB", "RGBA", "LA", "CMYK", "LAB"),
    "BMP": ("1", "P", "RGB"),
    "GIF": ("1", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
}


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in MODES.items() for mode in modes])
def test_every_mode_is_read(form: str, mode: str) -> None:
    halves = np.repeat(np.array([[0, 255]], np.uint8), 10, axis=1).repeat(20, axis=0)
    image = Image.fromarray(halves).convert("RGB") if mode in {"CMYK", "LAB"} else Image.fromarray(halves)
    gray = decode_image(picture_file(image.convert(mode), form)).astype(int)
    assert gray.shape == (20, 20)
    assert np.abs(gray - halves).max() <= 2


def test_cmyk_jpeg() -> None:
    image = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 16))
    gray = decode_image(picture_file(image, "JPEG", quality=95))
    assert gray[:, :6].max() < 20
    assert gray[:, 10:].min() > 235


@pytest.mark.parametrize(("depth", "form"), [(16, "PNG"), (16, "TIFF"), (12, "TIFF")])
def test_high_bit_depths(depth: int, form: str) -> None:
    values = np.linspace(0, 2**depth - 1, 256).astype(np.uint16).reshape(16, 16)
    gray = decode_image(picture_file(Image.fromarray(values), form)).astype(int)
    assert np.abs(gray.ravel() - np.arange(256)).max() <= 1


def test_floating_point_is_scaled_to_its_range() -> None:
    values = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
    gray = decode_image(picture_file(Image.fromarray(values), "TIFF")).astype(int)
    assert np.abs(gray.ravel() - np.arange(256)).max() <= 1
    values[3, 3] = np.nan
    with pytest.raises(DamagedImageError):
        decode_image(picture_file(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(form: str, orientation: int) -> None:
    image = Image.fromarray(gray_levels())
    exif = image.getexif()
    exif[0x0112] = orientation
    data = picture_file(image, form, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L")
    assert np.array_equal(decode_image(data), np.asarray(upright))


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as decode.py does; pytest's own filters take precedence
def test_malformed_exif_is_ignored(exif: bytes) -> None:
    assert decode_image(picture_file(Image.fromarray(gray_levels()), "JPEG", exif=exif)).shape == (20, 30)


@pytest.mark.parametrize(("ink", "darker"), [((0, 0, 0), True), ((255, 255, 255), False), ((30, 60, 220), True)])
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_transparency_becomes_paper_that_contrasts_with_the_ink(
    form: str, ink: tuple[int, int, int], darker: bool
) -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((*ink, 255), (18, 5, 22, 35))
    gray = decode_image(picture_file(image, form)).astype(int)
    assert (gray[0, 0] - gray[20, 20] > 100) if darker else (gray[20, 20] - gray[0, 0] > 100)


def test_a_transparent_palette_color() -> None:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 255, 0, 255])
    image.paste(0, (18, 5, 22, 35))
    for form, transparency in (("PNG", 1), ("GIF", 1), ("PNG", b"\xff\x00")):
        gray = decode_image(picture_file(image, form, transparency=transparency))
        assert gray[0, 0] > 250
        assert gray[20, 20] < 5


def test_transparent_corners_get_the_color_of_the_paper() -> None:
    image = Image.new("RGBA", (40, 40), (250, 250, 250, 255))
    image.paste((10, 10, 10, 255), (18, 5, 22, 35))
    image.paste((0, 0, 0, 0), (0, 0, 6, 6))
    assert decode_image(picture_file(image))[0, 0] == 250


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("side", [1, 7, 300])
def test_a_picture_with_opaque_alpha_is_read_like_one_without(mode: str, side: int) -> None:
    rng = np.random.default_rng(side)
    picture = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).convert(mode).convert("RGB")
    without = decode_image(picture_file(picture))
    assert np.array_equal(decode_image(picture_file(picture.convert("RGBA"))), without)
    if mode == "L":
        assert np.array_equal(without, np.asarray(picture)[..., 0])


def test_ink_that_differs_in_hue_only_is_visible() -> None:
    for ink, paper in (((255, 255, 0), (255, 255, 255)), ((0, 0, 255), (0, 0, 0)), ((255, 0, 0), (0, 130, 0))):
        image = Image.new("RGB", (40, 40), paper)
        image.paste(ink, (18, 5, 22, 35))
        gray = decode_image(picture_file(image)).astype(int)
        assert abs(gray[20, 20] - gray[0, 0]) > 100


def test_a_large_jpeg_is_decoded_at_reduced_size() -> None:
    data = picture_file(Image.new("RGB", (4000, 3000), "white"), "JPEG")
    assert min(decode_image(data).shape) >= 900
    assert max(decode_image(data).shape) <= 2000


def test_the_preview_appended_to_a_phones_jpeg_is_ignored() -> None:
    assert decode_image(with_preview()).shape == (20, 30)


def test_decoding_is_thread_safe_and_leaves_pillows_state() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    good = [picture_file(Image.fromarray(gray_levels()), form) for form in LOSSLESS]

    def decode(index: int) -> bool:
        if index % 3 == 0:
            with pytest.raises(DamagedImageError):
                decode_image(good[0][:60])
        return np.array_equal(decode_image(good[index % len(good)]), gray_levels())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(decode, range(400)))
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
