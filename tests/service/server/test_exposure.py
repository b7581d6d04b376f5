"""Behind a proxy, and with a port for administration."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from service.server.exposure import Exposed
from service.server.listener import listening
from service.settings import Settings
from tests.support.classify_requests import labels, pixels
from tests.support.processes import server
from tests.support.server import running


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the application learns of a request."""
    seen = {key: scope.get(key) for key in ("path", "root_path", "client", "scheme")}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


async def _seen(settings: Settings, path: str, client: str = "10.0.0.1", **headers: str) -> dict[str, object]:
    transport = httpx.ASGITransport(Exposed(_echo, settings), client=(client, 1234))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://lectern") as http:
        seen: dict[str, object] = (await http.get(path, headers=named)).json()
    return seen


@pytest.mark.parametrize("path", ["/models/livez", "/livez"])
def test_a_prefix_may_be_there_or_not(settings: Settings, path: str) -> None:
    with running(settings.model_copy(update={"root_path": "/models"})) as url:
        assert httpx.get(f"{url}{path}", timeout=60).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/models"])
def test_every_kind_of_route_works_below_a_prefix(settings: Settings, prefix: str) -> None:
    with running(settings.model_copy(update={"root_path": "/models"})) as url:
        base = f"{url}{prefix}"
        with httpx.Client(timeout=60) as client:
            assert labels(client.post(f"{base}/v1/classify", json=pixels(4))) == ["4"]
            assert client.get(f"{base}/v2/models/digits").status_code == 200
            assert client.get(f"{base}/v1/models/digits").status_code == 200
            assert client.get(f"{base}/v1/nowhere").status_code == 404
            assert client.get(f"{base}/v2/nowhere").json() == {"error": "no route /v2/nowhere; /models/docs lists them"}
            for path in ("/", "/docs"):
                page = client.get(f"{base}{path}")
                assert page.status_code == 200
                assert '<base href="/models/">' in page.text
            assert client.get(f"{base}/page/main.js").status_code == 200
            document = client.get(f"{base}/openapi.json").json()
            assert {"url": "/models"} in document["servers"]


def test_another_path_that_begins_like_the_prefix_is_another(settings: Settings) -> None:
    with running(settings.model_copy(update={"root_path": "/live"})) as url:
        assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
        assert httpx.get(f"{url}/live/livez", timeout=60).status_code == 200


def test_a_prefix_twice_leads_past_no_port(models_dir: Path) -> None:
    """What is taken off once shows no route of administration, and no other, when it is sent once more."""
    with _two_ports(models_dir, "0", ROOT_PATH="/models") as (main, administration):
        for path in ("/metrics", "/metrics/", "/v2/repository/index", "/v2/repository/models/digits/load", "/docs"):
            for prefix in ("/models/models", "/models%2fmodels", "/models/models/models"):
                for method in ("GET", "HEAD", "POST"):
                    assert main.request(method, prefix + path).status_code == 404, (method, prefix, path)
        assert main.get("/models/metrics").status_code == 404
        assert administration.get("/models/metrics").status_code == 200


@pytest.mark.parametrize("value", ["models", "/models/", "/v1", "/v2/x", "/a b", "//a", "/a?b"])
def test_a_wrong_root_path_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="write it as /models"):
        Settings(root_path=value)


@pytest.mark.parametrize(("client", "expected"), [("10.0.0.1", ["203.0.113.9", 0]), ("10.0.1.1", ["10.0.1.1", 1234])])
def test_only_trusted_proxies_name_the_client(client: str, expected: list[object]) -> None:
    settings = Settings(trusted_proxies=("10.0.0.0/24",))

    async def ask() -> dict[str, object]:
        return await _seen(
            settings, "/", client, x_forwarded_for="1.2.3.4, 203.0.113.9, 10.0.0.7", x_forwarded_proto="https"
        )

    seen = asyncio.run(ask())
    assert seen["client"] == expected
    assert seen["scheme"] == ("https" if client == "10.0.0.1" else "http")


@pytest.mark.parametrize("named", ["unknown", "_hidden", "203.0.113.009", "x" * 1000, "203.0.113.9, x", ","])
def test_a_proxy_that_names_no_address_is_the_client(named: str) -> None:
    settings = Settings(trusted_proxies=("10.0.0.0/24",))
    seen = asyncio.run(_seen(settings, "/", x_forwarded_for=named))
    assert seen["client"] == ["10.0.0.1", 1234]


@pytest.mark.parametrize("value", ["proxy.example.com", "10.0.0.1/33", "10.0.0.1/8"])
def test_a_wrong_proxy_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=(value,))


@pytest.mark.parametrize("value", ["admin", "99999", "localhost:", "-1"])
def test_a_wrong_admin_port_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(admin_port=value)


@contextmanager
def _two_ports(models: Path, admin: str, **settings: str) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Clients of the service's port and of the port for administration."""
    with server(models, ADMIN_PORT=admin, DRAIN_SECONDS="0", **settings) as running:
        line = running.wait_for("serving")
        address = line["admin"]
        if address.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=address.removeprefix("unix:"))
            with (
                httpx.Client(base_url=line["address"], timeout=60) as main,
                httpx.Client(base_url="http://localhost", transport=transport, timeout=60) as other,
            ):
                yield main, other
        else:
            with (
                httpx.Client(base_url=line["address"], timeout=60) as main,
                httpx.Client(base_url=address, timeout=60) as other,
            ):
                yield main, other
        running.signal(signal.SIGTERM)
        assert running.wait() == 0


@pytest.mark.parametrize("kind", ["port", "socket", "workers"])
def test_administration_has_a_port_of_its_own(models_dir: Path, tmp_path: Path, kind: str) -> None:
    admin = {"port": "0", "socket": str(tmp_path / "admin.sock"), "workers": "127.0.0.1:0"}[kind]
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as left:  # As a server leaves it that was killed.
            left.bind(admin)
    extra = {"WORKERS": "2"} if kind == "workers" else {}
    with _two_ports(models_dir, admin, **extra) as (main, administration):
        assert main.get("/livez").status_code == administration.get("/livez").status_code == 200
        assert main.get("/readyz").status_code == administration.get("/v2/health/ready").status_code == 200
        assert labels(main.post("/v1/classify", json=pixels(4))) == ["4"]
        assert administration.post("/v1/classify", json=pixels(4)).status_code == 404
        assert main.get("/metrics").status_code == 404
        assert "lectern_requests_total" in administration.get("/metrics").text
        for path in ("/v2/repository/index", "/v2/repository/models/digits/load"):
            assert main.post(path, json={}).status_code == 404
            assert administration.post(path, json={}).status_code == 200, path
    assert not (tmp_path / "admin.sock").exists()


def test_an_admin_socket_is_removed_only_by_the_server_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    settings = Settings(port=0, admin_port=str(path))
    with listening(settings):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            status = path.stat()
    assert path.stat().st_ino == status.st_ino
    path.unlink()
    with listening(settings):
        assert path.exists()
    assert not path.exists()
