"""Conversion of a loaded Pillow image of any mode to gray pixels: orientation, transparency, bit depth, color."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue by ITU-R BT.601, as in Pillow's own conversion to gray."""

_SAMPLE_SIDE = 64
"""Pixels per side of the sample on which colors and transparency are judged. Speed."""

_MIN_LUMA_SHARE = 0.25
"""Share of the colors' greatest variance that must lie along luma for luma to be used. Below, ink and paper differ in
hue rather than in brightness. Not tuned; tests check yellow on white, blue on black and red on green."""

_OPAQUE_SHARE = 0.6
"""Mean opacity above which a picture has transparent corners rather than being a drawing on a transparent canvas. Not
tuned."""

_OPAQUE_ALPHA = 250
"""Alpha, of 255, above which a pixel shows the paper's own color. Not tuned."""

_LIGHT_LUMA = 0.5
"""Mean luma of visible ink (share of white) above which it is composited on black. Not tuned: halfway."""

_BAND_PIXELS = 2**20
"""Pixels that are converted at a time. Memory."""

# EXIF orientation (tag 0x0112, CIPA DC-008 4.6.4): the transposition that makes the stored picture upright.
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_DEPTHS = (8, 10, 12, 14, 15, 16)
"""Bits of integer samples whose scale is a convention: those of cameras and scanners, and 15 of signed 16."""


def to_grayscale(
    image: Image.Image, orientation: int = 1, *, is_inverted: bool = False, is_unsigned: bool = False
) -> NDArray[np.uint8]:
    """Convert a loaded image of any mode to upright gray pixels, uint8 [H, W], 0 = black.

    The steps in order:

    1. Gray of more than 8 bits is scaled to 8 bits (`_from_high_depth`). What is stored inverted is inverted.
    2. Transparency is filled with white, black or the picture's own paper (`_fill_transparency`).
    3. The picture is turned upright by its EXIF orientation.
    4. Colors become luma, or their main axis of variation if ink and paper differ in hue and hardly in brightness, as
       yellow on white (`_from_color`).

    Large pictures are converted in bands of rows, so that their colors are in memory only once.

    Args:
        image: the image, which may be changed.
        orientation: the EXIF orientation, 1 to 8.
        is_inverted: whether the samples are the complement of what they should be.
        is_unsigned: whether the 32-bit integers are unsigned, although Pillow's are signed.
    """
    transposition = _UPRIGHT.get(orientation)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        gray = Image.fromarray(_from_high_depth(values.view(np.uint32) if is_unsigned else values))
        if "transparency" in image.info:
            gray.putalpha(Image.fromarray(values != image.info["transparency"]).convert("L"))
        image = gray
    if is_inverted:
        image = ImageChops.invert(image)
    if image.has_transparency_data:
        image = _fill_transparency(image if image.mode == "RGBA" else image.convert("RGBA"))
    if transposition is not None:
        image = image.transpose(transposition)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return _from_color(image)


