"""Many callers of all routes of word vectors at once: a batched answer is the answer alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.bundle.comparison import differences
from service.bundle.manifest import Comparison
from service.settings import Settings
from tests.conftest import running
from tests.support.server import Gate, serving
from tests.support.word_vector_bundles import WORDS, unit_vectors, write_words

CALLERS = 60
EXACT = Comparison(kind="scores", tolerance=1e-5)


def _request(number: int) -> tuple[str, dict[str, Any]]:
    """One of many requests; every ninth is wrong."""
    words = [WORDS[(number + offset) % len(WORDS)] for offset in range(1 + number % 4)]
    if number % 9 == 8:
        return "/v1/neighbors", {"words": [*words, ""]}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("/v1/neighbors", {"words": words, "k": 1 + number % 7}),
        ("/v1/neighbors", {"words": [*words, "zzz"], "k": 20}),
        ("/v1/neighbors", {"vectors": [unit_vectors()[number % len(WORDS)].tolist()], "k": 2}),
        ("/v1/neighbors", {"positive": words, "k": 3}),
        ("/v1/similarity", {"pairs": [[words[0], word] for word in words]}),
        ("/v1/analogy", {"a": words[0], "b": "king", "c": "woman", "k": 1 + number % 3}),
        ("/v1/projection", {"words": [*words, "king", "rome", "boy"]}),
        ("/v1/embeddings", {"input": [" ".join(words), words[0]]}),
        ("/v1/embeddings", {"input": [[number % len(WORDS)]], "dimensions": 5}),
    ]
    return kinds[number % len(kinds)] if number % 2 else kinds[number % 4]


@pytest.mark.parametrize("inline", ["always", "never"])
@pytest.mark.parametrize("form", ["inside", "int8"])
def test_answers_together_are_the_answers_alone(tmp_path: Path, inline: Any, form: Any) -> None:
    write_words(tmp_path, form=form)

    async def main(url: str) -> None:
        limits = httpx.Limits(max_connections=CALLERS)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

            async def ask(number: int) -> httpx.Response:
                path, body = _request(number)
                return await client.post(path, json=body)

            alone = [await ask(number) for number in range(CALLERS)]
            together = await asyncio.gather(*map(ask, range(CALLERS)))
        for number, (one, other) in enumerate(zip(alone, together, strict=True)):
            assert one.status_code == other.status_code == (422 if number % 9 == 8 else 200), one.text
            if one.status_code == 200:
                assert list(differences(one.json(), other.json(), EXACT, f"request {number}")) == []

    with running(Settings(models=tmp_path, inline=inline, max_batch_size=8)) as url:
        asyncio.run(asyncio.wait_for(main(url), 120))


def test_searches_that_wait_are_joined(tmp_path: Path, gate: Gate) -> None:
    write_words(tmp_path)

    async def main() -> None:
        async with serving(Settings(models=tmp_path, inline="never")) as (client, _):
            before = await _executions(client)
            gate.shut()
            searches = [asyncio.create_task(client.post("/v1/neighbors", json={"words": ["king"]}))]
            await gate.wait_entered()
            searches += [
                asyncio.create_task(client.post("/v1/neighbors", json={"words": [word], "k": 3})) for word in WORDS
            ]
            for _ in range(20):  # Turns of the event loop, in which they queue.
                await asyncio.sleep(0)
            gate.open()
            answers = await asyncio.gather(*searches)
            assert [len(answer.json()["results"][0]["neighbors"]) for answer in answers] == [10] + [3] * len(WORDS)
            assert await _executions(client) - before < 6

    asyncio.run(asyncio.wait_for(main(), 60))


async def _executions(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("lectern_executions_total{")]
    return float(line.rpartition(" ")[2])


def test_more_words_than_a_batch_are_handled_in_pieces(tmp_path: Path) -> None:
    write_words(tmp_path)

    async def main() -> None:
        for inline in ("always", "never"):
            async with serving(Settings(models=tmp_path, inline=inline, max_batch_size=4)) as (client, _):
                words = [WORDS[index % len(WORDS)] for index in range(101)]
                wide, narrow = await asyncio.gather(
                    client.post("/v1/neighbors", json={"words": words, "k": 4}),
                    client.post("/v1/neighbors", json={"words": words[:2], "k": 15}),
                )
                results = wide.json()["results"]
                assert [len(result["neighbors"]) for result in results] == [4] * 101
                assert results[: len(WORDS)] == results[len(WORDS) : 2 * len(WORDS)]
                assert [len(result["neighbors"]) for result in narrow.json()["results"]] == [15] * 2

    asyncio.run(asyncio.wait_for(main(), 60))
