"""Errors of pictures that cannot be classified.

ImageError (ValueError)
├── EmptyImageError           no bytes at all
├── UnknownImageFormatError   not one of the accepted formats
│   └── UnreadImageFormatError  a format that is recognized but not read, such as HEIC without its extra
│       └── VectorImageError  SVG, PDF: a vector graphic, not pixels
├── DamagedImageError         truncated or malformed
├── UnsupportedImageError     an accepted format in a coding that is not read
├── ImageTooLargeError        more pixels than the limit, or more memory than there is
├── ImageTooComplexError      more scans, chunks, blocks or strips than the limit
├── ImageShapeError           one side too short for the other
├── AnimatedImageError        several frames or pages
└── BlankImageError           nothing stands out from the background
"""


class ImageError(ValueError):
    """A picture that cannot be used. `reason` states the problem and how to solve it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EmptyImageError(ImageError):
    """The file has no bytes."""


class UnknownImageFormatError(ImageError):
    """The bytes are in none of the accepted formats."""


class UnreadImageFormatError(UnknownImageFormatError):
    """The format is recognized, and it is none of those that are read."""


class VectorImageError(UnreadImageFormatError):
    """The file is a vector graphic, such as SVG."""


class DamagedImageError(ImageError):
    """The file is truncated or malformed."""


class UnsupportedImageError(ImageError):
    """The format is accepted, but not the coding that the file uses."""


class ImageTooLargeError(ImageError):
    """More pixels than the limit, or more memory than there is."""


class ImageTooComplexError(ImageError):
    """More scans, chunks, blocks or strips than the limit."""


class ImageShapeError(ImageError):
    """One side is zero, or far longer than the other."""


class AnimatedImageError(ImageError):
    """The file holds several frames or pages."""


class BlankImageError(ImageError):
    """Nothing on the picture stands out from the background."""
