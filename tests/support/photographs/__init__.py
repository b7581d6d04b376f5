"""Synthetic photographs, drawings and scans of digits, made of MNIST's 28 x 28 images.

`make_photograph` depends on its digit and random generator only, and imports nothing of the project, so that its
pictures are independent test data. `python -m tests.support.photographs --out DIR` writes samples.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.photographs import camera, paper, strokes

Digit = NDArray[np.uint8]
"""A digit [28, 28], 0 = paper to 255 = ink."""


class Photograph(NamedTuple):
    """The bytes of an image file and their media type."""

    data: bytes
    content_type: str


def make_photograph(digit: Digit, kind: str, rng: np.random.Generator) -> Photograph:
    """Make an image file of a digit [28, 28].

    Args:
        digit: the digit.
        kind: one of `KINDS`.
        rng: source of all random choices.
    """
    return _KINDS[kind](digit, rng)


def _phone(digit: Digit, rng: np.random.Generator) -> Photograph:
    """Plain paper and any pen, photographed with a phone."""
    return _photograph(_page(digit, rng), rng)


def _ruled(digit: Digit, rng: np.random.Generator) -> Photograph:
    """Ruled paper; the digit is one to three lines high."""
    return _photograph(_page(digit, rng, lines="ruled"), rng)


def _squared(digit: Digit, rng: np.random.Generator) -> Photograph:
    """Squared paper; the digit is two to six squares high."""
    return _photograph(_page(digit, rng, lines="squared"), rng)


def _desk(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A sheet that does not fill the frame, so that the desk is visible around it."""
    page = _page(digit, rng, height=(0.25, 0.6), margin=0.1)
    return _photograph(page, rng, zoom=rng.uniform(0.78, 0.95))


def _chalkboard(digit: Digit, rng: np.random.Generator) -> Photograph:
    """Chalk on a dark board."""
    size = _frame(rng)
    mask = strokes.outline(digit, width=rng.uniform(1.5, 3.0), **_handwriting(rng))
    return _photograph(paper.chalkboard(_place_digit(mask, size, rng, (0.2, 0.58), margin=0.2), rng), rng)


def _whiteboard(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A marker on a white board."""
    mask = strokes.outline(digit, width=rng.uniform(1.0, 2.6), **_handwriting(rng))
    return _photograph(paper.whiteboard(_place_digit(mask, _frame(rng), rng, (0.2, 0.58), margin=0.2), rng), rng)


def _canvas(digit: Digit, rng: np.random.Generator) -> Photograph:
    """Drawn with a mouse or a finger, black on white or white on black, with a thin or a thick pen."""
    ink = _drawing(digit, rng, _pen_width(rng))
    gray = np.uint8(255 * (ink if rng.random() < 0.5 else 1 - ink))
    return _store(gray, "PNG" if rng.random() < 0.7 else "JPEG", rng)


def _color(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A colored pen on a canvas of another color with a visible difference in brightness."""
    ink = _drawing(digit, rng, _pen_width(rng))[..., None]
    while True:
        front, back = rng.uniform(0, 255, (2, 3))
        if np.abs(front - back) @ (0.299, 0.587, 0.114) > 60:
            break
    return _store(np.uint8(ink * front + (1 - ink) * back), ("PNG", "WEBP", "GIF", "JPEG")[rng.integers(4)], rng)


def _transparent(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A canvas exported without its background: dark, light or colored strokes on transparency."""
    ink = _drawing(digit, rng, _pen_width(rng))
    front = ((0, 0, 0), (255, 255, 255), (220, 30, 30), (40, 60, 220))[rng.integers(4)]
    rgba = np.empty((*ink.shape, 4), np.uint8)
    rgba[..., :3] = np.where(ink[..., None] > 0, front, 0)  # a canvas clears to transparent black
    rgba[..., 3] = np.uint8(ink * 255)
    return _store(rgba, "PNG" if rng.random() < 0.7 else "WEBP", rng)


def _squeezed(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A picture that was resized without keeping its aspect ratio."""
    ink = _drawing(digit, rng, rng.uniform(1.5, 4.0))
    factor = rng.uniform(0.5, 0.8) if rng.random() < 0.5 else rng.uniform(1.25, 1.7)
    image = Image.fromarray(np.uint8(255 * (1 - ink)))
    return _store(image.resize((max(24, round(image.width * factor)), image.height)), "PNG", rng)


def _slanted(digit: Digit, rng: np.random.Generator) -> Photograph:
    """Slanted handwriting on a slightly rotated page."""
    shape = {"slant": float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.35)), "rotation": rng.uniform(-12, 12)}
    mask = strokes.outline(digit, width=rng.uniform(1.2, 3.5), **shape)
    ink = _place_digit(mask, (320, 320), rng, (0.4, 0.8))
    return _store(np.uint8(255 * (1 - 0.9 * ink)), ("PNG", "JPEG", "BMP")[rng.integers(3)], rng)


