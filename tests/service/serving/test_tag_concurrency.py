"""Many callers of a tagger at once: sentences are joined, answers stay those alone, and nobody starves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.support.concurrency import Post, assert_concurrency_changes_no_answer
from tests.support.event_loop import yield_to_other_tasks
from tests.support.server import Gate, run_with_client
from tests.support.tagger_bundles import WORDS, write_tagger

CALLERS = 40


def _request(number: int) -> Post:
    """One of many requests; every ninth is wrong."""
    words = [WORDS[(number + 3 * index) % len(WORDS)] for index in range(1 + number * 7 % 31)]
    if number % 9 == 8:
        return Post("/v1/tag", {"tokens": [words, [""]]}, 422)
    kinds: list[dict[str, Any]] = [
        {"text": " ".join(words)},
        {"texts": [" ".join(words), "", "Ada sat. Zoë loves New York!"]},
        {"tokens": [words, words[:2], []]},
        {"text": f"{' '.join(words)}. " * 9},
    ]
    return Post("/v1/tag", kinds[number % 4])


@pytest.mark.parametrize("inline", ["always", "never"])
def test_answers_together_are_the_answers_alone(tmp_path: Path, inline: Any) -> None:
    write_tagger(tmp_path, kind="spans")
    settings = Settings(models=tmp_path, inline=inline, max_batch_tokens=200)
    assert_concurrency_changes_no_answer(settings, [_request(number) for number in range(CALLERS)])


def test_sentences_that_wait_are_joined_by_length(
    tmp_path: Path, token_shapes: list[tuple[int, ...]], gate: Gate
) -> None:
    write_tagger(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        requests = [asyncio.create_task(client.post("/v1/tag", json={"text": "Ada"}))]
        await gate.wait_entered()
        token_shapes.clear()
        for number in range(20):
            tokens = [["a"] * (30 if number % 2 else 3)]
            requests.append(asyncio.create_task(client.post("/v1/tag", json={"tokens": tokens})))
        await yield_to_other_tasks()
        gate.open()
        answers = await asyncio.gather(*requests)
        assert [len(answer.json()["results"][0]["tokens"]) for answer in answers] == [1, *[3, 30] * 10]
        assert token_shapes == [(1, 1), (10, 30), (10, 3)]

    run_with_client(main, Settings(models=tmp_path, inline="never"))


def test_no_run_is_beyond_the_budget_and_small_requests_come_between(
    tmp_path: Path, token_shapes: list[tuple[int, ...]], gate: Gate
) -> None:
    write_tagger(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        token_shapes.clear()
        large = asyncio.create_task(client.post("/v1/tag", json={"tokens": [["a"] * 10] * 500}))
        await gate.wait_entered()
        small = asyncio.create_task(client.post("/v1/tag", json={"tokens": [["a"] * 7]}))
        await yield_to_other_tasks()
        gate.open()
        answers = await asyncio.gather(large, small)
        assert [len(answer.json()["results"]) for answer in answers] == [500, 1]
        assert token_shapes.index((1, 7)) <= 2
        assert max(rows * length for rows, length in token_shapes) == 100

    run_with_client(main, Settings(models=tmp_path, inline="never", max_batch_tokens=100))


def test_the_deadline_is_kept_between_runs(tmp_path: Path, token_shapes: list[tuple[int, ...]], gate: Gate) -> None:
    write_tagger(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        token_shapes.clear()
        late = await client.post("/v1/tag", json={"tokens": [["a"] * 10] * 500})
        assert late.status_code == 504
        gate.open()
        assert (await client.post("/v1/tag", json={"tokens": [["a"] * 7]})).status_code == 200
        assert len(token_shapes) <= 2, "what nobody waits for does not run"

    run_with_client(main, Settings(models=tmp_path, inline="never", max_batch_tokens=100, deadline_seconds=1))
