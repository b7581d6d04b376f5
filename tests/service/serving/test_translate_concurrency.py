"""Concurrent requests to a translator: sentences join and leave, answers do not change, and nobody starves."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.decoding import StepLoop
from service.decoding.greedy_search import GreedySearch
from service.runtime.session import OnnxSession, Tensors
from service.settings import Settings
from tests.support.concurrency import Post, assert_concurrency_changes_no_answer
from tests.support.event_loop import run_async, yield_to_other_tasks
from tests.support.metrics import metric_value
from tests.support.server import Gate, run_with_client, running
from tests.support.translator_bundles import DICTIONARY, write_translator

CALLERS = 32
WORDS = tuple(DICTIONARY)
STREAM = {"accept": "text/event-stream"}


def _request(number: int) -> Post:
    """One of many requests; every ninth is invalid."""
    words = [WORDS[(number + 3 * index) % len(WORDS)] for index in range(1 + number * 7 % 23)]
    if number % 9 == 8:
        return Post("/v1/translate", {"text": "the dog", "beam_size": 99}, 422)
    kinds: list[dict[str, Any]] = [
        {"text": " ".join(words)},
        {"texts": [" ".join(words), "", "Hello 😀 world! Good morning."], "beam_size": 1},
        {"text": " ".join(words), "alternatives": 2, "alignment": True},
        {"text": f"{' '.join(words)}. " * 5, "beam_size": 3},
    ]
    return Post("/v1/translate", kinds[number % 4])


@pytest.mark.parametrize("hypotheses", [7, 160])
def test_answers_do_not_depend_on_concurrent_requests(tmp_path: Path, hypotheses: int) -> None:
    write_translator(tmp_path)
    settings = Settings(models=tmp_path, max_batch_hypotheses=hypotheses, max_queue_seconds=60)
    assert_concurrency_changes_no_answer(settings, [_request(number) for number in range(CALLERS)])


def test_waiting_requests_join_the_next_step(tmp_path: Path, token_shapes: list[tuple[int, ...]], gate: Gate) -> None:
    write_translator(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        token_shapes.clear()
        body = {"text": "the dog and the cat", "beam_size": 1}
        requests = [asyncio.create_task(client.post("/v1/translate", json=body))]
        await gate.wait_entered()
        requests += [asyncio.create_task(client.post("/v1/translate", json=body)) for _ in range(9)]
        await yield_to_other_tasks()
        gate.open()
        answers = await asyncio.gather(*requests)
        assert {answer.json()["results"][0]["text"] for answer in answers} == {"der Hund und der Katze"}
        assert (10, 1) in token_shapes
        assert len(token_shapes) <= 12

    run_with_client(main, Settings(models=tmp_path))


def test_steps_keep_to_the_limit_and_short_texts_overtake_long_ones(
    tmp_path: Path, token_shapes: list[tuple[int, ...]], gate: Gate
) -> None:
    write_translator(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        token_shapes.clear()
        order: list[str] = []

        async def ask(name: str, text: str) -> httpx.Response:
            answer = await client.post("/v1/translate", json={"text": text})
            order.append(name)
            return answer

        long = asyncio.create_task(ask("long", "the dog sleeps. " * 200))
        await gate.wait_entered()
        short = asyncio.create_task(ask("short", "the cat"))
        await yield_to_other_tasks()
        gate.open()
        answers = await asyncio.gather(long, short)
        assert answers[0].json()["results"][0]["text"] == "der Hund schläft. " * 200
        assert order == ["short", "long"]
        assert max(sentences * width for sentences, width in token_shapes) == 20

    run_with_client(main, Settings(models=tmp_path, max_batch_hypotheses=20))


def test_the_deadline_is_checked_between_steps(tmp_path: Path, token_shapes: list[tuple[int, ...]], gate: Gate) -> None:
    write_translator(tmp_path)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        token_shapes.clear()
        late = await client.post("/v1/translate", json={"text": "the dog sleeps. " * 500})
        assert late.status_code == 504
        gate.open()
        assert (await client.post("/v1/translate", json={"text": "the cat"})).status_code == 200
        assert len(token_shapes) <= 6, "sentences that nobody waits for are not decoded"

    run_with_client(main, Settings(models=tmp_path, deadline_seconds=1))


def test_a_failing_run_fails_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    write_translator(tmp_path)
    run = OnnxSession.run

    def failing_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        if (feeds.get("lengths", np.zeros(1)) == 8).any():
            raise RuntimeError("eight is too many")
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", failing_run)

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        texts = ["the dog", "the dog and the cat and milk", "the cat", "the dog. the dog and the cat and milk"]
        requests = [asyncio.create_task(client.post("/v1/translate", json={"text": text})) for text in texts]
        await gate.wait_entered()
        await yield_to_other_tasks()
        gate.open()
        answers = await asyncio.gather(*requests)
        assert [answer.status_code for answer in answers] == [200, 500, 200, 500]
        assert "eight" not in answers[1].text

    run_with_client(main, Settings(models=tmp_path))


def test_a_stream_is_sent_while_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_translator(tmp_path)
    allowed = threading.Semaphore(0)
    step = StepLoop.step

    def waiting_step(self: StepLoop, *arguments: Any) -> Any:
        assert allowed.acquire(timeout=60)
        return step(self, *arguments)

    body = {"text": "the dog"}
    with running(Settings(models=tmp_path)) as url:
        monkeypatch.setattr(StepLoop, "step", waiting_step)
        allowed.release()
        with httpx.stream("POST", f"{url}/v1/translate", json=body, headers=STREAM, timeout=60) as answer:
            lines = answer.iter_lines()
            for word in ("der", " Hund"):
                assert next(lines) == f'data: {{"index":0,"text_delta":"{word}"}}'
                assert next(lines) == ""
                allowed.release()
            assert next(lines).startswith('data: {"done":true,')


def test_decoding_stops_when_the_client_of_a_stream_disconnects(tmp_path: Path) -> None:
    write_translator(tmp_path)
    executions: list[float] = []

    async def main(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            body = {"text": "the dog sleeps. " * 600}
            with contextlib.suppress(httpx.HTTPError):
                async with client.stream("POST", "/v1/translate", json=body, headers=STREAM) as answer:
                    async for _ in answer.aiter_lines():
                        break
            while not re.search(r'outcome="cancelled".* 1\.0$', (await client.get("/metrics")).text, re.MULTILINE):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # a step that was running
            executions.append(metric_value((await client.get("/metrics")).text, "lectern_executions_total"))
            await asyncio.sleep(0.2)
            executions.append(metric_value((await client.get("/metrics")).text, "lectern_executions_total"))
            assert (await client.post("/v1/translate", json={"text": "the cat"})).status_code == 200

    with running(Settings(models=tmp_path, max_batch_hypotheses=1)) as url:
        run_async(main(url))
    assert executions[0] == executions[1] < 600 * 4


def test_an_error_in_a_stream_is_its_last_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_translator(tmp_path)
    advance = GreedySearch.advance

    def failing_advance(self: GreedySearch, *arguments: Any) -> Any:
        if (self.target_lengths == 2).all():
            raise RuntimeError("no more")
        return advance(self, *arguments)

    async def main(client: httpx.AsyncClient) -> None:
        monkeypatch.setattr(GreedySearch, "advance", failing_advance)
        answer = await client.post("/v1/translate", json={"text": "the dog and the cat"}, headers=STREAM)
        *deltas, last, rest = answer.text.split("\n\n")
        assert len(deltas) == 2
        assert rest == ""
        assert last.startswith('data: {"error":{"type":"about:blank"')
        assert '"status":500' in last
        assert "no more" not in last

    run_with_client(main, Settings(models=tmp_path))


def test_unloading_waits_for_running_translations(tmp_path: Path, gate: Gate) -> None:
    write_translator(tmp_path)
    write_translator(tmp_path, source="de", target="en")

    async def main(client: httpx.AsyncClient) -> None:
        gate.shut()
        translating = asyncio.create_task(client.post("/v1/translate", json={"source": "en", "text": "the dog"}))
        await gate.wait_entered()
        unloading = asyncio.create_task(client.post("/v2/repository/models/translate-en-de/unload"))
        await yield_to_other_tasks()
        gate.open()
        assert (await translating).status_code == 200
        assert (await unloading).status_code == 200
        refused = await client.post("/v1/translate", json={"source": "en", "text": "the dog"})
        assert refused.status_code == 503
        assert refused.json()["detail"] == "model 'translate-en-de' is not ready: unloaded"

    run_with_client(main, Settings(models=tmp_path))