def _low_resolution(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A thumbnail: the digit is about 12 to 30 pixels high, possibly with strong compression."""
    side = int(rng.integers(20, 44))
    mask = strokes.outline(digit, width=rng.uniform(1.8, 4.0), **_handwriting(rng))
    large = _place_digit(mask, (side * 8, side * 8), rng, (0.6, 0.9))
    image = Image.fromarray(np.uint8(255 * (large if rng.random() < 0.3 else 1 - large)))
    resampling = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.NEAREST)[
        rng.choice(3, p=[0.5, 0.35, 0.15])
    ]
    return _store(
        np.asarray(image.resize((side, side), resampling)), ("PNG", "JPEG", "GIF", "BMP")[rng.integers(4)], rng
    )


def _tight(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A crop close to the ink."""
    margin = int(rng.integers(0, 6))
    mask = strokes.fit_height(
        strokes.outline(digit, width=_pen_width(rng), **_handwriting(rng)), int(rng.integers(40, 300))
    )
    ink = np.pad(mask, margin)
    if rng.random() < 0.5:
        return _store(np.uint8(255 * (ink if rng.random() < 0.5 else 1 - ink)), ("PNG", "JPEG")[rng.integers(2)], rng)
    sheet = paper.write(paper.blank_paper(ink.shape, rng), ink, tuple(paper.PENS)[rng.integers(len(paper.PENS))], rng)
    return _store(camera.expose(sheet, rng, blur=0.6), "JPEG", rng)


def _off_center(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A small digit somewhere on a large page."""
    size = (int(rng.integers(800, 1600)), int(rng.integers(800, 1600)))
    mask = strokes.outline(digit, width=rng.uniform(1.2, 3.0), **_handwriting(rng))
    page = np.float32(rng.uniform(235, 255)) - 225 * _place_digit(mask, size, rng, (0.05, 0.15))
    page += rng.uniform(0, 3) * rng.standard_normal(size, np.float32)
    return _store(np.uint8(np.clip(page, 0, 255)), ("JPEG", "PNG", "WEBP", "TIFF")[rng.integers(4)], rng)


def _scan(digit: Digit, rng: np.random.Generator) -> Photograph:
    """A scan or fax: black and white or gray, with specks and sometimes the dark edge of the sheet."""
    size = (int(rng.integers(300, 700)), int(rng.integers(300, 700)))
    mask = strokes.outline(digit, width=rng.uniform(0.9, 3.0), **_handwriting(rng))
    ink = _place_digit(mask, size, rng, (0.25, 0.7))
    gray = 1 - np.clip(ink * rng.uniform(0.6, 1.0) + 0.08 * paper.cloud(size, 2.0, rng) * ink, 0, 1)
    for _ in range(int(rng.integers(0, 25))):
        y, x, radius = int(rng.integers(size[0])), int(rng.integers(size[1])), int(rng.integers(1, 4))
        gray[max(0, y - radius) : y + radius, max(0, x - radius) : x + radius] = rng.uniform(0, 0.6)
    if rng.random() < 0.4:
        edge = int(rng.integers(2, 14))
        gray[:, :edge] = rng.uniform(0, 0.3)
    if rng.random() < 0.5:
        gray = np.where(gray + 0.1 * rng.standard_normal(size) > rng.uniform(0.4, 0.65), 1.0, 0.0)
        return _store(Image.fromarray(gray > 0.5), ("TIFF", "PNG", "BMP")[rng.integers(3)], rng)
    return _store(np.uint8(np.clip(gray * 250, 0, 255)), ("TIFF", "JPEG", "PNG")[rng.integers(3)], rng)


_KINDS: dict[str, Callable[[Digit, np.random.Generator], Photograph]] = {
    "phone": _phone,
    "ruled": _ruled,
    "squared": _squared,
    "desk": _desk,
    "chalkboard": _chalkboard,
    "whiteboard": _whiteboard,
    "canvas": _canvas,
    "color": _color,
    "transparent": _transparent,
    "squeezed": _squeezed,
    "slanted": _slanted,
    "low_resolution": _low_resolution,
    "tight": _tight,
    "off_center": _off_center,
    "scan": _scan,
}
KINDS: tuple[str, ...] = tuple(_KINDS)
"""Names of all kinds of pictures."""


def _handwriting(rng: np.random.Generator) -> dict[str, float]:
    """Random variation of handwriting, in addition to that of MNIST."""
    return {"slant": rng.uniform(-0.1, 0.1), "aspect": rng.uniform(0.85, 1.15), "rotation": rng.uniform(-5, 5)}


def _pen_width(rng: np.random.Generator) -> float | None:
    """Random pen width in pixels of the digit's 20-pixel box; None keeps the digit's own strokes."""
    return (None, rng.uniform(0.7, 1.5), rng.uniform(1.5, 3.0), rng.uniform(3.0, 4.2))[rng.integers(4)]


def _frame(rng: np.random.Generator) -> tuple[int, int]:
    """Random height and width of a photograph."""
    return ((600, 800), (800, 600), (640, 640))[rng.integers(3)]


def _page(
    digit: Digit,
    rng: np.random.Generator,
    *,
    lines: str = "",
    height: tuple[float, float] = (0.12, 0.58),
    margin: float = 0.2,
) -> paper.Picture:
    """A sheet of paper with the digit on it, seen from directly above."""
    size = _frame(rng)
    pen = tuple(paper.PENS)[rng.integers(len(paper.PENS))]
    width = rng.uniform(1.8, 3.6) if pen.startswith("felt") else rng.uniform(0.8, 1.8)
    mask = strokes.outline(digit, width=width, **_handwriting(rng))
    ink = _place_digit(mask, size, rng, height, margin=margin)
    sheet = paper.blank_paper(size, rng)
    if lines:
        digit_height = float(np.ptp(np.nonzero(ink.max(axis=1) > 0.5)[0]))
        squared = lines == "squared"
        pitch = digit_height / (rng.uniform(2, 6) if squared else rng.uniform(0.9, 3))
        sheet = paper.rule(sheet, pitch, rng, squared=squared)
    return paper.write(sheet, ink, pen, rng)


def _place_digit(
    mask: strokes.Mask,
    size: tuple[int, int],
    rng: np.random.Generator,
    height: tuple[float, float],
    *,
    margin: float = 0.02,
) -> strokes.Mask:
    """Put the digit at a random position on a page.

    Args:
        mask: the digit.
        size: height and width of the page.
        rng: source of all random choices.
        height: range of the digit's height, as shares of the page's shorter side.
        margin: share of each side of the page that is kept free.
    """
    scaled = strokes.fit_height(mask, round(min(size) * rng.uniform(*height)))
    top, left = (
        int(rng.uniform(margin * page, page - side - margin * page))
        for page, side in zip(size, scaled.shape, strict=True)
    )
    return strokes.paste(scaled, size, top, left)


def _drawing(digit: Digit, rng: np.random.Generator, width: float | None) -> strokes.Mask:
    """A drawing on a square canvas of 100 to 500 pixels."""
    side = int(rng.integers(100, 500))
    return _place_digit(strokes.outline(digit, width=width, **_handwriting(rng)), (side, side), rng, (0.4, 0.92))


def _photograph(page: paper.Picture, rng: np.random.Generator, *, zoom: float = 1.25) -> Photograph:
    """Photograph a page with a phone."""
    scene = camera.project(page, rng, tilt=0.04, zoom=zoom)
    return _store(camera.expose(scene, rng, blur=1.3), "JPEG", rng)


def _store(picture: NDArray[np.uint8] | Image.Image, form: str, rng: np.random.Generator) -> Photograph:
    """Encode a picture in a file format, JPEG and WebP with the quality of phones and messengers."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    quality = int(rng.integers(45, 95))
    options = {"JPEG": {"quality": quality}, "WEBP": {"quality": quality, "method": 1}, "PNG": {"compress_level": 1}}
    file = io.BytesIO()
    image.save(file, form, **options.get(form, {}))
    return Photograph(file.getvalue(), f"image/{form.lower()}")
