"""An admitted request, and the speed that its model has been seen to work at."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from service.errors import DeadlineExceeded, LecternError
from service.tasks.scheduling import Work

if TYPE_CHECKING:
    from service.serving.admission import Admission

T = TypeVar("T")

_MEMORY_SECONDS = 5.0
"""Seconds of work from which a speed is learned; older ones lose weight."""
_GUESS_SECONDS = 0.05
"""Seconds of work that the first guess of a speed counts for."""
_PERIOD_SECONDS = 0.25
"""Seconds of work whose speed is noted."""
_PERIODS = 4
"""Such periods of which the fastest counts as the least time that work takes: a stall makes only one of them slow."""
_FRESH_SECONDS = 60.0
"""Time for which that counts; a model that is asked for too much all the time would never be seen to be faster."""
_POSTPROCESS_SHARE = 0.05
"""Share of the work of a request that is left when its runs are done."""


class Speed:
    """Seconds that a unit of one kind of work takes, learned from the units that were done and the time that took.

    Args:
        guess: seconds of a unit until more is known.
    """

    __slots__ = ("_busy", "_done", "_noted_at", "_period_busy", "_period_done", "_periods", "seconds", "units")

    def __init__(self, guess: float) -> None:
        self.seconds = guess
        """Seconds of one unit."""
        self.units = 0.0
        """Units that were admitted and are not done."""
        self._busy = _GUESS_SECONDS
        self._done = _GUESS_SECONDS / guess
        self._period_busy = self._period_done = 0.0
        self._periods: deque[float] = deque(maxlen=_PERIODS)
        self._noted_at = 0.0

    def charge(self, seconds: float) -> None:
        """Add time in which the model worked on units of this kind."""
        self._busy += seconds
        self._period_busy += seconds

    def complete(self, units: float, now: float) -> None:
        """Add units that are done."""
        self._done += units
        self.seconds = self._busy / self._done
        if self._busy > 2 * _MEMORY_SECONDS:
            scale = _MEMORY_SECONDS / self._busy
            self._busy *= scale
            self._done *= scale
        self._period_done += units
        if self._period_busy >= _PERIOD_SECONDS and self._period_done > 0:
            self._periods.append(self._period_busy / self._period_done)
            self._period_busy = self._period_done = 0.0
            self._noted_at = now

    def fastest(self, now: float) -> float:
        """The least seconds that a unit has taken lately; 0 if that is not known well enough."""
        is_known = len(self._periods) == _PERIODS and now - self._noted_at < _FRESH_SECONDS
        return min(self._periods) if is_known else 0.0


class Ticket:
    """An admitted request: how much of its work is left, and until when it must be done."""

    __slots__ = (
        "_admission",
        "_scope",
        "_total",
        "_why_dropped",
        "admitted",
        "client",
        "deadline",
        "speed",
        "units",
        "work",
    )

    def __init__(
        self,
        admission: Admission,
        work: Work,
        speed: Speed,
        admitted: float,
        deadline: float,
        client: str | None = None,
    ) -> None:
        self.work = work
        """Its estimate when it was admitted."""
        self.client = client
        self.speed = speed
        self.units = self._total = work.units
        """Units that are left."""
        self.admitted = admitted
        """The `time.perf_counter()` when it was admitted."""
        self.deadline = deadline
        """The `time.perf_counter()` after which its answer is of no use."""
        self._admission = admission
        self._scope: asyncio.Timeout | None = None
        self._why_dropped: Callable[[], LecternError] | None = None

    @property
    def seconds(self) -> float:
        """Seconds of work that are left."""
        return self.units * self.speed.seconds

    @property
    def total_units(self) -> float:
        """Units of the whole request."""
        return self._total

    @property
    def units_to_run(self) -> float:
        """Units that are left without what follows the last run, which is often less than its share."""
        return max(0.0, self.units - _POSTPROCESS_SHARE * self._total)

    @property
    def is_dropped(self) -> bool:
        """Whether it was given up."""
        return self._why_dropped is not None

    def drop(self, error: Callable[[], LecternError]) -> None:
        """Give the request up; whoever waits for it, or tries to, gets the error."""
        self._why_dropped = error
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def wait(self, future: asyncio.Future[T]) -> T:
        """Await a part of the request's work until the deadline.

        Raises:
            DeadlineExceeded: it was not done by then.
            Saturated: the request was dropped.
        """
        if self._why_dropped is not None:
            future.cancel()
            raise self._why_dropped()
        try:
            async with asyncio.timeout(max(0.0, self.deadline - time.perf_counter())) as self._scope:
                return await future
        except TimeoutError as error:
            if self._why_dropped is not None:
                raise self._why_dropped() from error
            raise DeadlineExceeded("the deadline passed before the answer was ready") from error
        finally:
            self._scope = None

    def refine(self, units: float) -> None:
        """Replace the estimate of the whole request, now that it is preprocessed."""
        self._admission.add_units(self.speed, units - self.units)
        self.units = self._total = units

    def advance_to(self, share: float) -> None:
        """Count this share of the request's runs as done."""
        left = (1 - (1 - _POSTPROCESS_SHARE) * min(share, 1.0)) * self._total
        if left < self.units:
            self._admission.complete(self, self.units - left)
