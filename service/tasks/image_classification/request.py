"""The request that the image classification predictor takes, and how a JSON body becomes one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing import Box, Contrast, Gray
from service.tasks.image_classification.schemas import DEFAULT_TOP_K, ClassifyBody
from service.tasks.json_tensors import bytes_from_base64

ENCODE_FILE = "encode the bytes of an image file"
"""What to do where a picture is not base64."""


@dataclass(frozen=True)
class PictureFigures:
    """The figures on one picture."""

    count: int
    boxes: tuple[Box, ...]
    """Where they are, in reading order; empty unless they are classified too."""


class ExplainedImage(NamedTuple):
    """An image whose answer is to be explained, and the steps of its normalization."""

    image: NDArray[np.float32]
    """As the network gets it, [1, height, width]."""
    gray: Gray | None = None
    """The decoded picture, made small; None of `pixels`."""
    ink: Contrast | None = None
    """The ink that was found on the picture, made small; None where the image was not made of ink alone."""


@dataclass(kw_only=True, slots=True)
class ClassifyRequest:
    """A request to classify images, either as encoded `pictures` or as `pixels`."""

    top_k: int = DEFAULT_TOP_K
    """Number of labels to return per image."""
    split: bool = False
    """Whether each figure of a picture is classified too."""
    explain: bool = False
    """Whether the answers are explained."""
    target_label: str | None = None
    """The label whose evidence an explanation shows; None is the best of each image."""
    explained: list[ExplainedImage] = dataclasses.field(default_factory=list, compare=False)
    """What is to be explained; preprocessing writes it for postprocessing."""
    figures: list[PictureFigures] = dataclasses.field(default_factory=list, compare=False)
    """The figures of each picture; preprocessing writes it for postprocessing. Empty where nothing is known of them."""
    pictures: Sequence[bytes] = ()
    """Contents of image files."""
    pixels: Any = None
    """Preprocessed images as parsed JSON, rows of numbers in 0..1."""
    field: str | None = "images"
    """Name of the list of pictures in error messages; None where the request body is the picture."""
    may_contain_booleans: bool = True
    """False if the JSON text is known to hold no `true` or `false`, which saves searching the pixels for them."""

    def name(self, index: int) -> str | None:
        """Path of a picture in the request, for error messages."""
        return f"{self.field}[{index}]" if self.field else None


def to_request(body: ClassifyBody, *, may_contain_booleans: bool = True) -> ClassifyRequest:
    """Convert a validated JSON body to a request.

    Args:
        body: the validated body.
        may_contain_booleans: False if the JSON text is known to hold no `true` or `false`.

    Raises:
        InvalidRequest: an image is not valid base64; the error names it.
    """
    if body.pixels is not None:
        return ClassifyRequest(
            top_k=body.top_k,
            explain=body.explain,
            target_label=body.target_label,
            pixels=body.pixels,
            may_contain_booleans=may_contain_booleans,
        )
    pictures = [
        bytes_from_base64(text, f"images[{index}]", ENCODE_FILE) for index, text in enumerate(body.images or ())
    ]
    return ClassifyRequest(
        top_k=body.top_k,
        split=body.split,
        explain=body.explain,
        target_label=body.target_label,
        pictures=pictures,
    )
