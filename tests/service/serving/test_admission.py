"""Admission: what is admitted, refused and dropped, with a clock of the test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import DeadlineExceeded, LimitExceeded, Saturated
from service.serving.admission import Admission
from service.serving.ticket import Ticket
from service.tasks.scheduling import RUN, Work
from tests.support.event_loop import run_async

DEADLINE = 30.0
MAX_WAIT = 2


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Model:
    """An admission whose units take a second each at first, and the times of its clock."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.backlogs: list[float] = []
        self.admission = Admission(
            "m",
            {RUN: 1.0, "other": 0.5},
            clock=self.clock,
            on_backlog=self.backlogs.append,
            **{"max_in_flight": 100, "max_wait": MAX_WAIT, "parallel": 1} | options,
        )

    def enter(self, units: float, allowed: float = DEADLINE, kind: str = RUN, client: str | None = None) -> Ticket:
        work = Work(units, kind, int(units), "words")
        return self.admission.enter(work, self.clock.now + allowed, client)

    def speed(self, kind: str = RUN) -> float:
        """Seconds of a unit."""
        return self.admission._speeds[kind].seconds

    def refused(self, units: float, allowed: float = DEADLINE) -> Saturated:
        with pytest.raises(Saturated) as caught:
            self.enter(units, allowed)
        return caught.value

    def work(self, seconds: float, *done: Ticket) -> None:
        """Let time pass, after which these requests are done."""
        self.clock.now += seconds
        for ticket in done:
            self.admission.leave(ticket, finished=True)


def test_a_lone_request_is_admitted_whatever_its_work() -> None:
    model = Model()
    ticket = model.enter(10_000)
    assert (model.admission.in_flight, model.admission.backlog) == (1, 10_000)
    model.work(1, ticket)
    assert (model.admission.in_flight, model.admission.backlog) == (0, 0)


def test_what_cannot_be_done_before_its_deadline_is_refused_at_once() -> None:
    model = Model(parallel=100)
    model.enter(10)
    model.enter(5, allowed=20)
    error = model.refused(5, allowed=10)
    assert "model 'm' has other work for about 10.0 s and needs about 5.0 s for this" in str(error)
    assert error.retry_after == 13


def test_a_request_whose_deadline_has_passed_is_late_and_not_refused_as_too_much() -> None:
    model = Model()
    for waiting in range(2):
        with pytest.raises(DeadlineExceeded):
            model.enter(1, allowed=0)
        assert model.admission.in_flight == waiting
        model.enter(1)


def test_time_to_retry_is_until_there_is_room() -> None:
    model = Model()
    ticket = model.enter(20)
    assert model.refused(10).retry_after == 20 - MAX_WAIT
    assert model.refused(15).retry_after == 20 - MAX_WAIT
    assert model.refused(29).retry_after == 20
    model.clock.now += 10
    ticket.advance_to(0.5)
    assert model.refused(15).retry_after == pytest.approx(10 - MAX_WAIT, abs=2)
    assert model.refused(15, allowed=0.1).retry_after >= 1


def test_a_queue_is_no_longer_than_it_must_be() -> None:
    model = Model()
    tickets = [model.enter(1) for _ in range(MAX_WAIT + 1)]
    assert "has other work for about 3.0 s" in str(model.refused(1))
    model.work(1, tickets[0])
    model.enter(1)


def test_cores_are_not_left_idle_however_long_requests_take() -> None:
    model = Model(parallel=3)
    for _ in range(3):
        model.enter(5)
    model.refused(5)


def test_a_small_request_is_admitted_beside_large_ones() -> None:
    model = Model()
    model.enter(25)
    model.enter(0.5)
    model.refused(25)


def test_a_client_with_many_requests_does_not_shut_out_others() -> None:
    model = Model()
    greedy = [model.enter(1, client="greedy") for _ in range(MAX_WAIT + 1)]
    with pytest.raises(Saturated):
        model.enter(1, client="greedy")
    model.enter(1, client="other")
    with pytest.raises(Saturated):
        model.enter(1, client="other")
    model.work(1, *greedy)
    model.enter(1, client="greedy")


