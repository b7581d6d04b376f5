"""What can be wrong with a picture.

ImageError (ValueError)
├── EmptyImageError           no bytes at all
├── UnknownImageFormatError   not one of the formats that are read
│   └── VectorImageError      SVG, PDF: a drawing, not pixels
├── DamagedImageError         truncated, or a header that makes no sense
├── ImageTooLargeError        more pixels than the limit, found before decoding
├── ImageShapeError           too thin to show anything
├── AnimatedImageError        several frames or pages
└── BlankImageError           nothing drawn on it
"""


class ImageError(ValueError):
    """A picture that cannot be used. `reason` says what is wrong with it and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EmptyImageError(ImageError):
    """The file has no bytes."""


class UnknownImageFormatError(ImageError):
    """The bytes are none of the formats that are read."""


class VectorImageError(UnknownImageFormatError):
    """A drawing in vector form, such as SVG."""


class DamagedImageError(ImageError):
    """The file is truncated, or its contents make no sense."""


class ImageTooLargeError(ImageError):
    """The header announces more pixels than the limit. Nothing was decoded."""


class ImageShapeError(ImageError):
    """One side is so much longer than the other that nothing can be seen."""


class AnimatedImageError(ImageError):
    """The file holds several frames or pages, and which one is meant cannot be known."""


class BlankImageError(ImageError):
    """Nothing is drawn on the picture."""
