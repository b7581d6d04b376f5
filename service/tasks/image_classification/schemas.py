"""JSON bodies and answers of the image classification route."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, Strict, model_validator
from pydantic.json_schema import SkipJsonSchema

from service.tasks.base import StopAtFirst, TaskBody
from service.tasks.body_fields import NullAs, exactly_one_of, nullable
from service.tasks.quantized_array import QuantizedArray

DEFAULT_TOP_K = 3
STEP_SIDE = 96
"""Most pixels a side of a step of the normalization in an explanation."""

TARGET_LABEL = "The label whose evidence an explanation shows, by default the best of each image. Needs `explain`."

TopK = Annotated[int, Field(ge=1)]
Label = Annotated[str, Field(coerce_numbers_to_str=True)]


class ClassifyBody(TaskBody):
    """The JSON body of /v1/classify: either `images` or `pixels`."""

    model_config = exactly_one_of(("images",), ("pixels",))

    top_k: Annotated[TopK, Strict(), NullAs(lambda: DEFAULT_TOP_K)] = Field(
        default=DEFAULT_TOP_K, description="Number of labels per image, at most all of the model's labels."
    )
    split: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False, description="Classify each figure of a picture too, as `parts` in reading order."
    )
    explain: Annotated[bool, Strict(), NullAs(lambda: False)] = Field(
        default=False,
        description="Answer with what the network saw of each image, and which pixels mattered.",
    )
    target_label: Label | None = Field(
        default=None,
        description=TARGET_LABEL,
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
    )
    images: Annotated[list[str], StopAtFirst()] | None = Field(
        default=None, description="Pictures as files (PNG, JPEG, WebP, AVIF, HEIC, BMP, GIF, TIFF), base64-encoded."
    )
    # Typed as Any: validating each pixel with pydantic would cost more than the network.
    pixels: Any = Field(
        default=None,
        description="Preprocessed images: rows of numbers, 0 = paper to 1 = ink; not normalized again.",
        json_schema_extra=nullable(
            {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}},
                },
            }
        ),
    )

    @model_validator(mode="after")
    def _one_form(self) -> ClassifyBody:
        if (self.images is None) == (self.pixels is None):
            raise ValueError("send either 'images' (base64) or 'pixels' (numbers), and not both")
        return self


class Prediction(BaseModel):
    """A label and its probability."""

    label: str
    score: float = Field(ge=0, le=1)


class Recognition(BaseModel):
    """Whether a picture, or a part of one, is one of the model's labels at all.

    Models without an output for it answer without these fields, and so do `pixels`.
    """

    recognized: bool | SkipJsonSchema[None] = Field(
        default=None,
        description=(
            "Whether it is one of the model's labels: `familiarity` is 0.5 or more, and there are not several figures."
        ),
    )
    familiarity: float | SkipJsonSchema[None] = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability that it is one of the model's labels, if labels and anything else are as frequent.",
    )


class ImagePart(Recognition):
    """One figure of a picture: its box in pixels of the upright picture, and its most probable labels."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=0)
    height: int = Field(ge=0)
    predictions: list[Prediction]


class LayerActivations(QuantizedArray):
    """The activations of one layer: maps [maps, height, width], or units [units]."""

    name: str


class Explanation(BaseModel):
    """What the network saw of an image, and what its answer rests on."""

    gray: QuantizedArray | SkipJsonSchema[None] = Field(
        default=None,
        description=f"The picture, 0 = black to 1 = white, at most {STEP_SIDE} pixels a side. `pixels` have none.",
    )
    ink: QuantizedArray | SkipJsonSchema[None] = Field(
        default=None,
        description=(
            f"The ink that was found on the picture, cropped to it, 0 = paper to 1 = ink, at most {STEP_SIDE} pixels a "
            "side. Absent where the picture is in MNIST's form already, or is taken as a whole."
        ),
    )
    input: QuantizedArray = Field(
        description="The image as the network gets it, [height, width], 0 = paper to 1 = ink."
    )
    layers: list[LayerActivations] = Field(description="Every layer, first to last.")
    saliency: QuantizedArray = Field(
        description=(
            "Which pixels mattered, [height, width]: the bits of evidence for `target_label` that are lost where they "
            "are covered. Negative: they speak against it."
        )
    )
    target_label: str = Field(description="The label that `saliency` is about: the best, unless another was asked for.")


class ImageResult(Recognition):
    """The most probable labels of one image, best first, whether it is one at all, and the figures on it.

    `figures` and `parts` are of pictures that are normalized as in MNIST; `pixels` have neither.
    """

    predictions: list[Prediction]
    figures: int | SkipJsonSchema[None] = Field(
        default=None, ge=1, description="How many separate figures, such as digits, are on the picture."
    )
    parts: list[ImagePart] | SkipJsonSchema[None] = Field(
        default=None, description="With `split`: each figure by itself, in reading order."
    )
    explain: Explanation | SkipJsonSchema[None] = Field(default=None, description="With `explain`.")
