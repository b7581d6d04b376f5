"""Short ways for ordinary small pictures: each gives exactly what the long way gives, or leaves the picture to it."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.tasks.image_classification.preprocessing import (
    EncodedImage,
    ImageError,
    ImagePreprocessing,
    ImageShapeError,
    find_figures,
)
from service.tasks.image_classification.preprocessing import mnist as mnist_form
from service.tasks.image_classification.preprocessing.background import contrast
from service.tasks.image_classification.preprocessing.foreground import count_on_clean_paper, extract_figures
from tests.support.photographs.held_out import held_out

Gray = NDArray[np.uint8]
_FILTERS = (cv2.IMWRITE_PNG_STRATEGY_FILTERED, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)


def _read(data: bytes, monkeypatch: pytest.MonkeyPatch, *, plainly: bool) -> Gray | str:
    """The pixels of a file, or the error; without the short way if not `plainly`."""
    with monkeypatch.context() as patch:
        if not plainly:
            patch.setattr(EncodedImage, "_decode_plain", lambda self: None)
        try:
            return EncodedImage(data).decode()
        except ImageError as error:
            return f"{type(error).__name__}: {error}"


def _assert_read_alike(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = (_read(data, monkeypatch, plainly=plainly) for plainly in (True, False))
    assert type(short) is type(long)
    assert np.array_equal(short, long)


def _is_plain(data: bytes) -> bool:
    return EncodedImage(data)._decode_plain() is not None


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(rows: bytes, header: bytes = struct.pack(">IIBBBBB", 6, 5, 8, 0, 0, 0, 0), *extra: bytes) -> bytes:
    parts = (_chunk(b"IHDR", header), *extra, _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _pictures(rng: np.random.Generator) -> Iterator[Gray]:
    for _ in range(60):
        height, width = rng.integers(1, 60, 2)
        if max(height, width) <= 30 * min(height, width):
            noise = rng.integers(0, 256, (height, width), np.uint8)
            yield noise
            yield np.asarray(cv2.blur(noise, (3, 3)), np.uint8)


def test_plain_files_are_read_as_by_the_other_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    for picture in _pictures(np.random.default_rng(1)):
        files = [cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_STRATEGY, each])[1].tobytes() for each in _FILTERS]
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG", optimize=True)
        for data in (*files, buffer.getvalue()):
            assert _is_plain(data)
            _assert_read_alike(data, monkeypatch)
            assert np.array_equal(EncodedImage(data).decode(), picture)


@pytest.mark.parametrize("kind", range(6))
def test_every_filter_and_one_that_there_is_not(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    rows = b"".join(bytes([kind]) + rng.integers(0, 256, 6, np.uint8).tobytes() for _ in range(5))
    assert _is_plain(_png(rows)) == (kind <= 4)
    _assert_read_alike(_png(rows), monkeypatch)


def test_damaged_files_are_read_or_refused_as_by_the_other_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    good = cv2.imencode(".png", np.arange(256, dtype=np.uint8).reshape(16, 16))[1].tobytes()
    for position in range(len(good)):
        for damage in (0, 1, 255):
            changed = bytearray(good)
            changed[position] = changed[position] ^ damage if damage else 0
            _assert_read_alike(bytes(changed), monkeypatch)
        _assert_read_alike(good[:position], monkeypatch)


def test_unusual_files_take_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"".join(b"\0" + bytes(range(row, row + 6)) for row in range(5))
    assert _is_plain(_png(rows))
    headers = {
        "4 bits": (6, 5, 4, 0, 0, 0, 0),
        "a palette": (6, 5, 8, 3, 0, 0, 0),
        "alpha": (6, 5, 8, 4, 0, 0, 0),
        "interlaced": (6, 5, 8, 0, 0, 0, 1),
        "more rows": (6, 6, 8, 0, 0, 0, 0),
        "fewer rows": (6, 4, 8, 0, 0, 0, 0),
    }
    files = {name: _png(rows, struct.pack(">IIBBBBB", *header)) for name, header in headers.items()}
    transparent = _chunk(b"tRNS", b"\0\5")
    plain = struct.pack(">IIBBBBB", 6, 5, 8, 0, 0, 0, 0)
    files |= {
        "a transparent gray": _png(rows, plain, transparent),
        "more bytes": _png(rows + b"\0"),
        "bytes after the stream": _png(rows).replace(
            _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IDAT", zlib.compress(rows) + b"x")
        ),
        "no end": _png(rows)[:-12],
    }
    for name, data in files.items():
        with suppress(ImageError):
            assert not _is_plain(data), name
        _assert_read_alike(data, monkeypatch)
    large = cv2.imencode(".png", np.zeros((200, 200), np.uint8))[1].tobytes()
    assert not _is_plain(large)


def test_files_of_any_number_of_rows_without_columns_are_not_decompressed() -> None:
    data = _png(bytes(50_000_000), struct.pack(">IIBBBBB", 0, 2**32 - 1, 8, 0, 0, 0, 0))
    tracemalloc.start()
    try:
        with pytest.raises(ImageShapeError, match="nothing in it"):
            EncodedImage(data)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def _in_form(ink: Gray) -> NDArray[np.float32] | None:
    """A picture as ink, if it is in MNIST's form."""
    return mnist_form._as_mnist(ink, (28, 28))


def _assert_counted_alike(gray: Gray) -> bool:
    """Whether figures are counted in the short way; it must agree with the long one."""
    ink = _in_form(gray)
    count = None if ink is None else count_on_clean_paper(ink)
    if ink is None or count is None:
        return False
    np.testing.assert_array_equal(contrast(gray), ink)
    assert count == extract_figures(gray, split=False, with_ink=False).figures
    found = find_figures(gray, ImagePreprocessing(), split=False)
    assert found is not None
    assert found.figures == count
    assert np.array_equal(found.image, ink)
    return True


def test_figures_in_the_form_of_mnist_are_counted_as_in_all_pictures() -> None:
    rng = np.random.default_rng(3)
    counted = 0
    for _ in range(600):
        # The same after half a turn, so that its center is the field's.
        half = rng.integers(0, 256, (10, 20)) * (rng.random((10, 20)) < rng.choice((0.02, 0.1, 0.3, 0.7)))
        ink = np.zeros((28, 28), np.uint8)
        ink[4:24, 4:24] = np.concatenate([half, half[::-1, ::-1]])
        ink[4, 13] = ink[23, 14] = rng.integers(200, 256)
        if rng.random() < 0.3:
            ink[12:16] = 0
        for gray in (ink, 255 - ink):
            counted += _assert_counted_alike(gray)
    assert counted > 600


def test_digits_are_counted_as_in_all_pictures(data_dir: Path) -> None:
    counted = sum(
        _assert_counted_alike(picture) for digit in held_out(data_dir, 300)[0] for picture in (digit, 255 - digit)
    )
    assert counted > 500
