"""Bounds the memory of decoding: how many pixels are decoded at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SMALL_PIXELS = 2**16
"""Images up to this size are admitted at once: they need little memory, and some are decoded in the event loop."""

_CHECK_SECONDS = 0.1


class DecodingGate:
    """Admits threads that decode images while the pixels of all of them are within a limit.

    Args:
        limit: pixels that are decoded at the same time; a larger image is decoded alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pixels = 0
        self._released = threading.Condition()

    @contextmanager
    def admit(self, pixels: int, check: Callable[[], None]) -> Iterator[None]:
        """Wait until an image may be decoded, and count it until the block ends.

        Args:
            pixels: the pixels of the image that are in memory while it is decoded.
            check: called while it waits; it raises where waiting is of no use any longer.
        """
        if pixels <= _SMALL_PIXELS:
            yield
            return
        pixels = min(pixels, self._limit)
        with self._released:
            while self._pixels + pixels > self._limit:
                self._released.wait(_CHECK_SECONDS)
                check()
            self._pixels += pixels
        try:
            yield
        finally:
            with self._released:
                self._pixels -= pixels
                self._released.notify_all()
