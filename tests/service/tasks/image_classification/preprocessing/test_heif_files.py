"""AVIF and HEIC files: the structure is read and limited before a decoder sees the picture."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.tasks.image_classification.preprocessing import (
    AnimatedImageError,
    DamagedImageError,
    EncodedImage,
    ImageError,
    ImageShapeError,
    ImageTooComplexError,
    ImageTooLargeError,
    UnreadImageFormatError,
    UnsupportedImageError,
    decode_image,
    formats,
)
from tests.support import heif_files as files
from tests.support.picture_table import drawing
from tests.support.pictures import gray_levels, picture_file

HEIC = Path(__file__).parents[4] / "data" / "heic"
"""The drawing of `tests/support/picture_table.py` as libheif and x265 write it."""

_BIG = np.arange(128 * 192, dtype=np.uint32).reshape(128, 192)
BIG = (_BIG % 192 + _BIG // 192).astype(np.uint8)
"""A gray picture [128, 192] whose corners all differ."""


def tiled(width: int = 192, height: int = 128, **changes: object) -> bytes:
    """A grid of two rows and three columns, whose parts are tiles of 64 x 64."""
    padded = np.pad(BIG[:height, :width], [(0, 128 - height), (0, 192 - width)])
    tiles = [files.coded_item(padded[y : y + 64, x : x + 64]) for y in (0, 64) for x in (0, 64, 128)]
    return files.heif(files.grid_item(2, 3, width, height, range(2, 8)), *tiles)


@pytest.mark.parametrize("large", [False, True])
def test_a_file_of_one_item(large: bool) -> None:
    assert np.array_equal(decode_image(files.heif(files.coded_item(gray_levels()), large=large)), gray_levels())


@pytest.mark.parametrize(("width", "height"), [(192, 128), (191, 128), (150, 100)])
def test_a_grid_of_tiles(width: int, height: int) -> None:
    assert np.array_equal(decode_image(tiled(width, height)), BIG[:height, :width])


def test_other_items_and_boxes_are_left_out() -> None:
    exif = files.Item(b"Exif", b"\0" * 100, (), {b"cdsc": [1]})
    preview = files.coded_item(gray_levels()[:8, :8])
    preview.references[b"thmb"] = [1]
    data = files.heif(
        files.coded_item(gray_levels()), exif, preview, meta=[files.box(b"grpl")], top=[files.box(b"free", bytes(99))]
    )
    assert np.array_equal(decode_image(data), gray_levels())


@pytest.mark.parametrize("premultiplied", [False, True])
def test_transparency(premultiplied: bool) -> None:
    black = files.coded_item(np.zeros_like(drawing()))
    auxiliary = files.box(b"auxC", bytes(4), b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    alpha = files.coded_item(255 - drawing(), auxiliary)
    alpha.references[b"auxl"] = [1]
    if premultiplied:
        black.references[b"prem"] = [2]
    assert np.abs(decode_image(files.heif(black, alpha)).astype(int) - drawing()).max() <= 1


ROTATIONS = [b"irot" + bytes([turns]) for turns in range(4)]
MIRRORS = [b"imir" + bytes([axis]) for axis in range(2)]


@pytest.mark.parametrize("first", [b"", *ROTATIONS])
@pytest.mark.parametrize("second", [b"", *MIRRORS])
@pytest.mark.parametrize("reverse", [False, True])
def test_rotation_and_mirror_are_applied_in_order(first: bytes, second: bytes, reverse: bool) -> None:
    steps = [step for step in (second, first) if step] if reverse else [step for step in (first, second) if step]
    expected = gray_levels()
    for step in steps:
        if step.startswith(b"irot"):
            expected = np.rot90(expected, step[4])
        else:  # axis 0 exchanges top and bottom
            expected = expected[::-1] if step[4] == 0 else expected[:, ::-1]
    properties = [files.box(step[:4], step[4:]) for step in steps]
    assert np.array_equal(decode_image(files.heif(files.coded_item(gray_levels(), *properties))), expected)


def test_the_clean_aperture_is_cut_out() -> None:
    # 10 x 8 pixels, whose center is 3 to the right of the picture's and 2 above it
    aperture = files.box(b"clap", struct.pack(">IIIIiIiI", 10, 1, 8, 1, 3, 1, -2, 1))
    data = files.heif(files.coded_item(gray_levels(), aperture))
    assert np.array_equal(decode_image(data), gray_levels()[4:12, 13:23])
    empty = files.box(b"clap", struct.pack(">IIIIiIiI", 0, 1, 8, 1, 3, 1, -2, 1))
    with pytest.raises(ImageShapeError, match="0 x 8"):
        decode_image(files.heif(files.coded_item(gray_levels(), empty)))
    outside = files.box(b"clap", struct.pack(">IIIIiIiI", 30, 1, 20, 1, 3, 1, 0, 1))
    with pytest.raises(DamagedImageError):
        decode_image(files.heif(files.coded_item(gray_levels(), outside)))


@pytest.mark.parametrize("path", sorted(HEIC.glob("*.heic")), ids=lambda path: path.stem)
def test_heic(path: Path) -> None:
    pytest.importorskip("pi_heif")
    gray = decode_image(path.read_bytes())
    assert gray.shape == drawing().shape
    assert np.abs(gray.astype(int) - drawing()).max() <= (0 if path.stem == "gray" else 8)


def test_heic_without_its_extra_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_HEIC", None)
    with pytest.raises(UnreadImageFormatError, match=r"HEIC.*extra `heif`.*send a PNG or JPEG"):
        decode_image((HEIC / "gray.heic").read_bytes())


def _with_size(width: int, height: int) -> bytes:
    item = files.coded_item(gray_levels())
    item.properties = (files.size_property(width, height), *item.properties[1:])
    return files.heif(item)


@pytest.mark.parametrize("size", [(5000, 4001), (60_000, 60_000), (2**32 - 1, 2**32 - 1)])
def test_the_stated_size_is_limited(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLargeError, match=r"20,000,000.*send a smaller one"):
        EncodedImage(_with_size(*size))


def test_tiles_are_limited_and_have_to_make_up_the_picture() -> None:
    tile = files.coded_item(BIG[:64, :64])
    with pytest.raises(ImageTooLargeError):
        EncodedImage(files.heif(files.grid_item(200, 200, 12_800, 12_800, [2] * 40_000), tile), max_parts(100_000))
    for grid in (
        files.grid_item(1, 2, 64, 64, [2, 2]),
        files.grid_item(1, 2, 128, 64, [2]),
        files.grid_item(1, 1, 64, 64, []),
        files.grid_item(1, 1, 64, 64, [1]),
        files.grid_item(1, 1, 64, 64, [9]),
    ):
        with pytest.raises((DamagedImageError, UnsupportedImageError)):
            EncodedImage(files.heif(grid, tile))


def max_parts(count: int) -> formats.FileLimits:
    return formats.FileLimits(max_parts=count)


def test_the_size_in_the_stream_is_compared_with_the_stated_one() -> None:
    item = files.coded_item(gray_levels())
    item.content = files.sequence_header(16_384, 16_384) + item.content
    with pytest.raises(DamagedImageError):
        EncodedImage(files.heif(item))
    stream = files.coded_item(gray_levels()).content
    item.content = stream[2 + 2 + stream[3] :]  # without the delimiter and the sequence header
    with pytest.raises(DamagedImageError):
        EncodedImage(files.heif(item))


def test_hidden_frames_are_limited() -> None:
    levels = np.zeros((2000, 2000), np.uint8)
    item = files.coded_item(levels)
    frame = item.content.index(b"\x32")  # the unit of a frame
    item.content += item.content[frame:] * 100
    with pytest.raises(ImageTooComplexError, match=r"so many frames.*LECTERN_MAX_SCANNED_PIXELS"):
        EncodedImage(files.heif(item))


TOO_COMPLEX: dict[str, Callable[[], bytes]] = {
    "empty boxes": lambda: files.heif(files.coded_item(gray_levels()), top=[files.box(b"free") * 1_000_000]),
    "empty boxes in meta": lambda: files.heif(files.coded_item(gray_levels()), meta=[files.box(b"free") * 1_000_000]),
    "items": lambda: files.heif(files.coded_item(gray_levels()), *[files.Item(b"mime", b"")] * 30_000),
    "extents": lambda: files.heif(_repeated(60_000)),
    "overlapping extents": lambda: files.heif(_repeated(100)),
    "units": lambda: files.heif(_of_units(100_000)),
}


def _repeated(extents: int) -> files.Item:
    item = files.coded_item(gray_levels())
    item.extents = extents
    return item


def _of_units(count: int) -> files.Item:
    item = files.coded_item(gray_levels())
    item.content += b"\x12\x00" * count  # temporal delimiters
    return item


@pytest.mark.parametrize("name", TOO_COMPLEX)
def test_files_of_many_parts_are_refused(name: str) -> None:
    with pytest.raises(ImageTooComplexError, match=r"LECTERN_MAX_IMAGE_PARTS|overlap"):
        EncodedImage(TOO_COMPLEX[name]())


def _changed(old: bytes, new: bytes) -> bytes:
    data = files.heif(files.coded_item(gray_levels()))
    assert data.count(old) == 1
    return data.replace(old, new)


DAMAGED: dict[str, Callable[[], bytes]] = {
    "item longer than the file": lambda: files.heif(_long()),
    "box longer than the file": lambda: files.heif(files.coded_item(gray_levels())) + b"\xff\xff\xff\xfffree",
    "box of 64 bits longer than the file": lambda: (
        files.heif(files.coded_item(gray_levels())) + b"\0\0\0\1free" + b"\xff" * 8
    ),
    "box shorter than its header": lambda: files.heif(files.coded_item(gray_levels())) + b"\0\0\0\4free",
    "no primary item": lambda: _changed(b"pitm", b"free"),
    "no locations": lambda: _changed(b"iloc", b"free"),
    "no size": lambda: _changed(b"ispe", b"free"),
    "no configuration": lambda: _changed(b"av1C", b"free"),
    "two tables of items": lambda: files.heif(
        files.coded_item(gray_levels()), meta=[files.box(b"iinf", bytes(4), b"\0\0")]
    ),
    "property that is not there": lambda: _changed(b"\0\1\2\1\2", b"\0\1\2\1\x7f"),
    "two rotations": lambda: files.heif(
        files.coded_item(gray_levels(), files.box(b"irot", b"\1"), files.box(b"irot", b"\1"))
    ),
}


def _long() -> files.Item:
    item = files.coded_item(gray_levels())
    item.length = 2**31
    return item


@pytest.mark.parametrize("name", DAMAGED)
def test_malformed_boxes(name: str) -> None:
    with pytest.raises(DamagedImageError, match="the AVIF file is truncated or damaged"):
        decode_image(DAMAGED[name]())


def test_other_kinds_of_pictures_in_the_same_container_are_named() -> None:
    item = files.coded_item(gray_levels())
    for kind in (b"iovl", b"jpeg", b"vvc1"):
        item.kind = kind
        with pytest.raises(UnsupportedImageError, match=rf"{kind.decode()}.*save it as a PNG or JPEG"):
            decode_image(files.heif(item))
    with pytest.raises(UnsupportedImageError, match="sequence of frames only"):
        decode_image(files.box(b"ftyp", b"avis", bytes(4)) + files.box(b"moov"))


def test_sequences_are_refused_and_one_frame_is_read() -> None:
    frames = [Image.fromarray(np.full((20, 30), level, np.uint8)) for level in (0, 100, 200)]
    with pytest.raises(AnimatedImageError, match="one picture a file"):
        decode_image(picture_file(frames[0], "AVIF", save_all=True, append_images=frames[1:]))
    assert decode_image(picture_file(frames[1], "AVIF", save_all=True)).shape == (20, 30)


def _samples() -> list[bytes]:
    heic = [path.read_bytes() for path in sorted(HEIC.glob("*.heic"))]
    alpha = picture_file(Image.fromarray(np.stack([drawing()] * 4, axis=-1), "RGBA"), "AVIF")
    return [tiled(), alpha, picture_file(Image.fromarray(gray_levels()), "AVIF"), *heic]


@pytest.mark.parametrize("index", range(len(_samples())))
def test_truncated_and_changed_files_raise_nothing_but_an_image_error(index: int) -> None:
    data = _samples()[index]
    rng = np.random.default_rng(index)
    structure = data.index(b"mdat") if b"mdat" in data else len(data)
    cuts = [data[:end] for end in range(9, len(data), 7)]
    changes = []
    for _ in range(300):
        changed = bytearray(data)
        for offset in rng.integers(0, structure, int(rng.integers(1, 4))):
            changed[offset] = int(rng.choice([0, 1, 0x7F, 0xFF, int(rng.integers(256))]))
        changes.append(bytes(changed))
    for file in (*cuts, *changes):
        try:
            decode_image(file, max_pixels=1_000_000)
        except ImageError:
            continue


def test_a_configuration_that_says_another_bit_depth_never_reaches_the_decoder() -> None:
    # The binding of libheif wrote beyond its memory.
    pytest.importorskip("pi_heif")
    data = bytearray((HEIC / "gray.heic").read_bytes())
    data[data.index(b"hvcC") + 4 + 17] |= 7
    with pytest.raises(DamagedImageError):
        EncodedImage(bytes(data))
