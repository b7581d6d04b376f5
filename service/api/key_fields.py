"""Finds API keys in the field `api_key` of bodies that are not parsed yet, at little cost whatever they hold.

What it finds may also be part of something else than that field, such as an object inside of another: it tells whether
a body is worth parsing, not who sent it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

import orjson

_MOST = 32
"""Occurrences of the field that are looked at."""
_MAX_BYTES = 4096
"""Longest value that may be a key: 512 characters, however they are escaped."""

_JSON_NAME = b'"api_key"'
_JSON_VALUE = re.compile(rb'[ \t\r\n]{0,64}:[ \t\r\n]{0,64}("(?:[^"\\]|\\.){0,%d}"|[^ \t\r\n])' % _MAX_BYTES, re.DOTALL)
_FORM_NAME = b"api_key="
_PART_NAME = b'name="api_key"'
_PART_VALUE = re.compile(rb"[^\r\n]{0,256}(?:\r\n[^\r\n]{1,256}){0,8}\r\n\r\n([^\r\n]{0,%d})\r\n" % _MAX_BYTES)


def keys_in_body(body: bytes, media_type: str) -> list[Any]:
    """The values of what looks like the field `api_key`, in order; null is none, other values that are no text too.

    Args:
        body: the body, decompressed.
        media_type: its content type without parameters.
    """
    if media_type == "application/json":
        return _keys_in_json(body)
    if media_type == "application/x-www-form-urlencoded":
        return keys_in_form(body)
    if media_type == "multipart/form-data":
        matches = (_PART_VALUE.match(body, end) for end in _ends_of(_PART_NAME, body))
        return [match[1].decode(errors="replace") for match in matches if match]
    return []


def keys_in_form(form: bytes) -> list[str]:
    """The values of the field `api_key` in a form or a query."""
    keys = []
    for end in _ends_of(_FORM_NAME, form):
        start = end - len(_FORM_NAME)
        if start == 0 or form[start - 1 : start] == b"&":
            value = form[end : end + _MAX_BYTES].partition(b"&")[0]
            keys.append(unquote_plus(value.decode("latin-1")))
    return keys


def _keys_in_json(body: bytes) -> list[Any]:
    keys: list[Any] = []
    for end in _ends_of(_JSON_NAME, body):
        match = _JSON_VALUE.match(body, end)
        if match is None or match[1] == b"n":  # null
            continue
        try:
            keys.append(orjson.loads(match[1]))
        except orjson.JSONDecodeError:
            keys.append(object())
    return keys


def _ends_of(name: bytes, body: bytes) -> list[int]:
    """Where the first occurrences of a name end."""
    ends: list[int] = []
    position = body.find(name)
    while position >= 0 and len(ends) < _MOST:
        ends.append(position + len(name))
        position = body.find(name, ends[-1])
    return ends
