"""Pictures as people send them, to the tensors that models were trained on.

`decode_image` turns the bytes of a file into grey pixels within limits; `normalise` turns grey pixels into what the
model expects, as the manifest's `ImagePreprocessing` says. Training and serving call the same two functions.
"""

from service.artifacts.image.decoding import MEDIA_TYPES, decode_image
from service.artifacts.image.errors import (
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
from service.artifacts.image.preprocessing import ImagePreprocessing, normalise

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
