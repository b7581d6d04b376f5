"""The tensor codec: reads and writes JSON and binary."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from service.api.open_inference.codec import check_finite, check_shape, read_binary, read_json, write_binary, write_json
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest, ModelFailure

FIXED = [datatype for datatype in Datatype if datatype is not Datatype.BYTES]


def spec(datatype: Datatype | str, *shape: int) -> TensorSpec:
    return TensorSpec(name="x", datatype=Datatype(datatype), shape=shape or (-1, 2))


@pytest.mark.parametrize("datatype", FIXED)
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_binary_round_trip_at_any_alignment(datatype: Datatype, offset: int) -> None:
    array = (np.arange(6) % 2).reshape(3, 2).astype(datatype.numpy)
    content = bytes(offset) + write_binary(array, datatype)

    read = read_binary(memoryview(content)[offset:], spec(datatype), (3, 2), "f")

    assert read.dtype == datatype.numpy
    assert read.flags.aligned
    np.testing.assert_array_equal(read, array)


def test_binary_is_little_endian_and_row_major() -> None:
    turned = np.array([[1, 2], [3, 4]], ">u2").T
    assert write_binary(turned, Datatype.UINT16) == b"\1\0\3\0\2\0\4\0"


def test_bytes_round_trip() -> None:
    array = np.array([[b"a", b""], ["é".encode(), b"\xff\0"]], object)
    content = write_binary(array, Datatype.BYTES)

    assert content.startswith(b"\1\0\0\0a\0\0\0\0")
    np.testing.assert_array_equal(read_binary(memoryview(content), spec("BYTES"), (2, 2), "f"), array)


def test_text_of_a_model_is_written_like_bytes() -> None:
    array = np.array(["é"], object)
    assert write_binary(array, Datatype.BYTES) == b"\2\0\0\0" + "é".encode()
    assert write_json(array, spec("BYTES", -1)) == ["é"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\0\0", "element 0 has no room for its length"),
        (b"\1\0\0\0a\0", "element 1 has no room for its length"),
        (b"\5\0\0\0a", "element 0 declares 5 bytes, but 1 are left"),
        (b"\xff\xff\xff\xff", "element 0 declares 4294967295 bytes, but 0 are left"),
        (b"\1\0\0\0a", "the bytes hold 1 elements, the shape takes 2"),
        (b"", "the bytes hold 0 elements, the shape takes 2"),
        (b"\0\0\0\0" * 3, "the bytes hold 3 elements, the shape takes 2"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(content: bytes, text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^f: {text}"):
        read_binary(memoryview(content), spec("BYTES", -1), (2,), "f")


def test_a_wrong_number_of_bytes_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"^f: is 15, but FP32 of the shape \[2, 2\] takes 16 bytes$"):
        read_binary(memoryview(bytes(15)), spec("FP32"), (2, 2), "f")


def test_a_boolean_is_0_or_1() -> None:
    with pytest.raises(InvalidRequest, match="must be 0 or 1"):
        read_binary(memoryview(b"\0\2"), spec("BOOL", -1), (2,), "f")


def test_fp16_has_no_json_form() -> None:
    with pytest.raises(InvalidRequest, match=r"^f: FP16 has no JSON form"):
        read_json([1.0, 2.0], spec("FP16", -1), (2,), "f")


def test_json_is_flat_and_of_the_datatype() -> None:
    written = write_json(np.array([[1.5, 2.5]], np.float64), spec("FP32"))
    assert written.dtype == np.float32
    assert written.tolist() == [1.5, 2.5]


def test_a_transposed_output_is_written_row_by_row() -> None:
    assert write_json(np.arange(4, dtype=np.float32).reshape(2, 2).T, spec("FP32")).tolist() == [0, 2, 1, 3]


def test_bytes_that_are_not_text_need_binary() -> None:
    with pytest.raises(InvalidRequest, match=r"^x: holds bytes that are not UTF-8; ask for it with binary_data"):
        write_json(np.array([b"\xff"], object), spec("BYTES", -1))


@pytest.mark.parametrize("shape", [(1, 2), (7, 2)])
def test_accepted_shapes(shape: tuple[int, ...]) -> None:
    check_shape(shape, spec("FP32", -1, 2), "f")


@pytest.mark.parametrize("shape", [(), (2,), (1, 3), (1, 2, 1)])
def test_refused_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"^f: is \[.*\], the model takes \[-1, 2\] \(-1 = any size\)$"):
        check_shape(shape, spec("FP32", -1, 2), "f")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_seen_among_the_largest(dtype: type[np.floating[Any]], value: float) -> None:
    array = np.full((4, 100), np.finfo(dtype).max, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # One would be a line of the log for each answer.
        check_finite(array, "scores")
        check_finite(array[:0], "scores")
        array[2, 7] = value
        with pytest.raises(ModelFailure, match="scores"):
            check_finite(array, "scores")
