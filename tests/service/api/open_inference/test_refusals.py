"""Inference requests that are refused for their bytes, model, deadline or load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.classifier_bundles import classifier_graph, write_classifier
from tests.support.http import client_of
from tests.support.inference_requests import INFER, LENGTH, good, refused, with_binary

_SIZE = "inputs[0].parameters.binary_data_size"


@pytest.mark.parametrize(
    ("size", "bytes_sent", "changes", "text"),
    [
        (3135, 3135, {}, f"{_SIZE}: is 3135, but FP32 of the shape [1, 1, 28, 28] takes 3136 bytes"),
        (3140, 3140, {}, f"{_SIZE}: is 3140, but FP32 of the shape [1, 1, 28, 28] takes 3136 bytes"),
        (3136, 3000, {}, f"{_SIZE}: is 3136, but 3000 bytes are left after the JSON"),
        (3136, 0, {}, f"{_SIZE}: is 3136, but 0 bytes are left after the JSON"),
        (
            3136,
            3137,
            {},
            "1 bytes are left after the last tensor; the binary_data_size of the inputs must add up to 3137",
        ),
        (-1, 3136, {}, f"{_SIZE}: Input should be greater than or equal to 0"),
        ("3136", 3136, {}, f"{_SIZE}: Input should be a valid integer"),
        (3136.0, 3136, {}, f"{_SIZE}: Input should be a valid integer"),
        (True, 3136, {}, f"{_SIZE}: Input should be a valid integer"),
        (2**63, 3136, {}, f"{_SIZE}: is 9223372036854775808, but 3136 bytes are left"),
        (3136, 3136, {"data": [1.0]}, "inputs[0].data: is sent together with binary_data_size; send one of them"),
        (None, 3136, {"data": [0.5] * 784}, "3136 bytes are left after the last tensor"),
    ],
)
def test_binary_sizes_must_add_up(
    client: TestClient, size: Any, bytes_sent: int, changes: dict[str, Any], text: str
) -> None:
    body, length = with_binary(size, bytes(bytes_sent), **changes)
    assert refused(client.post(INFER, content=body, headers={LENGTH: str(length)})).startswith(text)


@pytest.mark.parametrize("value", ["-1", "abc", "1.5", "", "٣", "99999999999999999999"])
def test_the_header_must_be_the_length_of_the_json(client: TestClient, value: str) -> None:
    body, _ = with_binary(3136, bytes(3136))
    text = refused(client.post(INFER, content=body, headers={LENGTH: value.encode()}))
    assert text.startswith(f"{LENGTH}: is ")


def test_a_header_that_splits_the_json_is_refused(client: TestClient) -> None:
    body, length = with_binary(3136, bytes(3136))
    text = refused(client.post(INFER, content=body, headers={LENGTH: str(length - 5)}))
    assert text.startswith("the body is not valid JSON")


@pytest.mark.parametrize("size", [0, 3135, 3137])
def test_a_body_of_bytes_alone_must_be_whole_images(client: TestClient, size: int) -> None:
    text = refused(client.post(INFER, content=bytes(size), headers={LENGTH: "0"}))
    assert text == f"{LENGTH}: is 0, but the body's {size} bytes are not a multiple of 3136"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_binary(client: TestClient, value: float) -> None:
    body, length = with_binary(3136, np.full(784, value, "<f4").tobytes())
    text = refused(client.post(INFER, content=body, headers={LENGTH: str(length)}))
    assert text == "image: holds NaN or infinity; pixels are 0 (paper) to 1 (ink)"


@pytest.mark.parametrize("value", [1e38, 255, 1.001, -0.001])
def test_pixels_out_of_range(client: TestClient, value: float) -> None:
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [value] * 784}
    text = refused(client.post(INFER, json={"inputs": [tensor]}))
    assert text == "image: holds a value outside 0 (paper) to 1 (ink); divide bytes by 255"


def test_unknown_models_and_versions(client: TestClient) -> None:
    text = refused(client.post("/v2/models/nope/infer", json=good()), 404)
    assert text == "no model 'nope'; there are: digits"
    text = refused(client.post("/v2/models/digits/versions/9/infer", json=good()), 404)
    assert text == "no version 9 of model 'digits'; there are: 1"


def test_a_deadline_that_passes(client: TestClient) -> None:
    body = good()
    body["parameters"]["timeout"] = 1
    assert "deadline" in refused(client.post(INFER, json=body), 504)


def test_a_saturated_model(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    served = client.app.context.registry.find(name="digits")  # type: ignore[attr-defined]
    monkeypatch.setattr(served.records.admission, "max_in_flight", 0)

    response = client.post(INFER, json=good())

    assert "in flight" in refused(response, 503)
    assert int(response.headers["retry-after"]) >= 1


def test_an_unknown_content_encoding(client: TestClient) -> None:
    text = refused(client.post(INFER, content=b"x", headers={"content-encoding": "br"}), 415)
    assert text == "content-encoding 'br' is not supported; send gzip, deflate or none"


def test_a_broken_gzip_body(client: TestClient) -> None:
    text = refused(client.post(INFER, content=b"no gzip", headers={"content-encoding": "gzip"}))
    assert text == "the body is not valid gzip"


def test_a_body_over_the_limit(models_dir: Path) -> None:
    with client_of(Settings(models=models_dir, max_body_bytes=2000)) as small:
        assert "larger than 2000 bytes" in refused(small.post(INFER, json=good()), 413)


def test_a_model_that_fails_discloses_nothing_internal(tmp_path: Path) -> None:
    write_classifier(tmp_path, graph=classifier_graph(fails_above=0.9, statistic="ReduceMean"))
    body = good()
    body["inputs"][0]["data"] = [1.0] * 784
    with client_of(Settings(models=tmp_path)) as failing:
        text = refused(failing.post(INFER, json=body), 500)
        assert failing.post(INFER, json=good()).status_code == 200
    assert text == "the server failed on this request; its log has the cause under this request id"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(client: TestClient, method: str) -> None:
    assert "is not allowed" in refused(client.request(method, INFER), 405)


def test_bytes_that_are_declared_to_be_json_are_no_tensor(client: TestClient) -> None:
    headers = {LENGTH: "0", "content-type": "application/json"}
    text = refused(client.post(INFER, content=bytes(3136), headers=headers))
    assert "send application/octet-stream" in text
