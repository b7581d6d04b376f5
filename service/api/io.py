"""Reads request bodies and writes answers, the same on every route."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Coroutine
from functools import cache, lru_cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from service.api.bodies import receive_body
from service.api.json_limits import UNCHECKED_BYTES, JsonLimits, check_json
from service.api.negotiation import parse_media_type
from service.api.operation import context, json_limits, timings
from service.api.turns import Turns
from service.errors import InvalidRequest, MalformedBody, UnsupportedMedia
from service.limits import variable
from service.serving.served_model import ServedModel
from service.tasks.base import field_path, invalid_body

BodyT = TypeVar("BodyT", bound=BaseModel)
T = TypeVar("T")

_JSON_TYPE = b"application/json"
_KEPT_MODELS = 64
"""Models whose headers are kept."""


def media_type(request: Request) -> str:
    """The content type of the body, in lower case and without parameters; empty if the request has none."""
    return parse_media_type(request.headers.get("content-type"))


async def read_body(request: Request, limits: JsonLimits | None = None) -> bytes:
    """Read the whole body and decompress it, within the limits of bytes, time and memory.

    Args:
        request: the request.
        limits: what the route's JSON may hold; None where the body is not JSON, and only `max_body_bytes` counts.

    Raises:
        LecternError: what `receive_body` raises.
    """
    service = context(request)
    settings = service.settings
    body = await receive_body(
        request,
        service.body_budget,
        service.turns,
        limit=settings.max_body_bytes if limits is None else limits.bytes_allowed(settings),
        described=variable("max_body_bytes") if limits is None else limits.describe_bytes(settings),
        deadline=settings.deadline_seconds,
    )
    timings(request).skip()
    service.access.check_unparsed(body, media_type(request), request.scope)
    return body


async def read_model(request: Request, model: type[BodyT]) -> BodyT:
    """Read a body that can only be JSON, and check it against its pydantic model.

    Raises:
        UnsupportedMedia: the content type is not JSON.
        InvalidRequest: naming the first field that is wrong.
    """
    kind = media_type(request)
    if kind != "application/json":
        problem = f"content-type {kind[:64]!r} is not supported; send" if kind else "name a content-type:"
        raise UnsupportedMedia(f"{problem} application/json")
    limits, turns = json_limits(request), context(request).turns
    body = await read_body(request, limits)
    content = validate(model, await check_and_parse(body, limits, turns))
    if len(body) > UNCHECKED_BYTES:
        await turns.next()
    return content


async def check_and_parse(body: bytes, limits: JsonLimits, turns: Turns) -> Any:
    """Parse a JSON body that holds no more than its route takes; a large one in turns of its own.

    Raises:
        InvalidRequest: it holds more.
        MalformedBody: naming the position of the error.
    """
    if len(body) <= UNCHECKED_BYTES:
        return parse_json(body)
    await check_json(body, limits, turns)
    await turns.next()
    document = parse_json(body)
    await turns.next()
    return document


def parse_json(body: bytes) -> Any:
    """Parse a JSON body; a byte order mark before it is passed over (RFC 8259, section 8.1).

    Raises:
        MalformedBody: naming the position of the error.
    """
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not _is_utf8(body):
            raise MalformedBody("the body is not valid JSON: it is not UTF-8; send it in UTF-8") from error
        hint = ", which has no NaN and no Infinity" if b"NaN" in body or b"Infinity" in body else ""
        raise MalformedBody(f"the body is not valid JSON{hint}: {error}") from error


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in text[:2]  # UTF-16 of ASCII letters is UTF-8 too.


def validate(model: type[BodyT], document: Any) -> BodyT:
    """Check a parsed body against its pydantic model. A field that is null was not given, an unknown one too.

    Raises:
        InvalidRequest: naming the first field that is wrong.
    """
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    known = _only_fields(model)
    if known is not None and not document.keys() <= known:  # pydantic would make an error for each.
        for name, value in document.items():
            if name not in known and value is not None:
                raise InvalidRequest("is not a field of this request", field_path((name,)))
        document = {name: value for name, value in document.items() if name in known}
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid_body(error) from error


@cache
def _only_fields(model: type[BaseModel]) -> frozenset[str] | None:
    """The fields of a model that takes no others; None if it takes any."""
    return frozenset(model.model_fields) if model.model_config.get("extra") == "forbid" else None


class WrittenResponse(Response):
    """Starlette's response without its work: the body and the headers are written already, as they are sent.

    Args:
        content: the body.
        content_type: the value of its header.
        status: of the answer.
    """

    def __init__(self, content: bytes, content_type: bytes, status: int = 200) -> None:
        self.status_code = status
        self.background = None
        self.body = content
        self.raw_headers = [(b"content-length", b"%d" % len(content)), (b"content-type", content_type)]


def json_response(document: Any, status: int = 200) -> Response:
    """Answer with JSON; the document may hold numpy arrays."""
    content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return WrittenResponse(content, _JSON_TYPE, status)


def model_response(model: BaseModel) -> Response:
    """Answer with a pydantic model as JSON."""
    return json_response(model.model_dump(mode="json"))


def add_model_headers(response: Response, served: ServedModel) -> Response:
    """Add the headers that name the model, the version and the execution provider of an answer."""
    response.raw_headers.extend(_model_headers(served.name, served.version, served.provider))
    return response


@lru_cache(_KEPT_MODELS)
def _model_headers(name: str, version: str, provider: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-lectern-model", name.encode()),
        (b"x-lectern-version", version.encode()),
        (b"x-lectern-provider", provider.encode()),
    )


async def while_connected(request: Request, work: Coroutine[Any, Any, T], *, in_loop: bool = False) -> T:
    """Await `work`, and cancel it when the client disconnects.

    Args:
        request: the HTTP request.
        work: makes its answer.
        in_loop: whether all of the work happens in the event loop. It ends before it could be cancelled, and is simply
            awaited.
    """
    if in_loop:
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
