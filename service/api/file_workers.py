"""How many files a process translates at the same time, and the threads that read and write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from service.errors import Saturated
from service.limits import variable

T = TypeVar("T")

_RETRY_AFTER_SECONDS = 5


class FileWorkers:
    """The files that this process translates at the same time, and the threads that read and write them.

    Args:
        most: of such files.
        patience: seconds for which one more waits for its turn.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._free = asyncio.Semaphore(most)
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="documents")

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Wait until fewer files are being translated, and count one more until the block ends.

        Raises:
            Saturated: it had to wait too long.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as error:
            raise Saturated(
                f"the server translates {self._most} files, which is the limit ({variable('max_concurrent_files')}); "
                "send it again later",
                _RETRY_AFTER_SECONDS,
            ) from error
        try:
            yield
        finally:
            self._free.release()

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread. A thread that nobody waits for any longer counts until it is done."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
