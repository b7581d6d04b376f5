"""Probes and metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels


@pytest.mark.parametrize("path", ["/livez", "/v2/health/live"])
def test_live(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (200, {"live": True})


@pytest.mark.parametrize("path", ["/readyz", "/v2/health/ready"])
def test_ready(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (200, {"ready": True})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v1/models", "/metrics"])
def test_head_is_answered_where_get_is(client: TestClient, path: str) -> None:
    assert client.head(path).status_code == 200


def test_live_and_not_ready_while_draining(client: TestClient) -> None:
    client.app.context.draining.set()  # type: ignore[attr-defined]
    for path in ("/readyz", "/v2/health/ready"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert "the server is shutting down" in response.text
    assert client.get("/livez").status_code == 200
    assert client.post("/v1/classify", json=pixels(1)).status_code == 200


def test_not_ready_names_the_models_that_do_not_serve(models_dir: Path) -> None:
    (write_classifier(models_dir, "letters").path / "model.onnx").unlink()
    with TestClient(create_app(Settings(models=models_dir))) as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["detail"] == "not ready: letters"
        assert client.get("/v2/health/ready").json() == {"error": "not ready: letters"}
        assert client.get("/livez").status_code == 200


# Every documented metric: its type and labels.
METRICS = {
    "lectern_stage_seconds": ("histogram", {"model", "version", "stage"}),
    "lectern_requests": ("counter", {"model", "version", "outcome"}),
    "lectern_inferences": ("counter", {"model", "version"}),
    "lectern_executions": ("counter", {"model", "version"}),
    "lectern_queue_depth": ("gauge", {"model", "version"}),
    "lectern_in_flight": ("gauge", set()),
    "lectern_model_ready": ("gauge", {"model", "version"}),
    "lectern_execution_provider": ("gauge", {"model", "requested", "actual"}),
}


def test_metrics_have_the_documented_names_and_labels(client: TestClient) -> None:
    client.post("/v1/classify", json=pixels(1, 2))
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    for name, (kind, labels) in METRICS.items():
        assert families[name].type == kind
        assert families[name].documentation
        for sample in families[name].samples:
            assert sample.labels.keys() - {"le"} == labels, sample


def test_metrics_count(client: TestClient) -> None:
    for digits in ((1,), (1, 2, 3)):
        client.post("/v1/classify", json=pixels(*digits))
    client.post("/v1/classify", json={"pixels": [[]]})
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }
    assert values["lectern_requests_total", "1", "digits", "success"] == 2
    assert values["lectern_requests_total", "1", "digits", "invalid"] == 1
    assert values["lectern_inferences_total", "1", "digits"] == 4
    assert values["lectern_executions_total", "1", "digits"] == 2
    assert values["lectern_model_ready", "1", "digits"] == 1
    assert values["lectern_in_flight",] == 1
    assert values["lectern_queue_depth", "1", "digits"] == 0
    for stage in ("queue", "preprocess", "infer", "postprocess", "total"):
        assert values["lectern_stage_seconds_count", "1", "digits", stage] == 2
        assert values["lectern_stage_seconds_bucket", "0.00025", "1", "digits", stage] >= 0


def test_callers_cannot_make_time_series(client: TestClient) -> None:
    client.post("/v1/classify", json=pixels(1))
    client.post("/v1/classify", json={"pixels": [[]]})
    before = len(client.get("/metrics").text.splitlines())
    for number in range(20):
        client.post(f"/v1/classify?model=m{number}", json=pixels(1), headers={"x-request-id": f"id-{number}"})
        client.post(f"/v1/classify?version={number}", json=pixels(1))
        client.get(f"/nothing/{number}")
        client.get(f"/v2/models/m{number}")
    text = client.get("/metrics").text
    assert len(text.splitlines()) == before
    assert not re.search(r"m7\b|id-7\b|127\.0\.0\.1", text)
