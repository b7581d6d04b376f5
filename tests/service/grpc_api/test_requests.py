"""Messages of gRPC: where values may be, what is refused, and what protobuf's encoding may hold."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest, LimitExceeded, MalformedBody
from service.limits import Limits
from service.tasks.tensors import RowTensors

pytest.importorskip("grpc", reason="needs the extra grpc")
from service.grpc_api import protocol
from service.grpc_api.message_limits import MAX_ELEMENTS, MAX_FIELDS, check_fields
from service.grpc_api.protocol import METHODS, POOL, ModelInferRequest
from service.grpc_api.requests import read_message


class _Predictor:
    """The parts of a predictor that reading a request needs, for one input of one datatype."""

    limits = Limits(max_numbers=784)

    def __init__(self, datatype: Datatype) -> None:
        specs = (TensorSpec(name="x", datatype=datatype, shape=(-1, 2)),)
        self.tensors: Any = RowTensors(specs, specs)
        self.manifest: Any = SimpleNamespace(name="m")


def read(datatype: Datatype, shape: tuple[int, ...] = (1, 2), raw: bytes | None = None, **contents: list[Any]) -> Any:
    request = ModelInferRequest(model_name="m")
    tensor = request.inputs.add(name="x", datatype=datatype.value, shape=shape)
    for name, values in contents.items():
        getattr(tensor.contents, name).extend(values)
    if raw is not None:
        request.raw_input_contents.append(raw)
    predictor: Any = _Predictor(datatype)
    return read_message(request, predictor, max_rows=8).tensors["x"]


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        (Datatype.BOOL, "bool_contents", [True, False]),
        (Datatype.INT8, "int_contents", [-128, 127]),
        (Datatype.INT16, "int_contents", [-(2**15), 2**15 - 1]),
        (Datatype.INT32, "int_contents", [-(2**31), 2**31 - 1]),
        (Datatype.INT64, "int64_contents", [-(2**63), 2**63 - 1]),
        (Datatype.UINT8, "uint_contents", [0, 255]),
        (Datatype.UINT16, "uint_contents", [0, 65535]),
        (Datatype.UINT32, "uint_contents", [0, 2**32 - 1]),
        (Datatype.UINT64, "uint64_contents", [0, 2**64 - 1]),
        (Datatype.FP32, "fp32_contents", [0.5, -2.0]),
        (Datatype.FP64, "fp64_contents", [0.1, 1e300]),
        (Datatype.BYTES, "bytes_contents", [b"a", b"\xff"]),
    ],
)
def test_typed_contents(datatype: Datatype, field: str, values: list[Any]) -> None:
    array = read(datatype, **{field: values})
    assert (array.shape, array.dtype, array.ravel().tolist()) == ((1, 2), datatype.numpy, values)


def test_raw_contents() -> None:
    assert read(Datatype.FP16, raw=np.array([0.5, 2], "<f2").tobytes()).tolist() == [[0.5, 2]]
    assert read(Datatype.BYTES, raw=b"\1\0\0\0a\0\0\0\0").tolist() == [[b"a", b""]]


@pytest.mark.parametrize(
    ("datatype", "arguments", "text"),
    [
        (Datatype.FP16, {"fp32_contents": [0.5, 2.0]}, "FP16 has no contents; send it in raw_input_contents"),
        (Datatype.INT8, {"int_contents": [0, 128]}, r"int_contents\[1\]: 128 is out of the range of INT8"),
        (Datatype.UINT16, {"uint_contents": [65536, 0]}, r"uint_contents\[0\]: 65536 is out of the range of UINT16"),
        (Datatype.FP32, {"fp64_contents": [0.5, 2.0]}, "FP32 is sent in fp32_contents, not in fp64_contents"),
        (Datatype.FP32, {"fp32_contents": [0.5]}, r"has 1 values, the shape \[1, 2\] takes 2"),
        (Datatype.FP32, {}, "has 0 values, .*send them there or in raw_input_contents"),
        (Datatype.FP32, {"raw": b"\0" * 7}, r"raw_input_contents\[0\]: is 7, but FP32 of the shape \[1, 2\] takes 8"),
        (Datatype.FP32, {"raw": b"\0" * 8, "fp32_contents": [0.5, 2.0]}, "sent together with raw_input_contents"),
        (Datatype.BYTES, {"shape": (9, 2), "bytes_contents": [b""] * 18}, "a batch of 9, the limit is 8"),
        (Datatype.FP32, {"shape": (400, 2), "fp32_contents": [0.0] * 800}, "800 numbers, .*LECTERN_MAX_NUMBERS"),
    ],
)
def test_what_is_wrong_is_named(datatype: Datatype, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        read(datatype, **arguments)


def test_as_many_raw_contents_as_inputs() -> None:
    request = ModelInferRequest(raw_input_contents=[b"\0" * 8] * 2)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    predictor: Any = _Predictor(Datatype.FP32)
    with pytest.raises(InvalidRequest, match="raw_input_contents: has 2 entries, but there are 1 inputs"):
        read_message(request, predictor, max_rows=8)


def test_fields_are_counted_before_a_message_is_parsed() -> None:
    inputs = 5
    request = ModelInferRequest(raw_input_contents=[b"x" * 100_000] * 3)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([0.5] * 10_000)
    check_fields(request.SerializeToString(), {inputs})
    for body in (b"\x2a\x00" * (MAX_FIELDS + 1), b"\x2a\x84\x10" + b"\x1a\x00" * (MAX_FIELDS + 2)):
        with pytest.raises(LimitExceeded, match="more than 1024 fields"):
            check_fields(body, {inputs})
    request.inputs[0].contents.bytes_contents.extend([b""] * 10_000)
    check_fields(request.SerializeToString(), {inputs})
    request.inputs[0].contents.bytes_contents.extend([b""] * MAX_ELEMENTS)
    with pytest.raises(LimitExceeded, match="more than 65536 fields"):
        check_fields(request.SerializeToString(), {inputs})
    for body in (b"\x2a", b"\x2a\x05x", b"\xff" * 11, b"\x2b\x2c", b"\x0d\0"):
        with pytest.raises(MalformedBody):
            check_fields(body, {inputs})


def test_the_messages_are_those_of_triton() -> None:
    """Names, numbers and kinds of all fields that Lectern has, against the messages of tritonclient."""
    service_pb2 = pytest.importorskip("tritonclient.grpc").service_pb2
    theirs = service_pb2.DESCRIPTOR.pool

    def compare(name: str, seen: set[str]) -> None:
        if name in seen:
            return
        seen.add(name)
        other = theirs.FindMessageTypeByName(name)
        for field in POOL.FindMessageTypeByName(name).fields:
            like = other.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated) == (like.number, like.type, like.is_repeated), field
            if field.message_type is not None:
                compare(field.message_type.full_name, seen)
            if field.enum_type is not None:
                values = {value.name: value.number for value in field.enum_type.values}
                assert values.items() <= {value.name: value.number for value in like.enum_type.values}.items()

    methods = theirs.FindServiceByName("inference.GRPCInferenceService").methods_by_name
    seen: set[str] = set()
    for method in METHODS:
        like = methods[method.name]
        assert (method.client_streaming, method.server_streaming) == (like.client_streaming, like.server_streaming)
        for message, other in ((method.input_type, like.input_type), (method.output_type, like.output_type)):
            assert message.full_name == other.full_name
            compare(message.full_name, seen)
    assert len(seen) > 40


def test_the_descriptors_are_those_of_the_definitions() -> None:
    """Every message, field and number of the .proto files; `make protos` compiles them."""
    folder = Path(str(protocol.__file__)).parent
    for name in ("grpc_service.proto", "model_config.proto"):
        text = (folder / name).read_text()
        for line in text.splitlines():
            words = line.split("//")[0].split()
            if words[:1] == ["message"] and not line.startswith(" "):
                message = POOL.FindMessageTypeByName(f"inference.{words[1]}")
            elif words[:1] == ["rpc"]:
                assert words[1].partition("(")[0] in {method.name for method in METHODS}
            elif line.startswith("  ") and not line.startswith("   ") and len(words) > 3 and words[-2] == "=":
                assert message.fields_by_name[words[-3]].number == int(words[-1].strip(";"))
