"""Limits over HTTP: of a key, and of an address that has none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.access import token_buckets
from service.access.keys import hash_key
from service.api.quotas import subscriber
from service.app import create_app
from service.errors import ConfigurationError
from service.observability import JsonFormatter
from service.settings import Settings
from tests.support.asgi import Caller
from tests.support.classify_requests import pixels
from tests.support.processes import server
from tests.support.translator_bundles import write_translator

KEY, FREE = "lectern_limited", "lectern_free"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that limits count by; the last item counts."""
    times = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: times[-1])

    monkeypatch.setattr(token_buckets, "time", Clock)
    return times


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.fixture
def limited(tmp_path: Path, settings: Settings) -> Callable[..., TestClient]:
    """Makes clients of an application whose key has these limits."""

    def make(limit: str = "", **options: Any) -> TestClient:
        lines = [
            f"limited infer,admin sha256:{hash_key(KEY).hex()} {limit}",
            f"free infer sha256:{hash_key(FREE).hex()}",
        ]
        (tmp_path / "keys").write_text("\n".join(lines))
        update = {"api_keys": tmp_path / "keys"} | options
        return TestClient(create_app(settings.model_copy(update=update)), raise_server_exceptions=False)

    return make


def test_a_key_has_its_limit(limited: Callable[..., TestClient], clock: list[float]) -> None:
    with limited("3/min") as client:
        for _ in range(3):
            assert client.post("/v1/classify", json=pixels(1), headers=bearer(KEY)).status_code == 200
        refused = client.post("/v1/classify", json=pixels(1), headers=bearer(KEY))
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "20"
        assert refused.json()["title"] == "Too Many Requests"
        assert "the limit of this API key is 3/min; try again in 20 s" in refused.json()["detail"]
        error = client.get("/v1/models", headers=bearer(KEY)).json()["error"]
        assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
        assert client.get("/v2", headers=bearer(KEY)).json().keys() == {"error"}
        assert client.get("/v2", headers=bearer(FREE)).status_code == 200, "others are not concerned"
        for path in ("/livez", "/readyz", "/v2/health/ready"):
            assert client.get(path, headers=bearer(KEY)).status_code == 200
        clock.append(1000.0 + int(refused.headers["retry-after"]))
        assert client.get("/v2", headers=bearer(KEY)).status_code == 200
        assert client.get("/v2", headers=bearer(KEY)).status_code == 429


