"""The middleware of every request: its id, stage times, errors and log line."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import traceback
from collections.abc import Container

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.access import API_KEY, IS_EXCESS
from service.api.bodies import BODY_IS_READ
from service.api.cors import Cors
from service.api.errors import error_response, status_of
from service.api.operation import error_shape, logged_path
from service.api.refusal_log import client_address
from service.errors import LecternError
from service.observability import Metrics, Timings, client, request_id

log = logging.getLogger(__name__)

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

# Generated ids are a random part per process and a counter: no system call for each.
_PROCESS = secrets.token_hex(6)
_COUNTER = itertools.count(1)


NO_SNIFFING = (b"x-content-type-options", b"nosniff")
"""In every answer: a browser that guesses types could take a text of a caller for a page."""


class RequestMiddleware:
    """Gives a request its id and its timings, turns errors into answers, adds headers, and logs.

    Args:
        app: the application inside.
        metrics: counts the requests in flight and the refused ones.
        access_log: log one line per request.
        cors: adds headers for web pages of other origins, where some are allowed.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, access_log: bool, cors: Cors | None = None) -> None:
        self._app = app
        self._cors = cors
        self._in_flight = metrics.in_flight
        self._metrics = metrics
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identifier, timings = begin_request(scope)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += answer_headers(scope, identifier, timings, self._cors)
            await send(message)

        self._in_flight.add(1)
        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect as error:
            status = 499
            release_frames(error)
        except Exception as error:
            response = answer_error(error, scope, self._metrics)
            if status:  # The answer has begun: the server closes the connection.
                raise
            await response(scope, receive, send_with_headers)
        finally:
            self._in_flight.add(-1)
            if self._access_log:
                log_request(scope, status, timings)


def begin_request(scope: Scope, identifier: str | None = None) -> tuple[str, Timings]:
    """Give a request its id, which its log lines name, and its clock, which is also in the state of its scope.

    Args:
        scope: the scope of the request.
        identifier: its id, where its headers are known to hold none.
    """
    if identifier is None:
        identifier = choose_id(scope)
    request_id.set(identifier)
    address = scope.get("client")
    client.set(address[0] if address else None)
    timings = Timings()
    scope.setdefault("state", {})["timings"] = timings
    return identifier, timings


def answer_headers(scope: Scope, identifier: str, timings: Timings, cors: Cors | None) -> list[tuple[bytes, bytes]]:
    """The headers that every answer has besides its own.

    Args:
        scope: the scope of the request.
        identifier: its id.
        timings: the time of its stages so far.
        cors: for web pages of other origins, where some are allowed.
    """
    headers = [(b"x-request-id", identifier.encode()), NO_SNIFFING]
    if cors is not None:
        headers.extend(cors.headers(scope))
    if timings.stages:
        headers.append((b"server-timing", timings.header().encode()))
    if BODY_IS_READ not in scope["state"] and (_has_body(scope) or IS_EXCESS in scope["state"]):
        # Otherwise the server would go on reading the rest of a body that nobody wants.
        headers.append((b"connection", b"close"))
    return headers


def _has_body(scope: Scope) -> bool:
    """Whether the request announced a body."""
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


def answer_error(error: Exception, scope: Scope, metrics: Metrics) -> Response:
    """The answer to a request that raised `error`; counts refusals, and logs errors that are not the caller's."""
    path, shape = scope["path"], error_shape(scope)
    if not isinstance(error, LecternError) or status_of(error, shape) == 500:
        log.error("request failed", exc_info=error, extra={"fields": {"path": logged_path(scope)}})
    response = error_response(error, shape, path, scope["app"].context.settings.models)
    count_refusal(error, metrics)
    release_frames(error)
    return response


def count_refusal(error: BaseException, metrics: Metrics) -> None:
    """Count the request that raised `error`, if it was refused."""
    if isinstance(error, LecternError) and error.refusal:
        metrics.refusals.labels(error.refusal).inc()


def release_frames(error: BaseException | None) -> None:
    """Clear the local variables in the frames of an error that was answered, and of the errors behind it.

    A frame may hold the task or the future that holds the error: such a cycle would keep the whole request in memory
    until the next full collection, which a server that froze its objects runs rarely.
    """
    released: set[int] = set()
    while error is not None and id(error) not in released:  # A chain may be a cycle: `raise error from error`.
        released.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def log_request(scope: Scope, status: int, timings: Timings) -> None:
    """Write the line of the access log."""
    milliseconds = round(timings.total * 1e3, 3)
    fields = {"method": scope["method"], "path": logged_path(scope), "status": status, "ms": milliseconds}
    fields["client"] = client_address(scope)
    if key := scope["state"].get(API_KEY):
        fields["key"] = key.name
    log.info("request", extra={"fields": fields})


def choose_id(scope: Scope) -> str:
    """The caller's `x-request-id` if it is safe to echo, else the trace id of `traceparent`, else a new id."""
    trace: re.Match[bytes] | None = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return bytes(value).decode()
        if name == b"traceparent":
            trace = _TRACEPARENT.fullmatch(value)
    return trace[1].decode() if trace else new_request_id()


def may_choose_id(headers: Container[bytes]) -> bool:
    """Whether a request with headers of these names may bring the id that `choose_id` takes."""
    return b"x-request-id" in headers or b"traceparent" in headers


def new_request_id() -> str:
    """An id for a request that brings none."""
    return f"{_PROCESS}{next(_COUNTER):08x}"
