"""Metadata, configuration and statistics of the server and its models."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service import __version__
from service.app import create_app
from service.settings import Settings
from tests.support.classifier_bundles import template, write_classifier

STAGES = ("success", "queue", "compute_input", "compute_infer", "compute_output")


def infer(client: TestClient, *digits: int) -> Any:
    data = [value for digit in digits for value in template(digit).ravel().tolist()]
    tensor = {"name": "image", "shape": [len(digits), 1, 28, 28], "datatype": "FP32", "data": data}
    return client.post("/v2/models/digits/infer", json={"inputs": [tensor]})


def test_server_metadata(client: TestClient) -> None:
    assert client.get("/v2").json() == {
        "name": "lectern",
        "version": __version__,
        "extensions": [
            "binary_tensor_data",
            "classification",
            "model_configuration",
            "model_repository",
            "statistics",
        ],
    }


@pytest.mark.parametrize("path", ["/v2/models/digits", "/v2/models/digits/versions/1"])
def test_model_metadata(client: TestClient, path: str) -> None:
    metadata = client.get(path).json()
    parameters = metadata.pop("parameters")
    assert metadata == {
        "name": "digits",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
    }
    assert parameters["task"] == "image-classification"
    assert parameters["licence"] == "CC0-1.0"
    assert parameters["providers_actual"] == "CPUExecutionProvider"
    assert parameters["fell_back"] is False


def test_metadata_reports_requested_and_actual_providers(models_dir: Path) -> None:
    with TestClient(create_app(Settings(models=models_dir, providers=("coreml", "cpu")))) as client:
        parameters = client.get("/v2/models/digits").json()["parameters"]
    assert parameters["providers_requested"] == "CoreMLExecutionProvider,CPUExecutionProvider"
    assert parameters["providers_actual"] == "CPUExecutionProvider"
    assert parameters["fell_back"] is True


@pytest.mark.parametrize("path", ["/v2/models/digits/config", "/v2/models/digits/versions/1/config"])
def test_model_config(models_dir: Path, path: str) -> None:
    settings = Settings(models=models_dir, max_batch_size=8, max_queue_delay_us=50)
    with TestClient(create_app(settings)) as client:
        assert client.get(path).json() == {
            "name": "digits",
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "version_policy": {"latest": {"num_versions": 1}},
            "model_transaction_policy": {"decoupled": False},
            "max_batch_size": 8,
            "input": [{"name": "image", "data_type": "TYPE_FP32", "dims": [1, 28, 28]}],
            "output": [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [10]}],
            "instance_group": [{"name": "digits", "kind": "KIND_CPU", "count": 1}],
            "dynamic_batching": {"max_queue_delay_microseconds": 50},
            "parameters": {"task": {"string_value": "image-classification"}},
        }


@pytest.mark.parametrize("path", ["/v2/models/digits/ready", "/v2/models/digits/versions/1/ready"])
def test_model_ready(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (200, {"name": "digits", "ready": True})


@pytest.mark.parametrize("suffix", ["", "/config", "/ready", "/stats"])
@pytest.mark.parametrize("path", ["/v2/models/nope", "/v2/models/nope/versions/1", "/v2/models/digits/versions/2"])
def test_unknown_models_and_versions(client: TestClient, path: str, suffix: str) -> None:
    response = client.get(path + suffix)
    assert response.status_code == 404
    assert list(response.json()) == ["error"]
    assert "nope" in response.json()["error"] or "version 2" in response.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models", "/v2/nothing", "/v2/models/digits/nothing"])
def test_unknown_paths(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("path", ["/v2/models/stats", "/v2/models/digits/stats", "/v2/models/digits/versions/1/stats"])
def test_statistics(own_client: TestClient, path: str) -> None:
    (before,) = own_client.get(path).json()["model_stats"]
    assert (before["name"], before["version"]) == ("digits", "1")
    assert (before["inference_count"], before["execution_count"], before["last_inference"]) == (0, 0, 0)
    assert before["inference_stats"]["success"] == {"count": 0, "ns": 0}

    began = time.time() * 1e3
    assert infer(own_client, 1, 2, 3).status_code == 200
    assert infer(own_client, 4).status_code == 200
    assert infer(own_client, *[5] * 65).status_code == 400  # Over the batch limit: a failure of the model's caller.

    (after,) = own_client.get(path).json()["model_stats"]
    assert after["inference_count"] == 4
    assert after["execution_count"] == 2
    assert began - 1 <= after["last_inference"] <= time.time() * 1e3 + 1
    assert after["batch_stats"] == []
    stats = after["inference_stats"]
    assert {stage: stats[stage]["count"] for stage in STAGES} == dict.fromkeys(STAGES, 2)
    assert all(stats[stage]["ns"] > 0 for stage in STAGES)
    parts = sum(stats[stage]["ns"] for stage in STAGES[1:])
    assert parts <= stats["success"]["ns"] * 1.001
    assert stats["fail"]["count"] == 1
    assert stats["fail"]["ns"] > 0
    assert stats["cache_hit"] == stats["cache_miss"] == {"count": 0, "ns": 0}


def test_statistics_of_all_models_are_kept_apart(models_dir: Path) -> None:
    write_classifier(models_dir, "other")
    with TestClient(create_app(Settings(models=models_dir))) as client:
        infer(client, 1)
        stats = client.get("/v2/models/stats").json()["model_stats"]
    assert [(line["name"], line["inference_count"]) for line in stats] == [("digits", 1), ("other", 0)]
