"""Coroutines of tests: run with a time limit, or let others run first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def run_async(work: Coroutine[Any, Any, None], timeout: float = 60) -> None:
    """Run a coroutine; fail when it takes too long or when its event loop reports an exception nobody retrieved.

    Args:
        work: the coroutine.
        timeout: its time limit in seconds.
    """
    errors: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        await asyncio.wait_for(work, timeout)

    asyncio.run(main())
    assert errors == []


async def yield_to_other_tasks(turns: int = 20) -> None:
    """Let the event loop turn some times, so that requests begun before are in the queue."""
    for _ in range(turns):
        await asyncio.sleep(0)
