"""Maps every error to an HTTP status, and to the body that the clients of the route expect."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import Response

from service import errors
from service.api.content_encoding import ACCEPT_ENCODING
from service.api.path_privacy import hide_paths
from service.observability import request_id

STATUS: dict[type[errors.LecternError], int] = {
    errors.InvalidRequest: 422,
    errors.LimitExceeded: 422,
    errors.MalformedBody: 400,
    errors.NotImplementedHere: 422,
    errors.UnsupportedDocument: 422,
    errors.MalformedDocument: 422,
    errors.DocumentTooLarge: 422,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.UnsupportedEncoding: 415,
    errors.UnknownModel: 404,
    errors.UnknownRoute: 404,
    errors.UnknownFile: 404,
    errors.NotReady: 503,
    errors.DeviceLost: 503,
    errors.Saturated: 503,
    errors.OutOfMemory: 503,
    errors.StorageFull: 503,
    errors.Unavailable: 503,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 429,
    errors.DeadlineExceeded: 504,
    errors.ModelFailure: 500,
    errors.ConfigurationError: 500,
    errors.LecternError: 500,
}
"""Exhaustive: a test compares it with the tree of errors."""

# The text of an unexpected error could disclose paths or data: it goes to the log, not to the caller.
_INTERNAL = "the server failed on this request; its log has the cause under this request id"

# Errors repeat what was sent, such as names of fields and models: a short request must not have a long answer.
_MAX_TEXT, _MAX_PATH, _MAX_FIELD = 1000, 500, 128

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_OPENAI_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded", 404: "model_not_found", 503: "unavailable"}


class ErrorShape(Enum):
    """The body of an error answer. Every operation declares the shape that its clients read."""

    PROBLEM = "problem"
    """RFC 9457 problem details, of our own routes; an invalid request is 422."""
    OPENAI = "openai"
    """OpenAI's `{"error": {"message", "type", "param", "code"}}`; an invalid request is 400."""
    PLAIN = "plain"
    """`{"error": text}`, of the Open Inference Protocol and LibreTranslate; an invalid request is 400."""


_SHAPES_BY_PREFIX = {
    **dict.fromkeys(("/v2", "/translate", "/detect", "/languages"), ErrorShape.PLAIN),
    **dict.fromkeys(("/translate_file", "/download_file", "/suggest"), ErrorShape.PLAIN),
    **dict.fromkeys(("/health", "/frontend/settings", "/spec"), ErrorShape.PLAIN),
    **dict.fromkeys(("/v1/models", "/v1/embeddings"), ErrorShape.OPENAI),
}


def shape_by_prefix(path: str) -> ErrorShape:
    """The shape of errors where no operation is known: of requests that never become one, and of unknown paths."""
    for prefix, shape in _SHAPES_BY_PREFIX.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return shape
    return ErrorShape.PROBLEM


def status_of(error: BaseException, shape: ErrorShape) -> int:
    """The HTTP status of an error on a route with this shape of errors."""
    if not isinstance(error, errors.LecternError):
        return 500
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return 400 if status == 422 and shape is not ErrorShape.PROBLEM else status


def error_response(error: BaseException, shape: ErrorShape, path: str, repository: Path = Path("models")) -> Response:
    """The answer to a request that raised `error`.

    Args:
        error: the error.
        shape: the shape of the body.
        path: the path of the request.
        repository: the model repository, whose path on this machine the answer does not disclose.
    """
    field = error.field if isinstance(error, errors.InvalidRequest) else None
    text = text_of(error, shape, repository)
    return write_error(status_of(error, shape), text, shape, path, field=field, headers=_headers(error))


def text_of(error: BaseException, shape: ErrorShape, repository: Path) -> str:
    """The text of an error for the caller: its own, or a fixed one where the server failed.

    Args:
        error: the error.
        shape: the shape of the body.
        repository: the model repository, whose path on this machine the text does not disclose.
    """
    text = _INTERNAL if status_of(error, shape) == 500 else str(error)
    if isinstance(error, errors.InvalidRequest) and error.field is not None:
        return text  # What is wrong with a field repeats what the caller sent, and nothing of this machine.
    return hide_paths(text, repository)


def retry_after(error: BaseException) -> int | None:
    """After how many seconds a new try makes sense; None where the error does not say."""
    return error.retry_after if isinstance(error, errors.Unavailable | errors.QuotaExceeded) else None


def _headers(error: BaseException) -> dict[str, str]:
    """The headers that an error adds to its answer."""
    seconds = retry_after(error)
    if seconds is not None:
        return {"retry-after": str(seconds)}
    if isinstance(error, errors.Unauthorized):  # RFC 6750, section 3
        return {"www-authenticate": 'Bearer realm="lectern"' + (', error="invalid_token"' if error.wrong else "")}
    if isinstance(error, errors.UnsupportedEncoding):  # RFC 9110, section 15.5.16
        return {"accept-encoding": ACCEPT_ENCODING}
    return {}


def write_error(
    status: int,
    text: str,
    shape: ErrorShape,
    path: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write an error in the given shape.

    Args:
        status: the HTTP status.
        text: the message for the caller.
        shape: the shape of the body.
        path: the path of the request, which problem details name.
        field: the field of the request that is wrong.
        headers: further headers of the answer.
    """
    text, path, field = _shorten(text, _MAX_TEXT), _shorten(path, _MAX_PATH), _shorten(field or "", _MAX_FIELD) or None
    if shape is ErrorShape.PLAIN:
        body: dict[str, Any] = {"error": text}
    elif shape is ErrorShape.OPENAI:
        kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        body = {"error": {"message": text, "type": kind, "param": field, "code": _OPENAI_CODES.get(status)}}
    else:
        body = {"type": "about:blank", "title": phrase(status), "status": status, "detail": text, "instance": path}
        if field:
            body["field"] = field
        body["request_id"] = request_id.get()
    return Response(orjson.dumps(body), status, dict(headers or {}), media_type=media_type_of(shape))


def _shorten(text: str, length: int) -> str:
    text = text[: length + 1].encode(errors="replace").decode()  # JSON has no lone surrogates.
    return text if len(text) <= length else f"{text[: length - 1]}…"


def media_type_of(shape: ErrorShape) -> str:
    """The content type of errors in a shape."""
    return "application/problem+json" if shape is ErrorShape.PROBLEM else "application/json"


def phrase(status: int) -> str:
    """The reason phrase of a status as in RFC 9110; Python has some of the new ones only since 3.13."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase
