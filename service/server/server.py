"""The server of one process: its connections from the first to the last, and what signals do to it."""

from __future__ import annotations

import asyncio
import logging
import select
import signal
import socket
import sys
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from service.access.proxies import TrustedProxies
from service.app import Lectern
from service.server.acceptor import Acceptor, Listener
from service.server.connection import Connection, ConnectionLimits
from service.server.descriptors import max_connections, raise_limit
from service.server.event_loop import LOOP
from service.server.exposure import Exposed
from service.server.listener import grpc_address, is_unix
from service.server.process_signals import EXIT_SECONDS, end_process_within
from service.server.protocol import HttpConnection
from service.server.refusals import Refusal
from service.server.tls import certificate_of
from service.settings import Settings

if TYPE_CHECKING:
    from service.grpc_api.server import GrpcServer

log = logging.getLogger(__name__)

_STOPPING = Refusal(503, "the server is shutting down")
_SWEEP_SECONDS = 1.0
"""Longest time between two looks at the connections whose time may have passed."""
_IDLE_SECONDS = 0.5
"""Time after the end of accepting in which an idle connection may still bring a request."""
_SETTLE_SECONDS = 0.5
"""Time for clients to take the last answers, and for tasks to end, when nothing else is left to wait for."""
_POLL_SECONDS = 0.02


def uvicorn_config(app: Lectern, settings: Settings) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        cast(Any, app),
        http=HttpConnection,
        loop=LOOP,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


