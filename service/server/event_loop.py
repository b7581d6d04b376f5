"""The event loop that every process of the server runs on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import uvicorn

LOOP = "asyncio:SelectorEventLoop" if sys.platform == "win32" else "auto"
"""As uvicorn names it: uvloop where that is installed. Windows' other loop cannot wait for a listening socket."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Makes the event loop."""
    return uvicorn.Config("", loop=LOOP, log_config=None).get_loop_factory()