def test_the_number_of_requests_is_limited_too() -> None:
    model = Model(max_in_flight=2)
    for _ in range(2):
        model.enter(1e-6)
    text = "model 'm' has 2 requests in flight, which is the limit (LECTERN_MAX_QUEUE_SIZE)"
    error = model.refused(1e-6)
    assert str(error) == text
    assert error.retry_after == 1


def test_the_speed_is_learned_from_what_is_done() -> None:
    model = Model()
    for _ in range(10):
        model.work(0.1, model.enter(1))
    assert model.speed() == pytest.approx(0.1, rel=0.1)
    for _ in range(100):
        model.work(0.4, model.enter(1))
    assert model.speed() == pytest.approx(0.4, rel=0.1)
    assert model.speed("other") == 0.5


def test_idle_time_is_not_work() -> None:
    model = Model()
    for _ in range(10):
        model.clock.now += 60
        model.work(0.1, model.enter(1))
    assert model.speed() == pytest.approx(0.1, rel=0.1)


def test_requests_side_by_side_count_as_fast_as_they_are_together() -> None:
    model = Model(parallel=8)
    for _ in range(20):
        model.work(1, *[model.enter(1) for _ in range(4)])
    assert model.speed() == pytest.approx(0.25, rel=0.1)


def test_the_speeds_of_several_kinds_are_learned_apart() -> None:
    model = Model(parallel=8)
    for _ in range(20):
        model.work(0.2, model.enter(1))
        model.work(0.01, model.enter(1, kind="other"))
    assert model.speed() == pytest.approx(0.2, rel=0.1)
    assert model.speed("other") == pytest.approx(0.01, rel=0.3)


def test_a_new_version_begins_with_the_speed_that_the_old_one_learned() -> None:
    old, new = Model(), Model()
    for _ in range(10):
        old.work(1, old.enter(10))
    new.admission.learn_from(old.admission)
    assert new.speed() == old.speed() == pytest.approx(0.1, rel=0.1)
    new.work(1, new.enter(1))
    assert new.speed() > 0.5


def test_a_stall_is_forgotten() -> None:
    model = Model()
    model.work(60, model.enter(1))
    assert model.speed() > 10
    for _ in range(30):
        model.work(1, model.enter(1))
    assert model.speed() < 2


def test_what_fails_or_leaves_is_no_longer_waited_for() -> None:
    model = Model(parallel=8)
    tickets = [model.enter(1) for _ in range(3)]
    model.admission.leave(tickets[1], finished=False)
    assert model.admission.backlog == 2
    assert model.speed() == 1


def test_an_estimate_is_corrected_and_progress_counts() -> None:
    model = Model(parallel=8)
    ticket = model.enter(100)
    ticket.refine(10)
    assert model.admission.backlog == 10
    model.clock.now += 5
    ticket.advance_to(0.5)
    ticket.advance_to(0.2)
    assert ticket.units == pytest.approx(5.25)
    assert model.admission.backlog == pytest.approx(5.25, rel=0.1)
    model.work(5, ticket)
    ticket.advance_to(1)
    assert model.admission.backlog == 0


def test_the_backlog_is_published() -> None:
    model = Model()
    ticket = model.enter(3)
    assert model.backlogs == [3]
    model.work(3, ticket)
    assert model.backlogs == [3, 0]


def test_what_became_hopeless_is_dropped_oldest_first() -> None:
    async def main() -> None:
        model = Model(parallel=8)
        oldest = model.enter(10)
        model.clock.now += 1
        others = [model.enter(4) for _ in range(2)]
        waiting = asyncio.ensure_future(oldest.wait(asyncio.get_running_loop().create_future()))
        await asyncio.sleep(0)
        # The model turns out to be ten times slower: in 40 s it did a tenth of one request.
        model.clock.now += 25
        others[0].advance_to(0.6)
        assert [ticket.is_dropped for ticket in [oldest, *others]] == [True, True, False]
        with pytest.raises(Saturated, match="too busy to answer before the deadline"):
            await waiting

    run_async(main())


