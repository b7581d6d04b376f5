"""What a classifier saw of an image: the activations of every layer, and the pixels that its answer rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.checks import signature
from service.bundle.files import MANIFEST, Bundle, BundleError
from service.bundle.manifest import Datatype
from service.errors import InvalidRequest, ModelFailure
from service.runtime.session import Session
from service.tasks.image_classification.request import ExplainedImage
from service.tasks.quantized_array import quantize

EXPLAIN = "explain"
"""Name of the graph whose outputs are the activations of the layers, first to last, FP32 [-1, ...] each."""
TARGET_LABEL = "target_label"
"""Name of the field that chooses the label to explain."""

_PATCHES_PER_SIDE = 7
_PATCH_FRACTION = 4
"""A patch is a quarter as wide and as high as the image, so that neighboring ones overlap by about a half."""
_LEAST_PROBABILITY = 1e-12
_NAMED_LABELS = 30
"""Labels that an error names; a model may have thousands."""
_MAX_LABEL = 64
"""Characters of an unknown label that an error repeats."""


class Explainer:
    """Explains answers of the plain graph of a bundle.

    Args:
        bundle: the bundle, which lists the graph `explain`.
        plain: the graph that classifies.
        layers: the graph `explain`.
        output: name of the plain graph's probabilities, [N, labels].
        labels: the labels of the model.

    Raises:
        BundleError: the graph `explain` takes another input than the plain one, or an output is not FP32 [-1, ...].
    """

    def __init__(self, bundle: Bundle, plain: Session, layers: Session, output: str, labels: tuple[str, ...]) -> None:
        graph = layers.graph
        if signature(graph.inputs) != signature(plain.graph.inputs):
            raise BundleError(f"{bundle.path / MANIFEST}: the inputs of {graph.file} must be those of the plain graph")
        for spec in graph.outputs:
            if spec.datatype != Datatype.FP32 or spec.shape[:1] != (-1,) or min(spec.shape[1:], default=1) < 1:
                raise BundleError(
                    f"{bundle.path / MANIFEST}: output {spec.name!r} of {graph.file} must be FP32 of the shape "
                    "[-1, ...], with -1 nowhere else"
                )
        self._plain, self._layers = plain, layers
        self._input, self._output, self._labels = graph.inputs[0].name, output, labels
        height, width = graph.inputs[0].shape[-2:]
        self._rows, self._columns = _bands(height), _bands(width)
        self._patches_per_pixel = np.outer(self._rows.sum(0), self._columns.sum(0))

    def check_label(self, label: str | None) -> None:
        """Refuse a label to explain that the model does not have; None stands for the best of each image.

        Raises:
            InvalidRequest: naming the field, and the labels.
        """
        if label is None or label in self._labels:
            return
        labels = ", ".join(self._labels[:_NAMED_LABELS]) + (" …" if len(self._labels) > _NAMED_LABELS else "")
        raise InvalidRequest(f"is {label[:_MAX_LABEL]!r}, which the model does not have; it has {labels}", TARGET_LABEL)

    def explain(
        self, explained: ExplainedImage, probabilities: NDArray[np.float32], target_label: str | None
    ) -> dict[str, Any]:
        """Explain the answer to one image.

        Args:
            explained: the image.
            probabilities: the answer, [labels].
            target_label: the label whose evidence is shown, one of the model's; None is the best.

        Returns:
            The fields of an `Explanation`.

        Raises:
            ModelFailure: an activation is NaN or infinite.
        """
        target = int(probabilities.argmax()) if target_label is None else self._labels.index(target_label)
        image = explained.image
        steps: dict[str, Any] = {}
        if explained.gray is not None:
            steps["gray"] = quantize(explained.gray / np.float32(255), "gray levels")
        if explained.ink is not None:
            steps["ink"] = quantize(explained.ink, "ink")
        steps["input"] = quantize(image[0], "input")
        activations = self._layers.run({self._input: image[None]})
        layers = [
            {"name": name} | quantize(values[0], f"activations of {name!r}") for name, values in activations.items()
        ]
        saliency = quantize(self.saliency(image, probabilities, target), "probabilities")
        return steps | {"layers": layers, "saliency": saliency, TARGET_LABEL: self._labels[target]}

    def saliency(
        self, image: NDArray[np.float32], probabilities: NDArray[np.float32], target: int
    ) -> NDArray[np.float32]:
        """How much evidence for a label each pixel carries, [height, width] in bits.

        A patch of the image is made paper, and the fall of the log-odds of the label is what the patch contributed: the
        weight of evidence of Robnik-Sikonja and Kononenko 2008, "Explaining Classifications for Individual Instances",
        section 3. A pixel has the mean of the patches that it is in. Negative: it speaks against the label.

        Args:
            image: the input of the network, [1, height, width] in 0..1.
            probabilities: the answer to it, [labels].
            target: the index of the label.
        """
        # A patch that is paper already contributes nothing: a third of them in an ordinary digit.
        has_ink = (self._rows @ (image[0] > 0) @ self._columns.T).astype(np.bool_)
        fall = np.zeros(has_ink.shape)
        if has_ink.any():
            patches = (self._rows[:, None, :, None] & self._columns[None, :, None, :])[has_ink]
            occluded = self._plain.run({self._input: np.where(patches[:, None], np.float32(0), image)})[self._output]
            if not np.isfinite(occluded).all():
                raise ModelFailure("the model's probabilities hold NaN or infinity")
            fall[has_ink] = _log_odds(probabilities[None], target) - _log_odds(occluded, target)
        sums = self._rows.T @ fall @ self._columns
        saliency: NDArray[np.float32] = (sums / self._patches_per_pixel).astype(np.float32)
        return saliency


def _bands(size: int) -> NDArray[np.bool_]:
    """The patches along one side, [7, size]: which pixels each of them covers. Every pixel is in one at least."""
    length = -(-size // _PATCH_FRACTION)
    starts = np.linspace(0, size - length, _PATCHES_PER_SIDE).round()[:, None]
    positions = np.arange(size)
    return (positions >= starts) & (positions < starts + length)


def _log_odds(probabilities: NDArray[np.float32], label: int) -> NDArray[np.float64]:
    """Log-odds of a label in bits, [N]. The others are summed, as 1 - p would keep none of their digits near p = 1."""
    values = probabilities.astype(np.float64)
    own = values[:, label]
    others = np.delete(values, label, axis=1).sum(1)
    odds: NDArray[np.float64] = np.log2(np.maximum(own, _LEAST_PROBABILITY) / np.maximum(others, _LEAST_PROBABILITY))
    return odds
