"""A request to an inline model that needs no task and no future: it goes on in the callback of its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from service.observability import Timings
from service.runtime.batcher import RunResult
from service.runtime.session import Tensors
from service.serving.request_record import RequestRecord

T = TypeVar("T")
AnswerT = TypeVar("AnswerT", contravariant=True)


class Reply(Protocol[AnswerT]):
    """What becomes of the answer of an `InlineRun`; called in the event loop."""

    def send(self, answer: AnswerT, /) -> None:
        """Send the answer."""

    def fail(self, error: Exception, /) -> None:
        """Send the error."""


class InlineRun(Generic[T]):
    """Waits for the run of one request, as a `Waiter` of the batcher, and ends its record.

    Args:
        record: the record of the request.
        timings: gets the time of the remaining stages.
        finish: makes the answer of the outputs; its time is the stage `postprocess`.
        reply: gets the answer, or the error that the run or `finish` raises.
    """

    __slots__ = ("_finish", "_record", "_reply", "_timings")

    def __init__(
        self,
        record: RequestRecord,
        timings: Timings,
        finish: Callable[[Tensors], T],
        reply: Reply[T],
    ) -> None:
        self._record = record
        self._timings = timings
        self._finish = finish
        self._reply = reply

    def done(self) -> bool:
        """False: the run is a turn of the event loop away, and its record must be closed."""
        return False

    def set_result(self, result: RunResult, /) -> None:
        """Make the answer."""
        timings = self._timings
        timings.add("queue", result.queue)
        timings.add("infer", result.infer)
        try:
            answer = self._finish(result.outputs)
        except Exception as error:
            self.set_exception(error)
            return
        timings.lap("postprocess")
        self._record.close()
        self._reply.send(answer)

    def set_exception(self, exception: Exception, /) -> None:
        """Report the error."""
        self._record.close(exception)
        self._reply.fail(exception)
