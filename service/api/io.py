"""Reads request bodies and writes answers, the same on every route."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from service.api.operation import context, timings
from service.errors import DeadlineExceeded, InvalidRequest, MalformedBody, PayloadTooLarge, UnsupportedMedia
from service.limits import variable
from service.serving.served_model import ServedModel
from service.tasks.base import invalid_body

BodyT = TypeVar("BodyT", bound=BaseModel)
T = TypeVar("T")


def media_type(request: Request) -> str:
    """The content type of the body, in lower case and without parameters; empty if the request has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


BODY_IS_READ = "body_is_read"
"""Key in the state of a scope: set once the whole body has arrived."""


async def read_body(request: Request) -> bytes:
    """Read the whole body and decompress it, within `max_body_bytes` and the deadline.

    Raises:
        DeadlineExceeded: the body arrives too slowly.
        ClientDisconnect: the client leaves before the body is complete.
        PayloadTooLarge: more bytes than the limit, compressed or not.
        UnsupportedMedia: a content encoding other than gzip and deflate.
        MalformedBody: the compressed data are invalid.
    """
    settings = context(request).settings
    limit = settings.max_body_bytes
    declared, encoding = b"", b"identity"
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            declared = value
        elif name == b"content-encoding":
            encoding = value.lower()
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(settings.deadline_seconds):
            body = await _receive(request, limit)
    except TimeoutError as error:
        raise DeadlineExceeded(f"the body did not arrive within {settings.deadline_seconds:g} s") from error
    request.scope["state"][BODY_IS_READ] = True
    timings(request).skip()
    return body if encoding == b"identity" else _decompress(body, encoding.decode("latin-1"), limit)


async def read_json(request: Request) -> Any:
    """Read and parse a body that can only be JSON.

    Raises:
        UnsupportedMedia: the content type is not JSON.
    """
    kind = media_type(request)
    body = await read_body(request)
    if kind != "application/json":
        problem = f"content-type {kind!r} is not supported; send" if kind else "name a content-type:"
        raise UnsupportedMedia(f"{problem} application/json")
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """Parse a JSON body.

    Raises:
        MalformedBody: naming the position of the error.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = ", which has no NaN and no Infinity" if b"NaN" in body or b"Infinity" in body else ""
        raise MalformedBody(f"the body is not valid JSON{hint}: {error}") from error


def validate(model: type[BodyT], document: Any) -> BodyT:
    """Check a parsed body against its pydantic model.

    Raises:
        InvalidRequest: naming the first field that is wrong.
    """
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid_body(error) from error


def json_response(document: Any, status: int = 200) -> Response:
    """Answer with JSON; the document may hold numpy arrays."""
    content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, media_type="application/json")


def model_response(model: BaseModel) -> Response:
    """Answer with a pydantic model as JSON."""
    return json_response(model.model_dump(mode="json"))


def add_model_headers(response: Response, served: ServedModel) -> Response:
    """Add the headers that name the model, the version and the execution provider of an answer."""
    response.raw_headers.extend(
        (
            (b"x-lectern-model", served.name.encode()),
            (b"x-lectern-version", served.version.encode()),
            (b"x-lectern-provider", served.provider.encode()),
        )
    )
    return response


async def while_connected(request: Request, served: ServedModel, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, and cancel it when the client disconnects.

    A model that runs in the event loop finishes before it could be cancelled: its work is simply awaited.
    """
    if served.inline:
        return await work
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(wait_for_disconnect(request.receive))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return await task
    finally:
        task.cancel()
        watcher.cancel()


async def wait_for_disconnect(receive: Receive) -> None:
    """Return once the client has disconnected; its body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _receive(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than {limit} bytes ({variable('max_body_bytes')}); send it in parts")


def _decompress(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding not in ("gzip", "deflate"):
        raise UnsupportedMedia(f"content-encoding {encoding!r} is not supported; send gzip, deflate or none")
    # wbits 47 reads both zlib and gzip.
    decompressor = zlib.decompressobj(47)
    try:
        content = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBody(f"the body is not valid {encoding}") from error
    if len(content) > limit:
        raise _too_large(limit)
    if not decompressor.eof:
        raise MalformedBody(f"the {encoding} body is cut short")
    if decompressor.unused_data:
        raise MalformedBody(f"the {encoding} body has data after its end; send one compressed stream")
    return content
