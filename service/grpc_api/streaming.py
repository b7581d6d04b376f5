"""ModelStreamInfer: many requests on one stream, answered in order; translations come piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from grpc import StatusCode

from service.api.bodies import MAX_SMALL_BYTES, Share
from service.api.middleware import release_frames
from service.api.open_inference import infer
from service.api.open_inference.metadata import is_decoupled
from service.api.open_inference.requests import ParsedInferRequest
from service.api.operation import Context
from service.api.source_language import predictor_of
from service.grpc_api.call import Call, FindClient, Rpc
from service.grpc_api.errors import code_of, metadata_of
from service.grpc_api.methods import Message, find, parse
from service.grpc_api.protocol import ModelInferRequest, ModelStreamInferResponse
from service.grpc_api.requests import read_message
from service.grpc_api.responses import FINAL, write_message
from service.serving.served_model import ServedModel
from service.tasks.tensors import RequestTensors

_MOST_IN_FLIGHT = 64
"""Requests of one stream that are worked on or wait to be sent; further ones are not read."""

_STATUS_ASKED = "triton_grpc_error"
"""Metadata of a client that wants the stream to end at the first error, with its status code."""


class StreamHandler:
    """Answers ModelStreamInfer.

    Args:
        service: the parts of the service.
        path: the path of the method.
        find_client: finds the client of a call behind proxies.
        stopping: set when the server wants its streams to end.
    """

    def __init__(self, service: Context, path: str, find_client: FindClient, stopping: asyncio.Event) -> None:
        self._service = service
        self._path = path
        self._find_client = find_client
        self._stopping = stopping

    async def __call__(self, messages: AsyncIterator[bytes], rpc: Rpc) -> None:
        await _Stream(self._service, self._begin(rpc), rpc, self._stopping).run(messages)

    def _begin(self, rpc: Rpc) -> Callable[[], Call]:
        return lambda: Call(self._service, infer.OPERATION, self._path, rpc, self._find_client)


class _Stream:
    """One stream, from its head to its end.

    Args:
        service: the parts of the service.
        begin: begins a request of the stream.
        rpc: the call of gRPC.
        stopping: set when the server wants its streams to end.
    """

    def __init__(self, service: Context, begin: Callable[[], Call], rpc: Rpc, stopping: asyncio.Event) -> None:
        self._service = service
        self._begin = begin
        self._rpc = rpc
        self._stopping = stopping
        self._answers: asyncio.Queue[_Answer | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_MOST_IN_FLIGHT)
        self._work: set[asyncio.Task[None]] = set()
        self._ends_at_error = any(
            name == _STATUS_ASKED and value in ("true", "1") for name, value in rpc.invocation_metadata() or ()
        )

    async def run(self, messages: AsyncIterator[bytes]) -> None:
        """Answer all requests of the stream."""
        head = await self._check_head()
        reader = asyncio.ensure_future(self._read(messages, head))
        try:
            while (answer := await self._answers.get()) is not None:
                await self._send(answer)
                self._room.release()
        finally:
            tasks = {reader, *self._work}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._stopping.is_set():
            await self._rpc.abort(StatusCode.UNAVAILABLE, "the server is shutting down; open another stream")

    async def _check_head(self) -> Call:
        """Check the sender before a message is read; that counts as the check of the first request."""
        head, code = self._begin(), StatusCode.OK
        try:
            head.check()
            await head.send_metadata()
        except Exception as error:
            code = code_of(error)
            await head.abort(error)
        finally:
            head.end(code)
        return head

    async def _read(self, messages: AsyncIterator[bytes], head: Call) -> None:
        """Begin the work on each request as it comes, until the client or the server ends the stream."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        checked: Call | None = head
        try:
            while True:
                await self._room.acquire()
                following = asyncio.ensure_future(_next(messages))
                try:
                    await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    body = following.result() if following.done() else None
                    following.cancel()
                if body is None:
                    return
                answer = _Answer()
                self._answers.put_nowait(answer)
                task = asyncio.ensure_future(self._answer(body, answer, checked))
                self._work.add(task)
                task.add_done_callback(self._work.discard)
                checked = None
        finally:
            stopping.cancel()
            self._answers.put_nowait(None)

    async def _answer(self, body: bytes, answer: _Answer, checked: Call | None) -> None:
        """Work on one request; its answer or its error is in `answer` at the end.

        Args:
            body: its message.
            answer: gets what is sent.
            checked: a call of the same sender that was checked and has not been answered.
        """
        call = self._begin()  # Not before: a task that is cancelled before its first step would not end it.
        code, identifier = StatusCode.CANCELLED, ""
        share = Share(self._service.body_budget)
        try:
            call.check(checked)
            if len(body) > MAX_SMALL_BYTES:
                share.grow_to(len(body))
            request = parse(body, ModelInferRequest, self._service)
            identifier = request.id
            served = find(self._service, request.model_name, request.model_version)
            inference = read_message(request, served.predictor, max_rows=served.max_batch_size)
            call.timings.skip()
            if is_decoupled(served) and any(map(len, inference.tensors.values())):
                await _translate(served, inference, call, answer)
            else:
                write = lambda outputs: write_message(inference, outputs, served)  # noqa: E731
                seconds = call.seconds(inference.timeout)
                answer.finish(await served.infer(inference.tensors, write, call.timings, seconds))
            code = StatusCode.OK
        except Exception as error:
            code = code_of(error)
            answer.fail(_Failure(*call.report(error), metadata_of(error), identifier))
            release_frames(error)
        finally:
            share.release()
            call.end(code)

    async def _send(self, answer: _Answer) -> None:
        async for response in answer:
            await self._rpc.write(ModelStreamInferResponse(infer_response=response))
        failure = answer.failure
        if failure is None:
            return
        if self._ends_at_error:
            await self._rpc.abort(failure.code, failure.text, failure.metadata)
        response = ModelStreamInferResponse(error_message=failure.text)
        response.infer_response.id = failure.id
        await self._rpc.write(response)


