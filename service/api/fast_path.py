"""The short way to the hot routes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.requests import Request
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from service.api.operation import Endpoint, Operation


class HotRoutes:
    """An ASGI application of the operations that are `hot`.

    Called before FastAPI's own layers, each of which would cost such a request about as much as its whole inference.

    Args:
        operations: all there are; the others are left to FastAPI.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._fixed: dict[tuple[str, str], Endpoint] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Endpoint]] = []
        for operation in operations:
            if not operation.hot:
                continue
            pattern, _, parameters = compile_path(operation.path)
            if parameters:
                self._patterns.append((operation.method, pattern, operation.endpoint))
            else:
                self._fixed[operation.method, operation.path] = operation.endpoint

    def matches(self, scope: Scope) -> bool:
        """Whether a request is for a hot route; its endpoint and path parameters are put into the scope then."""
        if scope["type"] != "http":
            return False
        method, path = scope["method"], scope["path"]
        if endpoint := self._fixed.get((method, path)):
            scope["endpoint"] = endpoint
            return True
        for wanted, pattern, endpoint in self._patterns:
            if method == wanted and (match := pattern.match(path)):
                scope["endpoint"], scope["path_params"] = endpoint, match.groupdict()
                return True
        return False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await scope["endpoint"](Request(scope, receive))
        await response(scope, receive, send)
