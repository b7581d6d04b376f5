"""Requests that are refused before their body is read: foreign pages and unknown hosts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from service.api.operation import Operation
from service.app import OPERATIONS
from service.observability import JsonFormatter
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.http import client_of
from tests.support.server import running

PAGE = "https://evil.example"
UNLOAD, LOAD = (f"/v2/repository/models/digits/{verb}" for verb in ("unload", "load"))
CHANGES = [operation for operation in OPERATIONS if operation.changes_state]


def ready(client: TestClient) -> bool:
    return client.get("/v2/models/digits/ready").status_code == 200


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client that calls the server as localhost; one application for all tests that do not change it."""
    repository = tmp_path_factory.mktemp("models")
    write_classifier(repository)
    with client_of(Settings(models=repository)) as client:
        client.base_url = "http://localhost:8080"
        yield client


@pytest.fixture
def own_local(own_client: TestClient) -> TestClient:
    """The same with an application of the test's own."""
    own_client.base_url = "http://localhost:8080"
    return own_client


def test_which_operations_change_state() -> None:
    assert {operation.path for operation in CHANGES} == {
        "/v2/repository/models/{model}/load",
        "/v2/repository/models/{model}/unload",
        "/suggest",
    }
    assert all(operation.method == "POST" for operation in CHANGES)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": PAGE},
        {"origin": PAGE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"referer": f"{PAGE}/page"},
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": b"{}", "headers": {"content-type": "text/plain"}},
        {"data": {"a": "b"}},
        {"files": {"a": b"b"}},
        {"content": b"{", "headers": {"content-type": "application/json"}},
    ],
)
def test_a_page_of_another_origin_changes_nothing(
    local: TestClient, headers: dict[str, str], body: dict[str, object]
) -> None:
    merged = {**body, "headers": {**body.get("headers", {}), **headers}}  # type: ignore[dict-item]
    for path in (UNLOAD, LOAD):
        response = local.post(path, **merged)  # type: ignore[arg-type]
        assert response.status_code == 403
        assert response.json().keys() == {"error"}
        assert "a web page of another origin may not do this" in response.json()["error"]
        assert response.headers["x-request-id"]
        assert "access-control-allow-origin" not in response.headers
    assert ready(local)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_only_post_changes_anything(local: TestClient, method: str) -> None:
    headers = {"x-http-method-override": "POST", "access-control-request-method": "POST", "origin": PAGE}
    assert local.request(method, UNLOAD, headers=headers).status_code == 405
    assert local.get(UNLOAD, params={"_method": "POST"}).status_code == 405
    assert ready(local)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"referer": "http://localhost:8080/docs"},
        {"host": "127.0.0.1:9000"},
        {"host": "[::1]:9000", "origin": "http://[::1]:9000"},
        {"host": "demo.localhost"},
        {"host": "LOCALHOST."},
    ],
)
def test_programs_and_own_pages_load_and_unload(own_local: TestClient, headers: dict[str, str]) -> None:
    assert own_local.post(UNLOAD, headers=headers).status_code == 200
    assert not ready(own_local)
    assert own_local.post(LOAD, headers=headers).status_code == 200
    assert ready(own_local)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8443", "localhost.evil.example", "localhost@evil.example", "192.168.0.7", "", "a b"],
)
def test_dns_rebinding_changes_nothing(local: TestClient, host: str) -> None:
    for headers in ({"host": host}, {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}):
        response = local.post(UNLOAD, headers=headers)
        assert response.status_code == 403
        assert "this host is not trusted" in response.json()["error"]
        assert "LECTERN_TRUSTED_HOSTS" in response.json()["error"]
    # A proxy on this machine may hand on the name that it was called by.
    assert local.post("/v1/classify", json=pixels(1), headers={"host": host}).status_code == 200
    assert ready(local)


@pytest.mark.parametrize("host", ["evil.example:8080", "EVIL.example.:8080", "127.0.0.1.nip.io:8080"])
def test_dns_rebinding_reads_nothing(local: TestClient, host: str) -> None:
    """A browser names the port that it connects to: with this server's own and a public name, it is no proxy's."""
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/classify"), ("GET", "/metrics"), ("GET", "/nothing")):
        response = local.request(method, path, headers={"host": host})
        assert response.status_code == 403, path
        assert "this host is not trusted" in response.text
    for path in ("/livez", "/readyz"):
        assert local.get(path, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.168.0.7:8080", "host.docker.internal:8080", "lectern:8080",
     "models.example.com", "models.example.com:443", "lectern.svc.cluster.local:8080"],
)  # fmt: skip
def test_hosts_that_no_page_of_an_attacker_names_to_this_port_may_read(local: TestClient, host: str) -> None:
    assert local.get("/v1/models", headers={"host": host}).status_code == 200
    assert local.post("/v1/classify", json=pixels(1), headers={"host": host}).status_code == 200


def test_dns_rebinding_reads_nothing_from_a_socket(settings: Settings) -> None:
    with running(settings) as url:
        port = int(url.rpartition(":")[2])
        for host, status in ((f"evil.example:{port}", 403), (f"127.0.0.1:{port}", 200), (f"a.example:{port + 1}", 200)):
            assert httpx.get(f"{url}/v2", headers={"host": host}, timeout=60).status_code == status, host


