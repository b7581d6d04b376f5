"""What is between a listening socket and the application: the proxy in front of it, and what is known of the socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware, _TrustedHosts

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
        proxies = ProxyHeadersMiddleware(cast(Any, app), list(settings.trusted_proxies))
        proxies.trusted_hosts = cast(Any, _Proxies(proxies.trusted_hosts))
        app = cast(ASGIApp, proxies)
    return app


class _Proxies:
    """The proxies whose X-Forwarded-For counts. What they name as the client counts only if it is an IP address: any
    other text would be a client of its own, with its own limits, and as long as one likes in the log.

    Args:
        trusted: uvicorn's own.
    """

    def __init__(self, trusted: Any) -> None:
        self._trusted = trusted

    def __contains__(self, host: str | None) -> bool:
        return host in self._trusted

    def get_trusted_client_address(self, forwarded: str) -> tuple[str, int]:
        """The client that the header names, with its port or 0; without a host it stays the proxy itself."""
        host, port = self._trusted.get_trusted_client_address(forwarded)
        try:
            ip_address(host)
        except ValueError:
            return "", 0
        return host, port


def client_behind_proxies(settings: Settings) -> Callable[[str, str | None], str]:
    """Finds the client of a call of gRPC.

    Returns:
        A function from the address of a connection, and the X-Forwarded-For of a call, to the address of the client.
    """
    if not settings.trusted_proxies:
        return lambda address, forwarded: address
    proxies = _Proxies(_TrustedHosts(list(settings.trusted_proxies)))

    def find(address: str, forwarded: str | None) -> str:
        if forwarded is None or address not in proxies:
            return address
        return proxies.get_trusted_client_address(forwarded)[0] or address

    return find


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
