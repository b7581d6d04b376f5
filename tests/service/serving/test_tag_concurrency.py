"""Many callers of a tagger at once: sentences are joined, answers stay those alone, and nobody starves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.bundle.comparison import differences
from service.bundle.manifest import Comparison
from service.runtime.session import OnnxSession, Tensors
from service.settings import Settings
from tests.conftest import running
from tests.support.server import Gate, serving
from tests.support.tagger_bundles import WORDS, write_tagger

CALLERS = 40
EXACT = Comparison(kind="scores", tolerance=1e-5)


def _request(number: int) -> dict[str, Any]:
    """One of many requests; every ninth is wrong."""
    words = [WORDS[(number + 3 * place) % len(WORDS)] for place in range(1 + number * 7 % 31)]
    if number % 9 == 8:
        return {"tokens": [words, [""]]}
    kinds: list[dict[str, Any]] = [
        {"text": " ".join(words)},
        {"texts": [" ".join(words), "", "Ada sat. Zoë loves New York!"]},
        {"tokens": [words, words[:2], []]},
        {"text": f"{' '.join(words)}. " * 9},
    ]
    return kinds[number % 4]


@pytest.mark.parametrize("inline", ["always", "never"])
def test_answers_together_are_the_answers_alone(tmp_path: Path, inline: Any) -> None:
    write_tagger(tmp_path, kind="spans")

    async def main(url: str) -> None:
        limits = httpx.Limits(max_connections=CALLERS)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

            async def ask(number: int) -> httpx.Response:
                return await client.post("/v1/tag", json=_request(number))

            alone = [await ask(number) for number in range(CALLERS)]
            together = await asyncio.gather(*map(ask, range(CALLERS)))
        for number, (one, other) in enumerate(zip(alone, together, strict=True)):
            assert one.status_code == other.status_code == (422 if number % 9 == 8 else 200), one.text
            if one.status_code == 200:
                assert list(differences(one.json(), other.json(), EXACT, f"request {number}")) == []

    with running(Settings(models=tmp_path, inline=inline, max_batch_tokens=200)) as url:
        asyncio.run(asyncio.wait_for(main(url), 120))


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Sentences and padded length of every run."""
    found: list[tuple[int, ...]] = []
    run = OnnxSession.run

    def watched(self: OnnxSession, feeds: Tensors) -> Tensors:
        found.append(feeds["tokens"].shape)
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", watched)
    return found


def test_sentences_that_wait_are_joined_by_length(tmp_path: Path, shapes: list[tuple[int, ...]], gate: Gate) -> None:
    write_tagger(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path, inline="never")) as (client, _):
            gate.shut()
            requests = [asyncio.create_task(client.post("/v1/tag", json={"text": "Ada"}))]
            await gate.wait_entered()
            del shapes[:]
            for number in range(20):
                tokens = [["a"] * (30 if number % 2 else 3)]
                requests.append(asyncio.create_task(client.post("/v1/tag", json={"tokens": tokens})))
            for _ in range(20):  # Turns of the event loop, in which they queue.
                await asyncio.sleep(0)
            gate.open()
            answers = await asyncio.gather(*requests)
            assert [len(answer.json()["results"][0]["tokens"]) for answer in answers] == [1, *[3, 30] * 10]
            assert shapes == [(1, 1), (10, 30), (10, 3)]

    asyncio.run(asyncio.wait_for(main(), 60))


def test_no_run_is_beyond_the_budget_and_small_requests_come_between(
    tmp_path: Path, shapes: list[tuple[int, ...]], gate: Gate
) -> None:
    write_tagger(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path, inline="never", max_batch_tokens=100)) as (client, _):
            gate.shut()
            del shapes[:]
            large = asyncio.create_task(client.post("/v1/tag", json={"tokens": [["a"] * 10] * 500}))
            await gate.wait_entered()
            small = asyncio.create_task(client.post("/v1/tag", json={"tokens": [["a"] * 7]}))
            for _ in range(20):
                await asyncio.sleep(0)
            gate.open()
            answers = await asyncio.gather(large, small)
            assert [len(answer.json()["results"]) for answer in answers] == [500, 1]
            assert shapes.index((1, 7)) <= 2
            assert max(rows * length for rows, length in shapes) == 100

    asyncio.run(asyncio.wait_for(main(), 60))


def test_the_deadline_is_kept_between_runs(tmp_path: Path, shapes: list[tuple[int, ...]], gate: Gate) -> None:
    write_tagger(tmp_path)

    async def main() -> None:
        settings = Settings(models=tmp_path, inline="never", max_batch_tokens=100, deadline_seconds=1)
        async with serving(settings) as (client, _):
            gate.shut()
            del shapes[:]
            late = await client.post("/v1/tag", json={"tokens": [["a"] * 10] * 500})
            assert late.status_code == 504
            gate.open()
            assert (await client.post("/v1/tag", json={"tokens": [["a"] * 7]})).status_code == 200
            assert len(shapes) <= 2, "what nobody waits for does not run"

    asyncio.run(asyncio.wait_for(main(), 60))
