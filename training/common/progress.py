"""Progress: a bar on a terminal, elsewhere a line now and then, and how long a run will still take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from tqdm import tqdm

from training.common.processes import is_main

_FIRST_LINE_SECONDS, _LINE_SECONDS = 30.0, 60.0


class Progress(Protocol):
    """What is counted while something long runs; to be used in a `with`."""

    def update(self, count: int = 1, /) -> Any:
        """Count further units of work."""

    def close(self) -> None:
        """End it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> Any: ...


def progress_bar(*, total: int | None, description: str, unit: str, unit_scale: bool = False) -> Progress:
    """Show progress on standard error: a bar on a terminal, else a line after half a minute and then every minute.

    A bar in a file of logs would be a thousand carriage returns.

    Args:
        total: units of work; None if unknown.
        description: what is done.
        unit: name of the units, in the plural.
        unit_scale: whether the bar abbreviates large numbers.
    """
    if not is_main():
        return _Silence()
    if sys.stderr.isatty():
        return tqdm(total=total, desc=description, unit=unit, unit_scale=unit_scale, leave=False, dynamic_ncols=True)
    return _Lines(total, description, unit)


class _Silence:
    """No progress: the main process of several shows it."""

    def update(self, count: int = 1, /) -> None:
        """Count nothing."""

    def close(self) -> None:
        """End nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return None


class _Lines:
    """Progress as lines of text.

    Args:
        total: units of work; None if unknown.
        description: what is done.
        unit: name of the units, in the plural.
        clock: seconds, for tests.
    """

    def __init__(
        self, total: int | None, description: str, unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._description, self._unit, self._clock = total, description, unit, clock
        self._done = 0
        self._start = clock()
        self._next = self._start + _FIRST_LINE_SECONDS

    def update(self, count: int = 1, /) -> None:
        self._done += count
        now = self._clock()
        if now >= self._next and self._done:
            self._next = now + _LINE_SECONDS
            print(self._line(now - self._start), file=sys.stderr, flush=True)

    def _line(self, seconds: float) -> str:
        if not self._total:
            return f"{self._description}: {self._done:,} {self._unit}"
        left = seconds / self._done * max(0, self._total - self._done)
        return f"{self._description}: {self._done / self._total:.0%} of {self._total:,} {self._unit}, {time_left(left)}"

    def close(self) -> None:
        """Print nothing: what comes next says that this has ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def time_left(seconds: float) -> str:
    """A duration as it is read at a glance: `about 40 s left`, `about 12 min left`, `about 3 h 20 min left`."""
    if seconds < 90:
        return f"about {max(0, round(seconds))} s left"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min left"
    return f"about {minutes // 60} h {minutes % 60:02} min left"


def epochs_left(epoch: int, epochs: int, seconds: float) -> str:
    """The end of a line about an epoch: the time that was needed so far and, before the last one, what is left.

    Args:
        epoch: epochs that are done.
        epochs: epochs of the run.
        seconds: time that they took.
    """
    if epoch >= epochs:
        return f"{seconds:.0f} s"
    return f"{seconds:.0f} s, {time_left(seconds / epoch * (epochs - epoch))}"
