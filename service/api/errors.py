"""Which status each error becomes, and one body shape per family of routes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from service import errors
from service.observability import request_id

STATUS: dict[type[errors.LecternError], int] = {
    errors.InvalidRequest: 422,
    errors.MalformedBody: 400,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.UnknownModel: 404,
    errors.NotReady: 503,
    errors.Saturated: 503,
    errors.Unavailable: 503,
    errors.Forbidden: 403,
    errors.DeadlineExceeded: 504,
    errors.ModelFailure: 500,
    errors.ConfigurationError: 500,
    errors.LecternError: 500,
}
"""Exhaustive: a test holds it against the tree of errors."""

# The text of an error nobody foresaw could tell of paths or data: it goes to the log, not to the caller.
_INTERNAL = "the server failed on this request; its log has the cause under this request id"

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def status_of(error: BaseException, path: str) -> int:
    """The HTTP status of an error on a route. The Open Inference Protocol calls a bad tensor 400."""
    if not isinstance(error, errors.LecternError):
        return 500
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return 400 if status == 422 and _family(path) != "problem" else status


def error_response(error: BaseException, path: str) -> Response:
    """The answer to a request that ended in `error`."""
    status = status_of(error, path)
    text = _INTERNAL if status == 500 else str(error)
    headers = {"retry-after": str(error.retry_after)} if isinstance(error, errors.Unavailable) else {}
    field = error.field if isinstance(error, errors.InvalidRequest) else None
    return plain_error(status, text, path, field=field, headers=headers)


def plain_error(
    status: int, text: str, path: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """An error body in the shape of the route's family."""
    family = _family(path)
    if family == "v2":
        body: dict[str, Any] = {"error": text}
    elif family == "openai":
        kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        code = {404: "model_not_found", 503: "unavailable"}.get(status)
        body = {"error": {"message": text, "type": kind, "param": field, "code": code}}
    else:
        title = phrase(status)
        body = {"type": "about:blank", "title": title, "status": status, "detail": text, "instance": path}
        if field:
            body["field"] = field
        body["request_id"] = request_id.get()
    media = "application/problem+json" if family == "problem" else "application/json"
    return Response(orjson.dumps(body), status, dict(headers or {}), media_type=media)


def phrase(status: int) -> str:
    """The name of a status as RFC 9110 has it; Python took some of the new ones over only in 3.13."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def _family(path: str) -> str:
    if path == "/v2" or path.startswith("/v2/") or path in ("/translate", "/detect", "/languages"):
        return "v2"
    if path == "/v1/embeddings" or path == "/v1/models" or path.startswith("/v1/models/"):
        return "openai"
    return "problem"
