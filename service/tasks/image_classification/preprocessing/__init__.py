"""Image files to the tensors that models were trained on.

`decode_image` decodes a file to gray pixels within limits; `normalize` turns gray pixels into the model's input as the
manifest's `ImagePreprocessing` configures it. Training and serving call the same two functions.
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
from service.tasks.image_classification.preprocessing.pipeline import ImagePreprocessing, normalize

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
    "normalize",
]
