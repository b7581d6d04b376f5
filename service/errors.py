"""The errors of the service, without HTTP. `service.api.errors` maps each to a status.

LecternError
├── InvalidRequest            a field is wrong; the text names it and the remedy
│   └── MalformedBody         the body cannot be parsed at all
├── PayloadTooLarge           more bytes than the limit
├── UnsupportedMedia          a content type or encoding that is not read
├── UnknownModel              no such model or version
├── UnknownRoute              no such route on this port
├── Unavailable               try again after `retry_after` seconds
│   ├── NotReady              the model or the server is not serving (yet, or any longer)
│   └── Saturated             the queue is full
├── Unauthorized              an API key is needed, and none or a wrong one came
├── Forbidden                 a setting, the host, the page or the key does not allow it
├── QuotaExceeded             the caller asked for more than its limit; try again after `retry_after` seconds
├── DeadlineExceeded          the answer would come too late
├── ModelFailure              the model itself failed; the cause is in the log
└── ConfigurationError        the service cannot start like this; exit code 2
"""

from __future__ import annotations


class LecternError(Exception):
    """Base of every error that Lectern raises on purpose; its text is meant for the user."""


class InvalidRequest(LecternError):
    """A part of the request is wrong.

    Args:
        message: the problem, and what would be right.
        field: where, as a path into the body: `images[3]`, `top_k`; None for the request as a whole.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class MalformedBody(InvalidRequest):
    """The body cannot be parsed as its content type."""


class PayloadTooLarge(LecternError):
    """More bytes than the limit."""


class UnsupportedMedia(LecternError):
    """A content type or encoding that is not read."""


class UnknownModel(LecternError):
    """No model or version of that name."""


class UnknownRoute(LecternError):
    """No such route on the port that the request came to."""


class Unavailable(LecternError):
    """The request cannot be answered now.

    Args:
        message: the reason.
        retry_after: after how many seconds a new try makes sense.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(Unavailable):
    """The model or the server is not serving (yet, or any longer)."""


class Saturated(Unavailable):
    """The queue is full."""


class Unauthorized(LecternError):
    """An API key is needed.

    Args:
        message: the problem, and what would be right.
        wrong: whether a key came that is not valid.
    """

    def __init__(self, message: str, *, wrong: bool = False) -> None:
        super().__init__(message)
        self.wrong = wrong


class Forbidden(LecternError):
    """A setting, the host, the web page or the API key does not allow this."""


class QuotaExceeded(LecternError):
    """The caller has asked for more than its limit.

    Args:
        message: the limit.
        retry_after: after how many seconds a new try is within it.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(LecternError):
    """The answer would come after the request's deadline."""


class ModelFailure(LecternError):
    """The model failed on a request that looked right. The cause is logged and not sent to the client."""


class ConfigurationError(LecternError):
    """The service cannot start with these settings or these models."""
