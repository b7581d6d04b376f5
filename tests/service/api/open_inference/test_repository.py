"""The model repository extension: index, load, unload."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.classifier_bundles import template, write_classifier

INDEX = "/v2/repository/index"
LOAD = "/v2/repository/models/{}/load"
UNLOAD = "/v2/repository/models/{}/unload"
REQUEST = {
    "inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": template(7).ravel().tolist()}]
}


def answering(client: TestClient) -> tuple[int, str | None]:
    """The status of an inference and the version that answers it."""
    response = client.post("/v2/models/digits/infer", json=REQUEST)
    return response.status_code, response.json().get("model_version")


def tamper(version: Path) -> None:
    """Flip one byte of the graph."""
    graph = version / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": false}', b'{"ready": true}', b" "])
def test_index(client: TestClient, body: bytes) -> None:
    response = client.post(INDEX, content=body)
    assert response.status_code == 200
    assert response.json() == [{"name": "digits", "version": "1", "state": "READY", "reason": ""}]


def test_index_lists_versions_that_do_not_serve_with_the_reason(models_dir: Path) -> None:
    write_classifier(models_dir)
    tamper(models_dir / "digits" / "2")
    write_classifier(models_dir, "other")

    with TestClient(create_app(Settings(models=models_dir))) as client:
        client.post(UNLOAD.format("other"))
        lines = client.post(INDEX).json()
        ready = client.post(INDEX, json={"ready": True}).json()

    states = {(line["name"], line["version"]): (line["state"], line["reason"]) for line in lines}
    assert states["digits", "1"] == ("READY", "")
    assert states["digits", "2"][0] == "UNAVAILABLE"
    assert "model.onnx" in states["digits", "2"][1]
    assert states["other", "1"] == ("UNAVAILABLE", "unloaded")
    assert [(line["name"], line["version"]) for line in ready] == [("digits", "1")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b'{"ready": "yes"}', "ready: Input should be a valid boolean"),
        (b'{"ready": 1}', "ready: Input should be a valid boolean"),
    ],
)
def test_a_bad_index_request(client: TestClient, body: bytes, text: str) -> None:
    response = client.post(INDEX, content=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(text)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"parameters": {"unload_dependents": false}}'])
def test_unload_and_load_again(own_client: TestClient, body: bytes) -> None:
    response = own_client.post(UNLOAD.format("digits"), content=body)
    assert (response.status_code, response.content) == (200, b"")

    refused = own_client.post("/v2/models/digits/infer", json=REQUEST)
    assert refused.status_code == 503
    assert refused.json() == {"error": "model 'digits' is not ready: unloaded"}
    assert int(refused.headers["retry-after"]) >= 1
    for path in ("/v2/models/digits/ready", "/v2/models/digits/versions/1/ready", "/v2/models/digits"):
        assert own_client.get(path).status_code == 503
    assert own_client.get("/v2/health/ready").status_code == 200  # It was taken out on purpose.

    response = own_client.post(LOAD.format("digits"), content=body)
    assert (response.status_code, response.content) == (200, b"")
    assert answering(own_client) == (200, "1")
    assert own_client.get("/v2/models/digits/ready").status_code == 200


def test_load_takes_a_new_version(own_client: TestClient, models_dir: Path) -> None:
    write_classifier(models_dir)
    assert answering(own_client) == (200, "1")

    assert own_client.post(LOAD.format("digits")).status_code == 200

    assert answering(own_client) == (200, "2")
    assert own_client.get("/v2/models/digits").json()["versions"] == ["2"]


def test_load_takes_a_new_model(own_client: TestClient, models_dir: Path) -> None:
    write_classifier(models_dir, "other")
    assert own_client.get("/v2/models/other").status_code == 404

    assert own_client.post(LOAD.format("other")).status_code == 200

    assert own_client.get("/v2/models/other/ready").json() == {"name": "other", "ready": True}


def test_a_failed_load_leaves_the_serving_version(own_client: TestClient, models_dir: Path) -> None:
    tamper(models_dir / "digits" / "1")

    response = own_client.post(LOAD.format("digits"))

    assert response.status_code == 400
    assert response.json()["error"].startswith("model 'digits' cannot be loaded: ")
    assert "model.onnx" in response.json()["error"]
    assert answering(own_client) == (200, "1")


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
@pytest.mark.parametrize("name", ["nope", "..", "%2e%2e", "a%2fb", "Digits"])
def test_unknown_models(client: TestClient, path: str, name: str) -> None:
    response = client.post(path.format(name))
    assert response.status_code == 404
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("name", ["config", "file:1/model.onnx"])
def test_a_load_with_files_or_a_configuration_is_refused(client: TestClient, name: str) -> None:
    response = client.post(LOAD.format("digits"), json={"parameters": {name: "x"}})
    assert response.status_code == 400
    assert response.json() == {
        "error": f"parameters.{name}: is not implemented: models load as they are in the repository"
    }


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"parameters": []}'])
def test_a_bad_load_or_unload_request(client: TestClient, path: str, body: bytes) -> None:
    assert client.post(path.format("digits"), content=body).status_code == 400
    assert answering(client) == (200, "1")


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
def test_load_and_unload_can_be_disabled(models_dir: Path, path: str) -> None:
    with TestClient(create_app(Settings(models=models_dir, model_control="none"))) as client:
        response = client.post(path.format("digits"))
        assert response.status_code == 403
        assert "LECTERN_MODEL_CONTROL=none" in response.json()["error"]
        assert "retry-after" not in response.headers
        assert client.post(INDEX).status_code == 200
        assert answering(client) == (200, "1")


def test_the_answers_after_a_reload_are_the_same(client: TestClient) -> None:
    before = client.post("/v2/models/digits/infer", json=REQUEST).json()["outputs"][0]["data"]
    client.post(LOAD.format("digits"))
    after = client.post("/v2/models/digits/infer", json=REQUEST).json()["outputs"][0]["data"]
    np.testing.assert_array_equal(before, after)
