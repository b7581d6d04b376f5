"""The errors of the service, without HTTP. `service.api.errors` maps each to a status.

LecternError
├── InvalidRequest            a field is wrong; the text names it and the remedy
│   ├── LimitExceeded         more of something than the limit
│   │   └── DocumentTooLarge  a document that is larger than a limit allows
│   ├── MalformedBody         the body cannot be parsed at all
│   ├── NotImplementedHere    a part of a protocol that Lectern does not have
│   ├── UnsupportedDocument   a document in a format that is not read
│   └── MalformedDocument     a document that is damaged, or not of the format that its suffix says
├── PayloadTooLarge           more bytes than the limit
├── UnsupportedMedia          a content type that is not read
│   └── UnsupportedEncoding   a content encoding that is not read
├── UnknownModel              no such model or version
├── UnknownRoute              no such route on this port
├── UnknownFile               no such translated file (any longer)
├── Unavailable               try again after `retry_after` seconds
│   ├── NotReady              the model or the server is not serving (yet, or any longer)
│   │   └── DeviceLost        the model's device fails every run until the process restarts
│   ├── Saturated             the queue is full
│   ├── OutOfMemory           there is not enough memory, of the process or of the device, for this request now
│   └── StorageFull           there is no room to keep what the caller sent or asked for
├── Unauthorized              an API key is needed, and none or a wrong one came
├── Forbidden                 a setting, the host, the page or the key does not allow it
├── QuotaExceeded             the caller asked for more than its limit; try again after `retry_after` seconds
├── DeadlineExceeded          the answer would come too late
├── ModelFailure              the model itself failed; the cause is in the log
└── ConfigurationError        the service cannot start like this; exit code 2
"""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a request was refused, as the metric `lectern_refusals_total` counts it."""

    LIMIT = "limit"
    """It has more of something than a limit allows."""
    RATE = "rate"
    """Its caller asked for too much."""
    OVERLOAD = "overload"
    """The server or the model has too much to do, too many connections, or no room to keep a file."""
    DEADLINE = "deadline"
    """Its body or its answer came too late."""
    KEY = "key"
    """It has no API key, or a wrong one, or one that does not allow it."""
    HOST = "host"
    """It names a host that is not trusted."""
    ORIGIN = "origin"
    """It comes from a web page of another origin."""
    CONTROL = "control"
    """It asks for what a setting turned off: to load or unload a model, to translate a file, to take a suggestion."""
    BODY = "body"
    """Its body or one of its parameters is not as the route takes it."""
    HTTP = "http"
    """It is not valid HTTP/1.1, or its headers are too large or too slow."""


class LecternError(Exception):
    """Base of every error that Lectern raises on purpose; its text is meant for the user."""

    refusal: RefusalReason | None = None
    """Why the request was refused; None if it was not, or asked for something that is not there."""


class InvalidRequest(LecternError):
    """A part of the request is wrong.

    Args:
        message: the problem, and what would be right.
        field: where, as a path into the body: `images[3]`, `top_k`; None for the request as a whole.
    """

    refusal = RefusalReason.BODY

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class LimitExceeded(InvalidRequest):
    """The request has more of something than its limit allows."""

    refusal = RefusalReason.LIMIT


class MalformedBody(InvalidRequest):
    """The body cannot be parsed as its content type."""


class NotImplementedHere(InvalidRequest):
    """The request needs a part of its protocol that Lectern does not have."""


class UnsupportedDocument(InvalidRequest):
    """A document in a format that is not read."""

    def __init__(self, message: str, field: str | None = "file") -> None:
        super().__init__(message, field)


class MalformedDocument(InvalidRequest):
    """A document that is damaged, or not of the format that its suffix says."""

    def __init__(self, message: str, field: str | None = "file") -> None:
        super().__init__(message, field)


class DocumentTooLarge(LimitExceeded):
    """A document that is larger than a limit allows."""

    def __init__(self, message: str, field: str | None = "file") -> None:
        super().__init__(message, field)


class PayloadTooLarge(LecternError):
    """More bytes than the limit."""

    refusal = RefusalReason.LIMIT


class UnsupportedMedia(LecternError):
    """A content type that is not read."""

    refusal = RefusalReason.BODY


class UnsupportedEncoding(UnsupportedMedia):
    """A content encoding that is not read."""


class UnknownModel(LecternError):
    """No model or version of that name."""


class UnknownRoute(LecternError):
    """No such route on the port that the request came to."""


class UnknownFile(LecternError):
    """No translated file of that name, or its time has passed."""


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


class DeviceLost(NotReady):
    """The device of the model failed in a way that fails every later run of this process too."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message, retry_after)


class Saturated(Unavailable):
    """The queue is full."""

    refusal = RefusalReason.OVERLOAD


class OutOfMemory(Unavailable):
    """There is not enough memory, of the process or of the device, for this request now."""

    refusal = RefusalReason.OVERLOAD


class StorageFull(Unavailable):
    """There is no room on disk, or no room left within a limit, for what the caller sent or asked for."""

    refusal = RefusalReason.OVERLOAD


class Unauthorized(LecternError):
    """An API key is needed.

    Args:
        message: the problem, and what would be right.
        wrong: whether a key came that is not valid.
    """

    refusal = RefusalReason.KEY

    def __init__(self, message: str, *, wrong: bool = False) -> None:
        super().__init__(message)
        self.wrong = wrong


class Forbidden(LecternError):
    """A setting, the host, the web page or the API key does not allow this.

    Args:
        message: the problem, and what would be right.
        refusal: which of them.
    """

    def __init__(self, message: str, refusal: RefusalReason = RefusalReason.KEY) -> None:
        super().__init__(message)
        self.refusal = refusal


class QuotaExceeded(LecternError):
    """The caller has asked for more than its limit.

    Args:
        message: the limit.
        retry_after: after how many seconds a new try is within it.
    """

    refusal = RefusalReason.RATE

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(LecternError):
    """The answer would come after the request's deadline."""

    refusal = RefusalReason.DEADLINE


class ModelFailure(LecternError):
    """The model failed on a request that looked right. The cause is logged and not sent to the client."""


class ConfigurationError(LecternError):
    """The service cannot start with these settings or these models."""
