"""Probes and metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
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


def test_live_and_not_ready_while_draining(own_client: TestClient) -> None:
    own_client.app.context.draining.set()  # type: ignore[attr-defined]
    for path in ("/readyz", "/v2/health/ready"):
        response = own_client.get(path)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert "the server is shutting down" in response.text
    assert own_client.get("/livez").status_code == 200
    assert own_client.post("/v1/classify", json=pixels(1)).status_code == 200


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
    "lectern_overhead_seconds": ("histogram", {"model", "version"}),
    "lectern_requests": ("counter", {"model", "version", "outcome"}),
    "lectern_inferences": ("counter", {"model", "version"}),
    "lectern_executions": ("counter", {"model", "version"}),
    "lectern_queue_depth": ("gauge", {"model", "version"}),
    "lectern_in_flight": ("gauge", set()),
    "lectern_model_ready": ("gauge", {"model", "version"}),
    "lectern_execution_provider": ("gauge", {"model", "requested", "actual"}),
    "lectern_graph_nodes": ("gauge", {"model", "version", "graph", "provider"}),
    "lectern_model_memory_bytes": ("gauge", {"model", "version", "kind"}),
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


def test_metrics_count(own_client: TestClient) -> None:
    for digits in ((1,), (1, 2, 3)):
        own_client.post("/v1/classify", json=pixels(*digits))
    own_client.post("/v1/classify", json={"pixels": [[]]})
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(own_client.get("/metrics").text)
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
    assert values["lectern_overhead_seconds_count", "1", "digits"] == 2
    seconds = {stage: values["lectern_stage_seconds_sum", "1", "digits", stage] for stage in ("infer", "total")}
    assert 0 < values["lectern_overhead_seconds_sum", "1", "digits"] <= seconds["total"] - seconds["infer"]


def test_callers_cannot_make_time_series(own_client: TestClient) -> None:
    own_client.post("/v1/classify", json=pixels(1))
    own_client.post("/v1/classify", json={"pixels": [[]]})
    before = len(own_client.get("/metrics").text.splitlines())
    for number in range(20):
        own_client.post(f"/v1/classify?model=m{number}", json=pixels(1), headers={"x-request-id": f"id-{number}"})
        own_client.post(f"/v1/classify?version={number}", json=pixels(1))
        own_client.get(f"/nothing/{number}")
        own_client.get(f"/v2/models/m{number}")
    text = own_client.get("/metrics").text
    assert len(text.splitlines()) == before
    assert not re.search(r"m7\b|id-7\b|127\.0\.0\.1", text)


PLAIN, PLAIN_1 = "text/plain; version=0.0.4; charset=utf-8", "text/plain; version=1.0.0; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;"
)
PROMETHEUS_2 += "version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;"
PROMETHEUS_3 += (
    "version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,"
)
PROMETHEUS_3 += "*/*;q=0.1"
PROTOBUF_FIRST = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", PLAIN),
        ("application/json", PLAIN),
        ("text/plain", PLAIN),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", PLAIN),
        ("text/plain;version=1.0.0", PLAIN_1),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROTOBUF_FIRST + PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0" ; Q=0.9, text/plain; q=0.8', OPENMETRICS),
        ("application/openmetrics-text;q=0.3,text/plain;version=0.0.4;q=0.5", PLAIN),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.5", PLAIN),
        ("application/openmetrics-text;q=0,*/*;q=0.1", PLAIN),
        ("application/openmetrics-text;q=high", PLAIN),
        ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5", PLAIN),
        ("application/openmetrics-text;version=2.0.0", PLAIN),
    ],
)
def test_metrics_come_in_the_format_that_is_accepted(client: TestClient, accept: str | None, content_type: str) -> None:
    request = client.build_request("GET", "/metrics")
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    response = client.send(request)
    assert response.headers["content-type"] == content_type
    assert "accept" in response.headers.get_list("vary")
    assert response.text.endswith("# EOF\n") == (content_type == OPENMETRICS)


def test_several_headers_accept_together(client: TestClient) -> None:
    headers = [("accept", "text/plain;q=0.5"), ("accept", "application/openmetrics-text")]
    assert client.get("/metrics", headers=headers).headers["content-type"] == OPENMETRICS


def test_both_formats_say_the_same(client: TestClient) -> None:
    client.post("/v1/classify", json=pixels(1, 2))
    plain = client.get("/metrics").text
    text = client.get("/metrics", headers={"accept": PROMETHEUS_3}).text
    families = {family.name: family for family in openmetrics_families(text)}  # Raises where OpenMetrics forbids it.
    for name, (kind, _) in METRICS.items():
        assert families[name].type == kind
    samples = [
        {(sample.name, *sorted(sample.labels.items())): sample.value for family in parsed for sample in family.samples}
        for parsed in (families.values(), text_string_to_metric_families(plain))
    ]
    assert samples[0] == samples[1]
