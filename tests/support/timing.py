"""Bounds of processor time, wide enough to tell only a law from another: a square from a line, an end from none."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial

_TRIES = 3
"""Of which the best counts: the caches of the processor and its clock are shared with other work."""


def assert_takes_less(work: Callable[[], object], seconds: float) -> None:
    """Fail where every one of three tries takes this processor time or more; the first below it is the last.

    Neither other threads, nor a busy machine, nor a collection of garbage counts.
    """
    taken: list[float] = []
    while len(taken) < _TRIES:
        taken.append(_seconds_of(work))
        if taken[-1] < seconds:
            return
    raise AssertionError(f"took {min(taken):.4f} s of processor time, the bound is {seconds:.4f} s")


def assert_scales(work: Callable[[int], object], small: int, large: int, *, factor: float, floor: float) -> None:
    """Fail where work of a large size takes `factor` times as long as that of a small size, or longer.

    Args:
        work: takes its size.
        small: the size that is measured first.
        large: the size whose time is bounded.
        factor: between `large / small`, what linear work takes, and its square.
        floor: a time in seconds that is never too long: what the clock tells of less is chance.
    """
    best = min(_seconds_of(partial(work, small)) for _ in range(_TRIES))
    assert_takes_less(partial(work, large), max(floor, factor * best))


def _seconds_of(work: Callable[[], object]) -> float:
    """The processor time of this thread that work takes."""
    collects = gc.isenabled()
    gc.disable()
    try:
        started = time.thread_time()
        work()
        return time.thread_time() - started
    finally:
        if collects:
            gc.enable()
