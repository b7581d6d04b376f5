"""Reads an inference request: JSON, JSON followed by binary tensors, or a single binary tensor.

What does not depend on where the values of a tensor are, `InputReader` and `read_outputs`, also serves gRPC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from service.api.io import parse_json, validate
from service.api.open_inference.body_contents import BodyContents
from service.api.open_inference.codec import check_batch, check_shape, read_binary
from service.api.open_inference.content_types import BASE64, check_content_type, decode_base64, is_bare
from service.api.open_inference.schemas import InferRequest, RequestInput
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest, MalformedBody
from service.runtime.session import Tensors
from service.tasks import Predictor
from service.tasks.json_tensors import may_contain_booleans
from service.tasks.tensors import TensorAdapter, adapter_of

JSON_LENGTH_HEADER = "inference-header-content-length"
_JSON_LENGTH_FIELD = "Inference-Header-Content-Length"
_MAX_LENGTH_DIGITS = 18
_MAX_CACHED = 64
_MAX_CACHED_BYTES = 1024
"""Descriptions up to this length are kept, so many of them."""


class RequestedOutput(NamedTuple):
    """An output to return, and its form."""

    spec: TensorSpec
    binary: bool = False
    classes: int = 0
    """Number of highest values to return instead of the tensor; 0 returns the tensor."""


class ParsedInferRequest(NamedTuple):
    """A parsed and checked request of the Open Inference Protocol."""

    tensors: Tensors
    outputs: tuple[RequestedOutput, ...]
    id: str | None = None
    timeout: float | None = None
    """Seconds."""


def read_inference(
    body: bytes, header_length: str | None, predictor: Predictor[Any], *, max_rows: int | None = None
) -> ParsedInferRequest:
    """Read a request for a model.

    Args:
        body: the decompressed body.
        header_length: the header `Inference-Header-Content-Length`; None if the request has none.
        predictor: the predictor of the model.
        max_rows: maximum number of rows of a tensor of BYTES, whose elements are read one by one; None: any.

    Raises:
        InvalidRequest: naming the part that is wrong.
    """
    text, binary = body, None
    if header_length is not None:
        length = _parse_header_length(header_length, len(body))
        if length == 0:
            return _read_raw_tensor(body, predictor)
        text, binary = body[:length], memoryview(body)[length:]
    parse = _parse_description if binary is not None and len(text) <= _MAX_CACHED_BYTES else _parse
    request = parse(text)
    contents = BodyContents(
        binary, is_only_input=len(request.inputs) == 1, may_contain_booleans=may_contain_booleans(text)
    )
    reader = InputReader(predictor, contents, max_rows=max_rows)
    return ParsedInferRequest(
        tensors=reader.read(request.inputs, request.parameters.content_type),
        outputs=read_outputs(request, predictor),
        id=request.id,
        timeout=request.parameters.timeout / 1e6 or None,
    )


def _parse(text: bytes) -> InferRequest:
    return validate(InferRequest, parse_json(text))


_parse_description = lru_cache(_MAX_CACHED)(_parse)
"""`_parse` of a text that only describes its binary tensors: a client sends the same one with every request."""


class Contents(Protocol):
    """Where the values of the inputs of one request are, and how they are written."""

    def read(self, tensor: RequestInput, spec: TensorSpec, shape: list[int], field: str) -> NDArray[Any]:
        """The values of the next input.

        Args:
            tensor: the input as the request describes it.
            spec: the model's input.
            shape: a shape that `spec` accepts.
            field: name of the input in errors.

        Raises:
            InvalidRequest: the values are missing, or do not fit the shape or the datatype.
        """

    def check_end(self) -> None:
        """Raise InvalidRequest if the request holds more values than its inputs take."""


class InputReader:
    """Reads and checks the inputs of one request, in order.

    Args:
        predictor: the predictor of the model.
        contents: the values of the inputs.
        max_rows: maximum number of rows of a tensor of BYTES, whose elements are read one by one; None: any.
    """

    def __init__(self, predictor: Predictor[Any], contents: Contents, *, max_rows: int | None = None) -> None:
        self._model = predictor.manifest.name
        self._max_rows = max_rows
        self._adapter = predictor.tensors
        self._contents = contents

    def read(self, inputs: list[RequestInput], content_type: str | None = None) -> Tensors:
        """The tensors by name.

        Args:
            inputs: the inputs as the request describes them.
            content_type: of the inputs that name none.

        Raises:
            InvalidRequest: naming the input that is wrong, or missing.
        """
        adapter = adapter_of(self._adapter, [tensor.name for tensor in inputs])
        specs = adapter.inputs_by_name
        tensors: Tensors = {}
        for index, tensor in enumerate(inputs):
            field = f"inputs[{index}]"
            spec = specs.get(tensor.name)
            if spec is None:
                raise InvalidRequest(
                    f"{tensor.name!r} is not an input of model {self._model!r}; it has: {_names(adapter)}",
                    f"{field}.name",
                )
            if tensor.name in tensors:
                raise InvalidRequest(f"{tensor.name!r} is sent twice; send it once", f"{field}.name")
            tensors[tensor.name] = self._read_one(
                tensor,
                spec,
                field,
                tensor.parameters.content_type or content_type,
                elements_are_text=adapter.elements_are_text,
            )
        self._check(tensors, specs)
        return tensors

    def _read_one(
        self, tensor: RequestInput, spec: TensorSpec, field: str, content_type: str | None, *, elements_are_text: bool
    ) -> NDArray[Any]:
        if tensor.datatype != spec.datatype:
            raise InvalidRequest(f"is {tensor.datatype}, the model takes {spec.datatype.value}", f"{field}.datatype")
        check_content_type(content_type, spec.datatype, field, is_input=True)
        shape = _shape_of(tensor, spec)
        check_shape(shape, spec, f"{field}.shape")
        if spec.datatype is Datatype.BYTES and self._max_rows is not None:
            check_batch(shape[0], self._max_rows)
        array = self._contents.read(tensor, spec, shape, field)
        is_json = tensor.data is not None
        is_base64 = content_type == BASE64 or (is_json and not elements_are_text)
        return decode_base64(array, tensor.name) if is_base64 else array

    def _check(self, tensors: Tensors, names: Iterable[str]) -> None:
        for name in names:
            if name not in tensors:
                raise InvalidRequest(f"the input {name!r} of model {self._model!r} is missing", "inputs")
        self._contents.check_end()
        if len(tensors) > 1 and len(set(map(len, tensors.values()))) > 1:
            sizes = ", ".join(f"{name} has {len(array)}" for name, array in tensors.items())
            raise InvalidRequest(f"the first axis is the batch and must be the same for all: {sizes}", "inputs")


def _names(adapter: TensorAdapter[Any]) -> str:
    """The inputs that an error offers."""
    own = ", ".join(spec.name for spec in adapter.inputs)
    other = adapter.alternative
    return f"{own}, or instead {', '.join(spec.name for spec in other.inputs)}" if other else own


def _shape_of(tensor: RequestInput, spec: TensorSpec) -> list[int]:
    """The shape of an input as the model has it: texts may be a column or a plain list, and one may be bare."""
    shape = tensor.shape
    if spec.datatype is not Datatype.BYTES:
        return shape
    if is_bare(tensor) and shape == [len(tensor.data.encode())]:  # MLServer's older form has the number of bytes.
        shape = [1]
    if spec.shape == (-1, 1) and len(shape) == 1:
        return [*shape, 1]
    return shape[:1] if spec.shape == (-1,) and len(shape) == 2 and shape[1] == 1 else shape


def read_outputs(request: InferRequest, predictor: Predictor[Any]) -> tuple[RequestedOutput, ...]:
    """The requested outputs; all if the request names none.

    Raises:
        InvalidRequest: naming the output that the model does not have, or not in this form.
    """
    all_binary = request.parameters.binary_data_output
    if not request.outputs:
        return tuple(
            _require_representable(RequestedOutput(spec, all_binary), "outputs") for spec in predictor.tensors.outputs
        )
    specs = predictor.tensors.outputs_by_name
    requested: dict[str, RequestedOutput] = {}
    for index, output in enumerate(request.outputs):
        field = f"outputs[{index}]"
        if output.name not in specs:
            raise InvalidRequest(
                f"{output.name!r} is not an output of model {predictor.manifest.name!r}; it has: {', '.join(specs)}",
                f"{field}.name",
            )
        if output.name in requested:
            raise InvalidRequest(f"{output.name!r} is requested twice; request it once", f"{field}.name")
        parameters = output.parameters
        check_content_type(parameters.content_type, specs[output.name].datatype, field, is_input=False)
        binary = all_binary if parameters.binary_data is None else parameters.binary_data
        requested[output.name] = _require_representable(
            RequestedOutput(specs[output.name], binary, parameters.classification), field
        )
    return tuple(requested.values())


def _require_representable(output: RequestedOutput, field: str) -> RequestedOutput:
    """Return the output if its datatype can be returned in the requested form.

    Raises:
        InvalidRequest: its datatype has no values of the requested form.
    """
    datatype = output.spec.datatype
    if output.classes and datatype.numpy.kind not in "fiu":
        raise InvalidRequest(f"{datatype.value} has no highest values", f"{field}.parameters.classification")
    if datatype is Datatype.FP16 and not output.binary and not output.classes:
        raise InvalidRequest(f"{output.spec.name!r} is FP16, which has no JSON form; set binary_data", field)
    return output


def _parse_header_length(header: str, available: int) -> int:
    if not (header.isascii() and header.isdigit()):
        raise InvalidRequest(f"is {header[:32]!r}, it must be the number of bytes of the JSON", _JSON_LENGTH_FIELD)
    # Python refuses to read very many digits.
    length = int(header) if len(header) <= _MAX_LENGTH_DIGITS else None
    if length is None or length > available:
        raise InvalidRequest(f"is {header[:32]}, but the body has {available} bytes", _JSON_LENGTH_FIELD)
    return length


def _read_raw_tensor(body: bytes, predictor: Predictor[Any]) -> ParsedInferRequest:
    """Read the body as the bytes of the only input, whose shape follows from their number; all outputs are binary."""
    if len(predictor.tensors.inputs) != 1 or predictor.tensors.inputs[0].shape.count(-1) != 1:
        raise InvalidRequest(
            "is 0, which needs a model of one input with one free axis; send the JSON first", _JSON_LENGTH_FIELD
        )
    (spec,) = predictor.tensors.inputs
    if spec.datatype is Datatype.BYTES:
        if not body:
            raise MalformedBody("the body is empty; send the text, or JSON and its length in the header")
        body = len(body).to_bytes(4, "little") + body
        free_size = 1
    else:
        row_bytes = abs(math.prod(spec.shape)) * spec.datatype.numpy.itemsize
        free_size, remainder = divmod(len(body), row_bytes)
        if remainder or not free_size:
            raise InvalidRequest(
                f"is 0, but the body's {len(body)} bytes are not a multiple of {row_bytes}", _JSON_LENGTH_FIELD
            )
    shape = [free_size if size == -1 else size for size in spec.shape]
    tensor = read_binary(memoryview(body), spec, shape, "body")
    return ParsedInferRequest(
        {spec.name: tensor}, tuple(RequestedOutput(output, binary=True) for output in predictor.tensors.outputs)
    )