def test_what_takes_longer_than_it_may_on_an_idle_model_is_refused_at_once() -> None:
    model = Model(longest=DEADLINE)
    for _ in range(4):
        model.work(1, model.enter(1))
    model.enter(29)
    for _ in range(2):  # Idle or not: coming back later would not help.
        with pytest.raises(LimitExceeded) as caught:
            model.enter(60)
        assert str(caught.value) == (
            "this request takes model 'm' about 60 s, more than the 30 s until its deadline "
            "(LECTERN_DEADLINE_SECONDS); send at most about 24 words in one request"
        )
        model.work(29, *list(model.admission._tickets))
    model.work(24, model.enter(24))


def test_what_would_only_exceed_its_own_timeout_is_late() -> None:
    model = Model(longest=DEADLINE)
    for _ in range(4):
        model.work(1, model.enter(1))
    with pytest.raises(
        DeadlineExceeded, match=r"about 10 s, more than the 5 s of its own timeout; send at most about 4"
    ):
        model.enter(10, allowed=5)


@pytest.mark.parametrize("seconds", [1, 1.5, 60])
def test_a_stall_refuses_nothing(seconds: float) -> None:
    """Nor do guesses, few measurements, and old ones."""
    model = Model()
    for duration in (1, seconds, 1, 1) * 3:
        model.work(duration, model.enter(20))
    model.work(1, model.enter(400))


def test_a_model_that_was_slow_is_tried_again() -> None:
    model = Model()
    for _ in range(4):
        model.work(10, model.enter(1))
    with pytest.raises(LimitExceeded):
        model.enter(4)
    model.clock.now += 60
    model.work(1, model.enter(4))
    model.enter(4)


def test_the_time_of_a_slow_body_makes_no_request_too_large() -> None:
    model = Model()
    for _ in range(4):
        model.work(1, model.enter(1))
    now = model.clock.now
    model.admission.enter(Work(20), now + 10, started=now - 20)


@pytest.mark.parametrize(("units", "judged_after"), [(100, 4), (45, 16)])
def test_a_request_that_is_alone_and_will_not_be_done_ends_early(units: int, judged_after: int) -> None:
    """By far too large, it ends when the speed is known; else when half of its time has passed."""

    async def main() -> None:
        model = Model()
        ticket = model.enter(units)
        waiting = asyncio.ensure_future(ticket.wait(asyncio.get_running_loop().create_future()))
        await asyncio.sleep(0)
        for step in range(1, judged_after):
            model.clock.now += 1
            ticket.advance_to(step / units)
            assert not ticket.is_dropped, "estimates need time"
        model.clock.now += 1
        ticket.advance_to(judged_after / units)
        with pytest.raises(LimitExceeded, match=r"send at most about 2[0-9] words in one request"):
            await waiting

    run_async(main())


@pytest.mark.parametrize("others", [0, 1])
def test_the_last_request_may_try_until_its_deadline(others: int) -> None:
    async def main() -> None:
        model = Model(parallel=8)
        ticket = model.enter(29)
        for _ in range(others):
            model.work(2, model.enter(1))
        steps = 29 - 2 * others
        for step in range(1, steps + 1):
            model.clock.now += 1
            ticket.advance_to(step / steps)
            assert not ticket.is_dropped
        with pytest.raises(DeadlineExceeded):
            await Ticket(model.admission, Work(1), ticket.speed, 0, 0).wait(asyncio.get_running_loop().create_future())

    run_async(main())


def test_a_dropped_request_waits_for_nothing_more() -> None:
    async def main() -> None:
        ticket = Model().enter(1)
        ticket.drop(lambda: Saturated("no"))
        future = asyncio.get_running_loop().create_future()
        with pytest.raises(Saturated, match="no"):
            await ticket.wait(future)
        assert future.cancelled()

    run_async(main())
