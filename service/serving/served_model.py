"""One version of a model while it serves: its predictor, its lane, its admission and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from service.errors import LimitExceeded
from service.observability import Metrics, Timings, client
from service.runtime.session import Tensors
from service.runtime.stepper import OnToken
from service.serving.admission import Admission
from service.serving.inline_run import InlineRun, Reply
from service.serving.lane import make_lane
from service.serving.provider_choice_figures import ProviderChoice
from service.serving.recorder import Recorder
from service.serving.request_record import RequestRecord, RequestRecords
from service.serving.request_threads import RequestThreads
from service.serving.states import UNKNOWN_MEMORY, ModelMemory
from service.serving.ticket import Ticket
from service.serving.warm_up import seconds_per_unit
from service.settings import ModelSettings
from service.tasks import Predictor
from service.tasks.base import Check, SerializedList
from service.tasks.scheduling import RUN
from service.tasks.tensors import PreprocessedTensors, RowTensors, adapter_of, empty_tensors

T = TypeVar("T")


class ServedModel:
    """Answers requests with one version of a model.

    Args:
        predictor: the loaded predictor, verified and warmed up.
        settings: the settings of this model, none of them None.
        metrics: the metrics that it reports to.
        inline: whether it runs in the event loop; otherwise it gets a thread. A model that decodes step by step always
            gets one.
        warm_up_seconds: the time of an ordinary request, measured at warm-up.
        memory: the memory that it takes, as far as that is known.
        provider_choice: how its execution provider was chosen, if it was.
        cpus: threads that preprocess and postprocess its large requests; started when they are needed.
        max_in_flight: requests beyond this are refused as saturated.
        max_wait: most seconds of work that a request may find waiting before it; beyond that it is refused as well.
        deadline_seconds: the maximum time for one request.
    """

    def __init__(
        self,
        predictor: Predictor[Any],
        settings: ModelSettings,
        metrics: Metrics,
        *,
        inline: bool,
        warm_up_seconds: float,
        memory: ModelMemory = UNKNOWN_MEMORY,
        provider_choice: ProviderChoice | None = None,
        cpus: int,
        max_in_flight: int,
        max_wait: float,
        deadline_seconds: float,
    ) -> None:
        self.predictor = predictor
        self.manifest = predictor.manifest
        self.name = self.manifest.name
        self.version = str(self.manifest.version)
        self.max_batch_size = predictor.limits.max_batch_size
        self.warm_up_seconds = warm_up_seconds
        self.memory = memory
        self.provider_choice = provider_choice
        self.inline = inline
        self.provider = ",".join(dict.fromkeys(report.actual[0] for report in predictor.reports.values()))
        """The execution provider that runs the model; several where its graphs differ."""
        # A pool of its own: the large requests of one model do not keep those of others waiting.
        self._threads = RequestThreads(cpus, f"preprocess-{self.name}")
        self._recorder = Recorder(metrics, self.name, self.version)
        on_depth = metrics.queue_depth.labels(self.name, self.version).set
        self._lane = make_lane(
            predictor,
            inline=inline,
            max_queue_delay=(settings.max_queue_delay_us or 0) / 1e6,
            on_execution=self._recorder.executed_in_loop if inline else self._recorder.executed,
            on_depth=on_depth,
        )
        admission = Admission(
            self.name,
            {RUN: seconds_per_unit(predictor, warm_up_seconds), **predictor.scheduling.seconds_per_unit},
            max_in_flight=max_in_flight,
            max_wait=max_wait,
            parallel=cpus + 2,
            longest=deadline_seconds,
            on_backlog=metrics.backlog_seconds.labels(self.name, self.version).set,
        )
        self.records = RequestRecords(admission, self._recorder, deadline_seconds)

    def answers_in_loop(self, request: Any) -> bool:
        """Whether `predict` answers a request without a thread, and so without letting anything else happen."""
        return self.inline and not self.predictor.scheduling.is_slow(request)

    def infers_in_loop(self, tensors: Tensors) -> bool:
        """The same of `infer`."""
        return self.inline and isinstance(adapter_of(self.predictor.tensors, tensors), RowTensors)

    async def predict(
        self,
        request: Any,
        timings: Timings,
        timeout: float | None = None,
        on_token: OnToken | None = None,
        *,
        serialize: bool = False,
    ) -> dict[str, Any]:
        """Answer a request of the model's task; returns the fields of the answer.

        Args:
            request: made by the predictor's `parse`, or by hand in the same class.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
            on_token: gets the tokens of a greedy search as they come, of models that decode step by step.
            serialize: whether the lists of a large answer are to be `SerializedList`s.
        """
        with self.records.open(timings) as record:
            ticket = record.admit(self.predictor.scheduling.work(request), timeout, client.get())

            def finish(outputs: Tensors, check: Check | None) -> dict[str, Any]:
                if check is None:
                    return self.predictor.postprocess(request, outputs)
                fields = self.predictor.postprocess_with_checks(request, outputs, check)
                return _serialize_large(fields) if serialize else fields

            return await self._answer(request, timings, ticket, finish, on_token)

    async def infer(
        self,
        tensors: Tensors,
        finish: Callable[[Tensors], T],
        timings: Timings,
        timeout: float | None = None,
    ) -> T:
        """Run the model on checked tensors whose first axis is the batch.

        Args:
            tensors: the tensors by input name, as the predictor's `tensors`, or its alternative, describes them.
            finish: makes the answer of the outputs; its time is the stage `postprocess`.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
        """
        with self.records.open(timings) as record:
            rows = len(next(iter(tensors.values())))
            if rows > self.max_batch_size:
                limit = self.predictor.limits.describe("max_batch_size")
                raise LimitExceeded(f"a batch of {rows}, {limit}; send several requests", "inputs")
            predictor = self.predictor
            adapter = adapter_of(predictor.tensors, tensors)
            if not rows:
                outputs = empty_tensors(adapter.outputs)
            elif isinstance(adapter, RowTensors):
                feeds = adapter.read(tensors)
                timings.lap("preprocess")
                ticket = record.admit(predictor.scheduling.run_work(feeds), timeout, client.get())
                outputs = adapter.write(await self._run(feeds, timings, ticket))
            else:
                request = adapter.read(tensors)
                ticket = record.admit(predictor.scheduling.work(request), timeout, client.get())

                def write(outputs: Tensors, check: Check | None) -> Tensors:
                    if isinstance(adapter, PreprocessedTensors):
                        return outputs
                    return adapter.write(predictor.postprocess(request, outputs))

                outputs = await self._answer(request, timings, ticket, write)
            finished = finish(outputs)
            timings.lap("postprocess")
        return finished

    def start_prediction(
        self, request: Any, timings: Timings, finish: Callable[[dict[str, Any]], T], reply: Reply[T]
    ) -> bool:
        """Begin to answer a request that `answers_in_loop`, without a task; else the same as `predict`.

        Args:
            request: as for `predict`.
            timings: gets the time of every stage.
            finish: makes the answer of its fields.
            reply: gets the answer, or the error that the run or `finish` raises, in a later turn of the event loop.

        Returns:
            False, and nothing is begun, if it takes several runs.

        Raises:
            LecternError: as `predict`, before the run.
        """
        predictor = self.predictor
        record = self.records.open(timings)
        try:
            ticket = record.admit(predictor.scheduling.work(request), None, client.get())
            tensors = predictor.preprocess(request)
        except Exception as error:
            record.close(error)
            raise
        timings.lap("preprocess")
        predictor.drop_input(request)
        return self._start(
            tensors, ticket, record, timings, lambda outputs: finish(predictor.postprocess(request, outputs)), reply
        )

    def start_inference(
        self, tensors: Tensors, timings: Timings, timeout: float | None, finish: Callable[[Tensors], T], reply: Reply[T]
    ) -> bool:
        """Begin to run the model on tensors that it `infers_in_loop`, without a task; else the same as `infer`.

        Args:
            tensors: as for `infer`.
            timings: gets the time of every stage.
            timeout: seconds; the smaller of this and the setting counts.
            finish: makes the answer of the outputs.
            reply: gets the answer, or the error that the run or `finish` raises, in a later turn of the event loop.

        Returns:
            False, and nothing is begun, if they are not the rows of a single run.

        Raises:
            LecternError: as `infer`, before the run.
        """
        predictor = self.predictor
        adapter = adapter_of(predictor.tensors, tensors)
        if not isinstance(adapter, RowTensors) or not 0 < len(next(iter(tensors.values()))) <= self.max_batch_size:
            return False
        record = self.records.open(timings)
        try:
            feeds = adapter.read(tensors)
            timings.lap("preprocess")
            ticket = record.admit(predictor.scheduling.run_work(feeds), timeout, client.get())
        except Exception as error:
            record.close(error)
            raise
        return self._start(feeds, ticket, record, timings, lambda outputs: finish(adapter.write(outputs)), reply)

    def _start(
        self,
        tensors: Tensors,
        ticket: Ticket,
        record: RequestRecord,
        timings: Timings,
        finish: Callable[[Tensors], T],
        reply: Reply[T],
    ) -> bool:
        if self._lane.queue(tensors, ticket, InlineRun(record, timings, finish, reply)):
            return True
        record.cancel()
        return False

    async def close(self) -> None:
        """Wait for the requests in flight, then release the threads."""
        await self.records.wait_until_idle()
        self._recorder.write_metrics()
        self._lane.close()
        self._threads.close()

    async def _answer(
        self,
        request: Any,
        timings: Timings,
        ticket: Ticket,
        finish: Callable[[Tensors, Check | None], T],
        on_token: OnToken | None = None,
    ) -> T:
        """Take an admitted request through the stages.

        Args:
            request: the request.
            timings: gets the time of every stage.
            ticket: of its admission.
            finish: postprocesses the outputs and makes the answer; it gets the check of its thread, None in the event
                loop.
            on_token: as for `predict`.
        """
        predictor = self.predictor
        in_thread = predictor.scheduling.is_slow(request)
        if in_thread:
            tensors = await self._threads.run(partial(predictor.preprocess_with_checks, request), ticket)
        else:
            tensors = predictor.preprocess(request)
        timings.lap("preprocess")
        if ticket.work.kind == RUN:
            ticket.refine(ticket.work.overhead + float(predictor.scheduling.row_work(tensors).sum()))
        outputs = await self._run(tensors, timings, ticket, on_token)
        if in_thread:
            answer = await self._threads.run(partial(finish, outputs), ticket)
        else:
            answer = finish(outputs, None)
        timings.lap("postprocess")
        return answer

    async def _run(
        self, tensors: Tensors, timings: Timings, ticket: Ticket, on_token: OnToken | None = None
    ) -> Tensors:
        answer = await self._lane.run(tensors, ticket, on_token)
        timings.add("queue", answer.queue)
        timings.add("infer", answer.infer)
        return answer.outputs


def _serialize_large(fields: dict[str, Any]) -> dict[str, Any]:
    """Write the lists of a large answer, in its thread."""
    return {
        name: SerializedList.of(value) if type(value) is list else value  # What is written already is a subclass.
        for name, value in fields.items()
    }
