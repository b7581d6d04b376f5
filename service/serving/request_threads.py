"""Threads that preprocess and postprocess the large requests of a model, which would keep the event loop busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.errors import DeadlineExceeded
from service.runtime.run_deadline import stop_at
from service.serving.ticket import Ticket
from service.tasks.base import Check

T = TypeVar("T")


class RequestThreads:
    """A pool of threads, which are started when they are needed.

    Args:
        count: the most threads.
        name: what their names begin with.
    """

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[[Check], T], ticket: Ticket) -> T:
        """Call a function in a thread, until the deadline of the request.

        Args:
            work: the function; the check that it gets raises DeadlineExceeded once nobody waits for its result.
            ticket: of the request's admission.

        Raises:
            DeadlineExceeded: the request's time is over.
        """
        is_abandoned = False

        def check() -> None:
            if is_abandoned:
                raise DeadlineExceeded("nobody waits for the answer any longer")

        def run() -> T:
            with stop_at(ticket.deadline):  # Some preprocessing and postprocessing runs graphs too.
                return work(check)

        try:
            return await ticket.wait(asyncio.get_running_loop().run_in_executor(self._pool, run))
        finally:
            is_abandoned = True

    def close(self) -> None:
        """Release the threads; what has not begun is canceled."""
        self._pool.shutdown(wait=False, cancel_futures=True)
