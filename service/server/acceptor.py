"""Accepts the connections of a process within a limit, and closes those whose time has passed."""

from __future__ import annotations

import asyncio
import errno
import heapq
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from service.api.access import TOO_MANY_CONNECTIONS
from service.server.connection import Connection
from service.server.descriptors import RESERVED, descriptor_limit
from service.server.exposure import Exposed
from service.server.listener import is_unix, refuse_new_connections
from service.server.refusals import Refusal, refusal_answer

log = logging.getLogger(__name__)

_BUSY = Refusal(503, TOO_MANY_CONNECTIONS)

_ACCEPTED_PER_TURN = 4
"""Connections made in one turn of the event loop: few, since worker processes are to get equal shares. More would make
nothing faster: a turn takes far less than making one."""
_LOOKED_AT_PER_TURN = 64
"""Connections looked at in one turn; most of them may be of clients that have left."""
_EXTRA = RESERVED // 2
"""Connections above the limit that may ask for a probe; everything else on them is refused."""
_RETRY_SECONDS = 0.1
"""Time until connections are accepted again when descriptors have run out."""
_RETRIES_AT_THE_END = 20
"""Looks at a socket that is to be closed while descriptors have run out."""
_LISTED = 64
"""Connections beyond those to be closed that are put in order at once: looking at thousands takes milliseconds."""
_HALF_MADE_SECONDS = 0.2
"""Time for connections to be made that have begun: a round trip to the client, who takes it as made meanwhile."""
_TLS_SHUTDOWN_SECONDS = 2.0
"""Time for a client to agree to the end of an encrypted connection."""
_WARNING_SECONDS = 60.0
"""Time between two warnings of the same kind."""
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


_Waiting = tuple[float, int, Callable[[], float | None], Callable[[], object]]
"""What waits for its client: since when, its id, since when it waits now (None: no longer), and what closes it."""


@dataclass(frozen=True, eq=False)
class Listener:
    """A listening socket and what answers on it."""

    socket: socket.socket
    app: Exposed
    busy_app: Exposed
    """What answers instead on connections above the limit."""
    ssl: Callable[[], ssl.SSLContext] | None = None
    """Gives the context of a new connection, where they are encrypted."""