def test_the_default_port_is_80(settings: Settings) -> None:
    with client_of(settings) as client:
        client.base_url = "http://localhost"
        for host, status in (("evil.example", 403), ("evil.example:80", 403), ("evil.example:", 403), ("a.b:81", 200)):
            assert client.get("/v2", headers={"host": host}).status_code == status, host


def test_off_loopback_and_with_a_certificate_every_host_may_read(models_dir: Path) -> None:
    for update in ({"host": "0.0.0.0"}, {"tls_cert": Path("cert.pem"), "tls_key": Path("key.pem")}):
        with client_of(Settings.model_validate({"models": models_dir} | update)) as client:
            client.base_url = "http://localhost:8080"
            assert client.get("/v1/models", headers={"host": "models.example.com:8080"}).status_code == 200


def test_several_hosts_or_origins_are_refused(local: TestClient) -> None:
    for extra in (("host", "evil.example"), ("host", "localhost:8080"), ("origin", PAGE)):
        headers = [("host", "localhost:8080"), ("origin", "http://localhost:8080"), extra]
        assert local.post(UNLOAD, headers=headers).status_code == 403
    assert ready(local)


def test_configured_hosts_are_the_only_ones_but_for_probes(settings: Settings) -> None:
    with client_of(settings.model_copy(update={"trusted_hosts": ("api.example.com",)})) as client:
        for host, status in (("api.example.com", 200), ("localhost", 200), ("evil.example", 403), ("10.0.0.7", 403)):
            headers = {"host": host}
            for path in ("/v1/models", "/metrics", "/v2"):
                assert client.get(path, headers=headers).status_code == status, (host, path)
            assert client.post("/v1/classify", json=pixels(1), headers=headers).status_code == status
            for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
                assert client.get(path, headers=headers).status_code == 200, (host, path)
        refused = client.post("/v1/classify", json=pixels(1), headers={"host": "evil.example"})
        assert refused.headers["content-type"] == "application/problem+json"
        refused = client.get("/v1/models", headers={"host": "evil.example"})
        assert refused.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize(("control", "status"), [("auto", 403), ("none", 403), ("explicit", 200)])
def test_off_loopback_models_are_loaded_only_where_that_is_set(models_dir: Path, control: str, status: int) -> None:
    settings = Settings.model_validate({"models": models_dir, "host": "0.0.0.0", "model_control": control})
    with client_of(settings) as client:
        for host in ("10.244.0.3:8080", "lectern:8080", "localhost", "[2001:db8::1]"):
            response = client.post(LOAD, headers={"host": host})
            assert response.status_code == status, response.text
            if status == 403:
                assert "LECTERN_MODEL_CONTROL" in response.json()["error"]
            for headers in ({"host": "evil.example"}, {"host": host, "origin": PAGE}):
                assert client.post(UNLOAD, headers=headers).status_code == 403


def test_a_refusal_is_logged_without_secrets(own_local: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.DEBUG):
        own_local.post(UNLOAD + "?api_key=hidden1", headers={"referer": f"{PAGE}/inbox?token=hidden2"})
        own_local.post(UNLOAD, headers={"host": "evil.example" * 1000})
    lines = [line for line in map(json.loads, caplog.text.splitlines()) if not line["logger"].startswith("httpx")]
    assert "hidden" not in json.dumps(lines)
    assert [line["reason"] for line in lines] == ["origin", "host"]
    assert lines[0]["origin"] == PAGE
    assert lines[0]["client"] == "testclient"
    assert len(lines[1]["host"]) <= 200


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_only_probes_and_the_list_of_languages_are_open(operation: Operation) -> None:
    health = ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/health")
    descriptions = ("/languages", "/frontend/settings", "/spec")
    assert operation.is_probe is (operation.path in health)
    assert (operation.key_scope is None) is (operation.path in (*health, *descriptions))


def test_pages_and_paths_without_a_route_are_below_trusted_hosts_too(settings: Settings) -> None:
    with client_of(settings.model_copy(update={"trusted_hosts": ("api.example.com",)})) as client:
        asked = [
            ("GET", "/openapi.json", 200),
            ("GET", "/docs", 200),
            ("GET", "/nothing", 404),
            ("GET", "/v2/x/y", 404),
        ]
        asked += [("DELETE", "/v1/classify", 405), ("GET", "/v1/classify", 405)]
        for method, path, status in asked:
            for host, expected in (("api.example.com", status), ("evil.example.com", 403)):
                answer = client.request(method, path, headers={"host": host})
                assert answer.status_code == expected, (method, path, host)


def test_failed_changes_cannot_fill_the_log(own_local: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            assert own_local.post(f"/v2/repository/models/{'x' * 1000}/unload").status_code == 404
    records = [record for record in caplog.records if record.message == "state not changed"]
    assert 0 < len(records) < 100
    assert all(len(JsonFormatter().format(record)) < 2500 for record in records)
