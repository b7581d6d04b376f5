"""How much JSON a route takes, and a check of that on the bytes, before they are parsed.

A parser holds the event loop, and every list or object that it makes takes some fifty times the bytes that it was sent
in: a body within the limit of bytes could still hold everybody up for a second and take a gigabyte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.api.turns import Turns
from service.errors import InvalidRequest, LimitExceeded
from service.limits import Limits, variable

DEFAULT_MAX_BYTES = 2 * 2**20
"""Bytes of JSON that every route takes, however little its counts need."""

UNCHECKED_BYTES = 32 * 1024
"""A body up to this size is parsed within two milliseconds, whatever it holds."""

_SLICE_BYTES = 256 * 1024
"""Bytes that are looked at before the event loop turns: less than two milliseconds."""

_SLACK = 2
"""Up to this many times the counts are left to the checks of the route, whose errors name the very item."""

_KEY_BEFORE_COLON = re.compile(rb'"([^"\\]{1,64})"\s{0,16}$')


@dataclass(frozen=True, kw_only=True)
class JsonLimits:
    """What the counts of a route allow its JSON to hold."""

    max_bytes: int = DEFAULT_MAX_BYTES
    """Bytes after decompression; `LECTERN_MAX_BODY_BYTES` may allow fewer."""
    items: int = 100_000
    """Items of all lists together."""
    lists: int = 10_000
    objects: int = 32
    fields: int = 128
    """Fields of all objects together."""
    texts_are_ascii: bool = False
    """Whether long texts can only be ASCII, as base64 is: one other character makes each take four bytes."""
    settings: tuple[str, ...] = ()
    """The fields of `Limits` that these follow from, for error messages."""

    def bytes_allowed(self, limits: Limits) -> int:
        """The largest body in bytes."""
        return min(self.max_bytes, limits.max_body_bytes)

    def describe_bytes(self, limits: Limits) -> str:
        """The settings that `bytes_allowed` follows from, for an error message."""
        if limits.max_body_bytes <= self.max_bytes or not self.settings:
            return variable("max_body_bytes")
        return f"the smaller of {variable('max_body_bytes')} and what {_variables(self.settings)} can take"


def bytes_of(needed: int) -> int:
    """The `max_bytes` of a route whose counts need so many."""
    return max(DEFAULT_MAX_BYTES, needed)


async def check_json(body: bytes, limits: JsonLimits, turns: Turns) -> None:
    """Check that a JSON body holds no more than a route takes, without parsing it.

    A body up to `UNCHECKED_BYTES` is not looked at.

    Args:
        body: the body.
        limits: what the route takes.
        turns: of the event loop, which turns meanwhile.

    Raises:
        InvalidRequest: naming the field at which the limit is exceeded, and the settings.
    """
    if len(body) <= UNCHECKED_BYTES:
        return
    if limits.texts_are_ascii and len(body) > DEFAULT_MAX_BYTES:
        await _check_ascii(body, turns)
    kinds = {
        b"[": (limits.lists, "lists"),
        b"{": (limits.objects, "objects"),
        b":": (limits.fields, "fields"),
        b",": (limits.items + limits.fields, "items"),
    }
    # Such bytes inside texts count too, so this is only a bound; most bodies stay below it.
    counts = dict.fromkeys(kinds, 0)
    for start in range(0, len(body), _SLICE_BYTES):
        for kind in kinds:
            counts[kind] += body.count(kind, start, start + _SLICE_BYTES)
        await turns.next()
    suspects = {kind: most for kind, (most, _) in kinds.items() if counts[kind] > _SLACK * most}
    if not suspects:
        return
    remaining = {kind: _SLACK * most for kind, most in suspects.items()}
    for start, part, outside in _structure(body):
        for kind in suspects:
            matches = (part == ord(kind)) & outside
            count = int(np.count_nonzero(matches))
            if count > remaining[kind]:
                position = start + int(np.flatnonzero(matches)[remaining[kind]])
                raise _too_many(body, position, kinds[kind], limits.settings)
            remaining[kind] -= count
        await turns.next()


async def _check_ascii(body: bytes, turns: Turns) -> None:
    """Refuse characters beyond ASCII, written as they are or as an escape."""
    for start in range(0, len(body), _SLICE_BYTES):
        # The slices overlap by an escape, which may lie on their border.
        part = body[start : start + _SLICE_BYTES + 5]
        if not part.isascii() or re.search(rb"\\u(?!00[0-7])(?=.{4})", part, re.DOTALL):
            raise InvalidRequest(
                f"a body of more than {DEFAULT_MAX_BYTES} bytes can only hold pictures in base64, which are ASCII"
            )
        await turns.next()


def _structure(body: bytes) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Yield slices of JSON: their start, their bytes, and which of these are outside of texts."""
    inside, escaped = False, False
    for start in range(0, len(body), _SLICE_BYTES):
        part = np.frombuffer(body, np.uint8, min(_SLICE_BYTES, len(body) - start), start)
        quotes = part == ord('"')
        if escaped:
            quotes[0] = False
        slashes = np.flatnonzero(part[escaped:] == ord("\\")) + escaped
        escaped = False
        if len(slashes):
            # A run of backslashes escapes what follows it if their number is odd.
            is_last = np.append(np.diff(slashes) != 1, True)
            last = slashes[is_last]
            first = slashes[np.append(True, is_last[:-1])]
            following = last[(last - first) % 2 == 0] + 1
            escaped = bool(len(following)) and int(following[-1]) == len(part)
            quotes[following[: len(following) - escaped]] = False
        odd = np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ np.uint8(inside)
        inside = bool(odd[-1])
        yield start, part, odd == 0


def _too_many(body: bytes, position: int, exceeded: tuple[int, str], settings: tuple[str, ...]) -> InvalidRequest:
    most, noun = exceeded
    if noun == "fields":
        return InvalidRequest("the body has more fields than this request; leave out all that it does not have")
    names = f" ({_variables(settings)})" if settings else ""
    message = f"holds more than {_SLACK * most} {noun}; this request takes at most {most} {noun}{names}"
    return LimitExceeded(f"{message}; send several requests", _key_before(body, position))


def _key_before(body: bytes, position: int) -> str | None:
    """The last key before a position; None if none is found near by."""
    for _ in range(8):
        position = body.rfind(b":", 0, position)
        if position < 0:
            return None
        if match := _KEY_BEFORE_COLON.search(body[max(0, position - 96) : position]):
            return match[1].decode(errors="replace")
    return None


def _variables(settings: tuple[str, ...]) -> str:
    return " and ".join(map(variable, settings))
