"""The methods of the service but ModelStreamInfer: each is the encoding of an operation that HTTP has too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from grpc import StatusCode
from pydantic import BaseModel

from service.api import health
from service.api.bodies import MAX_SMALL_BYTES, Share
from service.api.open_inference import infer, metadata, repository, statistics
from service.api.operation import Context, Operation
from service.errors import DeadlineExceeded, MalformedBody, NotReady, PayloadTooLarge, UnknownModel
from service.grpc_api.call import Call, FindClient, Rpc
from service.grpc_api.errors import code_of
from service.grpc_api.message_limits import check_fields
from service.grpc_api.protocol import ModelInferRequest, message
from service.grpc_api.requests import parameters_of, read_message
from service.grpc_api.responses import write_message
from service.limits import variable
from service.serving.served_model import ServedModel

_TENSORS = frozenset(ModelInferRequest.DESCRIPTOR.fields_by_name[name].number for name in ("inputs", "outputs"))

Message = Any
Method = Callable[[Context, Call, Message], Awaitable[Message]]
"""From a request to its answer."""


async def server_live(service: Context, call: Call, request: Message) -> Message:
    """Say that the process answers."""
    return message("ServerLiveResponse")(live=True)


async def server_ready(service: Context, call: Call, request: Message) -> Message:
    """Say whether every model serves."""
    return message("ServerReadyResponse")(ready=is_ready(service))


async def model_ready(service: Context, call: Call, request: Message) -> Message:
    """Say whether a model serves; one that is not there does not."""
    try:
        metadata.check_ready(find(service, request.name, request.version), service.registry)
    except (NotReady, UnknownModel):
        return message("ModelReadyResponse")(ready=False)
    return message("ModelReadyResponse")(ready=True)


async def server_metadata(service: Context, call: Call, request: Message) -> Message:
    """Name the server and its extensions."""
    return _write(metadata.describe_server(), "ServerMetadataResponse")


async def model_metadata(service: Context, call: Call, request: Message) -> Message:
    """Describe a model."""
    return _write(metadata.describe_model(find(service, request.name, request.version)), "ModelMetadataResponse")


async def model_config(service: Context, call: Call, request: Message) -> Message:
    """Describe the configuration of a model."""
    config = metadata.describe_config(find(service, request.name, request.version), service.settings)
    return message("ModelConfigResponse")(config=_write(config, "ModelConfig"))


async def model_statistics(service: Context, call: Call, request: Message) -> Message:
    """Report statistics of one model, or of all."""
    models = [find(service, request.name, request.version)] if request.name else service.registry.all_serving()
    return _write(statistics.collect_statistics(models, service.metrics), "ModelStatisticsResponse")


async def repository_index(service: Context, call: Call, request: Message) -> Message:
    """List every version of every model."""
    lines = repository.list_versions(service, only_ready=request.ready)
    index = message("RepositoryIndexResponse")()
    for line in lines.root:
        index.models.add(**line.model_dump())
    return index


async def load(service: Context, call: Call, request: Message) -> Message:
    """Load or reload a model, and answer once it serves."""
    await repository.load_model(service, request.model_name, parameters_of(request))
    return message("RepositoryModelLoadResponse")()


async def unload(service: Context, call: Call, request: Message) -> Message:
    """Unload a model, and answer once its last request is finished."""
    await repository.unload_model(service, request.model_name)
    return message("RepositoryModelUnloadResponse")()


async def model_infer(service: Context, call: Call, request: Message) -> Message:
    """Run a model on tensors."""
    served = find(service, request.model_name, request.model_version)
    inference = read_message(request, served.predictor, max_rows=served.max_batch_size)
    call.answered_by(served)
    return await served.infer(
        inference.tensors,
        lambda outputs: write_message(inference, outputs, served),
        call.timings,
        call.seconds(inference.timeout),
    )


class Encoded(NamedTuple):
    """A method, and the operation of HTTP that it is another encoding of: what its caller needs is decided there."""

    operation: Operation
    method: Method


METHODS = {
    "ServerLive": Encoded(health.LIVE, server_live),
    "ServerReady": Encoded(health.READY, server_ready),
    "ModelReady": Encoded(metadata.MODEL_READY, model_ready),
    "ServerMetadata": Encoded(metadata.SERVER, server_metadata),
    "ModelMetadata": Encoded(metadata.MODEL_METADATA, model_metadata),
    "ModelConfig": Encoded(metadata.MODEL_CONFIG, model_config),
    "ModelStatistics": Encoded(statistics.ALL, model_statistics),
    "RepositoryIndex": Encoded(repository.INDEX, repository_index),
    "RepositoryModelLoad": Encoded(repository.LOAD, load),
    "RepositoryModelUnload": Encoded(repository.UNLOAD, unload),
    "ModelInfer": Encoded(infer.OPERATION, model_infer),
}


class UnaryHandler:
    """Answers a method that takes one message.

    gRPC sees it as a method that takes a stream, so that the head of the request is checked before its message is read.

    Args:
        service: the parts of the service.
        path: the path of the method.
        encoded: the method.
        request_type: the class of its requests.
        find_client: finds the client of a call behind proxies.
    """

    def __init__(
        self, service: Context, path: str, encoded: Encoded, request_type: Any, find_client: FindClient
    ) -> None:
        self._service = service
        self._path = path
        self._encoded = encoded
        self._request_type = request_type
        self._find_client = find_client

    async def __call__(self, messages: AsyncIterator[bytes], rpc: Rpc) -> Message:
        call = Call(self._service, self._encoded.operation, self._path, rpc, self._find_client)
        share = Share(self._service.body_budget)
        code = StatusCode.CANCELLED
        try:
            call.check()
            request = parse(await self._receive(messages, share), self._request_type, self._service)
            call.timings.skip()
            answer = self._encoded.method(self._service, call, request)
            if self._encoded.operation.changes_state:
                answer = self._service.access.record(call.scope, answer)
            response = await answer
            await call.send_metadata()
            code = StatusCode.OK
            return response
        except Exception as error:
            code = code_of(error)
            await call.abort(error)
        finally:
            share.release()
            call.end(code)

    async def _receive(self, messages: AsyncIterator[bytes], share: Share) -> bytes:
        """The message, within the deadline; a large one is counted among the bodies in memory."""
        seconds = self._service.settings.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                async for body in messages:
                    if len(body) > MAX_SMALL_BYTES:
                        share.grow_to(len(body))
                    return body
        except TimeoutError as error:
            raise DeadlineExceeded(f"the message did not arrive within {seconds:g} s") from error
        raise MalformedBody("the call has no message; send one")


def parse(body: bytes, kind: Any, service: Context) -> Message:
    """Parse a message that is not too large.

    Raises:
        PayloadTooLarge: it is.
        LimitExceeded: it has too many fields.
        MalformedBody: it is no such message.
    """
    limit = service.settings.max_body_bytes
    if len(body) > limit:
        raise PayloadTooLarge(
            f"the message is larger than {limit} bytes ({variable('max_body_bytes')}); send it in parts"
        )
    check_fields(body, _TENSORS if kind is ModelInferRequest else ())
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise MalformedBody(f"the message is no valid {kind.DESCRIPTOR.name}") from error


def find(service: Context, name: str, version: str) -> ServedModel:
    """The model and version that a request names."""
    return service.registry.find(name=name, version=version or None)


def is_ready(service: Context) -> bool:
    """Whether every model serves."""
    try:
        health.check_ready(service)
    except NotReady:
        return False
    return True


def _write(model: BaseModel, name: str) -> Message:
    """A message with the fields of an answer of HTTP, as far as it has them."""
    return ParseDict(model.model_dump(mode="json"), message(name)(), ignore_unknown_fields=True)
