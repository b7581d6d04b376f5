"""Many callers at once over real HTTP: each gets its own answer, whole, whatever happens beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import labels, picture, pixels
from tests.support.event_loop import run_async
from tests.support.server import running

CALLERS = 100


@pytest.fixture(params=["always", "never"])
def url(request: pytest.FixtureRequest, models_dir: Path) -> Iterator[str]:
    """A real server whose model runs in the event loop, and one whose model has a thread."""
    with running(Settings(models=models_dir, inline=request.param, max_batch_size=16)) as address:
        yield address


async def _ask(client: httpx.AsyncClient, number: int) -> httpx.Response:
    """One of several kinds of request; every fifth is wrong, every seventh large."""
    headers = {"x-request-id": f"caller-{number}"}
    digits = [(number + offset) % 10 for offset in range(1 + number % 3)]
    request: dict[str, Any] = {"json": pixels(*digits)}
    if number % 5 == 4:
        request = {"json": {"pixels": [[number]]}}
    elif number % 7 == 6:
        request = {"files": [("image", (f"{digit}.png", picture(digit, size=196))) for digit in digits]}
    return await client.post("/v1/classify", headers=headers, **request)


def _check(number: int, response: httpx.Response) -> None:
    assert response.headers["x-request-id"] == f"caller-{number}"
    if number % 5 == 4:
        assert response.status_code == 422
        assert response.json()["request_id"] == f"caller-{number}"
    else:
        assert labels(response) == [str((number + offset) % 10) for offset in range(1 + number % 3)]


def test_a_hundred_callers_each_get_their_own_answer(url: str) -> None:
    async def main() -> None:
        limits = httpx.Limits(max_connections=CALLERS)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            answers = await asyncio.gather(*(_ask(client, number) for number in range(CALLERS)))
            for number, response in enumerate(answers):
                _check(number, response)
            text = (await client.get("/metrics")).text
        invalid = sum(number % 5 == 4 for number in range(CALLERS))
        assert f'outcome="success",version="1"}} {CALLERS - invalid}.0' in text
        assert f'outcome="invalid",version="1"}} {invalid}.0' in text
        assert 'lectern_queue_depth{model="digits",version="1"} 0.0' in text
        assert "lectern_in_flight 1.0" in text

    run_async(main(), 120)


def test_versions_are_swapped_over_http_under_traffic(url: str, models_dir: Path) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        seen: set[str] = set()

        async def caller(client: httpx.AsyncClient, number: int) -> None:
            while not stop.is_set():
                response = await client.post("/v1/classify", json=pixels(number))
                assert labels(response) == [str(number)]
                seen.add(response.json()["version"])

        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            callers = [asyncio.create_task(caller(client, number)) for number in range(8)]
            for version in ("2", "3"):
                write_classifier(models_dir)
                assert (await client.post("/v2/repository/models/digits/load")).status_code == 200
                while version not in seen:
                    await asyncio.sleep(0.01)
                    assert not any(task.done() for task in callers)
            stop.set()
            await asyncio.gather(*callers)

    run_async(main(), 120)
