"""Files that every caller gets as they are: compressed before anybody asks, revalidated by their hash."""

from __future__ import annotations

import gzip
import hashlib

from starlette.requests import Request
from starlette.responses import Response

from service.api.negotiation import all_members

_GZIP = "gzip"
_SMALLEST_COMPRESSED = 512
"""Bytes below which compression saves nothing worth its header."""
_COMPRESSED_SUFFIXES = (".html", ".js", ".css", ".svg", ".txt")
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".webp": "image/webp",
}
SUFFIXES = frozenset(_MEDIA_TYPES)
"""What a file that is served may end with."""


class StaticFile:
    """One file in memory, compressed when it is made: about a tenth of a second for the largest.

    Args:
        suffix: one of `SUFFIXES`.
        content: the file's bytes.
        headers: sent with every answer.
    """

    def __init__(self, suffix: str, content: bytes, headers: dict[str, str]) -> None:
        self._content = content
        is_compressed = suffix in _COMPRESSED_SUFFIXES and len(content) >= _SMALLEST_COMPRESSED
        self._compressed = gzip.compress(content, mtime=0) if is_compressed else None
        self._hash = hashlib.sha256(content).hexdigest()[:32]
        self._headers = headers | {
            "content-type": _MEDIA_TYPES[suffix],
            # Kept by the browser, and asked for again by its ETag: a new version of the server shows at once.
            "cache-control": "no-cache",
        }
        if is_compressed:
            self._headers["vary"] = "accept-encoding"

    def answer(self, request: Request) -> Response:
        """The file, or 304 if the caller has it already."""
        compressed = self._compressed if _accepts_gzip(request) else None
        etag = f'"{self._hash}-{_GZIP}"' if compressed is not None else f'"{self._hash}"'
        headers = self._headers | {"etag": etag}
        if _matches(request.headers.getlist("if-none-match"), etag):
            del headers["content-type"]
            return Response(status_code=304, headers=headers)
        if compressed is None:
            return Response(self._content, headers=headers)
        return Response(compressed, headers=headers | {"content-encoding": _GZIP})


def _accepts_gzip(request: Request) -> bool:
    weights = {member.name: member.weight for member in all_members(request.headers, "accept-encoding")}
    return weights.get(_GZIP, weights.get("*", 0.0)) > 0


def _matches(lines: list[str], etag: str) -> bool:
    """Whether a header `If-None-Match` names the entity (RFC 9110, section 13.1.2: compared weakly)."""
    tags = {tag.strip().removeprefix("W/") for line in lines for tag in line.split(",")}
    return etag in tags or "*" in tags
