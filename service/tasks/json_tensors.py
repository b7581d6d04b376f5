"""Tensors out of parsed JSON, fast and exact.

`struct.pack` turns a list of Python numbers into bytes in a quarter of the time that numpy needs to find out their
type. It refuses strings, nulls, ragged lists and what is out of range, where numpy would convert or truncate, and it
allocates no more than the values take: numpy pads every element of a string array to the longest string.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.manifest import Datatype
from service.errors import InvalidRequest

_FORMATS = {
    Datatype.UINT8: "B",
    Datatype.UINT16: "H",
    Datatype.UINT32: "I",
    Datatype.UINT64: "Q",
    Datatype.INT8: "b",
    Datatype.INT16: "h",
    Datatype.INT32: "i",
    Datatype.INT64: "q",
    Datatype.FP32: "f",
    Datatype.FP64: "d",
}
_SHORT = 8
"""Lists shorter than this are joined in one iterator."""
_LARGEST = {Datatype.FP32: float(np.finfo(np.float32).max), Datatype.FP64: float(np.finfo(np.float64).max)}


def array_from_json(
    data: Any, shape: Sequence[int], datatype: Datatype, field: str, *, may_contain_booleans: bool = True
) -> NDArray[Any]:
    """Turn a list from JSON into an array.

    Args:
        data: the scalars, flat in row-major order, or nested as `shape` says.
        shape: the shape of the array.
        datatype: any but FP16. The elements of BYTES become `bytes`.
        field: how errors name `data`.
        may_contain_booleans: False if the JSON text is known to hold neither `true` nor `false`, which saves searching
            for them.

    Returns:
        A read-only array of `datatype` and `shape`.

    Raises:
        InvalidRequest: naming the first list of a wrong length, or the first value of a wrong type or out of range.
    """
    if not isinstance(data, list):
        raise InvalidRequest("must be a list of the tensor's values, flat or nested as the shape says", field)
    nested = len(shape) > 1 and bool(data) and isinstance(data[0], list)
    if nested and not may_contain_booleans and (rows := _pack_rows(data, shape, datatype)) is not None:
        return rows
    values = _flatten(data, shape, field) if nested else data
    count = math.prod(shape)
    if len(values) != count:
        raise InvalidRequest(f"holds {len(values)} values, the shape {list(shape)} takes {count}", field)
    try:
        array = _CONVERTERS.get(datatype, _numbers)(values, datatype, may_contain_booleans)
    except (TypeError, OverflowError, struct.error) as error:
        raise _first_wrong(values, shape if nested else (count,), datatype, field) from error
    return array.reshape(shape)


def may_contain_booleans(text: bytes) -> bool:
    """Whether a JSON text holds `true` or `false`, in a name perhaps.

    A search for one byte is many times faster than one for a word, and most texts of numbers have neither letter.
    """
    return (b"r" in text and b"true" in text) or (b"f" in text and b"false" in text)


def bytes_from_base64(text: str, field: str, remedy: str) -> bytes:
    """Decode base64, or a `data:` URL of it.

    Args:
        text: the base64.
        field: how errors name it.
        remedy: what errors say is to be done.

    Raises:
        InvalidRequest: it is no base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        joined = "".join(text.split())  # Many programs break it into lines (RFC 2045).
        if len(joined) < len(text):
            return bytes_from_base64(joined, field, remedy)
        raise InvalidRequest(f"is not base64; {remedy}", field) from error


def _pack_rows(data: list[Any], shape: Sequence[int], datatype: Datatype) -> NDArray[Any] | None:
    """Numbers nested as `shape` says, row by row: half of the time that one flat list takes.

    Returns:
        None where something is wrong with them, or where they are no numbers.
    """
    letter, size = _FORMATS.get(datatype), shape[-1]
    if letter is None or size == 0 or len(data) != shape[0]:
        return None
    rows: list[Any] = data
    for inner in shape[1:-1]:
        if set(map(type, rows)) != {list} or set(map(len, rows)) != {inner}:
            return None
        rows = list(chain.from_iterable(rows))
    if set(map(type, rows)) != {list}:  # A long string would become as many strings.
        return None
    pack = _row_format(size, letter).pack
    try:
        packed = b"".join([pack(*row) for row in rows])  # It refuses rows of another length.
    except (OverflowError, struct.error):
        return None
    return np.frombuffer(packed, datatype.numpy).reshape(shape)


