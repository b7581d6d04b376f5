"""Decoding of image files to gray pixels, within limits."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.limits import variable
from service.tasks.image_classification.preprocessing.decoder_messages import silence_decoders
from service.tasks.image_classification.preprocessing.errors import (
    AnimatedImageError,
    ImageError,
    ImageShapeError,
    ImageTooLargeError,
    UnsupportedImageError,
)
from service.tasks.image_classification.preprocessing.formats import (
    JPEG,
    MIN_REDUCED_SIDE,
    WEBP,
    FileLimits,
    Format,
    InspectedFile,
    detect_format,
)
from service.tasks.image_classification.preprocessing.formats.base import damaged, too_large
from service.tasks.image_classification.preprocessing.grayscale import to_grayscale

MAX_ASPECT = 100
"""Ratio of the longer to the shorter side above which a picture is refused."""

_MIN_WEBP_BYTES = 32
"""OpenCV refuses shorter files, which hold pictures of a few pixels."""

_UNKNOWN_MODE = "unknown pixel mode"
"""What Pillow says of a TIFF whose kind and number of bits it does not read, such as floating point of 64 bits."""

_DEFAULT = FileLimits()

silence_decoders()


class EncodedImage:
    """An image file whose structure is within the limits; nothing of it is decoded yet.

    Args:
        data: the file's contents; limiting the number of bytes is up to the caller.
        limits: the limits of one file.

    Raises:
        ImageError: one of its subclasses for anything that is wrong with the file's structure, and nothing else.
    """

    def __init__(self, data: bytes, limits: FileLimits = _DEFAULT) -> None:
        self._format = detect_format(data)
        self._limits = limits
        try:
            self._file = self._format.inspect(data, limits)
        except ImageError:
            raise
        except Exception as error:  # the file ends early, or numbers in it lead anywhere
            raise damaged(self._format.name) from error
        _check_size((self._file.width, self._file.height), limits.max_pixels)
        if self._file.crop is not None:
            _check_size((self._file.crop.width, self._file.crop.height), limits.max_pixels)
        if self._file.frames > 1:
            raise AnimatedImageError(
                f"the {self._format.name} file holds more than one frame or page; send one picture a file"
            )

    @property
    def pixels_in_memory(self) -> int:
        """Pixels that are in memory at full size while the file is decoded."""
        pixels = self._file.width * self._file.height
        if self._format is JPEG and self._file.scans == 1:  # decoded at a reduced scale, row by row
            return pixels // _reduction(self._file) ** 2
        return pixels

    def decode(self) -> NDArray[np.uint8]:
        """Decode the file to upright gray pixels [H, W] with transparency filled.

        A JPEG larger than any model needs is decoded at a half, a quarter or an eighth of its size, which saves most of
        the time that a phone's photograph takes. Thread-safe: no global state of Pillow is changed.

        Raises:
            ImageError: one of its subclasses for anything that is wrong with the file, and nothing else.
        """
        if (pixels := self._decode_plain()) is not None:
            return pixels
        try:
            with _open(self._format, self._file) as image:
                _check_size(image.size, self._limits.max_pixels)
                if self._format is JPEG:
                    image.draft(None, (MIN_REDUCED_SIDE, MIN_REDUCED_SIDE))
                image.load()
                if (crop := self._file.crop) is not None:
                    image = image.crop((crop.left, crop.top, crop.left + crop.width, crop.top + crop.height))
                return to_grayscale(
                    image,
                    self._file.orientation,
                    is_inverted=self._file.is_inverted,
                    is_unsigned=self._file.is_unsigned,
                )
        except (ImageShapeError, ImageTooLargeError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageTooLargeError(
                f"the picture is over the limit of {self._limits.max_pixels:,} pixels ({variable('max_pixels')}); "
                "send a smaller one"
            ) from error
        except MemoryError as error:
            raise ImageTooLargeError("the picture needs more memory than there is; send a smaller one") from error
        except Exception as error:  # parsers raise anything on hostile bytes, and the cause is always the file
            if str(error) == _UNKNOWN_MODE:
                raise UnsupportedImageError(
                    f"the {self._format.name} stores its pixels in a way that is not read; save it as a PNG"
                ) from error
            raise damaged(self._format.name) from error

    def _decode_plain(self) -> NDArray[np.uint8] | None:
        """The pixels of a file about which decoders agree; OpenCV is five times faster with a small one than Pillow."""
        file = self._file
        if not file.is_plain or file.orientation != 1:
            return None
        pixels = cv2.imdecode(np.frombuffer(file.content, np.uint8), cv2.IMREAD_UNCHANGED)
        is_right = pixels is not None and pixels.dtype == np.uint8 and pixels.shape == (file.height, file.width)
        return np.asarray(pixels) if is_right else None


def decode_image(data: bytes, *, max_pixels: int = _DEFAULT.max_pixels) -> NDArray[np.uint8]:
    """Decode the bytes of an image file to upright gray pixels [H, W] with transparency filled.

    Args:
        data: the file's contents; limiting the number of bytes is up to the caller.
        max_pixels: limit of width times height.

    Raises:
        ImageError: one of its subclasses for anything that is wrong with the file, and nothing else.
    """
    return EncodedImage(data, _DEFAULT._replace(max_pixels=max_pixels)).decode()


def _open(file_format: Format, file: InspectedFile) -> Image.Image:
    """Open a file for decoding."""
    if file_format is WEBP and not file.is_animation:
        # Pillow decodes every WebP as an animation, which takes three times the memory. The pixels are the same.
        pixels = cv2.imdecode(np.frombuffer(file.content.ljust(_MIN_WEBP_BYTES, b"\0"), np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise ValueError("the decoder refused the file")
        code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return Image.fromarray(cv2.cvtColor(pixels, code, dst=pixels))
    return file_format.open(io.BytesIO(file.content))


def _reduction(file: InspectedFile) -> int:
    """The divisor by which `draft` decodes a JPEG at a reduced scale: 1, 2, 4 or 8."""
    scale = min(file.width, file.height) // MIN_REDUCED_SIDE
    return next((divisor for divisor in (8, 4, 2) if scale >= divisor), 1)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture whose width and height exceed the limits or are zero."""
    width, height = size
    if width <= 0 or height <= 0:
        raise ImageShapeError(f"the picture is {width} x {height} pixels: there is nothing in it")
    if width * height > max_pixels:
        raise too_large(width, height, max_pixels)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageShapeError(f"the picture is {width} x {height} pixels, a thin line; send one nearer to a square")