class _Failure(NamedTuple):
    """The error of a request."""

    code: StatusCode
    text: str
    metadata: tuple[tuple[str, str], ...]
    id: str
    """The id of the request."""


class _Answer:
    """The answer to one request of a stream, while it is made; pieces that were not sent yet are joined."""

    def __init__(self) -> None:
        self.failure: _Failure | None = None
        self._changed = asyncio.Event()
        self._pieces: list[str] = []
        self._write: Callable[[list[str]], Message] | None = None
        self._last: Message | None = None
        self._ended = False

    def stream(self, rows: int, write: Callable[[list[str]], Message]) -> None:
        """Begin an answer in pieces.

        Args:
            rows: number of texts.
            write: makes a message of what is new of each.
        """
        self._pieces, self._write = [""] * rows, write

    def add(self, row: int, text: str) -> None:
        """Add to a text."""
        self._pieces[row] += text
        self._changed.set()

    def finish(self, last: Message | None = None) -> None:
        """End the answer, with its only message or with what is new of the texts."""
        self._last, self._ended = last, True
        self._changed.set()

    def fail(self, failure: _Failure) -> None:
        """End the answer with an error."""
        self.failure, self._ended = failure, True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self.failure is not None:
                return
            if not self._ended and not any(self._pieces):
                continue
            message: Message = self._last if self._write is None else self._write(self._pieces)
            self._pieces = [""] * len(self._pieces)
            message.parameters[FINAL].bool_param = self._ended
            ended = self._ended
            yield message
            if ended:
                return


async def _translate(served: ServedModel, inference: ParsedInferRequest, call: Call, answer: _Answer) -> None:
    """Translate as a stream: greedily, each message with the new characters of every text."""
    predictor = predictor_of(served)
    adapter = predictor.tensors
    assert isinstance(adapter, RequestTensors)
    request = adapter.read(inference.tensors).mark_streamed()
    stream = predictor.stream(request)

    def write(pieces: list[str]) -> Message:
        return write_message(inference, adapter.write({"results": [{"text": text} for text in pieces]}), served)

    def on_token(position: int, token: int) -> None:
        for row, text in stream.take(position, token):
            answer.add(row, text)

    answer.stream(len(next(iter(inference.tensors.values()))), write)
    fields: dict[str, Any] = await served.predict(
        request, call.timings, call.seconds(inference.timeout), on_token=on_token
    )
    for row, text in stream.finish(fields["results"]):
        answer.add(row, text)
    answer.finish()


async def _next(messages: AsyncIterator[bytes]) -> bytes | None:
    """The next message; None at the end of the stream."""
    return await anext(messages, None)
