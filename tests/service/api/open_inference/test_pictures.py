"""Pictures as files in the input `IMAGE` of BYTES, as OpenVINO Model Server takes them, instead of pixels."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.classify_requests import picture
from tests.support.http import client_of
from tests.support.inference_requests import INFER, LENGTH, good, refused

LARGE = {"size": 600}
"""A picture that is decoded in a thread."""


def tensor(*shape: int, **rest: Any) -> dict[str, Any]:
    return {"name": "IMAGE", "shape": list(shape), "datatype": "BYTES", **rest}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def binary(document: dict[str, Any], *pictures: bytes) -> dict[str, Any]:
    """A request with pictures as binary data, for httpx."""
    text = orjson.dumps(document)
    block = b"".join(struct.pack("<I", len(content)) + content for content in pictures)
    return {"content": text + block, "headers": {LENGTH: str(len(text))}}


def digits(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    assert (output["name"], output["shape"][1]) == ("probabilities", 10)
    rows: list[int] = np.reshape(output["data"], output["shape"]).argmax(axis=1).tolist()
    return rows


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_json_has_pictures_as_base64(client: TestClient, kind: str) -> None:
    data = [encoded(picture(digit, kind)) for digit in (7, 2)]
    assert digits(client.post(INFER, json={"inputs": [tensor(2, data=data)]})) == [7, 2]


@pytest.mark.parametrize("data", [encoded(picture(4)), "data:image/png;base64," + encoded(picture(4))])
@pytest.mark.parametrize("rest", [{}, {"parameters": {"content_type": "base64"}}, {"parameters": None}])
def test_one_picture_may_stand_without_a_list(client: TestClient, data: str, rest: dict[str, Any]) -> None:
    for shape in ((1,), (1, 1)):
        assert digits(client.post(INFER, json={"inputs": [tensor(*shape, data=data, **rest)]})) == [4]


@pytest.mark.parametrize("options", [{}, LARGE])
def test_binary_data_has_the_bytes_of_the_files(client: TestClient, options: dict[str, int]) -> None:
    pictures = [picture(digit, **options) for digit in (3, 1, 8)]
    size = sum(4 + len(content) for content in pictures)
    request = {"inputs": [tensor(3, parameters={"binary_data_size": size})]}
    assert digits(client.post(INFER, **binary(request, *pictures))) == [3, 1, 8]
    assert digits(client.post(INFER, **binary({"inputs": [tensor(3)]}, *pictures))) == [3, 1, 8]


def test_the_answer_is_that_of_the_classification_route(client: TestClient) -> None:
    contents = [picture(digit, size=45) for digit in (5, 9)]
    request = {"inputs": [tensor(2, data=[encoded(content) for content in contents])]}
    rows = np.reshape(client.post(INFER, json=request).json()["outputs"][0]["data"], (2, 10))
    body = {"images": [encoded(content) for content in contents], "top_k": 10}
    for row, result in zip(rows, client.post("/v1/classify", json=body).json()["results"], strict=True):
        scores = {int(item["label"]): item["score"] for item in result["predictions"]}
        np.testing.assert_allclose([scores[label] for label in range(10)], row, atol=1e-6)


def test_classification_binary_outputs_and_the_version_in_the_path(client: TestClient) -> None:
    request: dict[str, Any] = {"inputs": [tensor(1, data=[encoded(picture(6))])]}
    top = {"name": "probabilities", "parameters": {"classification": 1}}
    answer = client.post("/v2/models/digits/versions/1/infer", json=request | {"outputs": [top]})
    assert answer.json()["outputs"][0]["data"][0].endswith(":6:6")
    answer = client.post(INFER, json=request | {"parameters": {"binary_data_output": True}})
    assert np.frombuffer(answer.content[int(answer.headers[LENGTH]) :], "<f4").argmax() == 6


def test_metadata_shows_pixels_alone(client: TestClient) -> None:
    assert [tensor["name"] for tensor in client.get("/v2/models/digits").json()["inputs"]] == ["image"]
    assert [tensor["name"] for tensor in client.get("/v2/models/digits/config").json()["input"]] == ["image"]


@pytest.mark.parametrize("content", [b"no picture", b"", picture(3)[:-40]], ids=["text", "empty", "cut short"])
def test_an_error_names_the_picture(client: TestClient, content: bytes) -> None:
    contents = [picture(1), picture(2), content]
    answers = [
        client.post("/v1/classify", json={"images": list(map(encoded, contents))}).json()["detail"],
        refused(client.post(INFER, json={"inputs": [tensor(3, data=list(map(encoded, contents)))]})),
        refused(client.post(INFER, **binary({"inputs": [tensor(3)]}, *contents))),
    ]
    assert {error.partition(": ")[0] for error in answers} == {"images[2]", "IMAGE[2]"}
    assert len({error.partition(": ")[2] for error in answers}) == 1


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([tensor(2, data=[encoded(picture(1)), "%%%"])], "IMAGE[1]: is not base64"),
        ([tensor(1, data=[encoded(picture(1))] * 2)], "inputs[0].data: holds 2 values, the shape [1] takes 1"),
        ([tensor(1, data=[[1, 2]])], "inputs[0].data[0]: a list is not a string"),
        ([tensor(1, data=[{"b64": "x"}])], 'inputs[0].data[0]: {"b64": "x"} is not a string'),
        ([tensor(1, 28, 28, data=[""])], "inputs[0].shape: is [1, 28, 28], the model takes [-1]"),
        ([tensor(1, data=["x"]) | {"datatype": "UINT8"}], "inputs[0].datatype: is UINT8, the model takes BYTES"),
        ([tensor(1)], "inputs[0].data: is missing"),
        ([tensor(65, data=[""] * 65)], "inputs: a batch of 65, the limit is 64 (LECTERN_MAX_BATCH_SIZE)"),
        ([good()["inputs"][0], tensor(1, data=["x"])], "inputs[0].name: 'image' is not an input"),
        (
            [tensor(1, data=["x"]) | {"name": "picture"}],
            "inputs[0].name: 'picture' is not an input of model 'digits'; ",
        ),
    ],
)
def test_a_wrong_tensor_is_named(client: TestClient, inputs: list[dict[str, Any]], text: str) -> None:
    assert refused(client.post(INFER, json={"inputs": inputs})).startswith(text)


def test_an_unknown_input_is_told_both(client: TestClient) -> None:
    error = refused(client.post(INFER, json={"inputs": [tensor(1, data=["x"]) | {"name": "picture"}]}))
    assert error.endswith("it has: image, or instead IMAGE")


def test_the_limits_of_pictures_hold(models_dir: Path) -> None:
    with client_of(Settings(models=models_dir, max_images=2, max_pixels=100 * 100)) as client:
        many = {"inputs": [tensor(3, data=[encoded(picture(1))] * 3)]}
        assert "IMAGE: 3 images, the limit is 2 (LECTERN_MAX_IMAGES)" in refused(client.post(INFER, json=many))
        large = {"inputs": [tensor(2, data=[encoded(picture(1)), encoded(picture(1, size=101))])]}
        error = refused(client.post(INFER, json=large))
        assert error.startswith("IMAGE[1]: ")
        assert "LECTERN_MAX_PIXELS" in error


def test_a_batch_without_pictures_has_an_answer_without_rows(client: TestClient) -> None:
    (output,) = client.post(INFER, json={"inputs": [tensor(0, data=[])]}).json()["outputs"]
    assert (output["shape"], output["data"]) == ([0, 10], [])
