"""An image classifier as the Open Inference Protocol shows it: its pixels, or pictures instead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.runtime.session import Tensors
from service.tasks.image_classification.request import ClassifyRequest
from service.tasks.tensors import PreprocessedTensors, RowTensors

OUT_OF_RANGE = "holds a value outside 0 (paper) to 1 (ink); divide bytes by 255"

IMAGE = "IMAGE"
"""The input of pictures, which OpenVINO Model Server takes as BYTES too."""


_ONE = int(np.float32(1).view(np.uint32))


def are_in_unit_interval(pixels: NDArray[np.float32]) -> bool:
    """Whether all of at least one pixel, [..., width], are in 0..1; NaN is not.

    Read as integers, floats of 0 to 1 are in order, and negative ones, infinity and NaN are above all of them: one pass
    instead of two. Only -0.0 needs the second look. `argmax` is called, as `max` is a reduction in many steps.
    """
    bits = pixels.reshape(-1).view(np.uint32)
    if bits[bits.argmax()] <= _ONE:
        return True
    return bool(pixels.min() >= 0 and pixels.max() <= 1)


class ImageTensors(RowTensors[ClassifyRequest]):
    """Pixels in 0 (paper) to 1 (ink) in, probabilities out."""

    def read(self, tensors: Tensors) -> Tensors:
        (name,) = (spec.name for spec in self.inputs)
        pixels = tensors[name]
        if pixels.size and not are_in_unit_interval(pixels):
            if not np.isfinite(pixels).all():
                raise InvalidRequest("holds NaN or infinity; pixels are 0 (paper) to 1 (ink)", name)
            raise InvalidRequest(OUT_OF_RANGE, name)
        return tensors


class PictureTensors(PreprocessedTensors[ClassifyRequest]):
    """Pictures as files in `IMAGE` BYTES [-1], each preprocessed as on /v1/classify; the outputs of the graph out.

    Args:
        outputs: the outputs of the graph.
    """

    elements_are_text = False

    def __init__(self, outputs: tuple[TensorSpec, ...]) -> None:
        super().__init__((TensorSpec(name=IMAGE, datatype=Datatype.BYTES, shape=(-1,)),), outputs)

    def read(self, tensors: Tensors) -> ClassifyRequest:
        return ClassifyRequest(pictures=tuple(tensors[IMAGE].ravel()), field=IMAGE)
