"""Many clients of one server at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx

from service.settings import Settings
from tests.support.comparisons import assert_same_answer
from tests.support.event_loop import run_async
from tests.support.server import running


class Post(NamedTuple):
    """A request, and the status with which it is answered."""

    path: str
    body: dict[str, Any]
    status: int = 200


def assert_concurrency_changes_no_answer(settings: Settings, requests: Sequence[Post]) -> None:
    """Send requests to a real server one after another, then all at once; every answer must be the same."""

    async def main(url: str) -> None:
        limits = httpx.Limits(max_connections=len(requests))
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            alone = [await client.post(request.path, json=request.body) for request in requests]
            together = await asyncio.gather(*(client.post(request.path, json=request.body) for request in requests))
        for number, (request, expected, actual) in enumerate(zip(requests, alone, together, strict=True)):
            assert expected.status_code == actual.status_code == request.status, expected.text
            if request.status == 200:
                assert_same_answer(expected.json(), actual.json(), f"request {number}")

    with running(settings) as url:
        run_async(main(url), 120)
