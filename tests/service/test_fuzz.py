"""A short `make fuzz`: some hundred hostile requests, pictures and bundles against tiny models."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.fuzz import binary_bodies, json_bodies, pictures, wire
from tests.fuzz.answers import Answer, Call, problems
from tests.fuzz.campaign import Generator, calls
from tests.fuzz.examples import GET, JSON
from tests.fuzz.hostile_bundles import CASES, NAME, HostileBundle, write_good
from tests.fuzz.wire import judge
from tests.support.server import running

SEED = 20251113

SLOW = ("loop of", "tensor of", "manifest of 64 MB", "20,000 wrong samples", "a million labels")
"""Bundles that take seconds to make or to refuse; `make fuzz` loads them."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One good model of each task."""
    path = tmp_path_factory.mktemp("models")
    write_good(path)
    return path


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[TestClient]:
    """A client of an application over `repository`."""
    with TestClient(create_app(Settings(models=repository)), raise_server_exceptions=False) as client:
        yield client


def _send(client: TestClient, call: Call) -> Answer:
    headers = {name: value.encode("latin-1") for name, value in call.headers.items()}
    answer = client.request(call.method, call.path, content=call.body, headers=headers)
    return Answer(answer.status_code, answer.headers, answer.content)


@pytest.mark.parametrize(
    ("generate", "count"), [(json_bodies.case, 200), (binary_bodies.case, 150), (pictures.case, 80)],
    ids=["json", "binary", "pictures"],
)  # fmt: skip
def test_hostile_requests_are_answered_as_they_should(
    client: TestClient, caplog: pytest.LogCaptureFixture, generate: Generator, count: int
) -> None:
    for index, call in enumerate(calls(generate, SEED, count)):
        answer = _send(client, call)
        assert not problems(call, answer), f"input {index}: {call}: {answer.status} {answer.body[:300]!r}"
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    refusals = ("service.api.access", "service.api.refusal_log")  # Loads and unloads that failed or were refused.
    assert not [record for record in records if not record.name.startswith(refusals)], records


@pytest.mark.parametrize(("path", "body"), JSON, ids=[path for path, _ in JSON])
def test_what_is_damaged_was_valid(client: TestClient, path: str, body: dict[str, object]) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == (404 if "nosuch" in path else 200), answer.text


@pytest.mark.parametrize("path", GET)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH", "OPTIONS"])
def test_every_method_is_answered_in_the_shape_of_the_route(client: TestClient, method: str, path: str) -> None:
    call = Call(path, method=method)
    answer = _send(client, call)
    assert not problems(call, answer)
    assert answer.status == (200 if method in ("GET", "HEAD") else 405)


def test_hostile_bytes_on_the_socket_are_refused(repository: Path) -> None:
    with running(Settings(models=repository)) as url, ThreadPoolExecutor(16) as pool:
        address = urlsplit(url)
        target = (str(address.hostname), int(address.port or 0))
        faults = pool.map(lambda case: (case.name, judge(target, case)), wire.CASES)
        assert not {name: found for name, found in faults if found}


QUICK = [case for case in CASES if not case.name.startswith(SLOW)]


@pytest.mark.parametrize("case", QUICK[::3], ids=lambda case: case.name)
def test_a_hostile_bundle_is_refused_by_name_and_the_others_serve(
    client: TestClient, repository: Path, case: HostileBundle
) -> None:
    case.write(repository)
    try:
        answer = client.post(f"/v2/repository/models/{NAME}/load")
        assert 400 <= answer.status_code != 500, answer.text
        index = client.post("/v2/repository/index").json()
        reasons = " ".join(line["reason"] for line in index if line["name"] == NAME)
        assert case.names in answer.text + reasons
        assert client.post("/v1/tag", json={"text": "dog"}).status_code == 200
    finally:
        shutil.rmtree(repository / NAME)
        shutil.rmtree(repository / ".elsewhere", ignore_errors=True)
