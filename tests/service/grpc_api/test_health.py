"""The standard health service of gRPC: what it watches, and what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

pytest.importorskip("grpc_health", reason="needs the extra grpc")
from grpc_health.v1 import health_pb2

from service.api.operation import Context
from service.grpc_api import health

_Status = health_pb2.HealthCheckResponse


class _Rpc:
    """A call that keeps what is written to it."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    async def write(self, response: Any) -> None:
        self.sent.append(response.status)


def _watch(monkeypatch: pytest.MonkeyPatch, looks: list[bool]) -> tuple[list[int], int]:
    """What a watch was sent that finds this at its looks, and how many tasks there were beside it at the last one."""
    monkeypatch.setattr(health, "_CHECK_SECONDS", 0.001)

    async def main() -> tuple[list[int], int]:
        stopping, rpc = asyncio.Event(), _Rpc()
        remaining, most_tasks = iter(looks), 0

        def is_ready(service: Context) -> bool:
            nonlocal most_tasks
            most_tasks = max(most_tasks, len(asyncio.all_tasks()))
            found = next(remaining, None)
            if found is None:
                stopping.set()
            return looks[-1] if found is None else found

        monkeypatch.setattr(health, "is_ready", is_ready)
        watch = health.Health(cast(Context, None), stopping).Watch(health_pb2.HealthCheckRequest(), cast(Any, rpc))
        await asyncio.wait_for(watch, 60)
        return rpc.sent, most_tasks - 1

    return asyncio.run(main())


def test_a_watch_sends_changes_and_leaves_no_tasks_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, tasks = _watch(monkeypatch, [True, True, False, False, *[True] * 20])
    assert sent == [_Status.SERVING, _Status.NOT_SERVING, _Status.SERVING]
    assert tasks <= 1  # Python 3.11's `wait_for` has one.


def test_a_watch_of_an_unknown_service_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[int]:
        stopping, rpc = asyncio.Event(), _Rpc()
        watch = health.Health(cast(Context, None), stopping).Watch(
            health_pb2.HealthCheckRequest(service="nope"), cast(Any, rpc)
        )
        task = asyncio.ensure_future(watch)
        while not rpc.sent:
            await asyncio.sleep(0)
        assert not task.done()
        stopping.set()
        await asyncio.wait_for(task, 60)
        return rpc.sent

    assert asyncio.run(main()) == [_Status.SERVICE_UNKNOWN]
