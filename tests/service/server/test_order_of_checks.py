"""Every answer passes the same checks in the same order: host, port, connections, page, limits and key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from service.access.keys import hash_key
from service.app import create_app
from service.server.exposure import Exposed
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import client_of

KEY = "lectern_key"
OWN, FOREIGN = "api.example.com", "evil.example"
PAGE, ALLOWED_PAGE = "https://evil.example", "https://app.example.com"

# (method, path, on the main port, on the port of administration): the statuses where nothing is refused.
ROUTES = {
    "probe": ("GET", "/livez", 200, 200),
    "probe with a slash": ("GET", "/readyz/", 200, 200),
    "inference": ("POST", "/v1/classify", 415, 404),
    "list": ("GET", "/v1/models", 200, 404),
    "open list": ("GET", "/languages", 200, 404),
    "document": ("GET", "/openapi.json", 200, 404),
    "metrics": ("GET", "/metrics", 404, 200),
    "metrics with a slash": ("HEAD", "/metrics/", 404, 200),
    "statistics": ("GET", "/v2/models/stats", 404, 200),
    "index": ("POST", "/v2/repository/index", 404, 200),
    "change": ("POST", "/v2/repository/models/digits/load", 404, 200),
    "wrong method": ("DELETE", "/v1/classify", 405, 404),
    "wrong method of administration": ("GET", "/v2/repository/index", 404, 405),
    "no route": ("GET", "/nothing", 404, 404),
    "no route of administration": ("GET", "/v2/repository/nothing", 404, 404),
    "preflight": ("OPTIONS", "/v1/classify", 204, 404),
    "preflight of administration": ("OPTIONS", "/v2/repository/index", 404, 204),
}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Settings]]:
    folder = tmp_path_factory.mktemp("order")
    write_classifier(folder / "models")
    (folder / "keys").write_text(f"all infer,admin,metrics sha256:{hash_key(KEY).hex()}\n")
    settings = Settings(
        models=folder / "models",
        api_keys=folder / "keys",
        admin_port="0",
        trusted_hosts=(OWN,),
        cors_origins=(ALLOWED_PAGE,),
        model_control="explicit",
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client, settings


def ask(
    application: tuple[TestClient, Settings], route: str, *, excess: bool = False, admin: bool = False, **headers: str
) -> httpx.Response:
    """The answer of one of the ports to a request with a valid key."""
    client, settings = application
    app = Exposed(client.app, settings, admin=admin, excess=excess)
    method, path = ROUTES[route][:2]
    if method == "OPTIONS":
        headers = {"access_control_request_method": "POST", "origin": ALLOWED_PAGE} | headers
    named = {name.replace("_", "-"): value for name, value in headers.items() if value}
    caller = TestClient(app, raise_server_exceptions=False)
    return caller.request(method, path, headers={"authorization": f"Bearer {KEY}"} | named)


@pytest.mark.parametrize("admin", [False, True], ids=["main", "admin"])
@pytest.mark.parametrize("host", [OWN, FOREIGN])
@pytest.mark.parametrize("origin", ["", PAGE, ALLOWED_PAGE])
@pytest.mark.parametrize("route", ROUTES)
def test_every_kind_of_route(
    application: tuple[TestClient, Settings], route: str, origin: str, host: str, admin: bool
) -> None:
    _, _, *statuses = ROUTES[route]
    expected = statuses[admin]
    if host == FOREIGN and not route.startswith("probe"):
        expected = 403
    elif expected == 204 and origin == PAGE:
        expected = 405
    elif (route, expected, origin) == ("change", 200, PAGE):
        expected = 403
    headers = {"host": host} | ({"origin": origin} if origin else {})
    assert ask(application, route, admin=admin, **headers).status_code == expected


@pytest.mark.parametrize("admin", [False, True], ids=["main", "admin"])
@pytest.mark.parametrize("host", [OWN, FOREIGN])
@pytest.mark.parametrize("route", ROUTES)
def test_connections_above_the_limit(
    application: tuple[TestClient, Settings], route: str, host: str, admin: bool
) -> None:
    """Host, then port, then the connection; and nothing of page, limits and key is looked at."""
    _, _, *statuses = ROUTES[route]
    answer = ask(application, route, admin=admin, excess=True, host=host, authorization="Bearer wrong")
    if route.startswith("probe"):
        assert answer.status_code == 200
    elif host == FOREIGN:
        assert answer.status_code == 403
    elif route.startswith("no route"):
        assert answer.status_code == (404 if admin else 503)
    elif statuses[admin] == 404:
        assert answer.status_code == 404
    else:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        if answer.request.method != "HEAD":
            assert "LECTERN_MAX_CONNECTIONS" in answer.text
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("route", ["list", "document", "metrics", "no route", "wrong method"])
def test_the_key_is_looked_at_last(application: tuple[TestClient, Settings], route: str) -> None:
    for admin in (False, True):
        for host in (OWN, FOREIGN):
            wrong = ask(application, route, admin=admin, host=host, authorization="Bearer wrong").status_code
            right = ask(application, route, admin=admin, host=host).status_code
            assert wrong == (401 if right == 200 and route != "document" else right)


def test_a_limit_of_addresses_is_looked_at_after_host_and_port(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_limit": "2/day", "trusted_hosts": (OWN,), "admin_port": "0"})
    with client_of(limited) as client:
        caller = TestClient(Exposed(client.app, limited), raise_server_exceptions=False)
        own = {"host": OWN}
        assert [caller.get("/v2", headers={"host": FOREIGN}).status_code for _ in range(4)] == [403] * 4
        assert [caller.get("/metrics", headers=own).status_code for _ in range(4)] == [404] * 4
        assert [caller.get(path, headers=own).status_code for path in ("/v2", "/nothing", "/v2")] == [200, 404, 429]
        assert caller.get("/metrics", headers=own).status_code == 404


@pytest.mark.parametrize("shape", [("/v1/models", "openai"), ("/v2", "plain"), ("/openapi.json", "problem")])
def test_refusals_have_the_shape_of_the_route(application: tuple[TestClient, Settings], shape: tuple[str, str]) -> None:
    client, settings = application
    path, kind = shape
    app = Exposed(client.app, settings, admin=True)
    for host, status in ((OWN, 404), (FOREIGN, 403)):
        answer = TestClient(app, raise_server_exceptions=False).get(path, headers={"host": host})
        assert answer.status_code == status
        body = answer.json()
        assert ("error" in body, isinstance(body.get("error"), dict)) == (kind != "problem", kind == "openai")


def test_without_a_port_for_administration_everything_is_on_one(models_dir: Path) -> None:
    with client_of(Settings(models=models_dir)) as client:
        for path in ("/metrics", "/v2/models/stats", "/v1/models", "/languages"):
            assert client.get(path).status_code == 200, path
