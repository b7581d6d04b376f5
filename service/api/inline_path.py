"""Inline path: answers small requests to inline models within the callbacks of the server, without ASGI.

A small network takes less time than what ASGI, a task and a future cost. A request takes this path if its operation has
an `inline` endpoint and if nothing about it is unusual; every other takes the ordinary path, which answers all requests
alike. Checks, errors, metrics and headers are those of `RequestMiddleware` and `Operation`.
"""

from __future__ import annotations

from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Scope

from service.api.bodies import BODY_IS_READ
from service.api.fast_path import FastPath
from service.api.json_limits import UNCHECKED_BYTES
from service.api.middleware import (
    answer_error,
    answer_headers,
    begin_request,
    log_request,
    may_choose_id,
    new_request_id,
)
from service.api.operation import IS_CHECKED, Context, InlineCall, InlineHead, Operation
from service.observability import client, request_id

_USUAL_LENGTH_DIGITS = 6
_UNUSUAL = (b"transfer-encoding", b"content-encoding", b"expect")

_HEAD = "inline_head"
"""Key in a scope: its `InlineHead`, once the inline path took it."""


class Exchange(Protocol):
    """A request of a connection, whose body is complete, and its answer."""

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send the whole answer, unless the client has left."""


class InlinePath:
    """Answers the requests that can do without ASGI.

    Args:
        app: the application, which answers the others.
        service: its parts.
        operations: all operations; those without an `inline` endpoint are left to the application.
    """

    def __init__(self, app: Any, service: Context, operations: tuple[Operation, ...]) -> None:
        self._app = app
        self._service = service
        self._operations = FastPath(operation for operation in operations if operation.inline is not None)
        self._max_bytes = min(UNCHECKED_BYTES, service.settings.max_body_bytes)

    def takes(self, scope: Scope) -> bool:
        """Whether a request, of which only the head is known, may take this path."""
        if scope["query_string"] or not self._operations.matches(scope):
            return False
        head = scope[_HEAD] = InlineHead(scope)
        length = head.values.get(b"content-length")
        if length is None or any(name in head.values for name in _UNUSUAL):
            return False
        return len(length) <= _USUAL_LENGTH_DIGITS and int(length) <= self._max_bytes

    def answer(self, scope: Scope, body: bytes, exchange: Exchange) -> bool:
        """Begin to answer a request; the answer follows in this or a later turn of the event loop.

        Args:
            scope: the head of a request that `takes` took, or a copy of one for a request that repeats it.
            body: its body.
            exchange: gets the answer.

        Returns:
            False, and nothing was done, if the application must answer it.
        """
        if len(body) > self._max_bytes:  # Of a head that is repeated but for the length.
            return False
        operation: Operation = scope["endpoint"]
        head: InlineHead = scope[_HEAD]
        call = _Call(self._app, self._service, scope, head, body, exchange)
        assert operation.inline is not None
        try:
            access = self._service.access
            # Keys and limits are looked at for each request; all else follows from the head and the connection.
            if access.limits_callers or not head.is_admitted:
                access.check(operation, scope)
                head.is_admitted = True
            call.is_admitted = True
            scope["state"][BODY_IS_READ] = True
            if operation.inline(call):
                return True
            del scope["state"][BODY_IS_READ]
            scope["state"][IS_CHECKED] = True  # Limits of callers count a request once.
            call.end()
        except Exception as error:
            call.fail(error)
            return True
        finally:
            call.leave_context()
        return False


class _Call(InlineCall):
    """One request on this path: what its endpoint sees of it, and the end of it.

    Args:
        app: the application.
        service: its parts.
        scope: the head of the request.
        head: the same, with what is known of it.
        body: its body.
        exchange: gets the answer.
    """

    __slots__ = ("_exchange", "_identifier", "is_admitted")

    def __init__(
        self, app: Any, service: Context, scope: Scope, head: InlineHead, body: bytes, exchange: Exchange
    ) -> None:
        scope["app"] = app
        self._identifier, timings = begin_request(scope, None if may_choose_id(head.values) else new_request_id())
        super().__init__(service, scope, head, body, timings)
        self._exchange = exchange
        self.is_admitted = False
        """Whether the checks of `Access` have passed."""
        service.metrics.in_flight.add(1)

    def send(self, response: Response, /) -> None:
        scope, service = self.scope, self.service
        headers = answer_headers(scope, self._identifier, self.timings, service.access.cors)
        self._exchange.respond(response.status_code, response.raw_headers + headers, bytes(response.body))
        self.end()
        if self.is_admitted and service.access.limits_callers:
            service.access.charge(scope, client_left=False)
        if service.settings.access_log:
            request_id.set(self._identifier)  # The context may be that of another request of the batch.
            log_request(scope, response.status_code, self.timings)
            request_id.set(None)

    def fail(self, error: Exception, /) -> None:
        request_id.set(self._identifier)
        self.send(answer_error(error, self.scope, self.service.metrics))
        self.leave_context()

    def end(self) -> None:
        """The request is answered, or no longer this path's."""
        self.service.metrics.in_flight.add(-1)

    @staticmethod
    def leave_context() -> None:
        """What is logged from now on in this context is not of this request."""
        request_id.set(None)
        client.set(None)
