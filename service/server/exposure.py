"""What is between a listening socket and the application: the proxy in front of it, and what is known of the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.access.proxies import TrustedProxies
from service.api.access import IS_EXCESS, PORT, Port
from service.api.public_url import FORWARDED_HOST
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
        trusted = TrustedProxies(settings.trusted_proxies)
        proxies = ProxyHeadersMiddleware(cast(Any, app))
        proxies.trusted_hosts = cast(Any, trusted)
        app = _ForwardedHost(cast(ASGIApp, proxies), trusted)
    return app


class _ForwardedHost:
    """Puts the host that a trusted proxy was called by into the state of a request, for the URLs of answers.

    Args:
        app: the application, where the client of a request is still the proxy.
        trusted: the proxies whose X-Forwarded-Host counts.
    """

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope.get("client")
        if scope["type"] == "http" and (address[0] if address else None) in self._trusted:
            hosts = [value for name, value in scope["headers"] if name == b"x-forwarded-host"]
            if len(hosts) == 1:  # Each proxy of a chain adds its own; the first is what the caller called.
                scope.setdefault("state", {})[FORWARDED_HOST] = hosts[0].decode("latin-1").partition(",")[0].strip()
        await self._app(scope, receive, send)


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
