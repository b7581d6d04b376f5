"""The address of a route as its caller sees it, behind proxies too."""

from __future__ import annotations

import re

from starlette.requests import Request

from service.api.operation import context

FORWARDED_HOST = "forwarded_host"
"""Key in the state of a scope: what the header X-Forwarded-Host of a trusted proxy names."""

_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_MAX_PORT = 65_535
_MAX_LENGTH = 255


def public_url(request: Request, path: str) -> str:
    """The URL of a path on this server.

    Scheme and host are those of the request: of the proxy in front, where that is trusted.

    Args:
        request: the request that is answered.
        path: below the prefix of LECTERN_ROOT_PATH.
    """
    return f"{request.scope['scheme']}://{_host(request)}{context(request).settings.root_path}{path}"


def _host(request: Request) -> str:
    """The host that the caller called, with its port; the address of the server where the request names none."""
    for host in (request.scope["state"].get(FORWARDED_HOST), request.headers.get("host")):
        match = _AUTHORITY.fullmatch(host) if host and len(host) <= _MAX_LENGTH else None
        if match and int(match[1] or 0) <= _MAX_PORT:
            return str(host)
    server = request.scope.get("server")
    if not server or server[1] is None:
        return "localhost"
    return f"[{server[0]}]:{server[1]}" if ":" in server[0] else f"{server[0]}:{server[1]}"
