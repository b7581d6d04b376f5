"""Parts long steps of many requests from each other, so that the event loop answers others between them."""

from __future__ import annotations

import asyncio


class Turns:
    """Lets one long step begin in each turn of the event loop.

    A step that merely yields is followed by those of all other requests that yielded too, before the loop looks at
    its sockets again: sixteen steps of 20 ms would be a silence of 320 ms.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        """Wait for a turn of one's own; the step that follows runs in it."""
        async with self._lock:
            await asyncio.sleep(0)