class Acceptor:
    """Accepts connections.

    Beyond the limit the connections that wait longest for a request are closed to make room. If all are busy, a few
    more are accepted, so that probes are answered; other requests on those, and connections beyond them, are refused.

    Args:
        connect: makes the protocol of a new connection, for an application.
        connections: those that are open.
        limit: most connections at the same time.
        handshake_seconds: maximum time for a TLS handshake.
        on_refusal: called for every connection that is refused.
    """

    def __init__(
        self,
        connect: Callable[[Exposed], Connection],
        connections: Collection[Connection],
        *,
        limit: int,
        handshake_seconds: float,
        on_refusal: Callable[[Refusal], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect = connect
        self._connections = connections
        self._limit = limit
        self._handshake_seconds = handshake_seconds
        self._on_refusal = on_refusal
        self._listeners: list[Listener] = []
        self._paused: set[Listener] = set()
        """Those that wait for descriptors."""
        self._pending: dict[asyncio.Task[None], float] = {}
        """Connections that are not made yet, and since when."""
        self._longest: deque[_Waiting] = deque()
        """The next ones to close. Whoever begins to wait later waits less long than they, so that the order stays."""
        self._next_warning = 0.0

    def listen(self, listener: Listener) -> None:
        """Accept connections from a listening socket until `close`."""
        listener.socket.setblocking(False)
        self._listeners.append(listener)
        self._loop.add_reader(listener.socket, self._accept, listener)

    async def close(self, *, by_all: bool) -> None:
        """Accept what has connected by now, and close the listening sockets.

        Args:
            by_all: whether nobody accepts from the sockets any longer: then nothing may be left in them. Otherwise
                other processes that share them go on.
        """
        if by_all:
            for listener in self._listeners:
                if not is_unix(listener.socket):  # Connections to those are never half-made.
                    refuse_new_connections(listener.socket)
            await asyncio.sleep(_HALF_MADE_SECONDS)
        for listener in self._listeners:
            if by_all and is_unix(listener.socket):
                refuse_new_connections(listener.socket)
            for _ in range(_RETRIES_AT_THE_END):
                self._accept_all(listener)
                if listener not in self._paused:
                    break
                await asyncio.sleep(_RETRY_SECONDS)
            self._loop.remove_reader(listener.socket)
            listener.socket.close()
        self._listeners.clear()

    @property
    def pending(self) -> int:
        """Number of connections that are not made yet, such as those in a TLS handshake."""
        return len(self._pending)

    def _accept(self, listener: Listener) -> None:
        accepted = 0
        for _ in range(_LOOKED_AT_PER_TURN):
            client = self._next_client(listener)
            if client is None:
                return
            accepted += self._admit_unless_left(client, listener)
            if accepted == _ACCEPTED_PER_TURN:
                return

    def _accept_all(self, listener: Listener) -> None:
        while (client := self._next_client(listener)) is not None:
            self._admit_unless_left(client, listener)

    def _next_client(self, listener: Listener) -> socket.socket | None:
        """Accept a connection; None if there is none, or no descriptor for it."""
        try:
            client, _ = listener.socket.accept()
        except BlockingIOError:
            return None
        except ConnectionAbortedError:  # Of one that was reset while it waited; not on Linux.
            return self._next_client(listener)
        except OSError as error:
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            self._wait_for_descriptors(listener)
            return None
        client.setblocking(False)
        return client

    def _admit_unless_left(self, client: socket.socket, listener: Listener) -> bool:
        """Admit a connection unless its client has left; whether it has not."""
        if _has_left(client):
            client.close()
            return False
        self._admit(client, listener)
        return True

    def _admit(self, client: socket.socket, listener: Listener) -> None:
        app = listener.app
        count = len(self._connections) + len(self._pending)
        if count >= self._limit:
            ending = sum(each.is_aborted for each in self._connections) + sum(map(_is_cancelled, self._pending))
            excess = count - ending - self._limit + 1
            excess -= self.close_waiting(excess)
            if excess > 0:
                self._warn("too many connections: all are busy", "LECTERN_MAX_CONNECTIONS", self._limit)
                app = listener.busy_app
            else:
                self._warn("too many connections: idle ones are closed", "LECTERN_MAX_CONNECTIONS", self._limit)
            if excess > _EXTRA:
                self._on_refusal(_BUSY)
                _refuse(client, encrypted=listener.ssl is not None)
                return
        task = self._loop.create_task(self._open(client, listener, app))
        self._pending[task] = self._loop.time()
        task.add_done_callback(self._pending.pop)

    async def _open(self, client: socket.socket, listener: Listener, app: Exposed) -> None:
        context = listener.ssl() if listener.ssl else None
        # Most clients do not say that they close too: waiting for that is waiting for the limit.
        limits = (self._handshake_seconds, _TLS_SHUTDOWN_SECONDS) if context else (None, None)
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._connect(app),
                client,
                ssl=context,
                ssl_handshake_timeout=limits[0],
                ssl_shutdown_timeout=limits[1],
            )
        except OSError:  # The client left, or its handshake failed or took too long.
            client.close()
        except asyncio.CancelledError:  # It makes room for another.
            client.close()
            raise

    def close_waiting(self, count: int) -> int:
        """Close the connections that wait longest for a request, or for a TLS handshake.

        Args:
            count: how many.

        Returns:
            How many there were.
        """
        closed = 0
        is_new = False
        while closed < count:
            if not self._longest:
                if is_new:
                    break
                is_new = True
                self._longest = deque(heapq.nsmallest(count + _LISTED, self._waiting()))
                continue
            since, _, since_now, close = self._longest.popleft()
            if since_now() == since:
                close()
                closed += 1
        return closed

    def _waiting(self) -> Iterator[_Waiting]:
        for each in self._connections:
            if (since := each.waiting_since) is not None:
                yield since, id(each), partial(getattr, each, "waiting_since"), each.abort
        # Without TLS a connection is made within a turn of the event loop: the client keeps none waiting.
        if any(listener.ssl for listener in self._listeners):
            for task, since in self._pending.items():
                if not _is_cancelled(task):
                    yield since, id(task), partial(self._pending_since, task), task.cancel

    def _pending_since(self, task: asyncio.Task[None]) -> float | None:
        return None if _is_cancelled(task) else self._pending.get(task)

    def _wait_for_descriptors(self, listener: Listener) -> None:
        self._warn("out of file descriptors: raise the limit (ulimit -n)", "descriptors", descriptor_limit())
        self.close_waiting(1 + len(self._connections) // 16)
        self._loop.remove_reader(listener.socket)
        self._paused.add(listener)
        self._loop.call_later(_RETRY_SECONDS, self._resume, listener)

    def _resume(self, listener: Listener) -> None:
        self._paused.discard(listener)
        if listener in self._listeners:
            self._loop.add_reader(listener.socket, self._accept, listener)

    def _warn(self, message: str, name: str, value: int) -> None:
        now = self._loop.time()
        if now >= self._next_warning:
            self._next_warning = now + _WARNING_SECONDS
            fields = {name: value, "connections": len(self._connections) + len(self._pending)}
            log.warning(message, extra={"fields": fields})


def _is_cancelled(task: asyncio.Task[None]) -> bool:
    return task.cancelling() > 0


def _has_left(client: socket.socket) -> bool:
    """Whether a client has closed its connection without sending anything: then a connection is not worth making.

    Making one takes a hundred times as long, and a probe may wait behind thousands that gave up.
    """
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:  # It was reset.
        return True


def _refuse(client: socket.socket, *, encrypted: bool) -> None:
    """Refuse a connection without serving it."""
    with client, suppress(OSError):
        if not encrypted:
            client.send(refusal_answer(_BUSY))
            client.shutdown(socket.SHUT_WR)
