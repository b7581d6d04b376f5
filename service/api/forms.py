"""Requests whose fields come as JSON, as a form or in the query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.api.operation import context, parse_json, read_body
from service.errors import InvalidRequest, MalformedBody, UnsupportedMedia

_MAX_FIELDS = 32
_FORM, _PARTS = "application/x-www-form-urlencoded", "multipart/form-data"


def form_contents(body: type[BaseModel]) -> dict[str, Any]:
    """The media types of forms, for an operation that reads this body from one."""
    schema = body.model_json_schema()
    properties = {name: {"type": "string"} for name in schema["properties"]}
    form = {"schema": {"type": "object", "required": schema["required"], "properties": properties}}
    return {_FORM: form, _PARTS: form}


async def read_fields(request: Request, needed: Sequence[str]) -> dict[str, Any]:
    """The fields of a request: those of its body over those of its query.

    Raises:
        InvalidRequest: one that is `needed` is missing.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request)
    sent: Any = {}
    if kind == "application/json":
        sent = parse_json(body)
    elif kind == _FORM:
        sent = _form(body)
    elif kind == _PARTS:
        sent = await _parts(request, body)
    elif body:
        raise UnsupportedMedia(f"content-type {kind!r} is not read; send application/json or a form")
    if not isinstance(sent, dict):
        raise InvalidRequest("the body must be a JSON object")
    fields = dict(request.query_params) | sent
    for name in needed:
        if fields.get(name) is None:
            raise InvalidRequest(f"Invalid request: missing {name} parameter")
    return fields


def _form(body: bytes) -> dict[str, Any]:
    try:
        return dict(
            parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS),
        )
    except ValueError as error:
        raise MalformedBody(f"the form cannot be read: {error}") from error


async def _parts(request: Request, body: bytes) -> dict[str, Any]:
    async def stream() -> Any:
        yield body

    size = context(request).settings.max_body_bytes
    parser = MultiPartParser(
        Headers(raw=request.headers.raw), stream(), max_files=0, max_fields=_MAX_FIELDS, max_part_size=size
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedBody(f"the form cannot be read: {error.message}") from error
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}