class Server(uvicorn.Server):
    """A server that drains on the first signal and ends at once on the second.

    uvicorn's server resets connections that wait to be accepted or are idle when it ends, and waits for ever for its
    threads. This one ends within `LECTERN_SHUTDOWN_SECONDS` after it has drained.

    Args:
        app: the application.
        settings: the settings of the service.
    """

    def __init__(self, app: Lectern, settings: Settings) -> None:
        super().__init__(uvicorn_config(app, settings))
        self._settings = settings
        self._context = app.context
        self._inline_path = app.inline_path
        self._grpc: GrpcServer | None = None
        self._control = app.context.control
        self._draining = app.context.draining
        self._refusals = app.context.metrics.refusals
        self._drain_seconds = 0.0
        self.shares_sockets = False
        """Whether other processes go on accepting from its sockets when it ends."""
        self._certificate = certificate_of(settings)
        self._limits = ConnectionLimits(
            header_bytes=settings.max_header_bytes,
            header_seconds=settings.header_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
        )

    def run_in(self, runner: asyncio.Runner, sockets: list[socket.socket]) -> None:
        """Serve until a signal ends it; the process ends soon after, whatever its threads do."""
        runner.run(self.serve(sockets))
        end_process_within(EXIT_SECONDS)

    @property
    def connections(self) -> set[Connection]:
        """The connections that are open."""
        return cast(set[Connection], self.server_state.connections)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the models and accept connections: on the first socket, and those of administration on the second."""
        self._loop = asyncio.get_running_loop()
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        raise_limit()
        self._acceptor = Acceptor(
            self._connect,
            self.connections,
            limit=max_connections(self._settings.max_connections),
            handshake_seconds=self._settings.header_seconds,
            on_refusal=self._count_refusal,
        )
        for number, each in enumerate(sockets or []):
            self._acceptor.listen(self._listener(each, admin=number > 0))
        await self._start_grpc()
        self._sweep()
        self.started = True
        if self._draining.is_set():  # By a signal that came during the start.
            self.drain(self._drain_seconds)

    async def _start_grpc(self) -> None:
        if self._settings.grpc_port is None:
            return
        # Imported here, in the process that serves: gRPC does not survive a fork.
        from service.grpc_api.server import GrpcServer

        certificate = self._certificate
        key_pair = certificate.key_pair if certificate else None
        proxies = TrustedProxies(self._settings.trusted_proxies)
        self._grpc = GrpcServer(self._context, proxies.client_of, key_pair)
        await self._grpc.start(grpc_address(self._settings))

    def _listener(self, listener: socket.socket, *, admin: bool) -> Listener:
        app = cast(ASGIApp, self.config.loaded_app)
        encrypted = self._certificate is not None and not is_unix(listener)
        return Listener(
            listener,
            Exposed(app, self._settings, admin=admin),
            Exposed(app, self._settings, admin=admin, excess=True),
            self._certificate.context if self._certificate and encrypted else None,
        )

    def _connect(self, app: Exposed) -> Connection:
        return HttpConnection(
            self.config,
            self.server_state,
            self.lifespan.state,
            exposed=app,
            inline_path=self._inline_path,
            limits=self._limits,
            draining=self._draining,
            on_refusal=self._count_refusal,
            cors=self._context.access.cors,
        )

    def _count_refusal(self, refusal: Refusal) -> None:
        self._refusals.labels(refusal.reason).inc()

    def _sweep(self) -> None:
        """Close the connections whose time has passed, again and again."""
        now = self._loop.time()
        for connection in list(self.connections):
            connection.expire(now)
        if self._certificate:
            self._certificate.refresh()
        shortest = min(self._limits.header_seconds, self._limits.keep_alive_seconds)
        self._sweeper = self._loop.call_later(min(_SWEEP_SECONDS, shortest / 4), self._sweep)

    # The end.

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal, without delay on Ctrl-C; end at once on the second."""
        if self._draining.is_set():
            self.should_exit = self.force_exit = True
            return
        self.drain_once_started(self._settings.drain_seconds if sig == signal.SIGTERM else 0.0)

    def drain_once_started(self, seconds: float) -> None:
        """Drain, now or when the start is complete; without effect a second time. Signal handlers may call it."""
        if self._draining.is_set():
            return
        self._draining.set()
        self._drain_seconds = seconds
        if self.started:
            self._loop.call_soon_threadsafe(self.drain, seconds)

    def drain(self, seconds: float) -> None:
        """Say on every answer that the connection ends, refuse readiness, and stop accepting after `seconds`."""
        self.report_drain(seconds)
        self._draining.set()
        self._control.stop()
        for connection in self.connections:
            connection.shutdown()
        self._loop.call_later(seconds, self.stop)

    def report_drain(self, seconds: float) -> None:
        """Log that it drains."""
        log.info("draining", extra={"fields": {"seconds": seconds}})

    def stop(self) -> None:
        """Stop accepting, and end once what was accepted is answered."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was accepted within `LECTERN_SHUTDOWN_SECONDS`, then close everything."""
        self._draining.set()
        grpc = asyncio.ensure_future(self._grpc.stop(self._settings.shutdown_seconds)) if self._grpc else None
        await self._acceptor.close(by_all=not self.shares_sockets)
        self._sweeper.cancel()
        for connection in self.connections:
            connection.shutdown()
        await self._finish_requests()
        if grpc is not None:
            await self._finish_calls(grpc)
        await self._end_tasks()
        await self._end_application()

    async def _end_application(self) -> None:
        try:
            await asyncio.wait_for(self.lifespan.shutdown(), max(self._seconds_left(), _SETTLE_SECONDS))
        except TimeoutError:
            log.warning("models did not finish within LECTERN_SHUTDOWN_SECONDS")
            # The end of the event loop cancels the lifespan, which uvicorn would log as an error of the application.
            logging.getLogger("uvicorn.error").disabled = True

    async def _finish_requests(self) -> None:
        """Wait until every connection is closed: idle ones are, late; those still busy at the end are refused."""
        begun = self._loop.time()
        self._end = begun + self._settings.shutdown_seconds
        while self._is_busy() and self._seconds_left():
            await asyncio.sleep(_POLL_SECONDS)
            if self._loop.time() - begun > _IDLE_SECONDS:
                self._close_idle()
        cut_off = [connection for connection in self.connections if connection.is_active]
        if cut_off:
            log.warning("requests cut off", extra={"fields": {"requests": len(cut_off)}})
        for connection in cut_off:
            connection.give_up(_STOPPING)
        if not self.force_exit:
            await self._wait_closed()
        for connection in list(self.connections):
            connection.abort()

    async def _finish_calls(self, stopping: asyncio.Future[None]) -> None:
        """Wait until gRPC has answered its calls, or cut them off when the time is up."""
        assert self._grpc is not None
        await asyncio.wait({stopping}, timeout=self._seconds_left())
        if not stopping.done():
            await self._grpc.stop(0)
            await stopping

    def _seconds_left(self) -> float:
        return 0.0 if self.force_exit else max(self._end - self._loop.time(), 0.0)

    def _is_busy(self) -> bool:
        return self._acceptor.pending > 0 or not all(connection.is_closing() for connection in self.connections)

    def _close_idle(self) -> None:
        """Close the connections without a request, unless one has arrived that was not read yet."""
        idle = [connection for connection in self.connections if connection.waiting_since is not None]
        with_data = _readable(idle)
        for connection in idle:
            if connection not in with_data:
                connection.close_idle()

    async def _wait_closed(self) -> None:
        end = self._loop.time() + _SETTLE_SECONDS
        while self.connections and self._loop.time() < end:
            await asyncio.sleep(_POLL_SECONDS)

    async def _end_tasks(self) -> None:
        """Let the tasks of requests end, whose clients are gone by now."""
        for cancel in (False, True):
            if not (tasks := set(self.server_state.tasks)):
                return
            if cancel:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=_SETTLE_SECONDS)


def _readable(connections: Iterable[Connection]) -> set[Connection]:
    """The connections with data that were not read yet."""
    by_descriptor = {connection.fileno(): connection for connection in connections}
    if hasattr(select, "poll"):
        poll = select.poll()
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        return {by_descriptor[descriptor] for descriptor, _ in poll.poll(0)}
    return set()