def test_model_time_is_limited(limited: Callable[..., TestClient], clock: list[float]) -> None:
    with limited("1ms/day") as client:
        statuses = [client.post("/v1/classify", json=pixels(1), headers=bearer(KEY)).status_code for _ in range(100)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert sorted(statuses) == statuses


def test_a_client_that_leaves_pays_for_the_time(tmp_path: Path, settings: Settings) -> None:
    async def main() -> None:
        app = create_app(settings.model_copy(update={"rate_limit": "1ms/day"}))
        caller = Caller(b"{", complete=False)
        asking = asyncio.create_task(caller.call(app))
        await asyncio.sleep(0.05)
        caller.disconnected.set()
        await asking
        later = Caller(b"{}")
        await later.call(app)
        assert later.status == 429

    asyncio.run(main())


def test_libretranslates_words(limited: Callable[..., TestClient], settings: Settings, clock: list[float]) -> None:
    write_translator(settings.models)
    body = {"q": "The dog sleeps.", "source": "en", "target": "de", "api_key": KEY}
    with limited("1/min") as client:
        assert client.post("/translate", json=body).status_code == 200
        refused = client.post("/translate", json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert refused.json()["error"].startswith("Slowdown: ")


def test_an_address_has_a_limit(settings: Settings, clock: list[float]) -> None:
    app = create_app(settings.model_copy(update={"rate_limit": "2/min"}))
    with TestClient(app, client=("192.0.2.1", 1)) as first:
        second = TestClient(app, client=("192.0.2.2", 1))
        assert [first.get("/v2").status_code for _ in range(4)] == [200, 200, 429, 429]
        assert "the limit of this address" in first.get("/v2").json()["error"]
        assert [second.post("/v1/classify", json=pixels(1)).status_code for _ in range(3)] == [200, 200, 429]
        assert first.get("/livez").status_code == 200


def test_an_address_without_a_key_is_limited_too(limited: Callable[..., TestClient], clock: list[float]) -> None:
    with limited(rate_limit="3/min") as client:
        statuses = [client.get("/v2", headers=bearer("wrong")).status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert client.get("/languages").status_code == 429
        assert client.get("/v2", headers=bearer(FREE)).status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:2", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_whose_address_it_is(address: str, network: str) -> None:
    assert subscriber(address) == network


def test_a_wrong_limit_is_refused_at_the_start(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="LECTERN_RATE_LIMIT: 'many' is no rate"):
        create_app(settings.model_copy(update={"rate_limit": "many"}))


def test_refusals_cannot_fill_the_log(
    limited: Callable[..., TestClient], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("service.api.refusal_log.time.monotonic", lambda: now[0])
    caplog.handler.setFormatter(JsonFormatter())
    caplog.set_level(logging.WARNING)
    with limited() as client:
        for _ in range(100):
            client.get("/v2")
        now[0] += 1
        client.get("/v2")
    lines = [json.loads(line) for line in caplog.text.splitlines() if "request refused" in line]
    assert len(lines) == 21
    assert lines[-1]["left_out"] == 80


def test_a_limit_holds_over_workers(models_dir: Path) -> None:
    with server(models_dir, WORKERS="2", RATE_LIMIT="40/day", DRAIN_SECONDS="0") as running:
        url = running.url
        assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
        # A connection each, so that both processes answer.
        statuses = [httpx.post(f"{url}/v1/classify", json=pixels(1), timeout=60).status_code for _ in range(60)]
    assert statuses.count(200) == 40
    assert statuses.count(429) == 20


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"{", "application/json"), (b"[1]", "application/json"), (b"x", "text/plain"),
     (b"q=%ff", "application/x-www-form-urlencoded"),
     (b"x" * 100_000_000, "application/json"), (b"nothing", "multipart/form-data; boundary=x; charset=idna")],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_a_request_without_a_key(
    limited: Callable[..., TestClient], clock: list[float], content: bytes, kind: str
) -> None:
    with limited(rate_limit="2/min") as client:
        answers = [client.post("/translate", content=content, headers={"content-type": kind}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert client.post("/detect", content=content, headers={"content-type": kind}).status_code == 429


def test_a_key_in_the_head_or_a_small_body_counts_for_an_address_that_used_up_its_limit(
    limited: Callable[..., TestClient], clock: list[float], settings: Settings
) -> None:
    write_translator(settings.models)
    small = {"q": "The dog sleeps.", "source": "en", "target": "de", "api_key": FREE}
    large = small | {"more": "x" * 100_000}
    with limited(rate_limit="2/min") as client:
        assert client.post("/translate", json=large).status_code == 401
        assert [client.get("/languages").status_code for _ in range(2)] == [200, 429]
        refused = client.post("/translate", json=large)
        assert (refused.status_code, refused.headers["connection"]) == (429, "close")
        assert client.post("/translate", json=small).status_code == 200, "a key that is quickly found counts"
        assert client.post("/translate", json=large, headers=bearer(FREE)).status_code == 200
        assert client.post("/translate", json=large, params={"api_key": FREE}).status_code == 200


def test_paths_without_a_route_count(limited: Callable[..., TestClient], clock: list[float]) -> None:
    with limited(rate_limit="4/min") as client:
        answers = [client.get("/openapi.json"), client.get("/nothing"), client.get("/v2/nothing")]
        answers += [client.delete("/v1/classify"), client.get("/nothing"), client.get("/openapi.json")]
        assert [answer.status_code for answer in answers] == [200, 404, 404, 405, 429, 429]


def test_files_of_the_page_do_not_count(limited: Callable[..., TestClient], clock: list[float]) -> None:
    with limited("1/min", rate_limit="2/min") as client:
        assert client.get("/").status_code == 200
        assert [client.get("/page/main.js", headers=bearer(KEY)).status_code for _ in range(3)] == [200] * 3
        assert [client.get("/page/main.js").status_code for _ in range(3)] == [200] * 3
        assert [client.get("/docs").status_code for _ in range(2)] == [200, 429]
        assert client.get("/", headers=bearer(KEY)).status_code == 200


def test_a_key_counts_on_open_routes(limited: Callable[..., TestClient], clock: list[float]) -> None:
    with limited("3/min", rate_limit="1/min") as client:
        assert [client.get("/docs").status_code for _ in range(2)] == [200, 429]
        for path in ("/", "/docs", "/languages", "/openapi.json"):
            assert client.get(path, headers=bearer(FREE)).status_code == 200, path
            assert client.get(path, headers=bearer("wrong")).status_code == 429, path
        assert [client.get("/docs", headers=bearer(KEY)).status_code for _ in range(4)] == [200, 200, 200, 429]
