"""What is between a listening socket and the application: the proxy in front of it, and what is known of the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.access.proxies import TrustedProxies
from service.api.access import IS_EXCESS, PORT, Port
from service.settings import Settings


def exposed(app: ASGIApp, settings: Settings, *, admin: bool = False, excess: bool = False) -> ASGIApp:
    """The application as the connections of one listening socket show it.

    Args:
        app: the application.
        settings: the settings of the service.
        admin: whether this is the socket of LECTERN_ADMIN_PORT.
        excess: whether these are the connections above the limit.
    """
    marks: dict[str, Any] = {}
    if settings.admin_port:
        marks[PORT] = Port.ADMIN if admin else Port.MAIN
    if excess:
        marks[IS_EXCESS] = True
    if marks:
        app = _Marked(app, marks)
    if settings.root_path:
        app = _RootPath(app, settings.root_path)
    if settings.trusted_proxies:
        proxies = ProxyHeadersMiddleware(cast(Any, app))
        proxies.trusted_hosts = cast(Any, TrustedProxies(settings.trusted_proxies))
        app = cast(ASGIApp, proxies)
    return app


class _Marked:
    """Puts what is known of a connection into the state of its requests, for the checks of `Access`.

    Args:
        app: the application.
        marks: what is put there.
    """

    def __init__(self, app: ASGIApp, marks: Mapping[str, Any]) -> None:
        self._app = app
        self._marks = marks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {}).update(self._marks)
        await self._app(scope, receive, send)


class _RootPath:
    """Takes the prefix off a path once, whether or not the proxy in front has done so.

    The scope does not name the prefix as its `root_path`: Starlette's router would take it off once more.

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
