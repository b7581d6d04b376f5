"""Many callers of a translator at once: sentences join and leave, answers stay those alone, and nobody starves."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.bundle.comparison import differences
from service.bundle.manifest import Comparison
from service.decoding import BeamSearch, StepLoop
from service.runtime.session import OnnxSession, Tensors
from service.settings import Settings
from tests.conftest import running
from tests.support.server import Gate, serving
from tests.support.translator_bundles import DICTIONARY, write_translator

CALLERS = 32
EXACT = Comparison(kind="scores", tolerance=1e-5)
WORDS = tuple(DICTIONARY)
STREAM = {"accept": "text/event-stream"}


def _request(number: int) -> dict[str, Any]:
    """One of many requests; every ninth is wrong."""
    words = [WORDS[(number + 3 * place) % len(WORDS)] for place in range(1 + number * 7 % 23)]
    if number % 9 == 8:
        return {"text": "the dog", "beam_size": 99}
    kinds: list[dict[str, Any]] = [
        {"text": " ".join(words)},
        {"texts": [" ".join(words), "", "Hello 😀 world! Good morning."], "beam_size": 1},
        {"text": " ".join(words), "alternatives": 2, "alignment": True},
        {"text": f"{' '.join(words)}. " * 5, "beam_size": 3},
    ]
    return kinds[number % 4]


@pytest.mark.parametrize("rows", [7, 160])
def test_answers_together_are_the_answers_alone(tmp_path: Path, rows: int) -> None:
    write_translator(tmp_path)

    async def main(url: str) -> None:
        limits = httpx.Limits(max_connections=CALLERS)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

            async def ask(number: int) -> httpx.Response:
                return await client.post("/v1/translate", json=_request(number))

            alone = [await ask(number) for number in range(CALLERS)]
            together = await asyncio.gather(*map(ask, range(CALLERS)))
        for number, (one, other) in enumerate(zip(alone, together, strict=True)):
            assert one.status_code == other.status_code == (422 if number % 9 == 8 else 200), one.text
            if one.status_code == 200:
                assert list(differences(one.json(), other.json(), EXACT, f"request {number}")) == []

    with running(Settings(models=tmp_path, max_batch_hypotheses=rows)) as url:
        asyncio.run(asyncio.wait_for(main(url), 120))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Sentences and hypotheses of every step."""
    found: list[tuple[int, ...]] = []
    run = OnnxSession.run

    def watched(self: OnnxSession, feeds: Tensors) -> Tensors:
        if "tokens" in feeds:
            found.append(feeds["tokens"].shape)
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", watched)
    return found


def _serve(main: Callable[[httpx.AsyncClient, Any], Any], repository: Path, **settings: Any) -> None:
    """Run a test against an application without a socket."""

    async def run() -> None:
        async with serving(Settings(models=repository, **settings)) as (client, app):
            await main(client, app)

    asyncio.run(asyncio.wait_for(run(), 60))


