"""The media type of a body, and what a request accepts (RFC 9110, 8.3 and 12): media types and codings by weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from starlette.datastructures import Headers


def parse_media_type(content_type: str | None) -> str:
    """The media type that a header Content-Type names, in lower case; empty if there is no header."""
    return (content_type or "").partition(";")[0].strip().lower()


class Accepted(NamedTuple):
    """A member of the header `Accept` or `Accept-Encoding`."""

    name: str
    """In lower case; a wildcard as it is."""
    parameters: Mapping[str, str]
    """Names in lower case; without the weight."""
    weight: float
    """0 to 1; 0 is a refusal."""


def accepted(headers: Headers, name: str) -> Iterator[Accepted]:
    """Yield the members of a header that the caller does not refuse, in the order of the request.

    A member whose weight is no number is left out.

    Args:
        headers: of the request.
        name: `accept` or `accept-encoding`.
    """
    return (member for member in all_members(headers, name) if member.weight > 0)


def all_members(headers: Headers, name: str) -> Iterator[Accepted]:
    """Yield the members of a header, also those that the caller refuses: their weight is 0."""
    for line in headers.getlist(name):
        for part in filter(None, map(str.strip, line.split(","))):
            kind, *others = (item.strip() for item in part.split(";"))
            parameters = {
                key.strip().lower(): value.strip(' "') for key, _, value in (o.partition("=") for o in others)
            }
            yield Accepted(kind.lower(), parameters, _weight(parameters.pop("q", "1")))


def _weight(text: str) -> float:
    """The number that a weight is; 0 of what is none."""
    return min(float(text), 1.0) if text.isascii() and text.replace(".", "", 1).isdigit() else 0.0
