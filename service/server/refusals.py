"""Answers that the server writes itself, to what never becomes a request of the application."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from service.api.errors import phrase, shape_by_prefix, write_error
from service.api.middleware import NO_SNIFFING, new_request_id
from service.errors import RefusalReason
from service.observability import request_id


class Refusal(Exception):
    """A request that the server refuses before the application has it.

    Args:
        status: the HTTP status of the answer.
        detail: what is wrong, for the caller.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = RefusalReason.OVERLOAD if status == 503 else RefusalReason.HTTP


def refusal_answer(refusal: Refusal, target: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """The bytes of an HTTP/1.1 answer that refuses a request and closes its connection.

    Args:
        refusal: the status and the text.
        target: the target in the request line, as far as it is known: it decides the shape of the body.
        headers: further headers, such as the date.
    """
    path = unquote(target.partition(b"?")[0].decode("latin-1"))
    identifier = new_request_id()
    token = request_id.set(identifier)
    try:
        response = write_error(refusal.status, refusal.detail, shape_by_prefix(path), path)
    finally:
        request_id.reset(token)
    extra = [*headers, *response.raw_headers, (b"x-request-id", identifier.encode()), NO_SNIFFING]
    extra.append((b"connection", b"close"))
    if refusal.status == 503:
        extra.append((b"retry-after", b"1"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in extra)
    return f"HTTP/1.1 {refusal.status} {phrase(refusal.status)}\r\n".encode() + lines + b"\r\n" + bytes(response.body)
