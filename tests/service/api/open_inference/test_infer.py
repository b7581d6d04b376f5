"""POST /v2/models/{model}/infer: JSON and binary tensors, classification, compression, outcomes."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from tests.support.classifier_bundles import template

PATH = "/v2/models/digits/infer"
LENGTH = "Inference-Header-Content-Length"


def image_input(*digits: int, nested: bool = False) -> dict[str, Any]:
    images = np.stack([template(digit) for digit in digits])[:, None]
    return {
        "name": "image",
        "shape": list(images.shape),
        "datatype": "FP32",
        "data": (images if nested else images.ravel()).tolist(),
    }


def binary_body(document: dict[str, Any], *blocks: bytes) -> tuple[bytes, dict[str, str]]:
    text = orjson.dumps(document)
    return text + b"".join(blocks), {LENGTH: str(len(text)), "content-type": "application/octet-stream"}


def binary_input(*digits: int) -> tuple[dict[str, Any], bytes]:
    images = np.stack([template(digit) for digit in digits])[:, None]
    content = images.astype("<f4").tobytes()
    parameters = {"binary_data_size": len(content)}
    return {"name": "image", "shape": list(images.shape), "datatype": "FP32", "parameters": parameters}, content


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("path", [PATH, "/v2/models/digits/versions/1/infer"])
def test_json_in_json_out(client: TestClient, path: str, nested: bool) -> None:
    response = client.post(path, json={"id": "42", "inputs": [image_input(7, 2, nested=nested)]})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-lectern-model"] == "digits"
    assert response.headers["x-lectern-version"] == "1"
    assert response.headers["x-lectern-provider"] == "CPUExecutionProvider"
    assert {"queue", "preprocess", "infer", "postprocess"} <= {
        part.split(";")[0].strip() for part in response.headers["server-timing"].split(",")
    }
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("digits", "1", "42")
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("probabilities", "FP32", [2, 10])
    assert np.reshape(output["data"], (2, 10)).argmax(axis=1).tolist() == [7, 2]


def test_without_an_id_there_is_none_in_the_answer(client: TestClient) -> None:
    assert "id" not in client.post(PATH, json={"inputs": [image_input(7)]}).json()


def test_binary_in_and_out_gives_the_same_numbers_as_json(client: TestClient) -> None:
    tensor, content = binary_input(7, 2)
    body, headers = binary_body({"inputs": [tensor], "parameters": {"binary_data_output": True}}, content)

    response = client.post(PATH, content=body, headers=headers)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers[LENGTH])
    (output,) = orjson.loads(response.content[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": 80}
    assert "data" not in output
    binary = np.frombuffer(response.content[length:], "<f4").reshape(output["shape"])
    as_json = client.post(PATH, json={"inputs": [image_input(7, 2)]}).json()["outputs"][0]["data"]
    np.testing.assert_array_equal(binary.ravel(), np.array(as_json, np.float32))


@pytest.mark.parametrize(
    ("of_all", "of_output", "binary"),
    [(False, True, True), (True, None, True), (True, False, False), (False, None, False)],
)
def test_binary_data_of_an_output_overrides_that_of_all(
    client: TestClient, of_all: bool, of_output: bool | None, binary: bool
) -> None:
    parameters = {} if of_output is None else {"binary_data": of_output}
    response = client.post(
        PATH,
        json={
            "inputs": [image_input(7)],
            "parameters": {"binary_data_output": of_all},
            "outputs": [{"name": "probabilities", "parameters": parameters}],
        },
    )
    assert (LENGTH in response.headers) is binary


def test_the_body_alone_may_be_the_only_input(client: TestClient) -> None:
    _, content = binary_input(7, 2, 3)

    response = client.post(PATH, content=content, headers={LENGTH: "0"})

    length = int(response.headers[LENGTH])
    assert orjson.loads(response.content[:length])["outputs"][0]["shape"] == [3, 10]
    scores = np.frombuffer(response.content[length:], "<f4").reshape(3, 10)
    assert scores.argmax(axis=1).tolist() == [7, 2, 3]


@pytest.mark.parametrize("binary", [False, True])
def test_classification(client: TestClient, binary: bool) -> None:
    response = client.post(
        PATH,
        json={
            "inputs": [image_input(7, 2)],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 3, "binary_data": binary}}],
        },
    )

    length = int(response.headers[LENGTH]) if binary else None
    (output,) = orjson.loads(response.content[:length])["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 3])
    if binary:
        assert output["parameters"]["binary_data_size"] == len(response.content) - int(response.headers[LENGTH])
        return
    assert [text.split(":", 1)[1] for text in output["data"]] == ["7:7", "0:0", "1:1", "2:2", "0:0", "1:1"]
    scores = [float(text.split(":")[0]) for text in output["data"]]
    assert scores[0] > 0.99
    assert scores[1] == scores[2]


def test_classification_with_more_classes_than_the_model_has(client: TestClient) -> None:
    response = client.post(
        PATH,
        json={
            "inputs": [image_input(7)],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 99}}],
        },
    )
    assert response.json()["outputs"][0]["shape"] == [1, 10]


@pytest.mark.parametrize(
    ("parameters", "input_parameters"),
    [
        ({"priority": 1, "timeout": 5_000_000, "sequence_id": 0, "anything": {"else": 1}}, {"content_type": "np"}),
        ({"timeout": 0}, {}),
    ],
)
def test_parameters_that_change_nothing_are_accepted(
    client: TestClient, parameters: dict[str, Any], input_parameters: dict[str, Any]
) -> None:
    tensor = image_input(7) | {"parameters": input_parameters}
    response = client.post(PATH, json={"inputs": [tensor], "parameters": parameters, "unheard": "of"})
    assert response.status_code == 200


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(client: TestClient, encoding: str, pack: Any) -> None:
    tensor, content = binary_input(7)
    body, headers = binary_body({"inputs": [tensor]}, content)

    response = client.post(PATH, content=pack(body), headers={**headers, "content-encoding": encoding})

    assert np.argmax(response.json()["outputs"][0]["data"]) == 7


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.1, deflate;q=0.9", "deflate"),
        ("gzip; q=0, deflate", "deflate"),
        ("*", "gzip"),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=high", None),
        ("", None),
    ],
)
def test_long_answers_are_compressed_as_the_caller_prefers(
    client: TestClient, accepts: str, encoding: str | None
) -> None:
    request = {"inputs": [image_input(*range(10))]}
    response = client.post(PATH, json=request, headers={"accept-encoding": accepts})

    assert response.headers.get("content-encoding") == encoding
    assert np.reshape(response.json()["outputs"][0]["data"], (10, 10)).argmax(axis=1).tolist() == list(range(10))


def test_short_answers_are_not_compressed(client: TestClient) -> None:
    response = client.post(PATH, json={"inputs": [image_input(7)]}, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in response.headers
