"""Too many clients of an application: some are refused at once, the others are answered, other models go on."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from service.serving.admission import Admission
from service.serving.served_model import ServedModel
from service.serving.ticket import Speed
from service.settings import Settings
from service.tasks.scheduling import RUN
from tests.support.classifier_bundles import template, write_classifier
from tests.support.event_loop import run_async, yield_to_other_tasks
from tests.support.metrics import metric_value
from tests.support.server import Gate, serving
from tests.support.translator_bundles import write_translator

LONG = {"text": "the dog sleeps. " * 100, "beam_size": 4}
SHORT = {"text": "the dog sleeps.", "beam_size": 1}
PIXELS = {"pixels": [template(3).tolist()]}

Test = Callable[[httpx.AsyncClient, Admission], Awaitable[None]]


def _run(repository: Path, test: Test, seconds: float, **settings: Any) -> None:
    """Run a test with a translator that takes LONG for so many seconds of work, and a classifier."""
    write_classifier(repository)
    write_translator(repository, "translator")

    async def main() -> None:
        async with serving(Settings(models=repository, **settings)) as (client, app):
            served = app.context.registry.find(name="translator")
            served.records.admission = Admission(
                "translator",
                {RUN: seconds / _units(served)},
                max_in_flight=512,
                max_wait=settings.get("max_queue_seconds", 3),
                parallel=1,
            )
            await test(client, served.records.admission)

    run_async(main())


def _units(served: ServedModel) -> float:
    """The work of LONG, exactly."""
    predictor = served.predictor
    (body,) = predictor.routes.values()
    request = predictor.parse(body.model_validate(LONG))
    overhead = predictor.scheduling.work(request).overhead
    return overhead + float(predictor.scheduling.row_work(predictor.preprocess(request)).sum())


async def _translate(client: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/translate", json=body)


async def _begin(client: httpx.AsyncClient, gate: Gate, count: int = 1) -> list[asyncio.Task[httpx.Response]]:
    """Send so many long requests, of which the first is held in its run."""
    gate.shut()
    requests = [asyncio.create_task(_translate(client, LONG))]
    await gate.wait_entered()
    requests += [asyncio.create_task(_translate(client, LONG)) for _ in range(count - 1)]
    await yield_to_other_tasks()
    return requests


def test_what_cannot_be_done_in_time_is_refused_at_once(tmp_path: Path, gate: Gate) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        (first,) = await _begin(client, gate)
        refused = await _translate(client, LONG)
        assert refused.status_code == 503
        assert "model 'translator' has other work for about" in refused.json()["detail"]
        assert 15 <= int(refused.headers["retry-after"]) <= 20
        gate.open()
        assert (await first).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert metric_value(metrics, "lectern_requests_total", model="translator", outcome="saturated") == 1
        assert metric_value(metrics, "lectern_requests_total", model="translator", outcome="success") == 1

    _run(tmp_path, test, 20)


def test_the_time_to_retry_grows_with_the_backlog(tmp_path: Path, gate: Gate) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        (first,) = await _begin(client, gate)
        times = []
        for backlog in (5, 10, 20):
            admission._speeds[RUN].seconds *= backlog / admission.backlog
            refused = await _translate(client, LONG)
            assert refused.status_code == 503
            times.append(int(refused.headers["retry-after"]))
        assert times == [4, 9, 19]
        gate.open()
        assert (await first).status_code == 200

    _run(tmp_path, test, 5, max_queue_seconds=1)


def test_a_lone_large_request_is_admitted(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        answer = await _translate(client, LONG)
        assert answer.status_code == 200
        assert (admission.in_flight, admission.backlog) == (0, 0)

    _run(tmp_path, test, 1000)


def test_a_large_request_blocks_neither_short_ones_nor_other_models(tmp_path: Path, gate: Gate) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        (large,) = await _begin(client, gate)
        short = asyncio.create_task(_translate(client, SHORT))
        other = asyncio.create_task(client.post("/v1/classify", json=PIXELS))
        await yield_to_other_tasks()
        gate.open()
        assert (await other).status_code == 200
        assert (await short).status_code == 200
        assert (await large).status_code == 200

    _run(tmp_path, test, 20, inline="never")


def test_the_hopeless_are_dropped_oldest_first_and_the_last_one_is_answered(tmp_path: Path, gate: Gate) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        requests = await _begin(client, gate, 3)
        assert admission.in_flight == 3
        # After a third of their time, each turns out to take longer than the rest of it.
        oldest, *_ = admission._tickets
        for ticket in admission._tickets:
            ticket.admitted -= 10
            ticket.deadline -= 10
        admission._speeds[RUN]._done /= 1000
        admission._swept = 0.0
        oldest.advance_to(1e-9)
        answers = [await request for request in requests[:2]]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert "too busy to answer before the deadline" in answers[0].json()["detail"]
        assert not requests[2].done()
        gate.open()
        assert (await requests[2]).status_code == 200
        assert admission.in_flight == 0

    _run(tmp_path, test, 1, max_queue_seconds=100)


def test_clients_that_leave_make_room_at_once(tmp_path: Path, gate: Gate) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        requests = await _begin(client, gate, 3)
        backlog = admission.backlog
        requests[1].cancel()
        await asyncio.wait([requests[1]])
        await yield_to_other_tasks()
        assert admission.in_flight == 2
        assert admission.backlog < backlog
        gate.open()
        assert [(await request).status_code for request in (requests[0], requests[2])] == [200, 200]

    _run(tmp_path, test, 1, max_queue_seconds=100)


def test_what_an_idle_model_cannot_do_in_time_is_refused_with_what_to_send(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient, admission: Admission) -> None:
        seconds = admission._speeds[RUN].seconds
        characters = len(LONG["text"])
        for path, fields, status, error in (
            ("/v1/translate", LONG | {"source": "en", "target": "de"}, 422, "detail"),
            ("/translate", {"q": LONG["text"], "source": "en", "target": "de"}, 400, "error"),
        ):
            speed = admission._speeds[RUN] = Speed(seconds)
            speed._periods.extend([seconds] * 4)
            begun = speed._noted_at = time.perf_counter()
            refused = await client.post(path, json=fields)
            assert time.perf_counter() - begun < 10
            assert refused.status_code == status
            text = refused.json()[error]
            assert "more than the 30 s until its deadline (LECTERN_DEADLINE_SECONDS); send at most about" in text
            (fewer,) = re.findall(r"about (\d+) characters in one request", text)
            assert 0 < int(fewer) < characters
            part = {**fields, "q" if path == "/translate" else "text": LONG["text"][: int(fewer)]}
            assert (await client.post(path, json=part)).status_code == 200, "what the answer says is answered"
        metrics = (await client.get("/metrics")).text
        assert metric_value(metrics, "lectern_refusals_total", reason="limit") == 2
        assert admission.in_flight == 0

    _run(tmp_path, test, 250)