async def _turns(count: int = 20) -> None:
    """Turns of the event loop, in which requests queue."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_who_waits_joins_the_next_step(tmp_path: Path, steps: list[tuple[int, ...]], gate: Gate) -> None:
    write_translator(tmp_path)

    async def main(client: httpx.AsyncClient, app: Any) -> None:
        gate.shut()
        del steps[:]
        body = {"text": "the dog and the cat", "beam_size": 1}
        requests = [asyncio.create_task(client.post("/v1/translate", json=body))]
        await gate.wait_entered()
        requests += [asyncio.create_task(client.post("/v1/translate", json=body)) for _ in range(9)]
        await _turns()
        gate.open()
        answers = await asyncio.gather(*requests)
        assert {answer.json()["results"][0]["text"] for answer in answers} == {"der Hund und der Katze"}
        assert (10, 1) in steps
        assert len(steps) <= 12

    _serve(main, tmp_path)


def test_no_step_is_beyond_the_limit_and_short_texts_come_between(
    tmp_path: Path, steps: list[tuple[int, ...]], gate: Gate
) -> None:
    write_translator(tmp_path)

    async def main(client: httpx.AsyncClient, app: Any) -> None:
        gate.shut()
        del steps[:]
        order: list[str] = []

        async def ask(name: str, text: str) -> httpx.Response:
            answer = await client.post("/v1/translate", json={"text": text})
            order.append(name)
            return answer

        long = asyncio.create_task(ask("long", "the dog sleeps. " * 200))
        await gate.wait_entered()
        short = asyncio.create_task(ask("short", "the cat"))
        await _turns()
        gate.open()
        answers = await asyncio.gather(long, short)
        assert answers[0].json()["results"][0]["text"] == "der Hund schläft. " * 200
        assert order == ["short", "long"]
        assert max(sentences * wide for sentences, wide in steps) == 20

    _serve(main, tmp_path, max_batch_hypotheses=20)


def test_the_deadline_is_kept_between_steps(tmp_path: Path, steps: list[tuple[int, ...]], gate: Gate) -> None:
    write_translator(tmp_path)

    async def main(client: httpx.AsyncClient, app: Any) -> None:
        gate.shut()
        del steps[:]
        late = await client.post("/v1/translate", json={"text": "the dog sleeps. " * 500})
        assert late.status_code == 504
        gate.open()
        assert (await client.post("/v1/translate", json={"text": "the cat"})).status_code == 200
        assert len(steps) <= 6, "what nobody waits for does not run"

    _serve(main, tmp_path, deadline_seconds=1)


def test_a_failing_run_fails_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    write_translator(tmp_path)
    run = OnnxSession.run

    def failing(self: OnnxSession, feeds: Tensors) -> Tensors:
        if (feeds.get("lengths", np.zeros(1)) == 8).any():
            raise RuntimeError("eight is too many")
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", failing)

    async def main(client: httpx.AsyncClient, app: Any) -> None:
        gate.shut()
        texts = ["the dog", "the dog and the cat and milk", "the cat", "the dog. the dog and the cat and milk"]
        requests = [asyncio.create_task(client.post("/v1/translate", json={"text": text})) for text in texts]
        await gate.wait_entered()
        await _turns()
        gate.open()
        answers = await asyncio.gather(*requests)
        assert [answer.status_code for answer in answers] == [200, 500, 200, 500]
        assert "eight" not in answers[1].text

    _serve(main, tmp_path)


def test_a_stream_comes_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_translator(tmp_path)
    allowed = threading.Semaphore(0)
    step = StepLoop.step

    def waiting(self: StepLoop) -> Any:
        assert allowed.acquire(timeout=60)
        return step(self)

    body = {"text": "the dog"}
    with running(Settings(models=tmp_path)) as url:
        monkeypatch.setattr(StepLoop, "step", waiting)
        allowed.release()
        with httpx.stream("POST", f"{url}/v1/translate", json=body, headers=STREAM, timeout=60) as answer:
            lines = answer.iter_lines()
            for word in ("der", " Hund"):
                assert next(lines) == f'data: {{"index":0,"text_delta":"{word}"}}'
                assert next(lines) == ""
                allowed.release()
            assert next(lines).startswith('data: {"done":true,')


def test_decoding_stops_when_the_client_of_a_stream_leaves(tmp_path: Path) -> None:
    write_translator(tmp_path)
    made: list[int] = []

    async def main(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            body = {"text": "the dog sleeps. " * 600}
            with contextlib.suppress(httpx.HTTPError):
                async with client.stream("POST", "/v1/translate", json=body, headers=STREAM) as answer:
                    async for _ in answer.aiter_lines():
                        break
            while not re.search(r'outcome="cancelled".* 1\.0$', (await client.get("/metrics")).text, re.MULTILINE):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # a step that was under way
            made.append(await _executions(client))
            await asyncio.sleep(0.2)
            made.append(await _executions(client))
            assert (await client.post("/v1/translate", json={"text": "the cat"})).status_code == 200

    with running(Settings(models=tmp_path, max_batch_hypotheses=1)) as url:
        asyncio.run(asyncio.wait_for(main(url), 60))
    assert made[0] == made[1] < 600 * 4


async def _executions(client: httpx.AsyncClient) -> int:
    lines = (await client.get("/metrics")).text.splitlines()
    (line,) = [line for line in lines if line.startswith("lectern_executions_total{")]
    return int(float(line.rpartition(" ")[2]))


def test_what_goes_wrong_in_a_stream_is_its_last_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_translator(tmp_path)
    advance = BeamSearch.advance

    def failing(self: BeamSearch, *arguments: Any) -> Any:
        if (self.target_lengths == 2).all():
            raise RuntimeError("no more")
        return advance(self, *arguments)

    async def main(client: httpx.AsyncClient, app: Any) -> None:
        monkeypatch.setattr(BeamSearch, "advance", failing)
        answer = await client.post("/v1/translate", json={"text": "the dog and the cat"}, headers=STREAM)
        *deltas, last, rest = answer.text.split("\n\n")
        assert len(deltas) == 2
        assert rest == ""
        assert last.startswith('data: {"error":{"type":"about:blank"')
        assert '"status":500' in last
        assert "no more" not in last

    _serve(main, tmp_path)


def test_unloading_waits_for_the_translations_under_way(tmp_path: Path, gate: Gate) -> None:
    write_translator(tmp_path)
    write_translator(tmp_path, source="de", target="en")

    async def main(client: httpx.AsyncClient, app: Any) -> None:
        gate.shut()
        asked = asyncio.create_task(client.post("/v1/translate", json={"source": "en", "text": "the dog"}))
        await gate.wait_entered()
        unloading = asyncio.create_task(client.post("/v2/repository/models/translate-en-de/unload"))
        await _turns()
        gate.open()
        assert (await asked).status_code == 200
        assert (await unloading).status_code == 200
        gone = await client.post("/v1/translate", json={"source": "en", "text": "the dog"})
        assert gone.json()["detail"] == "source: no model has 'en' there; there are: de-en"

    _serve(main, tmp_path)
