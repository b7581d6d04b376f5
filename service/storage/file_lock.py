"""A lock between processes that nobody waits for without end."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator

from service.errors import Saturated

_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.005


@contextlib.contextmanager
def exclusive(descriptor: int) -> Iterator[None]:
    """Hold the lock of an open file until the block ends; blocks the thread.

    Raises:
        Saturated: another process has held it all the time; it may have been stopped.
    """
    give_up = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise Saturated("another process of the server holds the file; send it again later") from None
            time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
