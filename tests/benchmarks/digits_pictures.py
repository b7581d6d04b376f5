"""Pictures of digits and of what is none, as a shipped classifier reads and recognizes them.

    python -m tests.benchmarks.digits_pictures --count 200 --thresholds 0.5 0.55 0.6

Every picture goes through the server's own preprocessing. `LECTERN_DATA` is the folder of data sets; digits are MNIST's
held-out training images. README.md says more.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.bundle.files import read_bundle
from service.errors import InvalidRequest
from service.tasks.image_classification import ImageClassificationPredictor
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.photographs import KINDS, make_photograph
from tests.support.photographs.held_out import held_out
from tests.support.predictors import open_predictor
from training.lenet.familiarity.drawings import STROKES, TEXTURES, UNSEEN_STROKES, UNSEEN_TEXTURES, Drawing
from training.lenet.familiarity.glyphs import draw_character, foreign_characters, load_fonts

_MODELS = Path(__file__).parents[2] / "models"
_DIGITS = "0123456789"
_UNSEEN_FONT = "cmb10"
"""The only font of matplotlib that neither trained nor calibrated the shipped familiarity."""
_MARGIN, _SCALE = 6, 4

Ink = NDArray[np.floating]
"""Ink [H, W], 0 = paper to 1 = ink."""


class Picture(NamedTuple):
    """An encoded picture, and the digit on it; None for what is no digit."""

    content: bytes
    label: str | None


Make = Callable[[np.random.Generator], Picture]
"""Makes a picture."""


class Reading(NamedTuple):
    """What is answered for a picture."""

    is_right: bool
    familiarity: float
    """0 for one in which nothing or several figures were found."""


def as_picture(ink: Ink) -> bytes:
    """Ink as a PNG, dark on light with a margin, four times as large."""
    gray = np.uint8(255 * (1 - np.pad(ink, _MARGIN)))
    image = Image.fromarray(gray)
    stream = io.BytesIO()
    image.resize((image.width * _SCALE, image.height * _SCALE), Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()


def cropped(digit: NDArray[np.uint8]) -> Ink:
    """A digit [28, 28], cropped to its ink."""
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 255


def beside(first: Ink, second: Ink, gap: int) -> Ink:
    """Two digits side by side with a gap in pixels; they overlap if it is below 0."""
    height = max(len(first), len(second))
    width = max(first.shape[1] + second.shape[1] + gap, first.shape[1], second.shape[1])
    canvas = np.zeros((height, width))
    for ink, left in ((first, 0), (second, width - second.shape[1])):
        top = (height - len(ink)) // 2
        part = canvas[top : top + len(ink), left : left + ink.shape[1]]
        np.maximum(part, ink, out=part)
    return canvas


def kinds(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> dict[str, Make]:
    """What makes a picture of each kind.

    Args:
        images: digits, [N, 28, 28].
        labels: what they are, [N].
    """
    fonts = [font for font in load_fonts(None) if font.group == _UNSEEN_FONT]

    def photograph(kind: str, rng: np.random.Generator) -> Picture:
        index = rng.integers(len(images))
        return Picture(make_photograph(images[index], kind, rng).data, str(labels[index]))

    def character(characters: str, rng: np.random.Generator) -> Picture:
        drawn = characters[rng.integers(len(characters))]
        ink = draw_character(fonts[rng.integers(len(fonts))], drawn)
        return Picture(as_picture(ink), drawn if drawn in _DIGITS else None)

    def drawing(functions: Sequence[Drawing], rng: np.random.Generator) -> Picture:
        return Picture(as_picture(functions[rng.integers(len(functions))](rng)), None)

    def pair(low: int, high: int, rng: np.random.Generator) -> Picture:
        first, second = (cropped(images[index]) for index in rng.integers(len(images), size=2))
        return Picture(as_picture(beside(first, second, int(rng.integers(low, high + 1)))), None)

    return {
        **{f"photograph: {kind}": partial(photograph, kind) for kind in KINDS},
        "printed digits": partial(character, _DIGITS),
        "letters but O, o, I and l": partial(character, foreign_characters(tuple(_DIGITS))),
        "strokes": partial(drawing, STROKES),
        "shapes (unseen)": partial(drawing, UNSEEN_STROKES),
        "textures": partial(drawing, TEXTURES),
        "textures (unseen)": partial(drawing, UNSEEN_TEXTURES),
        "two digits, gap 3 to 8": partial(pair, 3, 8),
        "two digits, gap 0 to 1": partial(pair, 0, 1),
        "two digits that overlap by 1 to 5": partial(pair, -5, -1),
    }


def read(predictor: ImageClassificationPredictor, picture: Picture) -> Reading:
    """What the predictor says of a picture."""
    request = ClassifyRequest(pictures=(picture.content,))
    try:
        (result,) = predictor.postprocess(request, predictor.infer(predictor.preprocess(request)))["results"]
    except InvalidRequest as error:
        if "blank" not in str(error):
            raise
        return Reading(is_right=False, familiarity=0.0)
    is_one = result["recognized"] or result["familiarity"] < 0.5
    return Reading(
        is_right=result["predictions"][0]["label"] == picture.label,
        familiarity=result["familiarity"] if is_one else 0.0,
    )


def row(name: str, pictures: Sequence[Picture], readings: Sequence[Reading], thresholds: Sequence[float]) -> str:
    """A row of the table: labels that are right, then at each threshold what is decided right."""
    is_digit = pictures[0].label is not None
    right = f"{sum(reading.is_right for reading in readings)}" if is_digit else ""
    decided = [sum((reading.familiarity >= least) == is_digit for reading in readings) for least in thresholds]
    shares = " | ".join(f"{count} ({count / len(readings):.1%})" for count in decided)
    return f"| {name} | {len(pictures)} | {right} | {shares} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the highest version of models/digits")
    parser.add_argument("--count", type=int, default=200, help="pictures of each kind")
    parser.add_argument("--only", default="", help="kinds whose name has this text")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.5], help="least familiarity of a digit")
    options = parser.parse_args()
    versions = sorted((_MODELS / "digits").iterdir(), key=lambda path: int(path.name))
    predictor = open_predictor(ImageClassificationPredictor, read_bundle(options.bundle or versions[-1]))
    columns = " | ".join(f"decided right from {least:g}" for least in options.thresholds)
    print(f"| kind | pictures | label right | {columns} |\n|{'---|' * (3 + len(options.thresholds))}")
    makers = kinds(*held_out(Path(os.environ["LECTERN_DATA"])))
    for number, (name, make) in enumerate(makers.items()):
        if options.only in name:
            rng = np.random.default_rng([2026, number])
            pictures = [make(rng) for _ in range(options.count)]
            print(
                row(name, pictures, [read(predictor, picture) for picture in pictures], options.thresholds), flush=True
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
