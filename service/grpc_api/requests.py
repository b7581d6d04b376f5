"""Reads a ModelInferRequest: the description of its tensors as JSON's is read, their values as gRPC has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.io import validate
from service.api.open_inference.codec import read_binary
from service.api.open_inference.requests import InputReader, ParsedInferRequest, read_outputs
from service.api.open_inference.schemas import InferRequest, RequestInput
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest, LimitExceeded, NotImplementedHere
from service.tasks import Predictor
from service.tasks.tensors import object_array

_FIELDS = {
    Datatype.BOOL: "bool_contents",
    **dict.fromkeys((Datatype.INT8, Datatype.INT16, Datatype.INT32), "int_contents"),
    Datatype.INT64: "int64_contents",
    **dict.fromkeys((Datatype.UINT8, Datatype.UINT16, Datatype.UINT32), "uint_contents"),
    Datatype.UINT64: "uint64_contents",
    Datatype.FP32: "fp32_contents",
    Datatype.FP64: "fp64_contents",
    Datatype.BYTES: "bytes_contents",
}
"""Where the values of a datatype are in InferTensorContents."""


def read_message(message: Any, predictor: Predictor[Any], *, max_rows: int) -> ParsedInferRequest:
    """Read a request for a model.

    Args:
        message: the ModelInferRequest.
        predictor: the predictor of the model.
        max_rows: maximum number of rows of a tensor of BYTES.

    Raises:
        InvalidRequest: naming the part that is wrong.
        NotImplementedHere: a tensor is to be in shared memory.
    """
    request = validate(InferRequest, _describe(message))
    contents = _MessageContents(message, predictor)
    return ParsedInferRequest(
        tensors=InputReader(predictor, contents, max_rows=max_rows).read(
            request.inputs, request.parameters.content_type
        ),
        outputs=read_outputs(request, predictor),
        id=message.id or None,
        timeout=request.parameters.timeout / 1e6 or None,
    )


def parameters_of(message: Any) -> dict[str, Any]:
    """The parameters of a request or a tensor, without those that have no value."""
    chosen = ((name, value, value.WhichOneof("parameter_choice")) for name, value in message.parameters.items())
    return {name: getattr(value, kind) for name, value, kind in chosen if kind is not None}


def _describe(message: Any) -> dict[str, Any]:
    """The request as its JSON form has it, without values; all outputs are binary."""
    for part in (*message.inputs, *message.outputs):
        if "shared_memory_region" in part.parameters:
            raise NotImplementedHere(
                "shared memory is not implemented (parameter shared_memory_region); send the values in the request",
                part.name[:128],
            )
    inputs = [
        {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
            "parameters": parameters_of(tensor),
        }
        for tensor in message.inputs
    ]
    outputs = [
        {"name": output.name, "parameters": parameters_of(output) | {"binary_data": True}} for output in message.outputs
    ]
    parameters = parameters_of(message) | {"binary_data_output": True}
    return {"parameters": parameters, "inputs": inputs, "outputs": outputs}


class _MessageContents:
    """Values in `raw_input_contents`, an entry for each input, or else in the `contents` of each.

    Args:
        message: the ModelInferRequest.
        predictor: the predictor of the model, whose limits count.
    """

    def __init__(self, message: Any, predictor: Predictor[Any]) -> None:
        self._inputs = message.inputs
        self._raw = message.raw_input_contents
        self._limits = predictor.limits
        self._next = 0

    def read(self, tensor: RequestInput, spec: TensorSpec, shape: list[int], field: str) -> NDArray[Any]:
        number, self._next = self._next, self._next + 1
        contents = self._inputs[number].contents
        set_fields = [descriptor.name for descriptor, _ in contents.ListFields()]
        if not self._raw:
            return self._read_typed(contents, set_fields, spec, shape, f"{field}.contents")
        if set_fields:
            raise InvalidRequest("is sent together with raw_input_contents; send one of them", f"{field}.contents")
        if number >= len(self._raw):
            raise InvalidRequest(
                f"holds {len(self._raw)} of {len(self._inputs)} inputs; send an entry for each", "raw_input_contents"
            )
        return read_binary(memoryview(self._raw[number]), spec, shape, f"raw_input_contents[{number}]")

    def check_end(self) -> None:
        if len(self._raw) > self._next:
            raise InvalidRequest(
                f"has {len(self._raw)} entries, but there are {self._next} inputs; send one for each",
                "raw_input_contents",
            )

    def _read_typed(
        self, contents: Any, set_fields: list[str], spec: TensorSpec, shape: list[int], field: str
    ) -> NDArray[Any]:
        name = _FIELDS.get(spec.datatype)
        if name is None:
            raise InvalidRequest(f"{spec.datatype.value} has no contents; send it in raw_input_contents", field)
        if wrong := [other for other in set_fields if other != name]:
            raise InvalidRequest(f"{spec.datatype.value} is sent in {name}, not in {wrong[0]}", field)
        values, expected = getattr(contents, name), math.prod(shape)
        if len(values) != expected:
            missing = "" if set_fields else "; send them there or in raw_input_contents"
            raise InvalidRequest(
                f"has {len(values)} values, the shape {shape} takes {expected}{missing}", f"{field}.{name}"
            )
        if spec.datatype is Datatype.BYTES:
            return object_array(values).reshape(shape)
        if expected > self._limits.max_numbers:
            raise LimitExceeded(
                f"has {expected} numbers, {self._limits.describe('max_numbers')}; send raw_input_contents",
                f"{field}.{name}",
            )
        return _numbers(values, spec.datatype, f"{field}.{name}").reshape(shape)


def _numbers(values: Any, datatype: Datatype, field: str) -> NDArray[Any]:
    """Numbers as the datatype has them: the field of a message may have wider ones."""
    dtype = datatype.numpy
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return np.fromiter(values, dtype, len(values))
    wide = np.fromiter(values, np.int64, len(values))
    array = wide.astype(dtype)
    outside = array != wide
    if outside.any():
        position = int(outside.argmax())
        raise InvalidRequest(f"{wide[position]} is out of the range of {datatype.value}", f"{field}[{position}]")
    return array
