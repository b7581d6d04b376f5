"""Bodies that would hold the event loop or fill the memory are refused before they are parsed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from service.app import OPERATIONS
from service.limits import Limits
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.event_loop import run_async
from tests.support.hostile_bodies import HOSTILE, HostileBody
from tests.support.http import client_of
from tests.support.server import serving
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

LONGEST_STALL_SECONDS = 1.0
"""Processor time of the event loop's thread, far more than any of them may take; without limits they take seconds."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models of every task, with the names of the shipped ones."""
    folder = tmp_path_factory.mktemp("models")
    write_classifier(folder)
    write_tagger(folder, "pos-en")
    write_words(folder, "words-en")
    write_translator(folder)
    return folder


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[TestClient]:
    """A client of a server with all limits at their defaults."""
    with client_of(Settings(models=models)) as client:
        yield client


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_body_is_refused_by_the_limit_that_it_exceeds(client: TestClient, hostile: HostileBody) -> None:
    response = client.post(hostile.path, content=hostile.make(), headers=hostile.all_headers)
    assert response.status_code == hostile.status, response.text[:1000]
    assert hostile.text in response.text
    assert len(response.content) < 4_000


def test_hostile_bodies_do_not_hold_the_event_loop(models: Path) -> None:
    stalls: list[float] = []

    async def watch() -> None:
        while True:
            start = time.thread_time()
            await asyncio.sleep(0.005)
            stalls.append(time.thread_time() - start)

    async def post(client: httpx.AsyncClient, hostile: HostileBody, content: bytes) -> None:
        response = await client.post(hostile.path, content=content, headers=hostile.all_headers)
        assert response.status_code == hostile.status

    async def main() -> None:
        worst = [hostile for hostile in HOSTILE if "empty" in hostile.name or "keys" in hostile.name]
        async with serving(Settings(models=models)) as (client, _):
            for hostile in worst:
                content = hostile.make()
                watcher = asyncio.create_task(watch())
                await asyncio.gather(*(post(client, hostile, content) for _ in range(4)))
                watcher.cancel()

    run_async(main(), timeout=120)
    assert max(stalls) < LONGEST_STALL_SECONDS


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.body], ids=lambda operation: operation.path
)
def test_json_has_at_most_2_mib_where_the_counts_of_the_route_need_no_more(operation) -> None:  # type: ignore[no-untyped-def]
    larger = {"/v1/tag", "/v1/neighbors", "/v1/embeddings", "/v1/classify"}
    most = operation.json_limits(Limits()).bytes_allowed(Limits())
    assert most <= 16 * 2**20
    assert (most > 2 * 2**20) == (operation.path in larger or operation.path.endswith("/infer"))
