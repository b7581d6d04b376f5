"""How a process ends: by a signal that comes before it can drain, and whatever its threads do."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

EXIT_SECONDS = 1.0
"""Time for threads to end after everything else has."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]
"""Those that ask the process to end; Windows has one more."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Have signals that ask the process to end do so with exit code 0, and with everything closed and removed.

    Where the block replaces the handlers, these stay; where it fails, those from before come back.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handle_signals(lambda number, frame: sys.exit(0))
    try:
        yield
    except BaseException:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise


def handle_signals(handler: Callable[[int, FrameType | None], Any]) -> None:
    """Have signals that ask the process to end call `handler`."""
    for number in _SIGNALS:
        signal.signal(number, handler)


class EarlySignals:
    """Notes a signal that comes while the server starts."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that came."""
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        handle_signals(self._note)

    async def run_until_one_comes(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run work to its end, or until a signal comes: then it is cancelled, and the result is None."""
        task = self._loop.create_task(work)
        waiting = self._loop.create_task(self._came.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self.number is None or task.done():
            return await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        self._loop.call_soon_threadsafe(self._came.set)


def end_process_within(seconds: float) -> None:
    """End the process with exit code 0 after `seconds`, even if a thread of it hangs."""

    def end() -> None:
        threading.Event().wait(seconds)
        logging.shutdown()
        os._exit(0)

    threading.Thread(target=end, name="end-process", daemon=True).start()
