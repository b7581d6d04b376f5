"""What is between a listening socket and the application: the proxy in front of it, and what is known of the socket."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.proxies import TrustedProxies
from service.api.access import IS_EXCESS, PORT, Port
from service.api.public_url import FORWARDED_HOST
from service.settings import Settings

_SCHEMES = (b"http", b"https")


class Exposed:
    """The application as the connections of one listening socket show it.

    Args:
        app: the application.
        settings: the settings of the service.
        admin: whether this is the socket of LECTERN_ADMIN_PORT.
        excess: whether these are the connections above the limit.
    """

    def __init__(self, app: ASGIApp, settings: Settings, *, admin: bool = False, excess: bool = False) -> None:
        self.app = app
        self._proxies = TrustedProxies(settings.trusted_proxies) if settings.trusted_proxies else None
        self._prefix = settings.root_path
        self._marks: dict[str, Any] = {}
        """What is known of the connection, for the state of its requests."""
        if settings.admin_port:
            self._marks[PORT] = Port.ADMIN if admin else Port.MAIN
        if excess:
            self._marks[IS_EXCESS] = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        if scope["type"] == "http":
            self.prepare(scope)
        await self.app(scope, receive, send)

    def prepare(self, scope: Scope) -> None:
        """Put into the head of a request what the application needs to know, before it sees it."""
        if self._proxies is not None:
            _take_forwarded(scope, self._proxies)
        if self._prefix:
            _take_prefix(scope, self._prefix)
        if self._marks:
            scope.setdefault("state", {}).update(self._marks)


def _take_forwarded(scope: Scope, proxies: TrustedProxies) -> None:
    """Take client, scheme and host of a request from the headers of the proxy in front, if that is trusted."""
    address = scope.get("client")
    if (address[0] if address else None) not in proxies:
        return
    forwarded, hosts = [], []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            forwarded.append(value.decode("latin-1"))
        elif name == b"x-forwarded-host":
            hosts.append(value.decode("latin-1"))
        elif name == b"x-forwarded-proto" and value.strip() in _SCHEMES:
            scope["scheme"] = value.strip().decode()
    if len(hosts) == 1:  # Each proxy of a chain adds its own; the first is what the caller called.
        scope.setdefault("state", {})[FORWARDED_HOST] = hosts[0].partition(",")[0].strip()
    if forwarded:
        host, port = proxies.client_named(", ".join(forwarded))
        if host:
            scope["client"] = (host, port)


def _take_prefix(scope: Scope, prefix: str) -> None:
    """Take the prefix off a path once, whether or not the proxy in front has done so.

    The scope does not name the prefix as its `root_path`: Starlette's router would take it off once more.
    """
    path = scope["path"]
    if path == prefix or path.startswith(f"{prefix}/"):
        scope["path"] = path[len(prefix) :] or "/"
        scope["raw_path"] = scope["raw_path"].removeprefix(prefix.encode()) or b"/"
