"""Answers of models unlike the shipped ones: other datatypes, several outputs, NaN."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from service.api.open_inference.requests import ParsedInferRequest, RequestedOutput
from service.api.open_inference.responses import write_response
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import ModelFailure


def served(labels: tuple[str, ...] | None = None) -> Any:
    return SimpleNamespace(name="m", version="3", manifest=SimpleNamespace(labels=labels))


def requested(name: str, datatype: Datatype, **options: Any) -> RequestedOutput:
    return RequestedOutput(TensorSpec(name=name, datatype=datatype, shape=(-1, 2)), **options)


def written(*outputs: RequestedOutput, labels: tuple[str, ...] | None = None, **arrays: Any) -> Any:
    response = write_response(ParsedInferRequest({}, outputs), arrays, served(labels))
    length = response.headers.get("inference-header-content-length")
    return orjson.loads(response.body[: int(length) if length else None])["outputs"], response


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("datatype", [Datatype.FP16, Datatype.FP32, Datatype.FP64])
@pytest.mark.parametrize("options", [{}, {"binary": True}, {"classes": 1}, {"classes": 1, "binary": True}])
def test_no_answer_holds_nan_or_infinity(value: float, options: dict[str, Any], datatype: Datatype) -> None:
    with pytest.raises(ModelFailure, match="'x' holds NaN or infinity"):
        written(requested("x", datatype, **options), x=np.array([[value, 0]], datatype.numpy))


def test_an_output_may_be_named_null() -> None:
    (output,), _ = written(requested("null", Datatype.FP32), null=np.ones((1, 2), np.float32))
    assert output["data"] == [1, 1]


@pytest.mark.parametrize("datatype", [d for d in Datatype if d is not Datatype.BYTES])
def test_every_datatype_in_binary_and_all_but_fp16_in_json(datatype: Datatype) -> None:
    array = np.array([[0, 1]]).astype(datatype.numpy)
    (output,), response = written(requested("x", datatype, binary=True), x=array)
    assert output == {
        "name": "x",
        "datatype": datatype.value,
        "shape": [1, 2],
        "parameters": {"binary_data_size": array.nbytes},
    }
    assert response.body.endswith(array.tobytes())
    if datatype is not Datatype.FP16:  # Refused with the request.
        (output,), _ = written(requested("x", datatype), x=array)
        assert output["data"] == [0, 1]


def test_binary_outputs_follow_the_json_in_order() -> None:
    outputs, response = written(
        requested("b", Datatype.BYTES, binary=True),
        requested("j", Datatype.INT8),
        requested("a", Datatype.UINT8, binary=True),
        a=np.array([[7, 8]], np.uint8),
        b=np.array([[b"x", b""]], object),
        j=np.array([[-1, 1]], np.int8),
    )
    assert [output["name"] for output in outputs] == ["b", "j", "a"]
    assert response.body.endswith(b"\1\0\0\0x\0\0\0\0\7\x08")
    assert outputs[1]["data"] == [-1, 1]


@pytest.mark.parametrize(
    ("labels", "texts"), [(("a", "b"), ["5:1:b", "2:0:a"]), (None, ["5:1", "2:0"]), (("a",), ["5:1", "2:0"])]
)
def test_classes_have_labels_if_there_is_one_for_each(labels: tuple[str, ...] | None, texts: list[str]) -> None:
    (output,), _ = written(requested("x", Datatype.UINT8, classes=2), labels=labels, x=np.array([[2, 5]], np.uint8))
    assert output["data"] == texts
