"""Many callers of all routes of word vectors at once: a batched answer is the answer alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.support.concurrency import Post, assert_concurrency_changes_no_answer
from tests.support.event_loop import yield_to_other_tasks
from tests.support.metrics import metric_value
from tests.support.server import Gate, run_with_client
from tests.support.word_vector_bundles import WORDS, unit_vectors, write_words

CALLERS = 60


def _request(number: int) -> Post:
    """One of many requests; every ninth is wrong."""
    words = [WORDS[(number + offset) % len(WORDS)] for offset in range(1 + number % 4)]
    if number % 9 == 8:
        return Post("/v1/neighbors", {"words": [*words, ""]}, 422)
    kinds: list[Post] = [
        Post("/v1/neighbors", {"words": words, "k": 1 + number % 7}),
        Post("/v1/neighbors", {"words": [*words, "zzz"], "k": 20}),
        Post("/v1/neighbors", {"vectors": [unit_vectors()[number % len(WORDS)].tolist()], "k": 2}),
        Post("/v1/neighbors", {"positive": words, "k": 3}),
        Post("/v1/similarity", {"pairs": [[words[0], word] for word in words]}),
        Post("/v1/analogy", {"a": words[0], "b": "king", "c": "woman", "k": 1 + number % 3}),
        Post("/v1/projection", {"words": [*words, "king", "rome", "boy"]}),
        Post("/v1/embeddings", {"input": [" ".join(words), words[0]]}),
        Post("/v1/embeddings", {"input": [[number % len(WORDS)]], "dimensions": 5}),
    ]
    return kinds[number % len(kinds)] if number % 2 else kinds[number % 4]


@pytest.mark.parametrize("inline", ["always", "never"])
@pytest.mark.parametrize("form", ["inside", "int8"])
def test_answers_together_are_the_answers_alone(tmp_path: Path, inline: Any, form: Any) -> None:
    write_words(tmp_path, form=form)
    settings = Settings(models=tmp_path, inline=inline, max_batch_size=8)
    assert_concurrency_changes_no_answer(settings, [_request(number) for number in range(CALLERS)])


def test_searches_that_wait_are_joined(tmp_path: Path, gate: Gate) -> None:
    write_words(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        before = await _executions(client)
        gate.shut()
        searches = [asyncio.create_task(client.post("/v1/neighbors", json={"words": ["king"]}))]
        await gate.wait_entered()
        searches += [
            asyncio.create_task(client.post("/v1/neighbors", json={"words": [word], "k": 3})) for word in WORDS
        ]
        await yield_to_other_tasks()
        gate.open()
        answers = await asyncio.gather(*searches)
        assert [len(answer.json()["results"][0]["neighbors"]) for answer in answers] == [10] + [3] * len(WORDS)
        assert await _executions(client) - before < 6

    run_with_client(main, Settings(models=tmp_path, inline="never"))


async def _executions(client: httpx.AsyncClient) -> float:
    """Runs of the graph so far."""
    return metric_value((await client.get("/metrics")).text, "lectern_executions_total")


def test_more_words_than_a_batch_are_handled_in_pieces(tmp_path: Path) -> None:
    write_words(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        words = [WORDS[index % len(WORDS)] for index in range(101)]
        wide, narrow = await asyncio.gather(
            client.post("/v1/neighbors", json={"words": words, "k": 4}),
            client.post("/v1/neighbors", json={"words": words[:2], "k": 15}),
        )
        results = wide.json()["results"]
        assert [len(result["neighbors"]) for result in results] == [4] * 101
        assert results[: len(WORDS)] == results[len(WORDS) : 2 * len(WORDS)]
        assert [len(result["neighbors"]) for result in narrow.json()["results"]] == [15] * 2

    for inline in ("always", "never"):
        run_with_client(main, Settings(models=tmp_path, inline=inline, max_batch_size=4))
