"""Maps every error to a gRPC status code, by its HTTP status, and to the text that the caller gets."""

from __future__ import annotations

from pathlib import Path

from grpc import StatusCode

from service.api.errors import ErrorShape, retry_after, status_of, text_of
from service.errors import NotImplementedHere, UnknownRoute

_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    413: StatusCode.RESOURCE_EXHAUSTED,
    415: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}

# A status travels in a header of HTTP/2, where every byte that is no ASCII takes three; clients take 8 KiB of headers.
_MAX_TEXT_BYTES = 2000


def code_of(error: BaseException) -> StatusCode:
    """The status code of an error."""
    if isinstance(error, NotImplementedHere | UnknownRoute):
        return StatusCode.UNIMPLEMENTED
    return _CODES[status_of(error, ErrorShape.PLAIN)]


def details_of(error: BaseException, repository: Path) -> str:
    """The text of an error for the caller; a fixed one where its own could disclose something.

    Args:
        error: the error.
        repository: the model repository, whose path on this machine the text does not disclose.
    """
    text = text_of(error, ErrorShape.PLAIN, repository)
    encoded = text.encode(errors="replace")
    return encoded[:_MAX_TEXT_BYTES].decode(errors="ignore") + ("…" if len(encoded) > _MAX_TEXT_BYTES else "")


def metadata_of(error: BaseException) -> tuple[tuple[str, str], ...]:
    """What goes with an error: when to try again."""
    seconds = retry_after(error)
    return () if seconds is None else (("retry-after", str(seconds)),)
