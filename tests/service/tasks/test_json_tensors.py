"""Arrays from JSON lists: exact, and every refusal names the place."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import orjson
import pytest

from service.bundle.manifest import Datatype
from service.errors import InvalidRequest
from service.tasks.json_tensors import array_from_json

NUMBERS = [datatype for datatype in Datatype if datatype not in (Datatype.BOOL, Datatype.BYTES, Datatype.FP16)]


@pytest.mark.parametrize("datatype", NUMBERS)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("may_contain_booleans", [False, True])
def test_numbers_come_out_as_they_went_in(datatype: Datatype, nested: bool, may_contain_booleans: bool) -> None:
    expected = np.arange(24).reshape(2, 3, 4).astype(datatype.numpy)
    data = orjson.loads(orjson.dumps((expected if nested else expected.ravel()).tolist()))

    array = array_from_json(data, (2, 3, 4), datatype, "data", may_contain_booleans=may_contain_booleans)

    assert array.dtype == datatype.numpy
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("datatype", [d for d in NUMBERS if d.numpy.kind in "iu"])
def test_the_limits_of_an_integer_type_fit_and_one_beyond_does_not(datatype: Datatype) -> None:
    limits = np.iinfo(datatype.numpy)

    array = array_from_json([int(limits.min), int(limits.max)], (2,), datatype, "data")
    assert array.tolist() == [limits.min, limits.max]

    for value in (int(limits.min) - 1, int(limits.max) + 1):
        with pytest.raises(InvalidRequest, match=rf"data\[1\]: {value} is outside {datatype.value}, which goes from"):
            array_from_json([0, value], (2,), datatype, "data")


def test_integers_may_stand_for_floats() -> None:
    assert array_from_json([1, 2.5], (2,), Datatype.FP32, "data").tolist() == [1.0, 2.5]


def test_booleans() -> None:
    array = array_from_json([[True], [False]], (2, 1), Datatype.BOOL, "data")
    assert array.dtype == np.bool_
    assert array.tolist() == [[True], [False]]


def test_strings_become_utf8() -> None:
    array = array_from_json(["a", "é", ""], (3, 1), Datatype.BYTES, "data")
    assert array.shape == (3, 1)
    assert array.ravel().tolist() == [b"a", "é".encode(), b""]


@pytest.mark.parametrize(
    ("data", "datatype", "text"),
    [
        (["1", 2], "FP32", 'd[0]: "1" is not a number'),
        ([1, None], "FP32", "d[1]: null is not a number"),
        ([1, True], "FP32", "d[1]: true is not a number"),
        ([0.0, False], "FP64", "d[1]: false is not a number"),
        ([1, [2]], "FP32", "d[1]: a list is not a number"),
        ([1, {"a": 1}], "FP32", 'd[1]: {"a": 1} is not a number'),
        ([1, 1e39], "FP32", "d[1]: 1e+39 is beyond FP32, whose largest number is 3.4028235e+38"),
        ([1, 10**400], "FP64", "d[1]: 10000000000000000000000000000000 is beyond FP64"),
        ([1, 2.0], "INT64", "d[1]: 2.0 is not an integer, which INT64 needs"),
        ([1, True], "INT64", "d[1]: true is not an integer, which INT64 needs"),
        ([1, "2"], "UINT8", 'd[1]: "2" is not an integer, which UINT8 needs'),
        ([1, 256], "UINT8", "d[1]: 256 is outside UINT8, which goes from 0 to 255"),
        ([True, 1], "BOOL", "d[1]: 1 is not true or false"),
        (["a", 1], "BYTES", "d[1]: 1 is not a string"),
        (["a", None], "BYTES", "d[1]: null is not a string"),
        ([1], "FP32", "d: holds 1 values, the shape [2] takes 2"),
        ([1, 2, 3], "FP32", "d: holds 3 values, the shape [2] takes 2"),
        ([], "FP32", "d: holds 0 values, the shape [2] takes 2"),
        ("12", "FP32", "d: must be a list"),
        ({}, "FP32", "d: must be a list"),
        (5, "FP32", "d: must be a list"),
    ],
)
def test_a_flat_list_that_is_wrong_is_refused_by_place(data: object, datatype: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        array_from_json(data, (2,), Datatype(datatype), "d")
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("may_contain_booleans", [False, True])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([[1, 2]], "d: holds 1 items, the shape [2, 2] takes a list of 2 here"),
        ([[1, 2], [3]], "d[1]: holds 1 items, the shape [2, 2] takes a list of 2 here"),
        ([[1, 2], [3, 4, 5]], "d[1]: holds 3 items, the shape [2, 2] takes a list of 2 here"),
        ([[1, 2], 3], "d[1]: is no list, the shape [2, 2] takes a list of 2 here"),
        ([[1, 2], "34"], "d[1]: is no list, the shape [2, 2] takes a list of 2 here"),
        ([[1, 2], [3, [4]]], "d[1][1]: a list is not a number"),
        ([[1, 2], [3, None]], "d[1][1]: null is not a number"),
        ([[1, 2], [3, "4"]], 'd[1][1]: "4" is not a number'),
        ([[1, 2], {"3": 4, "5": 6}], "d[1]: is no list, the shape [2, 2] takes a list of 2 here"),
        ([[1, 2], [3, 1e39]], "d[1][1]: 1e+39 is beyond FP32"),
    ],
)
def test_a_nested_list_that_is_wrong_is_refused_by_place(data: object, text: str, may_contain_booleans: bool) -> None:
    with pytest.raises(InvalidRequest) as error:
        array_from_json(data, (2, 2), Datatype.FP32, "d", may_contain_booleans=may_contain_booleans)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize(
    ("data", "shape", "where"),
    [
        (["x" * 1_000_000, *[""] * 999], (1000,), "d[0]"),
        ([[0.0] * 1000, "x" * 4_000_000], (2, 1000), "d[1]"),
    ],
    ids=["flat", "nested"],
)
def test_a_long_string_among_numbers_takes_no_memory(data: list[object], shape: tuple[int, ...], where: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match=re.escape(where)):
            array_from_json(data, shape, Datatype.FP32, "d", may_contain_booleans=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 10_000_000  # numpy would take 4 GB: a column as wide as the longest string
