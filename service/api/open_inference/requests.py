"""Reading an inference request: JSON, JSON followed by binary tensors, or one binary tensor alone."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from service.api.io import parse_json, validate
from service.api.open_inference.codec import check_shape, read_binary, read_json
from service.api.open_inference.schemas import InferRequest, RequestInput
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.runtime.session import Tensors
from service.tasks import Predictor

HEADER_LENGTH = "inference-header-content-length"


class Wanted(NamedTuple):
    """An output to return."""

    spec: TensorSpec
    binary: bool = False
    classes: int = 0
    """How many of the highest values to return instead of the tensor; 0 returns the tensor."""


class Inference(NamedTuple):
    """A request, read and checked."""

    tensors: Tensors
    outputs: tuple[Wanted, ...]
    id: str | None = None
    timeout: float | None = None
    """Seconds."""


def read_inference(body: bytes, header_length: str | None, predictor: Predictor[Any]) -> Inference:
    """Read a request for `predictor`.

    Args:
        body: inflated.
        header_length: the header `Inference-Header-Content-Length`, where there is one.
        predictor: the model's.

    Raises:
        InvalidRequest: naming the part that is wrong.
    """
    text, blocks = body, None
    if header_length is not None:
        length = _length(header_length, len(body))
        if length == 0:
            return _read_raw(body, predictor)
        text, blocks = body[:length], memoryview(body)[length:]
    request = validate(InferRequest, parse_json(text))
    reader = _InputReader(predictor, blocks, booleans=b"true" in text or b"false" in text)
    return Inference(
        tensors=reader.read(request.inputs),
        outputs=_read_outputs(request, predictor),
        id=request.id,
        timeout=request.parameters.timeout / 1e6 or None,
    )


class _InputReader:
    """Reads the inputs of one request, in order.

    Args:
        predictor: the model's.
        blocks: the bytes after the JSON, which the binary inputs share; None where no header says where they begin.
        booleans: whether the JSON text may hold `true` or `false`.
    """

    def __init__(self, predictor: Predictor[Any], blocks: memoryview | None, booleans: bool) -> None:
        self._model = predictor.manifest.name
        self._specs = {spec.name: spec for spec in predictor.tensors.inputs}
        self._blocks = blocks
        self._position = 0
        self._booleans = booleans

    def read(self, inputs: list[RequestInput]) -> Tensors:
        tensors: Tensors = {}
        for index, tensor in enumerate(inputs):
            field = f"inputs[{index}]"
            spec = self._specs.get(tensor.name)
            if spec is None:
                raise InvalidRequest(
                    f"{tensor.name!r} is no input of model {self._model!r}; it takes: {', '.join(self._specs)}",
                    f"{field}.name",
                )
            if tensor.name in tensors:
                raise InvalidRequest(f"{tensor.name!r} is there twice; send it once", f"{field}.name")
            tensors[tensor.name] = self._read_one(tensor, spec, field)
        self._check_all(tensors)
        return tensors

    def _read_one(self, tensor: RequestInput, spec: TensorSpec, field: str) -> Any:
        if tensor.datatype != spec.datatype:
            raise InvalidRequest(f"is {tensor.datatype}, the model takes {spec.datatype.value}", f"{field}.datatype")
        shape = tensor.shape
        if spec.shape == (-1, 1) and len(shape) == 1:  # A plain list for a column: most clients send words so.
            shape = [*shape, 1]
        check_shape(shape, spec, f"{field}.shape")
        size = tensor.parameters.binary_data_size
        if size is None:
            if tensor.data is None:
                raise InvalidRequest("is missing; send the values, or binary_data_size and bytes", f"{field}.data")
            return read_json(tensor.data, spec, shape, f"{field}.data", booleans=self._booleans)
        if tensor.data is not None:
            raise InvalidRequest("stands beside binary_data_size; send one of them", f"{field}.data")
        field = f"{field}.parameters.binary_data_size"
        if self._blocks is None:
            raise InvalidRequest(
                "needs the header Inference-Header-Content-Length, the number of bytes of the JSON", field
            )
        block = self._blocks[self._position : self._position + size]
        if len(block) != size:
            raise InvalidRequest(f"is {size}, but {len(block)} bytes are left after the JSON", field)
        self._position += size
        return read_binary(block, spec, shape, field)

    def _check_all(self, tensors: Tensors) -> None:
        for name in self._specs:
            if name not in tensors:
                raise InvalidRequest(f"the input {name!r} of model {self._model!r} is missing", "inputs")
        if self._blocks is not None and self._position != len(self._blocks):
            left = len(self._blocks) - self._position
            raise InvalidRequest(
                f"{left} bytes are left after the last tensor; the binary_data_size of the inputs must add up to "
                f"{len(self._blocks)}, the bytes after the JSON"
            )
        if len(set(map(len, tensors.values()))) > 1:
            shown = ", ".join(f"{name} has {len(array)}" for name, array in tensors.items())
            raise InvalidRequest(f"the first axis is the batch and must be the same for all: {shown}", "inputs")


def _read_outputs(request: InferRequest, predictor: Predictor[Any]) -> tuple[Wanted, ...]:
    """The outputs that are asked for, or all."""
    binary = request.parameters.binary_data_output
    if not request.outputs:
        return tuple(_checked(Wanted(spec, binary), "outputs") for spec in predictor.tensors.outputs)
    specs = {spec.name: spec for spec in predictor.tensors.outputs}
    wanted: dict[str, Wanted] = {}
    for index, output in enumerate(request.outputs):
        field = f"outputs[{index}]"
        if output.name not in specs:
            raise InvalidRequest(
                f"{output.name!r} is no output of model {predictor.manifest.name!r}; it gives: {', '.join(specs)}",
                f"{field}.name",
            )
        if output.name in wanted:
            raise InvalidRequest(f"{output.name!r} is there twice; ask for it once", f"{field}.name")
        own = output.parameters
        asked = Wanted(specs[output.name], binary if own.binary_data is None else own.binary_data, own.classification)
        wanted[output.name] = _checked(asked, field)
    return tuple(wanted.values())


def _checked(wanted: Wanted, field: str) -> Wanted:
    datatype = wanted.spec.datatype
    if wanted.classes and datatype.numpy.kind not in "fiu":
        raise InvalidRequest(f"{datatype.value} has no highest values", f"{field}.parameters.classification")
    if datatype is Datatype.FP16 and not wanted.binary and not wanted.classes:
        raise InvalidRequest(f"{wanted.spec.name!r} is FP16, which has no JSON form; set binary_data", field)
    return wanted


def _length(header: str, available: int) -> int:
    name = "Inference-Header-Content-Length"
    if not (header.isascii() and header.isdigit()):
        raise InvalidRequest(f"is {header[:32]!r}, it must be the number of bytes of the JSON", name)
    if int(header) > available:
        raise InvalidRequest(f"is {header[:32]}, but the body has {available} bytes", name)
    return int(header)


def _read_raw(body: bytes, predictor: Predictor[Any]) -> Inference:
    """The body as the only input's bytes, the shape being found from their number; all outputs come as binary."""
    name = "Inference-Header-Content-Length"
    if len(predictor.tensors.inputs) != 1 or predictor.tensors.inputs[0].shape.count(-1) != 1:
        raise InvalidRequest("is 0, which needs a model of one input with one free axis; send the JSON first", name)
    (spec,) = predictor.tensors.inputs
    if spec.datatype is Datatype.BYTES:
        body = len(body).to_bytes(4, "little") + body
        free = 1
    else:
        row = abs(math.prod(spec.shape)) * spec.datatype.numpy.itemsize
        free, rest = divmod(len(body), row)
        if rest or not free:
            raise InvalidRequest(f"is 0, but the body's {len(body)} bytes are not a multiple of {row}", name)
    shape = [free if size == -1 else size for size in spec.shape]
    tensor = read_binary(memoryview(body), spec, shape, "body")
    return Inference({spec.name: tensor}, tuple(Wanted(output, binary=True) for output in predictor.tensors.outputs))
