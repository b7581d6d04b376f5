"""Reads forms, and requests whose fields may come as JSON, as a form or in the query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from pydantic import BaseModel
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from service.api.io import check_and_parse, media_type, read_body
from service.api.multipart import MAX_HEADER_BYTES, Part, split_multipart, unreadable
from service.api.operation import context, json_limits
from service.api.turns import Turns
from service.errors import InvalidRequest, MalformedBody, UnsupportedMedia

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

# Well above the fields of any route, so that an unknown field is reported by name rather than as "too many fields".
_MAX_FIELDS = 64


_LIST_NAMES = ("q", "q[]")
"""Names under which a form may send several texts."""

_CHARSETS = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))
"""Of the names and texts of a multipart form. Python has codecs that stall, fail, or return what is no text."""

_SLICE_BYTES = 32 * 1024
"""Bytes of a form that are parsed before the event loop turns."""


def form_media_types(body: type[BaseModel]) -> dict[str, Any]:
    """Describe the forms of an operation that reads `body` from one, for the OpenAPI file."""
    schema = body.model_json_schema()
    properties = {
        name: {"type": "string"} | {key: field[key] for key in ("minLength",) if key in field}
        for name, field in schema["properties"].items()
    }
    form = {"schema": {"type": "object", "required": schema["required"], "properties": properties}}
    return {URLENCODED: form, MULTIPART: form}


async def read_fields(request: Request, required: Sequence[str]) -> dict[str, Any]:
    """Read the fields of a request; those of the body override those of the query.

    Raises:
        Unauthorized, Forbidden: the API key in `api_key` is missing, wrong, or does not allow it.
        InvalidRequest: a required field is missing.
        MalformedBody: the body is not what its content type says.
        UnsupportedMedia: the content type is neither JSON nor a form.
    """
    kind = media_type(request)
    if kind not in ("", "application/json", URLENCODED, MULTIPART):
        raise UnsupportedMedia(f"content-type {kind[:64]!r} is not supported; send application/json or a form")
    limits = json_limits(request)
    characters = context(request).settings.max_total_characters
    body = await read_body(request, limits)
    content: Any = {}
    if kind == "application/json":
        content = await check_and_parse(body, limits, context(request).turns)
    elif kind == URLENCODED:
        content = _collect(await _parse_urlencoded(body, context(request).turns), characters)
    elif kind == MULTIPART:
        parts = await parse_multipart(request, body)
        content = _collect([(part.name, part.text) for part in parts], characters)
    elif body:
        raise UnsupportedMedia("name a content-type: application/json or a form")
    if not isinstance(content, dict):
        raise InvalidRequest("the body must be a JSON object")
    fields = _collect(_query_pairs(request), characters) | content
    context(request).access.check_fields(fields, request.scope)
    for name in required:
        # The translation of an empty text is empty, but an empty code names no language.
        if fields.get(name) is None or (fields[name] == "" and name not in _LIST_NAMES):
            raise InvalidRequest(f"Invalid request: missing {name} parameter")
    return fields


async def parse_multipart(request: Request, body: bytes, *, max_files: int = 0) -> list[Part]:
    """Parse a multipart body.

    Raises:
        TooManyFiles: more than `max_files`, if that is not 0.
        MalformedBody: the body is not valid multipart, is truncated, or holds files where none are allowed.
        UnsupportedMedia: its charset is not UTF-8.
    """
    boundary = _read_boundary(request.headers["content-type"])
    turns = context(request).turns
    return await split_multipart(body, boundary, turns, max_files=max_files, max_fields=_MAX_FIELDS)


def _read_boundary(content_type: str) -> bytes:
    """The boundary that the content type of a multipart body names.

    Raises:
        MalformedBody: the content type is too long, or names none.
        UnsupportedMedia: its charset is not UTF-8.
    """
    if len(content_type) > MAX_HEADER_BYTES:
        raise MalformedBody(f"the content-type has over {MAX_HEADER_BYTES} characters; send a shorter boundary")
    parameters = parse_options_header(content_type)[1]
    charset = parameters.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in _CHARSETS:
        raise UnsupportedMedia(f"charset {charset[:64]!r} is not supported; send the form in UTF-8")
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise unreadable("Missing boundary in the content-type")
    return boundary


def query_fields(request: Request, *known: str) -> dict[str, str]:
    """The parameters in the query of a request.

    Args:
        request: the request.
        *known: the parameters that the route has; without them any are taken.

    Raises:
        InvalidRequest: more of them than any route has, one that this route does not have, or one is sent several times
            with different values.
    """
    if not request.scope["query_string"]:
        return {}
    fields = single_values(_query_pairs(request))
    if known and (unknown := next((name for name in fields if name not in known), None)) is not None:
        raise InvalidRequest(f"is not a query parameter of this route; there are {', '.join(known)}", unknown)
    return fields


def single_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The fields of a query or form by name.

    Raises:
        InvalidRequest: one is sent several times with different values.
    """
    fields: dict[str, str] = {}
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise InvalidRequest("is sent several times; send it once", name[:64])
    return fields


