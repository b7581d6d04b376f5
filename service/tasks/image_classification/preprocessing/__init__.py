"""Pictures as people send them, to the tensors that models were trained on.

`decode_image` turns the bytes of a file into grey pixels within limits; `normalise` turns grey pixels into what the
model expects, as the manifest's `ImagePreprocessing` says. Training and serving call the same two functions.
"""

from service.tasks.image_classification.preprocessing.decode import MEDIA_TYPES, decode_image
from service.tasks.image_classification.preprocessing.errors import (
    AnimatedImageError,
    BlankImageError,
    DamagedImageError,
    EmptyImageError,
    ImageError,
    ImageShapeError,
    ImageTooLargeError,
    UnknownImageFormatError,
    VectorImageError,
)
from service.tasks.image_classification.preprocessing.pipeline import ImagePreprocessing, normalise

__all__ = [
    "MEDIA_TYPES",
    "AnimatedImageError",
    "BlankImageError",
    "DamagedImageError",
    "EmptyImageError",
    "ImageError",
    "ImagePreprocessing",
    "ImageShapeError",
    "ImageTooLargeError",
    "UnknownImageFormatError",
    "VectorImageError",
    "decode_image",
    "normalise",
]
