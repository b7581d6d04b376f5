"""Cross-origin resource sharing: lets web pages of configured origins read the answers."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.responses import Response
from starlette.types import Scope

from service.access.origins import normalize_origin

_EXPOSED = (
    b"x-request-id, server-timing, retry-after, x-lectern-model, x-lectern-version, x-lectern-provider, "
    b"x-lectern-unknown, inference-header-content-length, content-disposition, www-authenticate, allow, accept-encoding"
)
"""Headers of answers that pages may read beside those that they always may."""
_METHODS = b"GET, HEAD, POST"
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ ]*,[ ]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_MAX_AGE_SECONDS = b"7200"
_VARY = (b"vary", b"origin")

Header = tuple[bytes, bytes]


class Cors:
    """Adds the headers of cross-origin resource sharing. Cookies and the like are never allowed: there are none.

    Args:
        origins: whose pages may read answers, as `parse_origins` returns them; `*` for all.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = {origin.encode() for origin in origins if origin != "*"}
        self._all = "*" in origins

    def headers(self, scope: Scope) -> list[Header]:
        """The headers for an answer."""
        origin = self._allowed_origin(scope)
        if origin is None:
            return [] if self._all else [_VARY]
        headers = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]
        return headers if self._all else [*headers, _VARY]

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a browser that asks whether a page may send a request; None for every other request."""
        if scope["method"] != "OPTIONS":
            return None
        headers = dict(scope["headers"])
        if b"access-control-request-method" not in headers or self._allowed_origin(scope) is None:
            return None
        response = Response(status_code=204)
        response.raw_headers[:] = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-max-age", _MAX_AGE_SECONDS),
            (b"vary", b"access-control-request-headers"),
        ]
        requested = headers.get(b"access-control-request-headers", b"")
        if _HEADER_NAMES.fullmatch(requested):
            response.raw_headers.append((b"access-control-allow-headers", requested))
        if headers.get(b"access-control-request-private-network") == b"true" and not self._all:
            response.raw_headers.append((b"access-control-allow-private-network", b"true"))
        return response

    def _allowed_origin(self, scope: Scope) -> bytes | None:
        """The origin that the answer names as allowed; None if the page of the request is not."""
        values = [value for name, value in scope["headers"] if name == b"origin"]
        if len(values) != 1:
            return None
        if self._all:
            return b"*"
        value: bytes = values[0]
        if value in self._origins or (normalize_origin(value.decode("latin-1")) or "").encode() in self._origins:
            return value
        return None
