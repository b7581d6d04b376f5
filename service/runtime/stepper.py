"""Continuous batching for models that decode: sentences of all requests join and leave between steps.

A `StepLane` of the server owns a `Stepper`; the stepper owns a thread, its queue, and a `StepLoop`
(`service.decoding`), which runs the steps themselves.

One thread owns the loop. Between two steps the waiting requests take turns to put in a sentence while there is room,
so that a long text does not keep short ones waiting; a sentence that is finished makes room at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from service.decoding import Finished, Hypothesis, SearchSettings, StepLoop
from service.decoding.graph_io import END
from service.errors import DeadlineExceeded, LecternError, NotReady
from service.runtime.batcher import RunResult
from service.runtime.run_deadline import stop_at
from service.runtime.run_failures import as_failure
from service.runtime.session import Tensors

log = logging.getLogger(__name__)

JOBS = "jobs"
"""The tensor of a request: an object array [N] of `Job`."""
HYPOTHESES = "hypotheses"
"""The tensor of its answer: an object array [N] of the hypotheses of each job, list[Hypothesis], best first."""

OnToken = Callable[[int, int], None]
"""Called in the event loop with the index of a job and its next token; END when it is finished."""

OnProgress = Callable[[int], None]
"""Called in the event loop with the tokens decoded so far, times the hypotheses of their sentences."""

_REPORT_SECONDS = 0.1
"""Time between two reports of progress."""


class Job(NamedTuple):
    """One sentence to decode."""

    tokens: Sequence[int]
    settings: SearchSettings
    wants_attention: bool = False


class _Ticket(NamedTuple):
    """The key of a sentence in the step loop."""

    request: _Request
    job: int
    """Index of its job in the request."""


@dataclass(eq=False, slots=True)
class _Request:
    jobs: Sequence[Job]
    deadline: float
    future: asyncio.Future[RunResult]
    event_loop: asyncio.AbstractEventLoop
    on_token: OnToken | None
    on_progress: OnProgress | None
    hypotheses: list[list[Hypothesis] | None]
    remaining: int
    """Number of sentences that have no hypotheses yet."""
    decoded: int = 0
    """Tokens decoded so far, times the hypotheses of their sentences."""
    started: int = 0
    """Number of sentences that have joined the loop."""
    abandoned: bool = False
    """Nobody waits for the answer any longer."""
    arrived: float = field(default_factory=time.perf_counter)
    joined: float = 0.0


class Stepper:
    """The continuous batcher: runs the sentences of all requests to one model together, step by step, in a thread.

    It is to a model that decodes what `DynamicBatcher` is to the others: it queues requests and completes their
    futures; a `StepLoop` does the decoding.

    A sentence that cannot be run fails its request and no other; every failure completes its waiters.

    Args:
        make_loop: makes an empty step loop.
        max_hypotheses: maximum number of hypotheses of one step; a sentence with more runs alone.
        name: the name of the thread.
        on_execution: called after every step with its number of sentences.
        on_depth: called with the number of requests that have sentences waiting, whenever it changes.
    """

    def __init__(
        self,
        make_loop: Callable[[], StepLoop],
        *,
        max_hypotheses: int,
        name: str = "step",
        on_execution: Callable[[int], None] = lambda sentences: None,
        on_depth: Callable[[int], None] = lambda depth: None,
    ) -> None:
        self._make_loop = make_loop
        self._max_hypotheses = max_hypotheses
        self._name = name
        self._on_execution = on_execution
        self._on_depth = on_depth
        self._changed = threading.Condition()
        """Guards the three attributes below; the others belong to the thread."""
        self._waiting: deque[_Request] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._running: dict[_Request, None] = {}
        """Requests with sentences in the loop, in order of arrival."""
        self._loop = make_loop()
        self._reported = 0.0

    @property
    def depth(self) -> int:
        """Requests that have sentences waiting."""
        return len(self._waiting)

    def submit(
        self,
        tensors: Tensors,
        deadline: float,
        on_token: OnToken | None = None,
        on_progress: OnProgress | None = None,
    ) -> asyncio.Future[RunResult]:
        """Queue a request; must be called in the event loop. Cancel the future to have its sentences dropped.

        Args:
            tensors: `JOBS`, at least one.
            deadline: the `time.perf_counter()` after which the answer is of no use.
            on_token: gets each token of greedy jobs as it comes.
            on_progress: learns how far the request is, at times.
        """
        event_loop = asyncio.get_running_loop()
        jobs = tensors[JOBS].tolist()
        request = _Request(
            jobs,
            deadline,
            event_loop.create_future(),
            event_loop,
            on_token,
            on_progress,
            hypotheses=[None] * len(jobs),
            remaining=len(jobs),
        )
        request.future.add_done_callback(lambda done: self._forget(request))
        with self._changed:
            if self._closed:
                request.future.set_exception(NotReady("the model was unloaded"))
                return request.future
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.append(request)
            self._on_depth(len(self._waiting))
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Let the thread end; requests that still wait fail with NotReady."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _forget(self, request: _Request) -> None:
        request.abandoned = True

    def _work(self) -> None:
        """The thread."""
        while True:
            with self._changed:
                while not (self._waiting or self._running or self._closed):
                    self._changed.wait()
                if self._closed:
                    break
            try:
                self._turn()
            except Exception as error:  # Failed runs are reported by the loop itself.
                # An exception here is a bug in this module.
                log.error("the step loop failed", exc_info=error)
                self._fail_all(as_failure(error))
        self._fail_all(NotReady("the model was unloaded"))

    def _admit(self) -> list[_Ticket]:
        """Take one sentence of each waiting request in turn, while there is room. The caller holds the lock."""
        joining = []
        rows = self._loop.active_hypotheses
        while self._waiting:
            request = self._waiting[0]
            width = request.jobs[request.started].settings.beam_size
            if rows and rows + width > self._max_hypotheses:
                break
            rows += width
            joining.append(_Ticket(request, request.started))
            request.started += 1
            self._waiting.popleft()
            if request.started < len(request.jobs):
                self._waiting.append(request)
        if joining:
            self._on_depth(len(self._waiting))
        return joining

    def _turn(self) -> None:
        """Drop abandoned and late requests, admit waiting sentences, and run one step."""
        now = time.perf_counter()
        with self._changed:
            for request in [*self._running, *self._waiting]:
                if request.abandoned or request.deadline <= now:
                    self._drop(request)
                    self._deliver(request, DeadlineExceeded("the deadline passed before the answer was ready"))
            joining = self._admit()
        for ticket in joining:
            if ticket.request not in self._running:
                self._running[ticket.request] = None
                ticket.request.joined = now
        with stop_at(max((request.deadline for request in self._running), default=now)):
            if joining:
                self._join(joining)
            sentences = self._loop.active
            if not sentences:
                return
            for decoding in self._loop.tickets:
                assert isinstance(decoding, _Ticket)
                decoding.request.decoded += decoding.request.jobs[decoding.job].settings.beam_size
            finished = self._loop.step(self._take_token)
        self._on_execution(sentences)
        for one in finished:
            self._finish(one)
        self._report(now)

    def _report(self, now: float) -> None:
        """Tell the requests how far they are, from time to time."""
        if now < self._reported + _REPORT_SECONDS:
            return
        self._reported = now
        for request in self._running:
            if request.on_progress is not None and not request.abandoned:
                self._call(request, request.on_progress, request.decoded)

    def _join(self, tickets: Sequence[_Ticket]) -> None:
        """Encode sentences into the loop in one run; if that fails, in halves, so that only the faulty one fails."""
        jobs = [request.jobs[index] for request, index in tickets]
        try:
            self._loop.add(
                [job.tokens for job in jobs],
                [job.settings for job in jobs],
                tickets,
                [job.wants_attention for job in jobs],
            )
        except Exception as error:
            if len(tickets) == 1:
                self._finish(Finished(tickets[0], [], error))
                return
            half = len(tickets) // 2
            self._join(tickets[:half])
            self._join(tickets[half:])

    def _finish(self, finished: Finished) -> None:
        """Store the hypotheses of one sentence; deliver the answer with the request's last one."""
        ticket = finished.ticket
        assert isinstance(ticket, _Ticket)
        request = ticket.request
        if finished.error is not None:
            with self._changed:
                self._drop(request)
            self._deliver(request, as_failure(finished.error))
            return
        if request not in self._running:  # Another of its sentences failed in the same step.
            return
        request.hypotheses[ticket.job] = finished.hypotheses
        if _streams(ticket):
            self._take_token(ticket, END)
        request.remaining -= 1
        if request.remaining == 0:
            del self._running[request]
            hypotheses = np.empty(len(request.hypotheses), object)
            hypotheses[:] = request.hypotheses
            infer = time.perf_counter() - request.joined
            self._deliver(request, RunResult({HYPOTHESES: hypotheses}, request.joined - request.arrived, infer))

    def _drop(self, request: _Request) -> None:
        """Remove a request and its sentences from the queue and the loop. The caller holds the lock."""
        if request in self._waiting:
            self._waiting.remove(request)
            self._on_depth(len(self._waiting))
        if self._running.pop(request, request) is None:
            for index in range(request.started):
                if request.hypotheses[index] is None:
                    self._loop.drop(_Ticket(request, index))

    def _fail_all(self, error: LecternError) -> None:
        """Fail every request and start with a new loop."""
        with self._changed:
            everyone = dict.fromkeys([*self._running, *self._waiting])
            self._waiting.clear()
            self._on_depth(0)
        self._running.clear()
        self._loop = self._make_loop()
        for request in everyone:
            self._deliver(request, error)

    def _take_token(self, ticket: Hashable, token: int) -> None:
        assert isinstance(ticket, _Ticket)
        request, job = ticket
        if request.on_token is not None and not request.abandoned:
            self._call(request, request.on_token, job, token)

    def _deliver(self, request: _Request, outcome: RunResult | LecternError) -> None:
        self._call(request, _complete, request.future, outcome)

    @staticmethod
    def _call(request: _Request, work: Callable[..., None], *arguments: object) -> None:
        try:
            request.event_loop.call_soon_threadsafe(work, *arguments)
        except RuntimeError:  # The event loop is closed: nobody is left to tell.
            request.abandoned = True


def _complete(future: asyncio.Future[RunResult], outcome: RunResult | LecternError) -> None:
    if future.done():
        return
    if isinstance(outcome, RunResult):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)


def _streams(ticket: _Ticket) -> bool:
    request, job = ticket
    return request.on_token is not None and request.jobs[job].settings.beam_size == 1