@lru_cache
def _row_format(size: int, letter: str) -> struct.Struct:
    return struct.Struct(f"<{size}{letter}")


def _numbers(values: list[Any], datatype: Datatype, may_contain_booleans: bool) -> NDArray[Any]:
    # To Python, and so to struct, True is the integer 1.
    if may_contain_booleans and bool in set(map(type, values)):
        raise TypeError
    return np.frombuffer(struct.pack(f"<{len(values)}{_FORMATS[datatype]}", *values), datatype.numpy)


def _booleans(values: list[Any], datatype: Datatype, may_contain_booleans: bool) -> NDArray[Any]:
    if not may_contain_booleans or set(map(type, values)) - {bool}:
        raise TypeError
    return np.frombuffer(bytes(values), datatype.numpy)


def _texts(values: list[Any], datatype: Datatype, may_contain_booleans: bool) -> NDArray[Any]:
    if set(map(type, values)) - {str}:
        raise TypeError
    array = np.empty(len(values), datatype.numpy)
    array[:] = [value.encode() for value in values]
    return array


_CONVERTERS: dict[Datatype, Callable[[list[Any], Datatype, bool], NDArray[Any]]] = {
    Datatype.BOOL: _booleans,
    Datatype.BYTES: _texts,
}


def _flatten(data: list[Any], shape: Sequence[int], field: str) -> list[Any]:
    """The items of lists nested as `shape` says."""
    items = [data]
    for axis, size in enumerate(shape):
        if set(map(type, items)) - {list} or set(map(len, items)) - {size}:
            index = next(i for i, item in enumerate(items) if not isinstance(item, list) or len(item) != size)
            problem = f"holds {len(items[index])} items" if isinstance(items[index], list) else "is no list"
            where = field + _indices(index, shape[:axis])
            raise InvalidRequest(f"{problem}, the shape {list(shape)} takes a list of {size} here", where)
        items = _joined(items, size)
    return items


def _joined(lists: list[Any], size: int) -> list[Any]:
    """The items of lists of a size. Few long lists are joined fastest one by one, many short ones in one iterator."""
    if size < _SHORT:
        return list(chain.from_iterable(lists))
    items: list[Any] = []
    for each in lists:
        items += each
    return items


def _first_wrong(values: list[Any], shape: Sequence[int], datatype: Datatype, field: str) -> InvalidRequest:
    """The complaint about the first value that cannot be of the datatype."""
    for index, value in enumerate(values):
        if wrong := _complaint(value, datatype):
            return InvalidRequest(wrong, field + _indices(index, shape))
    raise AssertionError(f"{datatype} refused values that look right")


def _complaint(value: Any, datatype: Datatype) -> str | None:
    if datatype is Datatype.BOOL:
        return None if isinstance(value, bool) else f"{_shown(value)} is not true or false"
    if datatype is Datatype.BYTES:
        return None if isinstance(value, str) else f"{_shown(value)} is not a string"
    if datatype in _LARGEST:
        if type(value) not in (int, float):
            return f"{_shown(value)} is not a number"
        largest = _LARGEST[datatype]
        if abs(value) <= largest:
            return None
        return f"{_shown(value)} is beyond {datatype.value}, whose largest number is {largest:.8g}"
    if type(value) is not int:
        return f"{_shown(value)} is not an integer, which {datatype.value} needs"
    bits = 8 * datatype.numpy.itemsize
    lowest, highest = (0, 2**bits - 1) if datatype.numpy.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    fits = lowest <= value <= highest
    return None if fits else f"{_shown(value)} is outside {datatype.value}, which goes from {lowest} to {highest}"


def _shown(value: Any) -> str:
    return "a list" if isinstance(value, list) else json.dumps(value, ensure_ascii=False)[:32]


def _indices(index: int, shape: Sequence[int]) -> str:
    return "".join(f"[{position}]" for position in np.unravel_index(index, tuple(shape))) if shape else ""
