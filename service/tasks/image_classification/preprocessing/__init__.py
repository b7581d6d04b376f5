"""Image files to the tensors that models were trained on.

`EncodedImage` inspects a file and decodes it to gray pixels within limits; `normalize` turns gray pixels into the
model's input as the manifest's `ImagePreprocessing` configures it. Training and serving use the same two.
"""

import cv2

from service.tasks.image_classification.preprocessing.arrays import Contrast, Gray, shrink
from service.tasks.image_classification.preprocessing.box import Box
from service.tasks.image_classification.preprocessing.decode import EncodedImage, decode_image
from service.tasks.image_classification.preprocessing.errors import (
    AnimatedImageError,
    BlankImageError,
    DamagedImageError,
    EmptyImageError,
    ImageError,
    ImageShapeError,
    ImageTooComplexError,
    ImageTooLargeError,
    UnknownImageFormatError,
    UnreadImageFormatError,
    UnsupportedImageError,
    VectorImageError,
)
from service.tasks.image_classification.preprocessing.formats import (
    MEDIA_TYPES,
    FileLimits,
    is_picture,
    is_recognized,
    read_media_types,
)
from service.tasks.image_classification.preprocessing.mnist import center_in_field
from service.tasks.image_classification.preprocessing.pipeline import ImagePreprocessing, find_figures, normalize

__all__ = [
    "MEDIA_TYPES",
    "AnimatedImageError",
    "BlankImageError",
    "Box",
    "Contrast",
    "DamagedImageError",
    "EmptyImageError",
    "EncodedImage",
    "FileLimits",
    "Gray",
    "ImageError",
    "ImagePreprocessing",
    "ImageShapeError",
    "ImageTooComplexError",
    "ImageTooLargeError",
    "UnknownImageFormatError",
    "UnreadImageFormatError",
    "UnsupportedImageError",
    "VectorImageError",
    "center_in_field",
    "decode_image",
    "find_figures",
    "is_picture",
    "is_recognized",
    "normalize",
    "read_media_types",
    "shrink",
]

# Waking threads of OpenCV takes longer than most of what they would do here, and pictures are preprocessed in as many
# threads as there are cores already.
cv2.setNumThreads(1)
