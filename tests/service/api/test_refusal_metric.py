"""Every refused request is counted once, by its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.access.keys import hash_key
from service.app import create_app
from service.errors import RefusalReason
from service.server.exposure import Exposed
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.raw_http import connected
from tests.support.server import running
from tests.support.tagger_bundles import write_tagger

KEY = {"authorization": "Bearer lectern_key"}
JSON = {"content-type": "application/json"}


def counts(text: str) -> dict[str, float]:
    """The value of the metric by reason, in what /metrics answers."""
    return {
        name: float(value) for name, value in re.findall(r'^lectern_refusals_total{reason="(\w+)"} (\S+)$', text, re.M)
    }


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("refusals")
    write_classifier(folder / "models")
    write_tagger(folder / "models")
    lines = [f"all infer,admin,metrics sha256:{hash_key('lectern_key').hex()}"]
    lines.append(f"limited infer sha256:{hash_key('lectern_limited').hex()} 1/day")
    lines.append(f"metrics metrics sha256:{hash_key('lectern_metrics').hex()}")
    (folder / "keys").write_text("\n".join(lines))
    settings = Settings(
        models=folder / "models",
        api_keys=folder / "keys",
        trusted_hosts=("testserver",),
        model_control="none",
        max_texts=2,
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


Ask = Callable[[TestClient], httpx.Response]

REFUSED: dict[str, tuple[RefusalReason | None, Ask]] = {
    "too many bytes": (
        RefusalReason.LIMIT,
        lambda c: c.post("/v1/tag", content=b" " * 9_000_000, headers=KEY | JSON),
    ),
    "too many texts": (RefusalReason.LIMIT, lambda c: c.post("/v1/tag", json={"texts": ["a"] * 3}, headers=KEY)),
    "too many lists": (
        RefusalReason.LIMIT,
        lambda c: c.post("/v1/tag", json={"tokens": [[]] * 50_000}, headers=KEY),
    ),
    "a key above its rate": (
        RefusalReason.RATE,
        lambda c: [c.get("/v2", headers={"authorization": "Bearer lectern_limited"}) for _ in range(2)][1],
    ),
    "no key": (RefusalReason.KEY, lambda c: c.get("/v2")),
    "a wrong key": (RefusalReason.KEY, lambda c: c.get("/v2", headers={"authorization": "Bearer x"})),
    "a wrong key in a body": (RefusalReason.KEY, lambda c: c.post("/translate", json={"api_key": "x"})),
    "a key without the scope": (
        RefusalReason.KEY,
        lambda c: c.get("/v2", headers={"authorization": "Bearer lectern_metrics"}),
    ),
    "a host": (RefusalReason.HOST, lambda c: c.get("/v2", headers=KEY | {"host": "evil.example"})),
    "a host on no route": (RefusalReason.HOST, lambda c: c.get("/nothing", headers={"host": "evil.example"})),
    "a page": (
        RefusalReason.ORIGIN,
        lambda c: c.post("/v2/repository/models/digits/load", headers=KEY | {"origin": "https://evil.example"}),
    ),
    "control": (RefusalReason.CONTROL, lambda c: c.post("/v2/repository/models/digits/load", headers=KEY)),
    "no JSON": (RefusalReason.BODY, lambda c: c.post("/v1/tag", content=b"{", headers=KEY | JSON)),
    "a media type": (
        RefusalReason.BODY,
        lambda c: c.post("/v1/tag", content=b"{", headers=KEY | {"content-type": "text/x"}),
    ),
    "an unknown field": (RefusalReason.BODY, lambda c: c.post("/v1/tag", json={"x": 1}, headers=KEY)),
    "an excess connection": (
        RefusalReason.OVERLOAD,
        lambda c: TestClient(Exposed(c.app, c.app.context.settings, excess=True)).get("/v2"),  # type: ignore[attr-defined]
    ),
    "no model": (None, lambda c: c.get("/v2/models/nothing", headers=KEY)),
    "no route": (None, lambda c: c.get("/nothing", headers=KEY)),
    "an answer": (None, lambda c: c.post("/v1/classify", json=pixels(1), headers=KEY)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_each_kind(keyed: TestClient, kind: str) -> None:
    reason, ask = REFUSED[kind]
    before = counts(keyed.get("/metrics", headers=KEY).text)
    assert before.keys() == set(RefusalReason)
    response = ask(keyed)
    assert (response.status_code >= 400) is (kind != "an answer")
    after = counts(keyed.get("/metrics", headers=KEY).text)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == (
        {reason: 1} if reason else {}
    )


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\nhost: x\nx: " + "x" * 70_000, 431),
        ("GET /" + "x" * 70_000 + " HTTP/1.1\nhost: x", 414),
        ("GET / HTTP/3.0\nhost: x", 505),
    ],
    ids=["host", "headers", "target", "version"],
)
def test_what_is_no_request(settings: Settings, sent: str, status: int) -> None:
    with running(settings) as url:
        with connected(url) as connection:
            connection.send(sent)
            assert connection.answer()[0] == status
        assert counts(httpx.get(f"{url}/metrics").text)["http"] == 1


def test_a_body_that_comes_too_slowly(models_dir: Path) -> None:
    values: dict[str, Any] = {"models": models_dir, "deadline_seconds": 0.2}
    with running(Settings(**values)) as url:
        with connected(url) as connection:
            connection.send("POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: 9")
            assert connection.answer()[0] == 504
        assert counts(httpx.get(f"{url}/metrics").text)["deadline"] == 1
