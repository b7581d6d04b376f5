"""Admission: counts the work of a model in seconds, refuses what cannot be done in time, drops what became hopeless.

A task estimates the units of work of a request (`Scheduling.work`). The seconds that a unit takes are learned from how
fast the model gets through its work while it has any, so that batching, threads and other models on the same cores are
all part of the figure. Everything here happens in the event loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial

from service.errors import DeadlineExceeded, LecternError, LimitExceeded, Saturated
from service.limits import variable
from service.serving.ticket import Speed, Ticket
from service.tasks.scheduling import Work

GRAIN_SECONDS = 0.1
"""About the longest run: the least that a small request waits for each large one."""
DEADLINE_MARGIN = 1.25
"""A request is admitted if this times its estimate fits into its deadline."""
HOPELESS_MARGIN = 0.7
"""A request is dropped if not even this times its estimate fits into the time that it has left."""

_NEW_CLIENT_FACTOR = 2.0
"""How much longer the queue may be for a client that has no other request in it."""
_SWEEP_SECONDS = 0.1
"""Time between two searches for hopeless requests."""
_ALONE_MARGIN = 0.9
"""The same of a request that is alone, when half of its time has passed: then the speed was measured with itself."""
_ALONE_EARLY_MARGIN = 0.45
"""The same of one before that, as soon as the speed is known: it would need more than twice the time that is left."""


class Admission:
    """Admits the requests of one model.

    A model shares its time among its requests: their chunks and sentences take turns. So a request waits for each other
    one at most as long as its own work takes, and a small one is welcome beside a large one. A client that has no other
    request here is admitted to a longer queue, so that one with many does not shut it out.

    Args:
        model: its name, for messages.
        seconds_per_unit: first guesses, by kind of work.
        max_in_flight: requests beyond this are refused, whatever their work.
        max_wait: a request that would wait longer, in seconds, is refused. Refused clients come back after a second or
            two: with so much work at hand the model does not run out of it, and more would only make all wait longer.
        parallel: requests up to this are admitted if their deadline allows: fewer would leave cores idle.
        longest: most seconds that any request may take; one that would need more is too large, and not only late.
        on_backlog: called with the seconds of work that wait, from time to time.
        clock: as `time.perf_counter`.
    """

    def __init__(
        self,
        model: str,
        seconds_per_unit: Mapping[str, float],
        *,
        max_in_flight: int,
        max_wait: float,
        parallel: int,
        longest: float = 0.0,
        on_backlog: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.max_in_flight = max_in_flight
        self._model = model
        self._speeds = {kind: Speed(guess) for kind, guess in seconds_per_unit.items()}
        self._max_wait = max_wait
        self._parallel = parallel
        self._longest = longest
        self._on_backlog = on_backlog
        self._clock = clock
        self._tickets: dict[Ticket, None] = {}
        """In order of admission."""
        self._clients: dict[str | None, int] = {}
        """Number of requests of each client."""
        self._charged = self._swept = clock()
        self._published = 0.0

    def learn_from(self, earlier: Admission) -> None:
        """Begin with the speeds that another version of the model has learned, instead of first guesses."""
        for kind, speed in earlier._speeds.items():
            if kind in self._speeds:
                self._speeds[kind] = Speed(speed.seconds)

    @property
    def in_flight(self) -> int:
        """Requests that are admitted and not answered."""
        return len(self._tickets)

    @property
    def backlog(self) -> float:
        """Seconds of work that were admitted and are not done."""
        return sum([speed.units * speed.seconds for speed in self._speeds.values()], 0.0)

    def enter(self, work: Work, deadline: float, client: str | None = None, *, started: float | None = None) -> Ticket:
        """Admit a request; `leave` must follow.

        Args:
            work: its estimate.
            deadline: the `time.perf_counter()` after which the answer is of no use.
            client: who asks, if that is known.
            started: the `time.perf_counter()` when the request arrived; by default now.

        Raises:
            DeadlineExceeded: the deadline has passed.
            LimitExceeded: an idle model would need longer than the whole time of the request.
            Saturated: it could not be done in time, or enough work waits.
        """
        now = self._clock()
        if deadline <= now:  # However idle the model were: coming back later does not help.
            raise DeadlineExceeded("the deadline passed before the request was admitted")
        self._charge(now)
        speed = self._speeds[work.kind]
        seconds = work.units * speed.seconds
        allowed = deadline - (now if started is None else started)
        if seconds > allowed and work.units * speed.fastest(now) > allowed:
            raise self._too_much(work, work.units * speed.fastest(now), allowed)
        if len(self._tickets) >= self.max_in_flight:
            raise Saturated(
                f"model {self._model!r} has {len(self._tickets)} requests in flight, which is the limit "
                f"({variable('max_queue_size')})",
                self._seconds_until(0),
            )
        if self._tickets:
            self._check(seconds, deadline - now, client)
        ticket = Ticket(self, work, speed, now, deadline, client)
        speed.units += work.units
        self._tickets[ticket] = None
        self._clients[client] = self._clients.get(client, 0) + 1
        if seconds > GRAIN_SECONDS:
            self._publish()
        return ticket

    def leave(self, ticket: Ticket, *, finished: bool) -> None:
        """Count a request out.

        Args:
            ticket: of `enter`.
            finished: whether all of its work was done; else what is left is work that nobody will do.
        """
        self._charge(self._clock())
        del self._tickets[ticket]
        if self._clients[ticket.client] > 1:
            self._clients[ticket.client] -= 1
        else:
            del self._clients[ticket.client]
        ticket.speed.units -= ticket.units
        if finished:
            ticket.speed.complete(ticket.units, self._charged)
        ticket.units = 0.0
        self._settle()

    def complete(self, ticket: Ticket, units: float) -> None:
        """Count units of a request as done; a request that has left is ignored."""
        if ticket not in self._tickets:
            return
        self._charge(self._clock())
        ticket.units -= units
        ticket.speed.units -= units
        ticket.speed.complete(units, self._charged)
        self._settle()

    def add_units(self, speed: Speed, units: float) -> None:
        """Correct the work that waits, as a request turned out to be larger or smaller."""
        if units:
            self._charge(self._clock())
            speed.units += units

    def _check(self, seconds: float, left: float, client: str | None) -> None:
        """Raise Saturated where a request of so many seconds cannot be done in the time left, or enough work waits."""
        backlog = self.backlog
        if backlog <= GRAIN_SECONDS and DEADLINE_MARGIN * (backlog + seconds) <= left:
            return
        self._sweep()
        waits = self._waits(seconds)
        room = left / DEADLINE_MARGIN - seconds  # The most that it can wait.
        if waits > room:
            raise Saturated(
                f"model {self._model!r} has other work for about {waits:.1f} s and needs about {seconds:.1f} s for "
                f"this, which is too much for the {left:.1f} s until the deadline",
                self._seconds_until(min(room, self._max_wait)),
            )
        max_wait = self._max_wait if client in self._clients else _NEW_CLIENT_FACTOR * self._max_wait
        if waits > max_wait and len(self._tickets) >= self._parallel:
            raise Saturated(
                f"model {self._model!r} has other work for about {waits:.1f} s", self._seconds_until(max_wait)
            )

    def _seconds_until(self, backlog: float) -> int:
        """Whole seconds, at least 1, until no more than this is left of the work that was admitted."""
        return max(1, math.ceil(self.backlog - max(backlog, 0.0)))

    def _waits(self, seconds: float) -> float:
        """Seconds that a request of so many seconds waits for the others, as they take turns."""
        turn = max(seconds, GRAIN_SECONDS)
        return sum([min(ticket.seconds, turn) for ticket in self._tickets])

    def _charge(self, now: float) -> None:
        """Charge the time since the last call to the kinds of work that were waiting, by their share."""
        elapsed, self._charged = now - self._charged, now
        if not self._tickets:
            return
        working: Speed | None = None
        for speed in self._speeds.values():
            if speed.units > 0:
                if working is not None:
                    self._charge_shares(elapsed)
                    return
                working = speed
        if working is not None:
            working.charge(elapsed)

    def _charge_shares(self, elapsed: float) -> None:
        """Charge time to several kinds of work."""
        backlog = self.backlog
        for speed in self._speeds.values():
            if speed.units > 0:
                speed.charge(elapsed * speed.units * speed.seconds / backlog)

    def _settle(self) -> None:
        """After work was done: look for hopeless requests, and publish the backlog."""
        if not self._tickets:
            for speed in self._speeds.values():
                speed.units = 0.0  # Sums of floats drift.
            if self._published:
                self._publish()
        elif self._charged - self._swept > _SWEEP_SECONDS:
            self._sweep()
            self._publish()

    def _sweep(self) -> None:
        """Drop requests that would be late even if the others stopped, the oldest first.

        A request is not judged before a quarter of its time has passed: estimates need time to become good. The last
        one goes on, unless the speed is known and it will not be done.
        """
        now = self._swept = self._charged
        remaining = len(self._tickets)
        for ticket in self._tickets:
            left, allowed = ticket.deadline - now, ticket.deadline - ticket.admitted
            if ticket.is_dropped:
                remaining -= 1
            elif remaining > 1:
                if left < 0.75 * allowed and HOPELESS_MARGIN * ticket.seconds > left:
                    remaining -= 1
                    ticket.drop(self._too_busy)
            else:
                self._judge_last(ticket, ticket.speed.fastest(now), left, allowed)

    def _judge_last(self, ticket: Ticket, seconds_per_unit: float, left: float, allowed: float) -> None:
        """Drop the only request if it will not be done.

        Args:
            ticket: of the request.
            seconds_per_unit: what a unit takes at least; 0 if that is not known.
            left: seconds until its deadline.
            allowed: seconds that it had at first.
        """
        margin = _ALONE_MARGIN if left < 0.5 * allowed else _ALONE_EARLY_MARGIN
        if margin * ticket.units_to_run * seconds_per_unit > left:
            seconds = ticket.total_units * seconds_per_unit
            is_too_much = seconds > allowed and ticket.units < ticket.total_units
            ticket.drop(partial(self._too_much, ticket.work, seconds, allowed) if is_too_much else self._too_busy)

    def _too_busy(self) -> Saturated:
        text = f"model {self._model!r} is too busy to answer before the deadline"
        return Saturated(text, self._seconds_until(self._max_wait))

    def _too_much(self, work: Work, seconds: float, allowed: float) -> LecternError:
        """The error of a request that takes longer than it may even if nothing else is to be done.

        Args:
            work: its estimate.
            seconds: the time that it takes.
            allowed: the time that it may take.
        """
        most = int(work.amount * allowed / (DEADLINE_MARGIN * seconds))
        remedy = f"send at most about {most} {work.noun} in one request" if most and work.noun else "send less"
        takes = f"this request takes model {self._model!r} about {seconds:.2g} s, more than the {allowed:.3g} s"
        if seconds <= self._longest:
            return DeadlineExceeded(f"{takes} of its own timeout; {remedy}, or allow more time")
        return LimitExceeded(f"{takes} until its deadline ({variable('deadline_seconds')}); {remedy}")

    def _publish(self) -> None:
        self._published = self.backlog
        self._on_backlog(self._published)
