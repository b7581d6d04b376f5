"""Digits as a segmentation cuts them: errors of a shipped classifier for each way of cutting, enlarging and drawing.

    python tests/benchmarks/digits_cut.py                   # 1,500 of the held-out training images, models/digits
    python tests/benchmarks/digits_cut.py --split test      # the first 1,500 test images: once per configuration

Every picture is a PNG file that goes through the server's own preprocessing. `LECTERN_DATA` is the folder of data sets.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.bundle.files import read_bundle
from service.errors import InvalidRequest
from service.tasks.image_classification import ImageClassificationPredictor
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.photographs.held_out import held_out, official_test
from tests.support.photographs.strokes import thin
from tests.support.predictors import open_predictor

Gray = NDArray[np.uint8]
"""A picture [H, W], 0 = black to 255 = white."""
Variant = Callable[[Gray], Gray]

_MODELS = Path(__file__).parents[2] / "models"
_BOLD = ("DejaVuSans-Bold", "DejaVuSerif-Bold", "DejaVuSansMono-Bold", "DejaVuSans-BoldOblique", "STIXGeneralBol")
_CANVAS = 180
_MOST_ERRORS = 20 / 1500
_MOST_PEN_ERRORS = 1 / 10
_RESAMPLINGS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


@dataclass
class Tally:
    """What became of the pictures of one variant."""

    pictures: int = 0
    errors: int = 0
    blank: int = 0
    confident: int = 0
    """Wrong labels with a probability above 0.9."""
    wrong: list[int] = field(default_factory=list)


def cut(digit: Gray, margin: int) -> Gray:
    """Cut a digit [28, 28], light on black, to the bounding box of its ink with a margin in pixels."""
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    padded = np.pad(digit, margin)
    return padded[rows[0] : rows[-1] + 1 + 2 * margin, columns[0] : columns[-1] + 1 + 2 * margin]


def enlarge(picture: Gray, resampling: int, factor: int = 5) -> Gray:
    """Enlarge a picture [H, W]."""
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=resampling), np.uint8)


def binarize(picture: Gray, threshold: int = 127) -> Gray:
    """Two tones: 0 and 255."""
    return np.where(picture > threshold, 255, 0).astype(np.uint8)


def draw_with_pen(digit: Gray, width: int, rng: np.random.Generator) -> Gray:
    """Redraw the skeleton of a digit [28, 28], 60 to 150 high, with a pen of `width` pixels on the canvas."""
    height = int(rng.integers(60, 151))
    shape = cut(digit, 0)
    scale = height / max(shape.shape)
    large = cv2.resize(np.pad(shape, 2), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    skeleton = thin(cv2.GaussianBlur(large, (0, 0), scale / 2.5) > 110)
    ys, xs = np.nonzero(skeleton)
    pen = skeleton[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].astype(np.uint8)
    if width > 1:
        pen = cv2.dilate(np.pad(pen, 1), np.ones((width, width), np.uint8))
    canvas = np.full((_CANVAS, _CANVAS), 255, np.uint8)
    top, left = (int(rng.integers(2, _CANVAS - side - 1)) for side in pen.shape)
    canvas[top : top + pen.shape[0], left : left + pen.shape[1]][pen > 0] = 0
    return canvas


def variants() -> dict[str, Variant]:
    """Every way of cutting and enlarging a digit, by name."""
    made: dict[str, Variant] = {"as it is": lambda digit: digit}
    made |= {f"cut, margin {m}": lambda digit, m=m: cut(digit, m) for m in range(4)}  # type: ignore[misc]
    for name, flag in _RESAMPLINGS.items():
        made[f"whole, x5 {name}"] = lambda digit, flag=flag: enlarge(digit, flag)  # type: ignore[misc]
        for m in range(4):
            made[f"cut, margin {m}, x5 {name}"] = lambda digit, m=m, flag=flag: enlarge(cut(digit, m), flag)  # type: ignore[misc]
    for m in range(4):
        made[f"cut, margin {m}, two tones"] = lambda digit, m=m: binarize(cut(binarize(digit), m))  # type: ignore[misc]
        for name in ("nearest", "cubic"):
            made[f"cut, margin {m}, x5 {name}, two tones"] = lambda digit, m=m, flag=_RESAMPLINGS[name]: binarize(  # type: ignore[misc]
                enlarge(cut(digit, m), flag)
            )
    made["whole, two tones"] = binarize
    return made | {f"{name}, dark on light": _inverted(make) for name, make in made.items()}


def _inverted(make: Variant) -> Variant:
    return lambda digit: 255 - make(digit)


def bold_print() -> Iterator[tuple[str, int, Gray]]:
    """Digits of bold fonts cut to their ink: name of the variant, label, picture; both polarities."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in _BOLD:
        for size in (16, 24, 40, 80, 160):
            font = ImageFont.truetype(fonts / f"{name}.ttf", size)
            for label in range(10):
                canvas = Image.new("L", (2 * size, 2 * size), 0)
                ImageDraw.Draw(canvas).text((size // 2, size // 4), str(label), fill=255, font=font)
                for margin in range(4):
                    picture = cut(np.asarray(canvas), margin)
                    yield f"bold print, margin {margin}", label, picture
                    yield f"bold print, margin {margin}, dark on light", label, 255 - picture


def classify(
    predictor: ImageClassificationPredictor, pictures: list[Gray], batch: int = 64
) -> list[tuple[int, float] | None]:
    """Label and probability of each picture; None where it is refused as blank."""
    answers: list[tuple[int, float] | None] = []
    for start in range(0, len(pictures), batch):
        rows, found = [], []
        for picture in pictures[start : start + batch]:
            request = ClassifyRequest(pictures=(_png(picture),))
            try:
                rows.append(predictor.preprocess(request)["image"])
                found.append(True)
            except InvalidRequest as error:
                if "blank" not in str(error):
                    raise
                found.append(False)
        probabilities = iter(predictor.infer({"image": np.concatenate(rows)})["probabilities"] if rows else ())
        for is_found in found:
            row = next(probabilities) if is_found else None
            answers.append(None if row is None else (int(row.argmax()), float(row.max())))
    return answers


def _png(picture: Gray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def tally(answers: list[tuple[int, float] | None], labels: NDArray[np.integer]) -> Tally:
    """Count what became of the pictures of one variant."""
    result = Tally(pictures=len(answers))
    for index, (answer, label) in enumerate(zip(answers, labels.tolist(), strict=True)):
        if answer is None:
            result.blank += 1
        elif answer[0] == label:
            continue
        else:
            result.confident += answer[1] > 0.9
        result.errors += 1
        result.wrong.append(index)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the highest version of models/digits")
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--only", default="", help="variants whose name has this text")
    options = parser.parse_args()
    bundle = options.bundle or max((_MODELS / "digits").iterdir(), key=lambda folder: int(folder.name))
    predictor = open_predictor(ImageClassificationPredictor, read_bundle(bundle))
    data = Path(os.environ["LECTERN_DATA"])
    images, labels = held_out(data) if options.split == "dev" else official_test(data)
    images, labels = images[: options.count], labels[: options.count]
    missed = 0
    for name, make in variants().items():
        if options.only in name:
            missed += _report(name, tally(classify(predictor, [make(d) for d in images]), labels), _MOST_ERRORS)
    for width in (1, 2):
        rng = np.random.default_rng([2026, width])
        name = f"pen of {width} px on {_CANVAS}"
        if options.only in name:
            pictures = [draw_with_pen(digit, width, rng) for digit in images]
            missed += _report(name, tally(classify(predictor, pictures), labels), _MOST_PEN_ERRORS)
    printed: dict[str, tuple[list[int], list[Gray]]] = {}
    for name, label, picture in bold_print():
        printed.setdefault(name, ([], []))[0].append(label)
        printed[name][1].append(picture)
    for name, (truths, pictures) in printed.items():
        if options.only in name:
            missed += _report(name, tally(classify(predictor, pictures), np.array(truths)), _MOST_PEN_ERRORS)
    return 1 if missed else 0


def _report(name: str, result: Tally, most: float) -> bool:
    missed = result.errors > most * result.pictures or result.blank > 0
    print(
        f"{name:55s} {result.errors:4d} of {result.pictures}, {result.blank:3d} blank, "
        f"{result.confident:3d} above 0.9{'  MISSED' if missed else ''}",
        flush=True,
    )
    return missed


if __name__ == "__main__":
    sys.exit(main())
