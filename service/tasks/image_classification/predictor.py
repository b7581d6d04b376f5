"""Image classification: pictures or preprocessed pixels to labels with probabilities."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from service.bundle.checks import TensorType, read_preprocessing, require_graphs, require_labels, require_tensors
from service.bundle.files import Bundle
from service.bundle.manifest import Datatype
from service.errors import InvalidRequest, LimitExceeded, ModelFailure, UnsupportedMedia
from service.limits import Limits
from service.runtime.session import OpenSession, Tensors
from service.tasks.base import Check, Predictor
from service.tasks.image_classification.decoding_gate import DecodingGate
from service.tasks.image_classification.preprocessing import (
    EncodedImage,
    FileLimits,
    ImageError,
    ImagePreprocessing,
    UnreadImageFormatError,
    find_figures,
    normalize,
)
from service.tasks.image_classification.request import ClassifyRequest, PictureFigures, to_request
from service.tasks.image_classification.schemas import ClassifyBody
from service.tasks.image_classification.tensors import OUT_OF_RANGE, ImageTensors, PictureTensors, are_shares
from service.tasks.json_tensors import array_from_json
from service.tasks.scheduling import RUN, Scheduling, Work

# Pictures up to these sizes are decoded in the event loop, which takes about a millisecond; larger ones go to a thread.
# The number of bytes alone says little about the work: 7 kB of PNG can be 20 megapixels.
_SMALL_BYTES = 8 * 1024
_SMALL_PIXELS = 128 * 128
_SMALL_PICTURES = 4
_PNG_HEADER = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"


_DECODING = "decoding"
"""The kind of work of pictures, in pixels: decoding them takes far longer than the run."""
_EXTRA_PIXELS = 300_000
"""The work of a picture beside its pixels: 2.4 ms, the time in which so many pixels of a large one are read."""
_SPLIT_PIXELS = 300_000
"""The work of the figures of a picture that is split: about five, of some 0.5 ms each."""
_PIXELS_PER_BYTE = 8
"""About the pixels of a byte of a compressed picture, where its header does not tell."""

FAMILIARITY = "familiarity"
"""Name of the output that says whether an image is one of the labels at all."""
RECOGNIZED_FROM = 0.5
"""Familiarity from which an image counts as one of the labels: exporters calibrate it so that either is as likely."""


class ImageScheduling(Scheduling[ClassifyRequest]):
    """A row is an image; only decoding pictures takes long.

    Args:
        budget: most images of one run.
        input_name: the name of the graph's input.
        shape: height and width of its images.
        max_pixels: most pixels of one picture.
    """

    seconds_per_unit: ClassVar = {_DECODING: 1e-8}

    def __init__(self, budget: int, input_name: str, shape: tuple[int, int], max_pixels: int) -> None:
        super().__init__(budget)
        self._input = input_name
        self._shape = shape
        self._max_pixels = max_pixels

    def is_slow(self, request: ClassifyRequest) -> bool:
        pictures = request.pictures
        return bool(pictures) and (
            request.split  # Each figure takes about half a millisecond, and nobody knows yet how many there are.
            or len(pictures) > _SMALL_PICTURES
            or sum(map(len, pictures)) > _SMALL_BYTES
            or sum(map(_png_pixels, pictures)) > _SMALL_PIXELS
        )

    def work(self, request: ClassifyRequest) -> Work:
        if request.pixels is not None:
            count = len(request.pixels) if isinstance(request.pixels, list) else 1
            return Work(count, RUN, count, "images")
        pixels = sum(map(self._decoded_pixels, request.pictures))
        if request.split:
            pixels += _SPLIT_PIXELS * len(request.pictures)
        return Work(pixels, _DECODING, len(request.pictures), "images")

    def run_work(self, tensors: Tensors) -> Work:
        count = len(tensors[self._input])
        return Work(count, RUN, count, "rows")

    def _decoded_pixels(self, picture: bytes) -> float:
        pixels = _png_pixels(picture)
        if not math.isfinite(pixels):
            pixels = _PIXELS_PER_BYTE * len(picture)
        return min(pixels, self._max_pixels) + _EXTRA_PIXELS

    def warm_up(self) -> Tensors:
        return {self._input: np.zeros((1, 1, *self._shape), np.float32)}


class ImageClassificationPredictor(Predictor[ClassifyRequest]):
    """One graph: `image` FP32 [-1, 1, height, width] in 0..1 to `probabilities` FP32 [-1, labels].

    A graph may have `familiarity` FP32 [-1, 1] as a second output: the probability that the image is one of the labels
    at all.
    """

    routes: ClassVar = {"/v1/classify": ClassifyBody}
    limit_names = ("max_images", "max_pixels", "max_scanned_pixels", "max_image_parts")

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        self._preprocessing = read_preprocessing(bundle, ImagePreprocessing)
        self._labels = require_labels(bundle)
        # A label of several characters, such as "10", may well be several figures.
        self._has_single_figures = all(len(label) == 1 for label in self._labels)
        self._file_limits = FileLimits(limits.max_pixels, limits.max_scanned_pixels, limits.max_image_parts)
        self._gate = DecodingGate(limits.max_decoding_pixels)
        (graph,) = require_graphs(bundle)
        self._shape = (self._preprocessing.height, self._preprocessing.width)
        self._input = next((spec.name for spec in graph.inputs), "image")
        self._output = next((spec.name for spec in graph.outputs), "probabilities")
        outputs: dict[str, TensorType] = {self._output: (Datatype.FP32, (-1, len(self._labels)))}
        if len(graph.outputs) > 1:
            outputs[FAMILIARITY] = (Datatype.FP32, (-1, 1))
        require_tensors(bundle, graph, inputs={self._input: (Datatype.FP32, (-1, 1, *self._shape))}, outputs=outputs)
        self._session = next(iter(self.sessions.values()))
        self.tensors = ImageTensors(graph.inputs, graph.outputs, PictureTensors(graph.outputs))
        self.scheduling = ImageScheduling(limits.max_batch_size, self._input, self._shape, limits.max_pixels)

    def parse(self, body: ClassifyBody) -> ClassifyRequest:
        return to_request(body)

    def preprocess(self, request: ClassifyRequest) -> Tensors:
        return self.preprocess_with_checks(request, lambda: None)

    def preprocess_with_checks(self, request: ClassifyRequest, check: Check) -> Tensors:
        if request.pixels is not None:
            return {self._input: self._from_pixels(request)}
        count = len(request.pictures)
        self._check_count(count, request.field or "body")
        request.figures.clear()
        images: list[NDArray[np.float32]] = []
        parts: list[NDArray[np.float32]] = []
        for index, picture in enumerate(request.pictures):
            check()
            try:
                gray = self._decode(picture, check)
                figures = find_figures(gray, self._preprocessing, split=request.split)
                images.append(normalize(gray, self._preprocessing) if figures is None else figures.image)
            except UnreadImageFormatError as error:
                name = request.name(index)
                raise UnsupportedMedia(f"{name}: {error}" if name else str(error)) from error
            except ImageError as error:
                raise InvalidRequest(str(error), request.name(index)) from error
            if figures is not None:
                request.figures.append(PictureFigures(figures.figures, tuple(box for box, _ in figures.parts)))
                parts.extend(part for _, part in figures.parts)
                self._check_parts(len(parts), request.name(index))
        # The parts of all pictures follow the pictures.
        images += parts
        rows = images[0][None] if len(images) == 1 else np.stack(images)
        return {self._input: rows[:, None]}

    def without_input(self, request: ClassifyRequest) -> ClassifyRequest:
        pixels = None if request.pixels is None else ()
        return ClassifyRequest(top_k=request.top_k, split=request.split, figures=request.figures, pixels=pixels)

    def infer(self, tensors: Tensors) -> Tensors:
        return self._session.run(tensors)

    def postprocess(self, request: ClassifyRequest, outputs: Tensors) -> dict[str, Any]:
        # Plain lists: for the few labels of one image they are several times faster than numpy's sorting.
        labels = self._labels
        answers: list[dict[str, Any]] = []
        for row in outputs[self._output].tolist():
            if not math.isfinite(sum(row)):
                raise ModelFailure("the model's probabilities hold NaN or infinity")
            best = sorted(range(len(row)), key=row.__getitem__, reverse=True)[: request.top_k]
            answers.append({"predictions": [{"label": labels[i], "score": round(row[i], 6)} for i in best]})
        if request.pixels is None and FAMILIARITY in outputs:
            _add_familiarity(answers, outputs[FAMILIARITY][:, 0].tolist())
        if not request.figures:
            return {"results": answers}
        return {"results": _with_figures(request, answers, has_single_figures=self._has_single_figures)}

    def _check_count(self, count: int, field: str) -> None:
        if count == 0:
            raise InvalidRequest("holds no image; send at least one", field)
        if count > self.limits.max_images:
            raise LimitExceeded(
                f"{count} images, {self.limits.describe('max_images')}; send several requests",
                field,
            )

    def _check_parts(self, count: int, name: str | None) -> None:
        if count > self.limits.max_images:
            raise InvalidRequest(
                f"makes {count} figures to split, {self.limits.describe('max_images')}; send it without split", name
            )

    def _decode(self, picture: bytes, check: Check) -> NDArray[np.uint8]:
        """Decode the contents of an image file to gray pixels [H, W]."""
        image = EncodedImage(picture, self._file_limits)
        with self._gate.admit(image.pixels_in_memory, check):
            return image.decode()

    def _from_pixels(self, request: ClassifyRequest) -> NDArray[np.float32]:
        """Preprocessed pixels as float32 [n, 1, height, width]; errors name the image."""
        pixels = request.pixels
        if not isinstance(pixels, list):
            raise InvalidRequest(
                f"must be a list of images, each {self._shape[0]} rows of {self._shape[1]} numbers", "pixels"
            )
        self._check_count(len(pixels), "pixels")
        shape = (len(pixels), *self._shape)
        array = array_from_json(
            pixels, shape, Datatype.FP32, "pixels", may_contain_booleans=request.may_contain_booleans
        )
        images = array.reshape(-1, 1, *self._shape)
        if not are_shares(images):
            index = int(np.argmax(((images < 0) | (images > 1)).any(axis=(1, 2, 3))))
            raise InvalidRequest(OUT_OF_RANGE, f"pixels[{index}]")
        return images


def _add_familiarity(answers: list[dict[str, Any]], familiarities: list[float]) -> None:
    """Say of each image, and of each part of one, whether it is one of the labels at all."""
    for answer, familiarity in zip(answers, familiarities, strict=True):
        if not math.isfinite(familiarity):
            raise ModelFailure("the model's familiarity is NaN or infinity")
        answer["recognized"] = familiarity >= RECOGNIZED_FROM
        answer[FAMILIARITY] = round(familiarity, 6)


def _with_figures(
    request: ClassifyRequest, answers: list[dict[str, Any]], *, has_single_figures: bool
) -> list[dict[str, Any]]:
    """The results of pictures: the answer, the number of figures and, if asked for, the answer of each figure.

    Where every label is a single figure, a picture of several is none of them, whichever of its figures was read.
    """
    pictures, rest = answers[: len(request.figures)], iter(answers[len(request.figures) :])
    results: list[dict[str, Any]] = []
    for answer, counted in zip(pictures, request.figures, strict=True):
        result: dict[str, Any] = answer | {"figures": counted.count}
        if "recognized" in result and counted.count > 1 and has_single_figures:
            result["recognized"] = False
        if request.split:
            result["parts"] = [
                {"x": box.left, "y": box.top, "width": box.width, "height": box.height, **next(rest)}
                for box in counted.boxes
            ]
        results.append(result)
    return results


def _png_pixels(picture: bytes) -> float:
    """Number of pixels of a PNG, from its header; infinite for any other format."""
    if not picture.startswith(_PNG_HEADER):
        return math.inf
    return int.from_bytes(picture[16:20], "big") * int.from_bytes(picture[20:24], "big")