def _from_high_depth(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale gray [H, W] of 12, 16 or 32 bits or floating point to 8 bits."""
    low, high = float(np.float32(values.min())), float(np.float32(values.max()))
    if not np.isfinite(low + high):
        raise ValueError("pixels hold NaN or infinity")
    if values.dtype.kind == "f" or low < 0:  # no scale is agreed on: some programs write 0 to 1, others 0 to 255
        offset, scale = low, 255.0 / max(high - low, 1e-30)
    else:
        needed = int(values.max()).bit_length()
        bits = next((depth for depth in _DEPTHS if depth >= needed), needed)
        offset, scale = 0.0, 255.0 / (2**bits - 1)
    gray = np.empty(values.shape, np.uint8)
    for top, bottom in _bands(values.shape[1], values.shape[0]):
        gray[top:bottom] = _to_bytes((values[top:bottom].astype(np.float32) - offset) * scale)
    return gray


def _from_color(image: Image.Image) -> NDArray[np.uint8]:
    """Convert colors to luma, or to their first principal component if little of their variance is along luma."""
    width, height = image.size
    sample = np.asarray(_shrink(image, Image.Resampling.NEAREST).convert("RGB"), np.float32).reshape(-1, 3)
    axis = _axis_of_hue(sample)
    gray = np.empty((height, width), np.uint8)
    if axis is None:
        for top, bottom in _bands(width, height):
            gray[top:bottom] = np.asarray(_to_luma(image.crop((0, top, width, bottom))))
        return gray
    projected = sample @ axis
    low, scale = projected.min(), min(1.0, 255.0 / max(float(np.ptp(projected)), 1e-30))
    for top, bottom in _bands(width, height):
        rgb = np.asarray(image.crop((0, top, width, bottom)).convert("RGB"))
        gray[top:bottom] = _to_bytes((rgb @ axis - low) * scale)
    return gray


def _axis_of_hue(sample: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The first principal component [3] of a sample of colors [n, 3]; None where their variance is along luma too."""
    # That of grays is; a single pixel has none.
    if len(sample) == 1 or ((sample[:, 0] == sample[:, 1]) & (sample[:, 1] == sample[:, 2])).all():
        return None
    covariance = np.cov(sample, rowvar=False)
    variances, axes = np.linalg.eigh(covariance)
    luma_variance = float(_LUMA @ covariance @ _LUMA / (_LUMA @ _LUMA))
    if luma_variance >= _MIN_LUMA_SHARE * variances[-1]:
        return None
    axis: NDArray[np.float32] = axes[:, -1].astype(np.float32)
    return axis


def _to_luma(image: Image.Image) -> Image.Image:
    """Gray of a picture of any color model."""
    # Pillow makes the same gray of RGBA, without a copy as RGB.
    return (image if image.mode in ("RGB", "RGBA") else image.convert("RGB")).convert("L")


def _fill_transparency(rgba: Image.Image) -> Image.Image:
    """Fill transparent pixels: with the picture's own paper if most is opaque, else black under light ink or white.

    Args:
        rgba: the picture, which is changed and returned.
    """
    if _is_opaque(rgba):
        return rgba
    cells = _premultiplied_cells(rgba)
    alpha = cells[..., 3]
    if not alpha.any():  # Some programs write zeros where they mean that there is no transparency.
        rgba.putalpha(255)
        return rgba
    paper: tuple[int, ...] = ()
    if float(alpha.mean()) > _OPAQUE_SHARE * 255 and (alpha > _OPAQUE_ALPHA).any():
        paper = tuple(int(value) for value in np.median(cells[alpha > _OPAQUE_ALPHA][:, :3], axis=0))
    if not paper:
        light = float((cells[..., :3] @ _LUMA).sum()) >= _LIGHT_LUMA * float(alpha.sum())
        paper = (0, 0, 0) if light else (255, 255, 255)
    width, height = rgba.size
    for top, bottom in _bands(width, height):
        band = rgba.crop((0, top, width, bottom))
        rgba.paste(Image.alpha_composite(Image.new("RGBA", band.size, (*paper, 255)), band), (0, top))
    return rgba


def _is_opaque(rgba: Image.Image) -> bool:
    """Whether no pixel of a picture shows what is behind it, as on the canvas of a web page with a background."""
    width, height = rgba.size
    bands = (rgba.crop((0, top, width, bottom)) for top, bottom in _bands(width, height))
    return all(band.getchannel("A").getextrema() == (255, 255) for band in bands)


def _premultiplied_cells(rgba: Image.Image) -> NDArray[np.float32]:
    """Means of the cells into which a picture is divided to judge its transparency, [h, w, 4], premultiplied."""
    width, height = rgba.size
    # Pillow, too, averages first along the rows and then along the columns.
    columns = Image.new("RGBa", (min(width, _SAMPLE_SIDE), height))
    for top, bottom in _bands(width, height):
        band = rgba.crop((0, top, width, bottom)).convert("RGBa")
        columns.paste(band.resize((columns.width, band.height), Image.Resampling.BOX), (0, top))
    return np.asarray(_shrink(columns, Image.Resampling.BOX), np.float32)


def _shrink(image: Image.Image, resampling: Image.Resampling) -> Image.Image:
    """Reduce an image to the size on which colors and transparency are judged."""
    width, height = image.size
    if max(width, height) > _SAMPLE_SIDE:
        return image.resize((min(width, _SAMPLE_SIDE), min(height, _SAMPLE_SIDE)), resampling)
    return image


def _bands(width: int, height: int) -> Iterator[tuple[int, int]]:
    """The first and the end row of each band of a picture, from the top down."""
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(height, top + rows)


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round to 0..255."""
    rounded: NDArray[np.uint8] = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return rounded
