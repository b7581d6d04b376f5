"""Every invalid JSON of an inference request is 400 and names the part and the remedy."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from tests.support.inference_requests import INFER, LENGTH, at, good, refused, without

_IMAGE = [[[[0.5] * 28] * 28]]

BAD = {
    "no inputs": (without("inputs"), "inputs: Field required"),
    "inputs is an object": (at("inputs", to={}), "inputs: Input should be a valid list"),
    "inputs is null": (at("inputs", to=None), "inputs: Input should be a valid list"),
    "no input": (at("inputs", to=[]), "inputs: the input 'image' of model 'digits' is missing"),
    "input is a number": (at("inputs", 0, to=5), "inputs[0]: Input should be"),
    "unknown input": (
        at("inputs", 0, "name", to="x"),
        "inputs[0].name: 'x' is not an input of model 'digits'; it has: image",
    ),
    "input without name": (without("inputs", 0, "name"), "inputs[0].name: Field required"),
    "endless name": (
        at("inputs", 0, "name", to="x" * 1000),
        "inputs[0].name: String should have at most 128 characters",
    ),
    "endless shape": (
        at("inputs", 0, "shape", to=[1] * 1000),
        "inputs[0].shape: List should have at most 16 items",
    ),
    "name is a number": (at("inputs", 0, "name", to=1), "inputs[0].name: Input should be a valid string"),
    "input twice": (
        lambda body: body["inputs"].append(body["inputs"][0]),
        "inputs[1].name: 'image' is sent twice; send it once",
    ),
    "no shape": (without("inputs", 0, "shape"), "inputs[0].shape: Field required"),
    "shape is text": (at("inputs", 0, "shape", to="1,1,28,28"), "inputs[0].shape: Input should be a valid list"),
    "size is text": (at("inputs", 0, "shape", 0, to="1"), "inputs[0].shape[0]: Input should be a valid integer"),
    "size is a boolean": (at("inputs", 0, "shape", 0, to=True), "inputs[0].shape[0]: Input should be a valid integer"),
    "size is a float": (at("inputs", 0, "shape", 0, to=1.0), "inputs[0].shape[0]: Input should be a valid integer"),
    "size is negative": (
        at("inputs", 0, "shape", 0, to=-1),
        "inputs[0].shape[0]: Input should be greater than or equal to 0",
    ),
    "empty batch with values": (
        at("inputs", 0, "shape", 0, to=0),
        "inputs[0].data: holds 784 values, the shape [0, 1, 28, 28] takes 0",
    ),
    "empty axis": (
        at("inputs", 0, "shape", 2, to=0),
        "inputs[0].shape: is [1, 1, 0, 28], the model takes [-1, 1, 28, 28] (-1 = any size)",
    ),
    "too few axes": (
        at("inputs", 0, "shape", to=[1, 28, 28]),
        "inputs[0].shape: is [1, 28, 28], the model takes [-1, 1, 28, 28] (-1 = any size)",
    ),
    "another size": (
        at("inputs", 0, "shape", to=[1, 1, 28, 29]),
        "inputs[0].shape: is [1, 1, 28, 29], the model takes [-1, 1, 28, 28] (-1 = any size)",
    ),
    "huge shape": (
        at("inputs", 0, "shape", 0, to=2**62),
        "inputs[0].data: holds 784 values, the shape [4611686018427387904, 1, 28, 28] takes",
    ),
    "no datatype": (without("inputs", 0, "datatype"), "inputs[0].datatype: Field required"),
    "unknown datatype": (
        at("inputs", 0, "datatype", to="float32"),
        "inputs[0].datatype: Input should be 'BOOL', 'UINT8',",
    ),
    "another datatype": (at("inputs", 0, "datatype", to="FP64"), "inputs[0].datatype: is FP64, the model takes FP32"),
    "no data": (without("inputs", 0, "data"), "inputs[0].data: is missing; send the values, or binary_data_size"),
    "data is null": (at("inputs", 0, "data", to=None), "inputs[0].data: is missing; send the values"),
    "data is a number": (at("inputs", 0, "data", to=0.5), "inputs[0].data: must be a list of the tensor's values"),
    "data is text": (at("inputs", 0, "data", to="0.5"), "inputs[0].data: must be a list of the tensor's values"),
    "data is empty": (at("inputs", 0, "data", to=[]), "inputs[0].data: holds 0 values"),
    "too few values": (
        at("inputs", 0, "data", to=[0.5] * 783),
        "inputs[0].data: holds 783 values, the shape [1, 1, 28, 28] takes 784",
    ),
    "too many values": (
        at("inputs", 0, "data", to=[0.5] * 785),
        "inputs[0].data: holds 785 values, the shape [1, 1, 28, 28] takes 784",
    ),
    "ragged": (
        at("inputs", 0, "data", to=[[[[0.5] * 28] * 27 + [[0.5] * 27]]]),
        "inputs[0].data[0][0][27]: holds 27 items, the shape [1, 1, 28, 28] takes a list of 28 here",
    ),
    "a row is a number": (
        at("inputs", 0, "data", to=[[[[0.5] * 28] * 27 + [1]]]),
        "inputs[0].data[0][0][27]: is no list, the shape",
    ),
    "nested otherwise": (at("inputs", 0, "data", to=_IMAGE[0][0]), "inputs[0].data: holds 28 items, the shape"),
    "nested too deep": (
        at("inputs", 0, "data", to=[[[[[0.5]] * 28] * 28]]),
        "inputs[0].data[0][0][0][0]: a list is not a number",
    ),
    "a string": (at("inputs", 0, "data", 3, to="0.5"), 'inputs[0].data[3]: "0.5" is not a number'),
    "a boolean": (at("inputs", 0, "data", 3, to=True), "inputs[0].data[3]: true is not a number"),
    "a null": (at("inputs", 0, "data", 3, to=None), "inputs[0].data[3]: null is not a number"),
    "beyond float32": (at("inputs", 0, "data", 3, to=1e300), "inputs[0].data[3]: 1e+300 is beyond FP32"),
    "batch over the limit": (
        lambda body: body["inputs"][0].update(shape=[65, 1, 28, 28], data=[0.5] * 784 * 65),
        "inputs: a batch of 65, the limit is 64 (LECTERN_MAX_BATCH_SIZE); send several requests",
    ),
    "binary without header": (
        lambda body: body["inputs"][0].update(parameters={"binary_data_size": 3136}, data=None),
        "inputs[0].parameters.binary_data_size: needs the header Inference-Header-Content-Length, the number of",
    ),
    "unknown output": (
        at("outputs", 0, "name", to="x"),
        "outputs[0].name: 'x' is not an output of model 'digits'; it has: probabilities",
    ),
    "output twice": (
        at("outputs", to=[{"name": "probabilities"}] * 2),
        "outputs[1].name: 'probabilities' is requested twice; request it once",
    ),
    "output without name": (at("outputs", 0, to={}), "outputs[0].name: Field required"),
    "outputs is text": (at("outputs", to="probabilities"), "outputs: Input should be a valid list"),
    "classification is text": (
        at("outputs", 0, "parameters", to={"classification": "3"}),
        "outputs[0].parameters.classification: Input should be a valid integer",
    ),
    "classification is negative": (
        at("outputs", 0, "parameters", to={"classification": -1}),
        "outputs[0].parameters.classification: Input should be greater than or equal to 0",
    ),
    "binary_data is text": (
        at("outputs", 0, "parameters", to={"binary_data": "yes"}),
        "outputs[0].parameters.binary_data: Input should be a valid boolean",
    ),
    "input in shared memory": (
        at("inputs", 0, "parameters", to={"shared_memory_region": "r", "shared_memory_byte_size": 3136}),
        "inputs[0].parameters.shared_memory_region: the shared memory extensions are not implemented; send the tensor",
    ),
    "output in shared memory": (
        at("outputs", 0, "parameters", to={"shared_memory_region": "r"}),
        "outputs[0].parameters.shared_memory_region: the shared memory extensions are not implemented",
    ),
    "sequence": (
        at("parameters", to={"sequence_id": 5, "sequence_start": True}),
        "parameters.sequence_id: sequences are not implemented",
    ),
    "sequence start": (at("parameters", "sequence_start", to=True), "parameters.sequence_start: sequences are not"),
    "timeout is text": (at("parameters", "timeout", to="1"), "parameters.timeout: Input should be a valid integer"),
    "timeout is negative": (at("parameters", "timeout", to=-1), "parameters.timeout: Input should be greater than"),
    "parameters is a list": (at("parameters", to=[]), "parameters: Input should be"),
    "id is a fraction": (at("id", to=4.5), "id: Input should be a valid string"),
    "id is a boolean": (at("id", to=True), "id: Input should be a valid string"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_field_is_named(client: TestClient, case: str) -> None:
    change, text = BAD[case]
    body = good()
    change(body)
    assert refused(client.post(INFER, content=orjson.dumps(body))).startswith(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the body is not valid JSON"),
        (b"{", "the body is not valid JSON"),
        (b"\xff\xfe", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (
            orjson.dumps(good()).replace(b"1.0", b"NaN", 1),
            "the body is not valid JSON, which has no NaN and no Infinity:",
        ),
        (
            orjson.dumps(good()).replace(b"1.0", b"-Infinity", 1),
            "the body is not valid JSON, which has no NaN and no Infinity:",
        ),
        (orjson.dumps(good()).replace(b"1.0", b"1e999", 1), "the body is not valid JSON"),
        (b"[" * 100_000, "the body is not valid JSON"),
    ],
)
def test_a_body_that_is_not_a_json_object(client: TestClient, content: bytes, text: str) -> None:
    assert refused(client.post(INFER, content=content)).startswith(text)


_JUNK = [None, True, 0, -1, 2**63, 1.5, 1e308, "", "FP32", [], {}, [[]], [None], {"a": 1}, ["image"], [[1.0] * 28] * 28]


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a body; only of the first three items of a list."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def test_no_mutation_is_a_server_error(client: TestClient) -> None:
    chance = random.Random(0)
    for _ in range(200):
        body = good()
        for _ in range(chance.choice([1, 1, 2])):
            path = chance.choice(list(_paths(body)))
            (at(*path, to=copy.deepcopy(chance.choice(_JUNK))) if chance.random() < 0.8 else without(*path))(body)
        content = bytearray(orjson.dumps(body))
        if chance.random() < 0.2:
            content[chance.randrange(len(content))] = chance.randrange(256)
        headers = {LENGTH: str(chance.choice([0, 5, len(content), 10**6]))} if chance.random() < 0.2 else {}

        response = client.post(INFER, content=bytes(content), headers=headers)

        assert response.status_code in (200, 400, 504), (response.text, content)
        if response.status_code != 200:
            assert len(response.json()["error"]) < 600
