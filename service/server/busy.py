"""The application of connections above the limit: probes are answered, everything else is refused."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api import health
from service.api.errors import shape_of_unknown_path, write_error
from service.server.acceptor import BUSY

_PROBES = frozenset(operation.path for operation in health.OPERATIONS if operation.is_probe)


def is_probe(path: str) -> bool:
    """Whether a path tells if the server lives or is ready."""
    return path.rstrip("/") in _PROBES


class ProbesOnly:
    """Answers probes by the application, and refuses all other requests.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if is_probe(path):
            await self._app(scope, receive, send)
            return
        headers = {"connection": "close", "retry-after": "1"}
        response = write_error(BUSY.status, BUSY.detail, shape_of_unknown_path(path), path, headers=headers)
        await response(scope, receive, send)
