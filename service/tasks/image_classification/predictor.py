"""Image classification: pictures or preprocessed pixels to labels with probabilities."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.bundle.checks import TensorType, read_preprocessing, require_graphs, require_labels, require_tensors
from service.bundle.files import Bundle, BundleError
from service.bundle.manifest import Datatype
from service.bundle.onnx_nodes import read_nodes
from service.errors import InvalidRequest, LimitExceeded, ModelFailure, UnsupportedMedia
from service.limits import Limits
from service.runtime.session import OpenSession, Tensors
from service.tasks.base import Check, Predictor
from service.tasks.image_classification.calibration import temperature_of
from service.tasks.image_classification.decoding_gate import DecodingGate
from service.tasks.image_classification.explanation import EXPLAIN, TARGET_LABEL, Explainer
from service.tasks.image_classification.preprocessing import (
    EncodedImage,
    FileLimits,
    ImageError,
    ImagePreprocessing,
    UnreadImageFormatError,
    find_figures,
    normalize,
    read_media_types,
    shrink,
)
from service.tasks.image_classification.request import ClassifyRequest, ExplainedImage, PictureFigures, to_request
from service.tasks.image_classification.scheduling import ImageScheduling
from service.tasks.image_classification.schemas import STEP_SIDE, ClassifyBody
from service.tasks.image_classification.tensors import OUT_OF_RANGE, ImageTensors, PictureTensors, are_in_unit_interval
from service.tasks.json_tensors import array_from_json

FAMILIARITY = "familiarity"
"""Name of the output that says whether an image is one of the labels at all."""
RECOGNIZED_FROM = 0.5
"""Familiarity from which an image counts as one of the labels: exporters calibrate it so that either is as likely."""


class ImageClassificationPredictor(Predictor[ClassifyRequest]):
    """One graph: `image` FP32 [-1, 1, height, width] in 0..1 to `probabilities` FP32 [-1, labels].

    The graph may have `familiarity` FP32 [-1, 1] as a second output: the probability that the image is one of the
    labels at all. Beside it there may be a graph `explain` (`.explanation`).
    """

    routes: ClassVar = {"/v1/classify": ClassifyBody}
    limit_names = ("max_images", "max_explained_inputs", "max_pixels", "max_scanned_pixels", "max_image_parts")

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        self._preprocessing = read_preprocessing(bundle, ImagePreprocessing)
        self._labels = require_labels(bundle)
        # A label of several characters, such as "10", may well be several figures.
        self._has_single_figures = all(len(label) == 1 for label in self._labels)
        self._file_limits = FileLimits(limits.max_pixels, limits.max_scanned_pixels, limits.max_image_parts)
        self._gate = DecodingGate(limits.max_decoding_pixels)
        (graph,) = require_graphs(bundle, optional=EXPLAIN)
        self._shape = (self._preprocessing.height, self._preprocessing.width)
        self._input = next((spec.name for spec in graph.inputs), "image")
        self._output = next((spec.name for spec in graph.outputs), "probabilities")
        outputs: dict[str, TensorType] = {self._output: (Datatype.FP32, (-1, len(self._labels)))}
        if len(graph.outputs) > 1:
            outputs[FAMILIARITY] = (Datatype.FP32, (-1, 1))
        require_tensors(bundle, graph, inputs={self._input: (Datatype.FP32, (-1, 1, *self._shape))}, outputs=outputs)
        self._session = next(session for name, session in self.sessions.items() if name != EXPLAIN)
        self._explainer = None
        if (layers := self.sessions.get(EXPLAIN)) is not None:
            self._explainer = Explainer(bundle, self._session, layers, self._output, self._labels)
        self.tensors = ImageTensors(graph.inputs, graph.outputs, PictureTensors(graph.outputs))
        self.scheduling = ImageScheduling(limits.max_batch_size, self._input, self._shape, limits.max_pixels)

    @cached_property
    def details(self) -> dict[str, JsonValue]:
        """What else is known of the model and its inputs.

        `temperature`: what the network's outputs are divided by before the softmax; None where that is not known.
        `media_types`: of the pictures that this server reads.
        """
        try:
            temperature = temperature_of(read_nodes(self.bundle.path / self._session.graph.file), self._output)
        except BundleError:
            temperature = None
        return {"temperature": temperature, "media_types": list(read_media_types())}

    def parse(self, body: ClassifyBody) -> ClassifyRequest:
        return to_request(body)

    def preprocess(self, request: ClassifyRequest) -> Tensors:
        return self.preprocess_with_checks(request, lambda: None)

    def preprocess_with_checks(self, request: ClassifyRequest, check: Check) -> Tensors:
        if request.explain or request.target_label is not None:
            self._check_explanation(request)
        request.explained.clear()
        if request.pixels is not None:
            pixels = self._from_pixels(request)
            if request.explain:
                request.explained.extend(map(ExplainedImage, pixels))
            return {self._input: pixels}
        self._check_count(len(request.pictures), request.field or "body")
        request.figures.clear()
        images: list[NDArray[np.float32]] = []
        parts: list[NDArray[np.float32]] = []
        for index, picture in enumerate(request.pictures):
            check()
            try:
                gray = self._decode(picture, check)
                figures = find_figures(gray, self._preprocessing, split=request.split)
                image = normalize(gray, self._preprocessing) if figures is None else figures.image
            except UnreadImageFormatError as error:
                name = request.name(index)
                raise UnsupportedMedia(f"{name}: {error}" if name else str(error)) from error
            except ImageError as error:
                raise InvalidRequest(str(error), request.name(index)) from error
            images.append(image)
            if request.explain:
                ink = None if figures is None or figures.ink is None else shrink(figures.ink, STEP_SIDE)
                request.explained.append(ExplainedImage(image[None], shrink(gray, STEP_SIDE), ink))
            if figures is not None:
                request.figures.append(PictureFigures(figures.figures, tuple(box for box, _ in figures.parts)))
                parts.extend(part for _, part in figures.parts)
                self._check_parts(len(parts), request.name(index))
        # The parts of all pictures follow the pictures.
        images += parts
        rows = images[0][None] if len(images) == 1 else np.stack(images)
        return {self._input: rows[:, None]}

    def drop_input(self, request: ClassifyRequest) -> None:
        if request.pixels is not None:
            request.pixels = ()
        request.pictures = ()

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

    def postprocess_with_checks(self, request: ClassifyRequest, outputs: Tensors, check: Check) -> dict[str, Any]:
        fields = self.postprocess(request, outputs)
        if request.explain:  # Then it is slow, and gets here.
            assert self._explainer is not None
            for index, (result, image) in enumerate(zip(fields["results"], request.explained, strict=True)):
                check()
                probabilities = outputs[self._output][index]
                result[EXPLAIN] = self._explainer.explain(image, probabilities, request.target_label)
        return fields

    def _check_count(self, count: int, field: str) -> None:
        if count == 0:
            raise InvalidRequest("holds no image; send at least one", field)
        if count > self.limits.max_images:
            raise LimitExceeded(
                f"{count} images, {self.limits.describe('max_images')}; send several requests",
                field,
            )

    def _check_explanation(self, request: ClassifyRequest) -> None:
        if not request.explain:
            raise InvalidRequest(
                "is the label whose evidence an explanation shows; send 'explain' too, or leave it out", TARGET_LABEL
            )
        if self._explainer is None:
            raise InvalidRequest(
                f"model {self.manifest.name!r} has no graph that explains its answers; leave 'explain' out, or make "
                "its next version with one: lectern-train lenet convert",
                EXPLAIN,
            )
        self._explainer.check_label(request.target_label)
        images = request.pictures if request.pixels is None else request.pixels
        if isinstance(images, list | tuple) and len(images) > self.limits.max_explained_inputs:
            limit = self.limits.describe("max_explained_inputs")
            raise LimitExceeded(f"{len(images)} images to explain, {limit}; send several requests", EXPLAIN)

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
        if not are_in_unit_interval(images):
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
