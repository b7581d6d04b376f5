"""Requests to models unlike the shipped ones: several inputs, other datatypes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from service.api.open_inference.requests import read_inference
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.tasks.tensors import RowTensors


def predictor(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> Any:
    return SimpleNamespace(manifest=SimpleNamespace(name="m"), tensors=RowTensors(inputs, outputs))


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=Datatype(datatype), shape=shape)


TWO = predictor(
    spec("a", "INT64", -1, 2), spec("b", "BYTES", -1), outputs=(spec("y", "FP16", -1), spec("z", "BYTES", -1))
)
A = {"name": "a", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]}
B = {"name": "b", "shape": [1], "datatype": "BYTES", "data": ["é"]}
Z = [{"name": "z"}]


def test_several_inputs_in_any_order_and_form() -> None:
    tensors = [
        {"name": "b", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}},
        {"name": "a", "shape": [1, 2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
    ]
    text = orjson.dumps({"inputs": tensors, "outputs": Z})
    blocks = b"\2\0\0\0" + "é".encode() + np.array([1, 2], "<i8").tobytes()

    binary = read_inference(text + blocks, str(len(text)), TWO)
    plain = read_inference(orjson.dumps({"inputs": [A, B], "outputs": Z}), None, TWO)

    for name in ("a", "b"):
        np.testing.assert_array_equal(binary.tensors[name], plain.tensors[name])


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"inputs": [A], "outputs": Z}, "inputs: the input 'b' of model 'm' is missing"),
        (
            {"inputs": [A, B | {"shape": [2], "data": ["x", "y"]}], "outputs": Z},
            "inputs: the first axis is the batch and must be the same for all: a has 1, b has 2",
        ),
        ({"inputs": [A, B]}, "outputs: 'y' is FP16, which has no JSON form; set binary_data"),
        (
            {"inputs": [A, B], "outputs": [{"name": "z", "parameters": {"classification": 1}}]},
            "outputs[0].parameters.classification: BYTES has no highest values",
        ),
        ({"inputs": [A | {"data": [1, 2.5]}, B], "outputs": Z}, "inputs[0].data[1]: 2.5 is not an integer"),
        ({"inputs": [A, B | {"data": [5]}], "outputs": Z}, "inputs[1].data[0]: 5 is not a string"),
    ],
)
def test_requests_to_a_model_of_several_inputs(document: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_inference(orjson.dumps(document), None, TWO)
    assert str(error.value).startswith(text)


def test_a_body_of_bytes_alone_needs_one_input() -> None:
    with pytest.raises(InvalidRequest, match="needs a model of one input with one free axis; send the JSON first"):
        read_inference(b"12345678", "0", TWO)


def test_a_body_of_bytes_alone_may_be_one_string() -> None:
    text = read_inference("é".encode(), "0", predictor(spec("t", "BYTES", -1))).tensors["t"]
    assert text.tolist() == ["é".encode()]


@pytest.mark.parametrize("digits", [19, 4301, 60_000])
def test_a_length_of_many_digits_is_too_long(digits: int) -> None:
    with pytest.raises(InvalidRequest, match="but the body has 2 bytes"):
        read_inference(b"{}", "9" * digits, TWO)
