"""A loaded Pillow picture of any mode to grey pixels: orientation, transparency, depth, colour."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, as Pillow's own conversion to grey."""

_SAMPLE = 64
"""Colours are judged on a picture of at most so many pixels a side."""

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
    """A loaded picture of any mode to grey uint8 [H, W], 0 = black, upright, transparency filled in.

    Colours become their brightness; only where ink and paper differ in hue and hardly in brightness (yellow on white)
    are they told apart by hue.
    """
    turn = _UPRIGHT.get(_orientation(image))
    transparent = image.has_transparency_data
    if image.mode.startswith(("I", "F")):
        grey = _from_deep(np.asarray(image))
        return grey if turn is None else np.asarray(Image.fromarray(grey).transpose(turn))
    if transparent:
        image = _on_paper(image.convert("RGBA"))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return _from_colour(image.convert("RGB"))


def _from_deep(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey of 12, 16 or 32 bits or floating point [H, W] to 8 bits."""
    floats = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise ValueError("pixels that are not numbers")
    low, high = float(floats.min()), float(floats.max())
    if values.dtype.kind == "f":  # no scale is agreed on: from 0 to 1 in one program, to 255 in another
        return _to_bytes((floats - low) * (255.0 / max(high - low, 1e-30)))
    full = next(depth for depth in (8, 12, 16, 32) if depth >= int(max(high, 0)).bit_length())
    return _to_bytes(floats * (255.0 / (2**full - 1)))


def _from_colour(rgb: Image.Image) -> NDArray[np.uint8]:
    """Colours to brightness, or to their main axis of variation where brightness hardly varies along with them."""
    sample = _sample(rgb, Image.Resampling.NEAREST).reshape(-1, 3)
    spread = np.cov(sample, rowvar=False)
    strengths, axes = np.linalg.eigh(spread)
    along_luma = float(_LUMA @ spread @ _LUMA / (_LUMA @ _LUMA))
    if along_luma >= 0.25 * strengths[-1]:
        return np.asarray(rgb.convert("L"))
    axis = axes[:, -1].astype(np.float32)
    reached = sample @ axis
    scale = min(1.0, 255.0 / float(np.ptp(reached)))
    return _to_bytes((np.asarray(rgb) @ axis - reached.min()) * scale)


def _on_paper(rgba: Image.Image) -> Image.Image:
    """Fill what is transparent: with white, with black under light ink, or with the paper that is already there."""
    cells = _sample(rgba.convert("RGBa"), Image.Resampling.BOX)
    seen = cells[..., 3]
    if float(seen.mean()) > 0.6 * 255:  # a picture with its corners cut off rather than a drawing on nothing
        paper = tuple(int(value) for value in np.median(cells[seen > 250][:, :3], axis=0)) if (seen > 250).any() else ()
    else:
        paper = ()
    if not paper:
        light = float((cells[..., :3] @ _LUMA).sum()) >= 0.5 * float(seen.sum())
        paper = (0, 0, 0) if light else (255, 255, 255)
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (*paper, 255)), rgba).convert("RGB")


def _sample(image: Image.Image, how: Image.Resampling) -> NDArray[np.float32]:
    """The picture at a size at which to judge its colours, [h, w, bands]."""
    width, height = image.size
    if max(width, height) > _SAMPLE:
        image = image.resize((min(width, _SAMPLE), min(height, _SAMPLE)), how)
    return np.asarray(image, np.float32)


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round to 0..255."""
    rounded: NDArray[np.uint8] = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    if image.format == "TIFF":
        value = getattr(image, "tag_v2", {}).get(0x0112, 1)
        return value if isinstance(value, int) else 1
    exif = image.info.get("exif")
    if not isinstance(exif, bytes):
        return 1
    try:
        return _orientation_in(exif.removeprefix(b"Exif\0\0"))
    except struct.error:
        return 1


def _orientation_in(exif: bytes) -> int:
    """Read one tag from the first directory of an EXIF block; raises struct.error where the block ends early.

    Pillow's own parser reads all of the block, and warns of whatever is odd in it.
    """
    order = ">" if exif[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(order + "I", exif, 4)
    (entries,) = struct.unpack_from(order + "H", exif, directory)
    for index in range(entries):
        tag, _, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * index)
        if tag == 0x0112:
            return int(value)
    return 1
