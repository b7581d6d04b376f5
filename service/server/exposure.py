"""What is between a listening socket and the application: the proxy in front of it, and the routes of its port."""

from __future__ import annotations

from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.api.errors import shape_of_unknown_path, write_error
from service.server.busy import is_probe
from service.settings import Settings

_ADMIN_PATHS = ("/metrics", "/v2/repository")


def exposed(app: ASGIApp, settings: Settings, *, admin: bool = False) -> ASGIApp:
    """The application as one listening socket shows it.

    Args:
        app: the application.
        settings: the settings of the service.
        admin: whether this is the socket of LECTERN_ADMIN_PORT.
    """
    if settings.admin_port:
        app = _Routes(app, admin=admin)
    if settings.root_path:
        app = _RootPath(app, settings.root_path)
    if settings.trusted_proxies:
        app = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), list(settings.trusted_proxies)))
    return app


class _Routes:
    """Shows the routes of administration, or all others; probes are on both.

    Args:
        app: the application.
        admin: whether the routes of administration are shown.
    """

    def __init__(self, app: ASGIApp, *, admin: bool) -> None:
        self._app = app
        self._admin = admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if is_probe(path) or _is_admin(path) == self._admin:
            await self._app(scope, receive, send)
            return
        port = "but LECTERN_ADMIN_PORT's" if _is_admin(path) else "of LECTERN_ADMIN_PORT"
        headers = {"connection": "close"}
        response = write_error(
            404, f"no route {path} on any port {port}", shape_of_unknown_path(path), path, headers=headers
        )
        await response(scope, receive, send)


def _is_admin(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _ADMIN_PATHS)


class _RootPath:
    """Takes the prefix off a path once, whether or not the proxy in front has done so.

    The scope does not name the prefix as its `root_path`: Starlette's router would take it off once more, and answer
    a path that `_Routes` has not seen.

    Args:
        app: the application.
        prefix: the path under which the proxy shows the service.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix
        self._raw_prefix = prefix.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            scope["path"] = path[len(self._prefix) :] or "/"
            scope["raw_path"] = scope["raw_path"].removeprefix(self._raw_prefix) or b"/"
        await self._app(scope, receive, send)
