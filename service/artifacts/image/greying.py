"""An open Pillow picture of any mode to grey pixels: orientation, transparency, depth, colour."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# EXIF orientation (tag 0x0112, CIPA DC-008 4.6.4): what must be done to the stored picture to see it upright.
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_grey(image: Image.Image) -> NDArray[np.uint8]:
    """A loaded picture of any mode to grey uint8 [H, W], 0 = black, upright."""
    turn = _UPRIGHT.get(_orientation(image))
    if turn is not None:
        upright = image.transpose(turn)
        upright.info = image.info
        image = upright
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith(("I", "F")):
        return _from_deep(np.asarray(image))
    if image.has_transparency_data:
        return _on_contrasting_paper(np.asarray(image.convert("RGBA")))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGB").convert("L"))


def _from_deep(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey of 12, 16 or 32 bits or floating point [H, W] to 8 bits."""
    floats = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise ValueError("pixels that are not numbers")
    if values.dtype.kind == "f":
        low, high = float(floats.min()), float(floats.max())
        return _to_bytes((floats - low) * (255.0 / max(high - low, 1e-30)))
    bits = max(8, int(floats.max()).bit_length())
    full = next(depth for depth in (8, 12, 16, 32) if depth >= bits)
    return _to_bytes(floats * (255.0 / (2**full - 1)))


def _on_contrasting_paper(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill transparency [H, W, 4] with white, or with black where what is drawn is light."""
    alpha = rgba[..., 3].astype(np.float32) / 255.0
    luma = rgba[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    weight = float(alpha.sum())
    paper = 0.0 if weight > 0 and float((luma * alpha).sum()) / weight >= 128 else 255.0
    return _to_bytes(luma * alpha + paper * (1 - alpha))


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round to 0..255."""
    rounded: NDArray[np.uint8] = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    exif = image.info.get("exif")
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        value = tags.get(0x0112, 1)
        return value if isinstance(value, int) else 1
    if not isinstance(exif, bytes):
        return 1
    try:
        return _orientation_of_exif(exif.removeprefix(b"Exif\0\0"))
    except struct.error:
        return 1


def _orientation_of_exif(exif: bytes) -> int:
    """Read the one tag from the first directory of a TIFF structure; raises struct.error where it ends early.

    Pillow's own parser reads the whole block, and warns of whatever is odd in it.
    """
    order = ">" if exif[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    for index in range(entries):
        tag, _, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * index)
        if tag == 0x0112:
            return int(value)
    return 1
