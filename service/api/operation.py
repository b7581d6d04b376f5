"""Reading requests and writing answers, alike on every route."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.errors import DeadlineExceeded, InvalidRequest, MalformedBody, PayloadTooLarge, UnsupportedMedia
from service.limits import variable
from service.observability import Metrics, Timings
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.settings import Settings
from service.tasks.base import invalid_body

BodyT = TypeVar("BodyT", bound=BaseModel)
T = TypeVar("T")

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route, with all that the OpenAPI file says of it.

    Starlette serves it, without FastAPI's per-request work; the description comes from the same pydantic models that
    check the request.
    """

    method: str
    path: str
    endpoint: Endpoint
    tag: str
    summary: str
    description: str = ""
    body: type[BaseModel] | None = None
    body_required: bool = True
    response: type[BaseModel] | None = None
    parameters: tuple[dict[str, Any], ...] = ()
    contents: dict[str, Any] = field(default_factory=dict)
    """Media types that the body may have besides JSON."""
    example: Any = None
    errors: tuple[int, ...] = (404, 422, 503)
    hot: bool = False
    """Whether the route must be fast: then it is called before FastAPI's own layers."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What routes need of the service: the `context` of the application."""

    settings: Settings
    registry: ModelRegistry
    metrics: Metrics
    draining: threading.Event = field(default_factory=threading.Event)
    """Set once the process was asked to stop: ready answers 503 from then on."""


def context(request: Request) -> Context:
    """The service that answers this request."""
    found: Context = request.scope["app"].context
    return found


def timings(request: Request) -> Timings:
    """The stage times of this request; the middleware turns them into `Server-Timing`."""
    found: Timings = request.scope["state"]["timings"]
    return found


async def read_body(request: Request) -> bytes:
    """The whole body, inflated, within `max_body_bytes` and the deadline.

    Raises:
        DeadlineExceeded: it came too slowly.
        ClientDisconnect: it never came whole.
        PayloadTooLarge: more bytes than the limit, as sent or inflated.
        UnsupportedMedia: a content encoding other than gzip and deflate.
        MalformedBody: compressed data that is broken.
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
        raise DeadlineExceeded(f"the body was not here after {settings.deadline_seconds:g} s") from error
    timings(request).skip()
    return body if encoding == b"identity" else _inflate(body, encoding.decode("latin-1"), limit)


async def read_json(request: Request) -> Any:
    """Read and parse a body that can only be JSON.

    Raises:
        UnsupportedMedia: the content type says otherwise.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request)
    if kind != "application/json":
        found = f"content-type {kind!r} is not read; send" if kind else "name a content-type:"
        raise UnsupportedMedia(f"{found} application/json")
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """Parse a JSON body.

    Raises:
        MalformedBody: naming where it breaks.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = ", which has no NaN and no Infinity" if b"NaN" in body or b"Infinity" in body else ""
        raise MalformedBody(f"the body is not valid JSON{hint}: {error}") from error


def validate(model: type[BodyT], document: Any) -> BodyT:
    """Check a parsed body.

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
    """Answer with JSON; numpy arrays included."""
    content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, media_type="application/json")


def answered_by(response: Response, served: ServedModel) -> Response:
    """Name in the headers what answered."""
    response.raw_headers.extend(
        (
            (b"x-lectern-model", served.name.encode()),
            (b"x-lectern-version", served.version.encode()),
            (b"x-lectern-provider", served.provider.encode()),
        )
    )
    return response


async def while_connected(request: Request, served: ServedModel, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, and cancel it when the client leaves.

    A model that runs in the event loop is done before it could be cancelled: it is awaited plainly.
    """
    if served.inline:
        return await work
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return await task
    finally:
        task.cancel()
        watcher.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
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


def _inflate(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding not in ("gzip", "deflate"):
        raise UnsupportedMedia(f"content-encoding {encoding!r} is not read; send gzip, deflate or none")
    # wbits 47: zlib or gzip, told apart by the header.
    inflater = zlib.decompressobj(47)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBody(f"the body is not valid {encoding}") from error
    if len(inflated) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise MalformedBody(f"the {encoding} body is cut short")
    if inflater.unused_data:
        raise MalformedBody(f"the {encoding} body goes on after its end; send one compressed stream")
    return inflated
