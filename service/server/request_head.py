"""Checks of the head of a request: its target, what it expects, and the answer to bytes that are no request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from service.server.refusals import Refusal

VERSIONS = "this server speaks HTTP/1.1 and HTTP/1.0"

_MAX_TARGET_BYTES = 65_535
"""Longest target of a request that the parser can split."""
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+ HTTP/1\.[01]\r?\n")
_TLS_HANDSHAKE = 0x16


def split_target(scope: Scope, target: bytes) -> None:
    """Put path and query of a request into its scope, which has its method.

    Raises:
        Refusal: the target is too long or no URL, or the method is for proxies.
    """
    if scope["method"] == "CONNECT":
        raise Refusal(501, "CONNECT is for proxies")
    if len(target) > _MAX_TARGET_BYTES:
        raise Refusal(414, f"the target of the request is longer than {_MAX_TARGET_BYTES} bytes")
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        raise Refusal(400, "the target of the request is not a valid URL") from None
    raw_path = url.path or b"/"
    path = raw_path.decode("ascii")
    scope["path"] = unquote(path) if "%" in path else path
    scope["raw_path"] = raw_path
    scope["query_string"] = url.query or b""


def expects_continue(values: Iterable[bytes]) -> bool:
    """Whether the values of the header `expect` ask for 100-continue (RFC 9110, section 10.1.1).

    Raises:
        Refusal: they ask for something else.
    """
    expected = {each.strip().lower() for value in values for each in value.split(b",")} - {b""}
    if expected - {b"100-continue"}:
        raise Refusal(417, "the only expectation that is met is 100-continue; send it alone, or none")
    return bool(expected)


def is_tls(data: bytes) -> bool:
    """Whether bytes begin a TLS handshake, whose client would not read an answer."""
    return data[0] == _TLS_HANDSHAKE


def refusal_of(data: bytes, error: httptools.HttpParserError) -> Refusal:
    """What is answered to bytes that the parser refuses.

    Args:
        data: the bytes, at least one.
        error: the parser's.
    """
    reason = str(error)
    if "PRI" in reason or "version" in reason:
        return Refusal(505, VERSIONS)
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _REQUEST_LINE.match(data):
        return Refusal(501, "no route has this method")
    return Refusal(400, f"not a valid HTTP request: {reason}")