def _query_pairs(request: Request) -> list[tuple[str, str]]:
    query: bytes = request.scope["query_string"]
    if query.count(b"&") >= _MAX_FIELDS:
        raise InvalidRequest(f"the query has over {_MAX_FIELDS} parameters; leave out what the route does not have")
    return request.query_params.multi_items()


def _collect(pairs: Sequence[tuple[str, str]], characters: int) -> dict[str, Any]:
    """The fields of a form or query, whose `q` may be a list: sent several times, as `q[]`, or as a JSON list of texts.

    Args:
        pairs: names and values.
        characters: the most that all texts may have; a value with more commas is no list that could be answered, and
            parsing it would stop the event loop.

    Raises:
        InvalidRequest: another field is sent several times with different values.
    """
    fields: dict[str, Any] = dict(single_values(pair for pair in pairs if pair[0] not in _LIST_NAMES))
    texts = [value for name, value in pairs if name in _LIST_NAMES]
    if texts:
        is_list = len(texts) > 1 or any(name == _LIST_NAMES[1] for name, _ in pairs)
        fields[_LIST_NAMES[0]] = texts if is_list else _json_texts(texts[0], characters) or texts[0]
    return fields


def _json_texts(value: str, most_commas: int) -> list[str] | None:
    """The texts of a JSON list; None of what is none, or has more commas."""
    if not (value.startswith("[") and value.endswith("]")) or value.count(",") > most_commas:
        return None
    try:
        items = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return items if items and all(isinstance(item, str) for item in items) else None


async def _parse_urlencoded(body: bytes, turns: Turns) -> list[tuple[str, str]]:
    """The names and values of a URL-encoded form.

    Python's own parser holds the interpreter for as long as a value of many escapes takes, in a thread too.
    """
    pairs = body.split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise MalformedBody(f"the form cannot be read: it has over {_MAX_FIELDS} fields")
    fields = []
    for pair in filter(None, pairs):
        name, _, value = pair.partition(b"=")
        fields.append((await _unquote(name, turns), await _unquote(value, turns)))
    return fields


async def _unquote(text: bytes, turns: Turns) -> str:
    """Decode the escapes of a name or a value, slice by slice."""
    parts, start = [], 0
    while start < len(text):
        if start:
            await turns.next()
        end = start + _SLICE_BYTES // 4  # An escape costs more than a byte of another form.
        escape = text.rfind(b"%", end - 2, end)  # It may go on in the next slice.
        end = escape if escape >= 0 else end
        parts.append(unquote_to_bytes(text[start:end].replace(b"+", b" ")))
        start = end
    try:
        return b"".join(parts).decode()
    except ValueError as error:
        raise MalformedBody("the form cannot be read: a name or a value is not UTF-8; send UTF-8") from error
