"""Reads request bodies: within the limits of bytes and time, decompressed, and within the memory that all may take."""

from __future__ import annotations

import asyncio
import io

from starlette.requests import ClientDisconnect, Request
from starlette.types import Scope

from service.api.content_encoding import IDENTITY, Decompressor
from service.api.turns import Turns
from service.errors import DeadlineExceeded, PayloadTooLarge, Saturated
from service.limits import variable

BODY_IS_READ = "body_is_read"
"""Key in the state of a scope: set once the whole body has arrived."""

_SHARE = "body_share"
"""Key in the state of a scope: the body's `Share` of the memory."""

MAX_SMALL_BYTES = 64 * 1024
"""Bodies up to this size are neither counted nor held back; the server reads as much of a connection by itself."""

_READ_BYTES = 320 * 1024
"""Most that one message of the server brings."""


class Share:
    """The bytes of one body that are in memory.

    Args:
        budget: what it is a share of.
    """

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size = 0
        self.turn: asyncio.Future[None] | None = None
        """Set while the body must wait."""

    def grow_to(self, size: int) -> None:
        """Count the bytes that have come so far."""
        if not self.size:
            self._budget.reading[self] = None
        self._budget.used += size - self.size
        self.size = size

    async def wait_for_room(self) -> None:
        """Wait while the budget is used up, unless this body is the oldest that is not complete."""
        while self.size and not self._budget.has_room_for(self):
            self.turn = asyncio.get_running_loop().create_future()
            await self.turn
            self.turn = None

    def complete(self) -> None:
        """No more bytes will come."""
        self._budget.reading.pop(self, None)
        self._budget.wake()

    def release(self) -> None:
        """The bytes are needed no longer."""
        self._budget.used -= self.size
        self.size = 0
        self.complete()


class BodyBudget:
    """The memory that all bodies together may take; while it is used up, bodies are left in their sockets.

    The oldest body that is not complete is always read on, so that bodies which together take more than there is
    cannot wait for each other for ever. It may exceed the budget by the largest body.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0
        self.reading: dict[Share, None] = {}
        """Bodies that are not complete, the oldest first."""

    def has_room_for(self, share: Share) -> bool:
        """Whether a body may be read on."""
        return self.used < self._limit or next(iter(self.reading), share) is share

    def wake(self) -> None:
        """Let the oldest of the waiting bodies go on, as many as there is room for."""
        room = self._limit - self.used
        for index, share in enumerate(self.reading):
            if index and room <= 0:
                break
            if share.turn is not None and not share.turn.done():
                share.turn.set_result(None)
                room -= _READ_BYTES


def release_body(scope: Scope) -> None:
    """The request is answered, or its body is counted by another limit from now on."""
    share: Share | None = scope["state"].pop(_SHARE, None)
    if share is not None:
        share.release()


def is_small(scope: Scope) -> bool:
    """Whether the body of a request is known to be small before it is read."""
    declared, encoding = _headers(scope)
    return declared is not None and declared <= MAX_SMALL_BYTES and encoding == IDENTITY


async def receive_body(
    request: Request, budget: BodyBudget, turns: Turns, *, limit: int, described: str, deadline: float
) -> bytes:
    """Read the whole body and decompress it.

    Args:
        request: the request.
        budget: the memory of all bodies.
        turns: of the event loop, for decompression.
        limit: most bytes, compressed or not.
        described: the settings that the limit follows from, for the error message.
        deadline: seconds that it may take.

    Raises:
        DeadlineExceeded: the body arrives too slowly.
        Saturated: other bodies take all the memory that there is for bodies.
        ClientDisconnect: the client leaves before the body is complete.
        PayloadTooLarge: more bytes than the limit.
        UnsupportedEncoding: a content encoding other than gzip and deflate.
        MalformedBody: the compressed data are invalid.
    """
    too_large = PayloadTooLarge(f"the body is larger than {limit} bytes ({described}); send it in parts")
    declared, encoding = _headers(request.scope)
    if declared is not None and declared > limit:
        raise too_large
    try:
        async with asyncio.timeout(deadline):
            if is_small(request.scope):
                body = await _receive_small(request)
            else:
                body = await _receive_counted(request, Share(budget), turns, encoding, limit, too_large)
    except TimeoutError as error:
        share: Share | None = request.scope["state"].get(_SHARE)
        if share is not None and share.turn is not None:
            raise Saturated(
                f"other requests' bodies take all the memory that there is for bodies "
                f"({variable('max_total_body_bytes')}); send it again later",
            ) from error
        raise DeadlineExceeded(f"the body did not arrive within {deadline:g} s") from error
    request.scope["state"][BODY_IS_READ] = True
    return body


def _headers(scope: Scope) -> tuple[int | None, str]:
    """The declared length, None without one, and the content encoding."""
    length: int | None = None
    encoding = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The parser admits digits only, and up to 20 of them beside leading zeros.
            length = int(value.lstrip(b"0") or b"0")
        elif name == b"content-encoding":
            encoding += (b"," if encoding else b"") + value.strip().lower()
    return length, encoding.decode("latin-1") or IDENTITY


async def _receive_small(request: Request) -> bytes:
    """Read a body whose small declared length the server enforces."""
    body, more = await _receive_some(request)
    if not more:
        return body
    chunks = [body]
    while more:
        chunk, more = await _receive_some(request)
        chunks.append(chunk)
    return b"".join(chunks)


async def _receive_counted(
    request: Request, share: Share, turns: Turns, encoding: str, limit: int, too_large: PayloadTooLarge
) -> bytes:
    """Read a body of any size and encoding, within the budget. What is done with it next has a turn of its own."""
    decompressor = None if encoding == IDENTITY else Decompressor(encoding)
    request.scope["state"][_SHARE] = share
    # Not a list of parts to be joined: a block that grows, and is moved by the system where it is large, takes neither
    # twice the memory nor a long step at the end.
    content = io.BytesIO()
    received = size = 0
    more = True
    try:
        while more:
            await share.wait_for_room()
            chunk, more = await _receive_some(request)
            received += len(chunk)
            if received > limit:  # A compressed stream may be as long as one likes, and hold nothing.
                raise too_large
            for part in (chunk,) if decompressor is None else decompressor.parts(chunk):
                size += len(part)
                if size > limit:
                    raise too_large
                content.write(part)
                if size > MAX_SMALL_BYTES:
                    share.grow_to(size)
                if decompressor is not None:
                    await turns.next()
                    await share.wait_for_room()
    finally:
        share.complete()
    if decompressor is not None:
        decompressor.check_end()
    # Sixteen bodies may be complete in the same turn of the loop, and the first look at each would add up.
    await turns.next()
    return content.getvalue()  # The block itself, no copy.


async def _receive_some(request: Request) -> tuple[bytes, bool]:
    """The next part of the body, and whether more will come."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
