"""What a connection makes of the bytes it gets: uvicorn's protocol with limits on headers and on pipelining."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from service.api.inline_path import InlinePath
from service.limits import variable
from service.server.connection import Connection
from service.server.cycle import Cycle, Http10Cycle, RepeatedCycle
from service.server.exposure import Exposed
from service.server.refusals import Refusal
from service.server.repeated_head import RepeatedHead
from service.server.request_head import VERSIONS, expects_continue, is_tls, refusal_of, split_target

_MAX_PIPELINED = 64
"""Requests that may wait for the answers before them on one connection."""
_MAX_HEADERS = 256
"""Headers of a request, and as many trailers. One of three bytes takes over a hundred bytes of memory while its
connection is open, so that the limit of bytes alone would let each connection have a megabyte."""
_DROPPED_BYTES = 32 * 2**20
"""What is still read, and dropped, of a body that nobody wants. Many clients read the answer only once it is sent."""

_CHECKED_HEADERS = frozenset((b"host", b"expect", b"transfer-encoding"))
_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


class _BodyEvents:
    """The events of a parser that is to report a body, without the head before it."""

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection

    def on_body(self, body: bytes) -> None:
        if not self._connection.is_ended:
            self._connection.on_body(body)

    def on_message_complete(self) -> None:
        self._connection.on_message_complete()
        self._connection.is_ended = True


class HttpConnection(Connection):
    """A connection whose requests are within limits before the application has them.

    uvicorn's protocol takes headers of any length in any time, which the parser joins in quadratic time; it queues
    pipelined requests without end, and shows trailers to the application as headers. This one counts the bytes that
    made the parser report nothing yet. Where uvicorn's methods are replaced, not extended, it is for speed.

    Args:
        args: as for `Connection`.
        exposed: the application as this connection shows it.
        inline_path: answers requests whose body arrives with their head, where it can.
        options: as for `Connection`.
    """

    def __init__(self, *args: Any, exposed: Exposed, inline_path: InlinePath, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = cast(Any, exposed.app)
        self._prepare = exposed.prepare
        self._inline_path = inline_path
        self._max_unparsed = self._limits.header_bytes
        self._unparsed = 0
        self._droppable = _DROPPED_BYTES
        self._in_head = False
        self._hosts = 0
        self._expectations: list[bytes] = []
        self._host = b""
        """The last host that was checked."""
        self._unstarted: Cycle | None = None
        """The newest request, while it waits for its body to be answered by the inline path."""
        self._taken: Scope | None = None
        """The scope of the request that the inline path has just taken, as it was before its answer."""
        self._repeated: RepeatedHead | None = None
        """The head of an earlier request that it took."""

    # Bytes from the client.

    def data_received(self, data: bytes) -> None:
        if self.is_ended:
            self._drop(data)
            return
        was_idle = not self._in_message and (self.cycle is None or self.cycle.response_complete)
        if was_idle and self._repeated is not None and (request := self._repeated.split(data)) is not None:
            self.url = self._repeated.target
            self._answer_repeated(*request)
            return
        self._unparsed += len(data)
        if self._unparsed > self._max_unparsed:
            self._feed_in_parts(data)
        else:
            self._feed(data)
        if self._taken is not None:
            if was_idle and self.cycle.keep_alive and not self._in_message:
                self._repeated = RepeatedHead.of(data, self.url, self._taken)
            self._taken = None

    def _answer_repeated(self, scope: Scope, body: bytes) -> None:
        """Answer a request whose head repeats an earlier one that the inline path took."""
        self.scope = cast(Any, scope)
        self.expect_100_continue = False
        repeated = RepeatedCycle(
            self.transport,
            self.server_state.default_headers,
            self.on_response_complete,
            keep_alive=not self._draining.is_set(),
        )
        self.cycle = cast(Any, repeated)
        if self._inline_path.answer(scope, body, repeated):
            return
        cycle = self.cycle = self._new_cycle(Cycle, scope, keep_alive=repeated.keep_alive)
        cycle.body, cycle.more_body = bytearray(body), False
        cycle.message_event.set()
        self._start(cycle)

    def _new_cycle(self, kind: type[Cycle], scope: Scope, *, keep_alive: bool) -> Cycle:
        return kind(
            scope=cast(Any, scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive and not self._draining.is_set(),
            on_response=self.on_response_complete,
        )

    def _drop(self, data: bytes) -> None:
        self._droppable -= len(data)
        if self._droppable < 0:
            # Not read any more, but not closed yet either: the client is to read its answer.
            self.flow.pause_reading()

    def _feed_in_parts(self, data: bytes) -> None:
        """Feed at most as many bytes as headers may have, and refuse if the parser made nothing of them."""
        self._unparsed -= len(data)
        view = memoryview(data)
        while view:
            size = max(self._max_unparsed - self._unparsed, 1)
            part, view = view[:size], view[size:]
            self._unparsed += len(part)
            self._feed(part)
            if self._is_stopped():
                return
            if view and self._unparsed >= self._max_unparsed:
                self._refuse(self._too_large())
                return

    def _is_stopped(self) -> bool:
        return self.is_ended

    def _too_large(self) -> Refusal:
        limit = f"{self._max_unparsed} bytes ({variable('max_header_bytes')})"
        if self._in_head and not self.headers and len(self.url) * 2 > self._unparsed:
            return Refusal(414, f"the target of the request is longer than {limit}")
        return Refusal(431, f"the headers are larger than {limit}")

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._refuse_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, Refusal):
                self._refuse(error.__context__)
            else:
                self._refuse_invalid(bytes(data), error)
        if self._unstarted is not None:  # The rest of its body comes later.
            self._start(self._unstarted)
        if self._in_head and not self._head_since:
            self._head_since = self.loop.time()

    def _refuse_upgrade(self, data: bytes | memoryview) -> None:
        """Answer a request for another protocol as what it is else, and read its body, which the parser left out."""
        framing = [b"%s: %s\r\n" % header for header in self.scope["headers"] if header[0] in _FRAMING]
        if not framing:
            self.is_ended = True
            return
        self.cycle.more_body = self._in_message = True
        self.cycle.message_event.clear()
        self.parser = httptools.HttpRequestParser(_BodyEvents(self))
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))
        self._feed(data)

    def _refuse_invalid(self, data: bytes, error: httptools.HttpParserError) -> None:
        if is_tls(data):
            self.linger()
        else:
            self._refuse(refusal_of(data, error))

    # What the parser reports.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._hosts = 0
        self._expectations = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) == _MAX_HEADERS:
            raise Refusal(431, f"there are more than {_MAX_HEADERS} headers")
        name = name.lower()
        if name in _CHECKED_HEADERS and self._in_head:
            self._check_header(name, value)
        self.headers.append((name, value))

    def _check_header(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
            if self._hosts > 1 or (value != self._host and not _HOST.fullmatch(value)):
                raise Refusal(400, "the request needs exactly one valid host header")
            self._host = value
        elif name == b"expect":
            self._expectations.append(value)
        elif value.lower() != b"chunked":
            raise Refusal(501, "the only transfer-encoding of a body is chunked")

    def on_headers_complete(self) -> None:
        parser, scope = self.parser, self.scope
        self._unparsed = 0
        self._in_head = False
        self._head_since = 0.0
        scope["method"] = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version != "1.1":
            self._check_version(version)
        elif not self._hosts:
            raise Refusal(400, "the request needs exactly one valid host header")
        elif self._expectations:
            self.expect_100_continue = expects_continue(self._expectations)
        split_target(cast(Scope, scope), self.url)
        self._prepare(cast(Scope, scope))
        self.headers = []  # Trailers are not headers: the application must not see them.
        upgrade = parser.should_upgrade()
        is_current = version == "1.1"
        keep_alive = is_current and parser.should_keep_alive() and not upgrade
        cycle = self._new_cycle(Cycle if is_current else Http10Cycle, cast(Scope, scope), keep_alive=keep_alive)
        previous = self.cycle
        if previous is None or previous.response_complete:
            self.cycle = cycle
            if not upgrade and self._inline_path.takes(cast(Scope, scope)):
                self._unstarted = cycle
                self._taken = cast(Scope, scope | {"state": scope["state"].copy()})
            else:
                self._start_asgi_task(cycle, self.app)
        elif len(self.pipeline) < _MAX_PIPELINED:
            self.cycle = cycle
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            raise Refusal(503, "too many requests wait for the answers before them")

    def _start(self, cycle: Cycle) -> None:
        """Have the application answer the newest request, which the inline path does not."""
        self._unstarted = None
        self._start_asgi_task(cycle, self.app)

    def _check_version(self, version: str) -> None:
        if version != "1.0":
            raise Refusal(505, VERSIONS)
        self.scope["http_version"] = version  # Such a client expects nothing, whatever it says (RFC 9110, 10.1.1).

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._unparsed = 0
        self._in_message = False
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        if self._unstarted is not None:
            self._answer_inline(self._unstarted)

    def _answer_inline(self, cycle: Cycle) -> None:
        if self._inline_path.answer(cast(Scope, cycle.scope), bytes(cycle.body), cycle):
            self._unstarted = None
        else:
            self._start(cycle)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.is_closing():
            return
        self._idle_since = self.loop.time()
        if self._in_head:
            self._head_since = self._idle_since  # Until now nothing more may have been read.
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            if cycle.disconnected:
                self.linger()
            else:
                self._start_asgi_task(cycle, app)
        elif self.cycle.more_body:
            self.linger()
        else:
            self.flow.resume_reading()
