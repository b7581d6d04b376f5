"""Reads the form of a request that holds one file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request

from service.api.forms import MULTIPART, URLENCODED, parse_multipart, query_fields, single_values
from service.api.io import media_type, read_body
from service.api.multipart import Part, TooManyFiles
from service.api.operation import context
from service.errors import InvalidRequest, UnsupportedMedia

_FILE = "file"
_MAX_NAME, _MAX_SUFFIX = 120, 12
"""Characters of the name of a file, and of its end."""
_MISSING = "Invalid request: missing {} parameter"
_REMEDY = f"send it as a file of {MULTIPART}, as in: curl -F file=@letter.docx"


class FileForm(NamedTuple):
    """The file of a form, and its fields with those of the query."""

    filename: str
    """Without folders, and of printable characters."""
    content: bytes
    fields: Mapping[str, str]


async def read_file_form(request: Request, required: tuple[str, ...]) -> FileForm:
    """Read a multipart form with the part `file`; the fields of the body override those of the query.

    Args:
        request: the request.
        required: names of fields that must be there.

    Raises:
        Unauthorized, Forbidden: the API key in `api_key` is missing, wrong, or does not allow it.
        InvalidRequest: there is no file, or more than one, or a required field is missing.
        MalformedBody: the body is not valid multipart.
        UnsupportedMedia: the content type is none of a form.
    """
    kind = media_type(request)
    if kind not in ("", "application/json", URLENCODED, MULTIPART):
        raise UnsupportedMedia(f"content-type {kind[:64]!r} is not supported; send {MULTIPART}")
    body = await read_body(request)
    if kind != MULTIPART:
        raise InvalidRequest(f"{_MISSING.format(_FILE)}; {_REMEDY}")
    try:
        parts = await parse_multipart(request, body, max_files=1)
    except TooManyFiles as error:
        raise InvalidRequest("the form holds several files; send one in each request", _FILE) from error
    fields = query_fields(request) | single_values((part.name, part.text) for part in parts if not part.is_file)
    context(request).access.check_fields(fields, request.scope)
    part = _find_file(parts)
    for name in required:
        if not fields.get(name):
            raise InvalidRequest(_MISSING.format(name))
    assert part.filename is not None
    return FileForm(_clean(part.filename), part.content, fields)


def _find_file(parts: list[Part]) -> Part:
    """The part `file`.

    Raises:
        InvalidRequest: there is none, or it is no file, or empty.
    """
    named = [part for part in parts if part.name == _FILE]
    part = next((part for part in named if part.is_file), None)
    if part is None:
        if named:
            raise InvalidRequest(f"is text; {_REMEDY}", _FILE)
        raise InvalidRequest(_MISSING.format(_FILE))
    if not part.filename:
        raise InvalidRequest("Invalid request: empty file name; the suffix of the name says the format")
    if not part.content:
        raise InvalidRequest("Invalid request: empty file")
    return part


def _clean(filename: str) -> str:
    """A name without folders and control characters; of a long one the beginning and the end, with its suffix."""
    name = "".join(filter(str.isprintable, re.split(r"[/\\]", filename)[-1])).strip()
    if len(name) <= _MAX_NAME:
        return name
    return name[: _MAX_NAME - _MAX_SUFFIX] + name[-_MAX_SUFFIX:]
