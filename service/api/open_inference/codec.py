"""Reads and writes tensors of the Open Inference Protocol: as JSON, and as bytes of the binary extension.

Binary tensors are little-endian and row-major, without padding. An element of BYTES is its length as uint32 followed by
its bytes (Triton, protocol/extension_binary_data). In arrays, elements of BYTES are `bytes`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest, LimitExceeded, ModelFailure
from service.limits import variable
from service.tasks.json_tensors import array_from_json

_LENGTH = struct.Struct("<I")
_LONG_TEXT = 4_096


def check_shape(shape: Sequence[int], spec: TensorSpec, field: str) -> None:
    """Raise InvalidRequest unless `spec` accepts `shape`."""
    if len(shape) != len(spec.shape) or [
        size for size, expected in zip(shape, spec.shape, strict=True) if expected not in (-1, size)
    ]:
        raise InvalidRequest(f"is {list(shape)}, the model takes {list(spec.shape)} (-1 = any size)", field)


def check_batch(rows: int, most: int) -> None:
    """Raise InvalidRequest if a tensor has too many rows; before they are read, as there may be millions."""
    if rows > most:
        limit = f"the limit is {most} ({variable('max_batch_size')})"
        raise LimitExceeded(f"a batch of {rows}, {limit}; send several requests", "inputs")


def read_json(
    data: Any, spec: TensorSpec, shape: Sequence[int], field: str, *, may_contain_booleans: bool = True
) -> NDArray[Any]:
    """Convert the JSON `data` of an input to an array.

    Args:
        data: flat or nested lists.
        spec: the model's input.
        shape: a shape that `spec` accepts.
        field: name of the data in errors.
        may_contain_booleans: False if the JSON text is known to hold no `true` and no `false`.

    Raises:
        InvalidRequest: naming the first value or list that is wrong.
    """
    if spec.datatype is Datatype.FP16:
        raise InvalidRequest(
            "FP16 has no JSON form; send it with binary_data_size, or send FP32 to a model of FP32", field
        )
    return array_from_json(data, shape, spec.datatype, field, may_contain_booleans=may_contain_booleans)


def read_binary(block: memoryview, spec: TensorSpec, shape: Sequence[int], field: str) -> NDArray[Any]:
    """Convert the bytes of an input to an array, without a copy if they are aligned in memory.

    Raises:
        InvalidRequest: the number of bytes does not fit the shape, or they are no elements of the datatype.
    """
    if spec.datatype is Datatype.BYTES:
        return _read_strings(block, math.prod(shape), field).reshape(shape)
    dtype = spec.datatype.numpy
    expected = math.prod(shape) * dtype.itemsize
    if len(block) != expected:
        raise InvalidRequest(
            f"is {len(block)}, but {spec.datatype.value} of the shape {list(shape)} takes {expected} bytes", field
        )
    array = np.frombuffer(block, dtype)
    if spec.datatype is Datatype.BOOL and array.view(np.uint8).max(initial=0) > 1:
        raise InvalidRequest("the bytes of a BOOL must be 0 or 1", field)
    # The JSON before it can have any length, but compiled kernels need aligned numbers.
    return (array if array.flags.aligned else array.copy()).reshape(shape)


def write_json(array: NDArray[Any], spec: TensorSpec) -> Any:
    """The flat `data` of an output, for orjson, which writes NaN and infinity as null: see `check_finite`.

    Raises:
        InvalidRequest: the output has no JSON form.
    """
    if spec.datatype is Datatype.BYTES:
        try:
            return [_json_text(_bytes(value).decode()) for value in array.flat]
        except UnicodeDecodeError as error:
            raise InvalidRequest("holds bytes that are not UTF-8; ask for it with binary_data", spec.name) from error
    flat = array.ravel()
    return flat if flat.dtype == spec.datatype.numpy else flat.astype(spec.datatype.numpy)


def check_finite(array: NDArray[Any], name: str) -> None:
    """Raise ModelFailure if an output holds NaN or infinity, which no answer has."""
    if array.dtype.kind != "f" or not array.size:
        return
    values = array.ravel()
    # To numpy NaN is above and below all. Of few values this takes two thirds of the time of `isfinite` and `all`.
    if not (math.isfinite(values[values.argmax()]) and math.isfinite(values[values.argmin()])):
        raise ModelFailure(f"the model's output {name!r} holds NaN or infinity")


def write_binary(array: NDArray[Any], datatype: Datatype) -> bytes:
    """Convert an output to bytes."""
    if datatype is not Datatype.BYTES:
        return np.ascontiguousarray(array, datatype.numpy).tobytes()
    elements = [_bytes(value) for value in array.flat]
    return b"".join(piece for element in elements for piece in (_LENGTH.pack(len(element)), element))


def _read_strings(block: memoryview, count: int, field: str) -> NDArray[Any]:
    elements: list[bytes] = []
    position = 0
    while position < len(block) and len(elements) <= count:
        if position + _LENGTH.size > len(block):
            raise InvalidRequest(f"element {len(elements)} has no room for its length, a uint32", field)
        (length,) = _LENGTH.unpack_from(block, position)
        position += _LENGTH.size
        if position + length > len(block):
            raise InvalidRequest(
                f"element {len(elements)} declares {length} bytes, but {len(block) - position} are left", field
            )
        elements.append(bytes(block[position : position + length]))
        position += length
    if len(elements) != count:
        number = f"more than {count}" if position < len(block) else str(len(elements))
        raise InvalidRequest(f"the bytes hold {number} elements, the shape takes {count}", field)
    array = np.empty(count, object)
    array[:] = elements
    return array


def _json_text(text: str) -> str | orjson.Fragment:
    """A text for orjson; a long one is written at once, so that a thread that writes many lets others go on between."""
    return text if len(text) <= _LONG_TEXT else orjson.Fragment(orjson.dumps(text))


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
