"""What the inspection of a file finds, and what it limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from service.limits import Limits, variable
from service.tasks.image_classification.preprocessing.errors import (
    DamagedImageError,
    ImageTooComplexError,
    ImageTooLargeError,
)

_DEFAULTS = Limits()


class FileLimits(NamedTuple):
    """Limits of one file."""

    max_pixels: int = _DEFAULTS.max_pixels
    """Width times height."""
    max_scanned_pixels: int = _DEFAULTS.max_scanned_pixels
    """Pixels that all scans of a JPEG decode together."""
    max_parts: int = _DEFAULTS.max_image_parts
    """Chunks, segments, blocks or strips that the file consists of."""


class Area(NamedTuple):
    """A rectangle of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class InspectedFile:
    """A file whose structure is within the limits, and what its decoder is given of it."""

    width: int
    """Columns, before the orientation is applied."""
    height: int
    """Rows, before the orientation is applied."""
    content: bytes
    """The file without all that its pixels do not need: profiles, texts, previews, other pages."""
    crop: Area | None = None
    """The area that is shown, before the orientation is applied; None for the whole picture."""
    orientation: int = 1
    """The orientation, numbered as in EXIF, that is still to be applied to the decoded pixels."""
    is_inverted: bool = False
    """Whether the decoder gives the complement of the samples."""
    is_unsigned: bool = False
    """Whether samples of 32 bits are unsigned, which Pillow reads as signed."""
    frames: int = 1
    """Frames or pages; 2 stands for any larger number."""
    is_animation: bool = False
    """Whether the one frame is stored as that of an animation."""
    is_plain: bool = False
    """Whether every byte of it is as it should be, and whatever reads its format gives the same gray pixels."""
    scans: int = 1
    """Passes over the picture; more than one of JPEG only."""
    scanned_pixels: float = 0.0
    """Pixels that all scans of a JPEG decode together."""


class PartCounter:
    """Counts the parts of a file.

    Args:
        name: the name of the format.
        limit: most parts that are allowed.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._count = 0

    def add(self, count: int = 1) -> None:
        """Count more parts.

        Raises:
            ImageTooComplexError: there are more than the limit.
        """
        self._count += count
        if self._count > self._limit:
            raise ImageTooComplexError(
                f"the {self._name} file consists of more than {self._limit:,} parts "
                f"({variable('max_image_parts')}); save it anew as a plain PNG or JPEG"
            )


def damaged(name: str) -> DamagedImageError:
    """The error of a file that cannot be decoded.

    Args:
        name: the name of the format.
    """
    return DamagedImageError(f"the {name} file is truncated or damaged: it cannot be decoded; send the whole file")


def too_large(width: int, height: int, max_pixels: int) -> ImageTooLargeError:
    """The error of a picture of more pixels than the limit."""
    return ImageTooLargeError(
        f"the picture is {width} x {height} pixels, over the limit of {max_pixels:,} ({variable('max_pixels')}); "
        "send a smaller one"
    )
