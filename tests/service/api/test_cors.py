"""Web pages of other origins: which may read answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.access.keys import hash_key
from service.app import create_app
from service.settings import Settings
from tests.support.classify_requests import pixels

APP, OTHER = "https://app.example.com", "https://evil.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
ALLOW = "access-control-allow-origin"
KEY = "lectern_key"


@pytest.fixture
def client_for(settings: Settings) -> Callable[..., TestClient]:
    def make(*origins: str, **options: Any) -> TestClient:
        update = {"cors_origins": origins, **options}
        return TestClient(create_app(settings.model_copy(update=update)), raise_server_exceptions=False)

    return make


def test_off_by_default(client: TestClient) -> None:
    for response in (
        client.options("/v1/classify", headers=PREFLIGHT | {"origin": APP}),
        client.post("/v1/classify", json=pixels(1), headers={"origin": APP}),
        client.get("/v2", headers={"origin": APP}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control-")]
    assert client.options("/v1/classify", headers=PREFLIGHT | {"origin": APP}).status_code == 405


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/models", "/v2/models/digits/infer", "/translate", "/metrics"])
def test_preflights(client_for: Callable[..., TestClient], path: str) -> None:
    client = client_for(APP)
    response = client.options(path, headers=PREFLIGHT | {"origin": APP})
    assert response.status_code == 204
    assert response.headers[ALLOW] == APP
    assert response.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    assert response.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "access-control-allow-credentials" not in response.headers
    assert "access-control-allow-private-network" not in response.headers
    assert "origin" in response.headers.get_list("vary")
    assert response.headers["x-request-id"]
    private = {"access-control-request-private-network": "true"}
    response = client.options(path, headers=PREFLIGHT | private | {"origin": APP})
    assert response.headers["access-control-allow-private-network"] == "true"

    for headers in ({"origin": OTHER}, {"origin": "null"}, {"origin": APP + ".evil.example"}, {}):
        refused = client.options(path, headers=PREFLIGHT | headers)
        assert refused.status_code == 405
        assert ALLOW not in refused.headers
    response = client.options(path, headers=PREFLIGHT | {"origin": APP, "access-control-request-headers": "a\tb: c"})
    assert "access-control-allow-headers" not in response.headers


def test_answers_and_errors_have_the_headers(client_for: Callable[..., TestClient], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"a infer sha256:{hash_key(KEY).hex()} 2/day\n")
    key = {"authorization": f"Bearer {KEY}"}
    with client_for(APP, api_keys=tmp_path / "keys") as client:
        statuses = []
        for origin, path, headers in [
            (APP, "/v1/classify", key),
            (APP, "/v1/classify", {}),
            (APP, "/v1/classify", key | {"content-type": "text/x"}),
            (APP, "/v1/classify", key),
            (APP, "/nothing", {}),
        ]:
            response = client.post(path, json=pixels(1), headers={"origin": origin, **headers})
            statuses.append(response.status_code)
            assert response.headers[ALLOW] == APP
            assert "retry-after" in response.headers["access-control-expose-headers"]
            assert "origin" in response.headers.get_list("vary")
        assert statuses == [200, 401, 415, 429, 404]
        for origin in (OTHER, "null", "", f"{APP}:444", "http://app.example.com"):
            response = client.get("/livez", headers={"origin": origin})
            assert ALLOW not in response.headers
            assert "origin" in response.headers.get_list("vary"), "a cache must not give this answer to the app"
        assert "origin" in client.get("/livez").headers.get_list("vary")


def test_every_origin(client_for: Callable[..., TestClient]) -> None:
    with client_for("*") as client:
        client.base_url = "http://localhost"
        response = client.post("/v1/classify", json=pixels(1), headers={"origin": OTHER})
        assert response.headers[ALLOW] == "*"
        assert "vary" not in response.headers
        assert client.options("/v1/classify", headers=PREFLIGHT | {"origin": OTHER}).status_code == 204
        assert client.post("/v2/repository/models/digits/unload", headers={"origin": OTHER}).status_code == 403


def test_an_origin_that_is_named_may_load_and_unload(client_for: Callable[..., TestClient]) -> None:
    with client_for(APP, OTHER.replace("evil", "other")) as client:
        client.base_url = "http://localhost"
        headers = {"origin": APP, "sec-fetch-site": "cross-site"}
        assert client.post("/v2/repository/models/digits/load", headers=headers).status_code == 200
        assert client.post("/v2/repository/models/digits/load", headers={"origin": OTHER}).status_code == 403
