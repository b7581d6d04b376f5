"""The middleware of every request: ids, times, log lines, and clients that disconnect."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import httpx
import orjson
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.observability import JsonFormatter
from service.settings import Settings
from tests.support.asgi import Caller
from tests.support.classify_requests import labels, pixels
from tests.support.event_loop import run_async
from tests.support.server import Gate, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("identity", ["42", "a" * 128, "req_1.2:3-4"])
@pytest.mark.parametrize("path", ["/livez", "/v1/classify", "/nothing", "/v2/health/ready"])
def test_the_callers_id_is_echoed(client: TestClient, identity: str, path: str) -> None:
    assert client.get(path, headers={"x-request-id": identity}).headers.get_list("x-request-id") == [identity]


@pytest.mark.parametrize("identity", ["", "a" * 129, "a b", 'x"y', "<script>", "a\tb", "é".encode("latin-1")])
def test_an_unsafe_id_is_replaced(client: TestClient, identity: str | bytes) -> None:
    request_id = client.get("/livez", headers={"x-request-id": identity}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{12,32}", request_id)


def test_generated_ids_differ(client: TestClient) -> None:
    assert len({client.get("/livez").headers["x-request-id"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("traceparent", "honoured"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", True),
        (f"cc-{TRACE}-00f067aa0ba902b7-01", True),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", False),
        (TRACE, False),
    ],
)
def test_the_trace_id_becomes_the_request_id(client: TestClient, traceparent: str, honoured: bool) -> None:
    request_id = client.get("/livez", headers={"traceparent": traceparent}).headers["x-request-id"]
    assert (request_id == TRACE) is honoured


def test_the_callers_id_takes_precedence_over_the_trace(client: TestClient) -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-request-id": "mine"}
    assert client.get("/livez", headers=headers).headers["x-request-id"] == "mine"


def test_the_access_log_is_one_line_per_request_and_off_by_default(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonFormatter())
    for access_log in (False, True):
        caplog.clear()
        with TestClient(create_app(Settings(models=models_dir, access_log=access_log))) as client:
            client.post("/v1/classify?top_k=1", json=pixels(1), headers={"x-request-id": "one"})
            client.get("/v1/classify", headers={"x-request-id": "two"})
        lines = [json.loads(line) for line in caplog.text.splitlines() if '"message":"request"' in line]
        if not access_log:
            assert lines == []
            continue
        entries = [(line["request_id"], line["method"], line["path"], line["status"]) for line in lines]
        assert entries == [("one", "POST", "/v1/classify", 200), ("two", "GET", "/v1/classify", 405)]
        assert all(line["ms"] >= 0 for line in lines)


async def _outcomes(client: httpx.AsyncClient) -> dict[str, float]:
    text = (await client.get("/metrics")).text
    outcomes = re.findall(r'^lectern_requests_total\{.*outcome="(\w+)".*\} ([\d.]+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in outcomes}


def test_the_request_of_a_disconnected_client_is_dropped_and_others_are_served(models_dir: Path, gate: Gate) -> None:
    async def main() -> None:
        async with serving(Settings(models=models_dir, inline="never")) as (client, app):
            gate.shut()
            running = asyncio.create_task(client.post("/v1/classify", json=pixels(1)))
            await gate.wait_entered()
            caller = Caller(orjson.dumps(pixels(2)))
            leaving = asyncio.create_task(caller.call(app))
            depth = app.context.registry.find(name="digits")._lane._batcher
            while depth.depth == 0:
                await asyncio.sleep(0)
            caller.disconnected.set()
            await leaving
            assert caller.messages == []
            gate.open()
            assert labels(await running) == ["1"]
            assert await _outcomes(client) == {"success": 1, "cancelled": 1}
            text = (await client.get("/metrics")).text
            assert 'lectern_inferences_total{model="digits",version="1"} 1.0' in text

    run_async(main())


def test_a_client_that_disconnects_during_its_body_gets_no_answer(models_dir: Path) -> None:
    async def main() -> None:
        async with serving(Settings(models=models_dir)) as (client, app):
            caller = Caller(b'{"pixels": [', complete=False)
            caller.disconnected.set()
            await caller.call(app)
            assert caller.messages == []
            assert await _outcomes(client) == {"success": 0}
            assert "lectern_in_flight 1.0" in (await client.get("/metrics")).text  # The scrape itself.

    run_async(main())


def test_a_saturated_model_answers_503_with_retry_after(models_dir: Path, gate: Gate) -> None:
    async def main() -> None:
        async with serving(Settings(models=models_dir, inline="never", max_queue_size=1)) as (client, _):
            gate.shut()
            running = asyncio.create_task(client.post("/v1/classify", json=pixels(1)))
            await gate.wait_entered()
            refused = await client.post("/v1/classify", json=pixels(2))
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            detail = "model 'digits' has 1 requests in flight, which is the limit (LECTERN_MAX_QUEUE_SIZE)"
            assert refused.json()["detail"] == detail
            gate.open()
            assert labels(await running) == ["1"]
            assert labels(await client.post("/v1/classify", json=pixels(2))) == ["2"]

    run_async(main())


def test_a_deadline_that_passes_answers_504(models_dir: Path, gate: Gate) -> None:
    async def main() -> None:
        async with serving(Settings(models=models_dir, inline="never", deadline_seconds=0.3)) as (client, _):
            gate.shut()
            late = await client.post("/v1/classify", json=pixels(1))
            assert late.status_code == 504
            assert late.json()["detail"] == "the deadline passed before the answer was ready"
            assert late.headers["x-request-id"]
            gate.open()

    run_async(main())


def test_a_body_that_trickles_in_is_bounded_by_the_deadline(models_dir: Path) -> None:
    async def main() -> None:
        async with serving(Settings(models=models_dir, deadline_seconds=0.05)) as (_, app):
            caller = Caller(b'{"pixels": [', complete=False)
            await caller.call(app)
            assert caller.status == 504

    run_async(main())
