"""A worker process: the application, and its ties to the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from service.app import Lectern, create_app
from service.errors import ConfigurationError
from service.observability import configure_logging
from service.runtime.memory import limit_heap
from service.runtime.providers import check_installation
from service.server.channel import Channel, Message
from service.server.control import SupervisorControl
from service.server.event_loop import loop_factory
from service.server.process import settle
from service.server.server import Server
from service.server.shared_metrics import FolderLease
from service.server.worker_handle import HEARTBEAT_SECONDS
from service.serving.cache_folder import temporary_cache
from service.serving.registry import ModelRegistry
from service.serving.states import RepositoryState
from service.settings import Settings

log = logging.getLogger(__name__)


def run_worker(settings: Settings, listeners: list[socket.socket], control: socket.socket) -> None:
    """Serve until the supervisor says that it is enough, or is gone; then end the process.

    Args:
        settings: the settings of the service.
        listeners: the listening sockets that all workers share.
        control: this end of the channel to the supervisor.
    """
    limit_heap()
    # Ctrl-C reaches the whole process group: the supervisor says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logging(settings.log_level)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        worker = Worker(settings, listeners, Channel(control))
        worker.end(runner.run(worker.run()))


class Worker:
    """One worker: heartbeats and commands beside the server.

    Args:
        settings: the settings of the service.
        listeners: the listening sockets that all workers share.
        channel: the channel to the supervisor.
    """

    def __init__(self, settings: Settings, listeners: list[socket.socket], channel: Channel) -> None:
        self._settings = settings
        self._listeners = listeners
        self._channel = channel
        self._control = SupervisorControl(channel)
        self._server: _Server | None = None
        self._app: Lectern | None = None
        self._may_serve = asyncio.Event()
        self._opened: set[tuple[str, int, int]] = set()
        """Name, version and load of what was opened or tried."""
        self._opening = 0
        """Number of states with something new that are being applied."""
        self._applying: set[asyncio.Task[None]] = set()
        self._metrics_folder = FolderLease()
        self._temporary: set[Path] = set()
        """Temporary folders with prepared versions, which the supervisor removes if it can."""
        self._orphaned = False
        """Whether the supervisor is gone."""

    async def run(self) -> int:
        """Serve until told to stop.

        Returns:
            The exit code.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._drain, self._settings.drain_seconds)
        try:
            check_installation()
            self._app = create_app(
                self._settings, on_ready=lambda context: settle(), control=lambda settings, registry: self._control
            )
        except ConfigurationError as error:
            await self._channel.send("failed", reason=str(error))
            return 2
        beat = loop.create_task(self._beat())
        obey = loop.create_task(self._obey(self._app.context.registry))
        await self._may_serve.wait()
        self._server = _Server(self._app, self._settings, self._channel)
        await self._server.serve(sockets=self._listeners)
        beat.cancel()
        obey.cancel()
        return 0

    async def _beat(self) -> None:
        """Send signs of life from the event loop, so that the supervisor learns when it hangs."""
        while True:
            await self._channel.send("heartbeat")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _obey(self, registry: ModelRegistry) -> None:
        """Do what the supervisor says; drain when it is gone."""
        while (message := await self._channel.receive()) is not None:
            match message["kind"]:
                case "state":
                    task = asyncio.get_running_loop().create_task(self._apply(registry, message))
                    self._applying.add(task)
                    task.add_done_callback(self._applying.discard)
                case "serve":
                    self._may_serve.set()
                case "answer":
                    self._control.settle(message)
                case "drain":
                    self._drain(message["seconds"], by_all=message["by_all"])
        self._orphaned = True
        self._control.disconnect()
        log.error("the supervisor is gone: draining")
        self._drain(self._settings.drain_seconds, by_all=True)

    async def _apply(self, registry: ModelRegistry, message: Message) -> None:
        """Serve what a state says, and report it."""
        state = RepositoryState.model_validate(message["state"])
        folders = (one.folder for model in state.models.values() for one in model.prepared.values())
        self._temporary |= {folder for each in folders if (folder := temporary_cache(each)) is not None}
        versions = {
            (name, version, prepared.load)
            for name, model in state.models.items()
            for version, prepared in model.prepared.items()
        }
        opens = not versions <= self._opened
        self._opened = versions
        if opens:
            self._opening += 1
            # Said before the first model is opened, which might hold the event loop.
            await self._channel.send("busy", seconds=self._settings.load_seconds)
        try:
            reasons = await registry.apply(state)
        finally:
            self._opening -= opens
        if reasons:
            self._opened = set()
        if not self._opening:
            await self._channel.send("idle")
        await self._channel.send("applied", number=message["number"], reasons=reasons)

    def end(self, code: int) -> NoReturn:
        """End the process, whatever its threads do."""
        if self._orphaned:
            self._metrics_folder.close_last(self._temporary)
        logging.shutdown()
        os._exit(code)

    def _drain(self, seconds: float, *, by_all: bool = False) -> None:
        """Drain and end; the server learns whether all other workers do too, also when it drains already."""
        if self._server is None:
            self.end(0)  # Nothing is served yet.
        if by_all:
            self._server.shares_sockets = False
        self._server.drain_once_started(seconds)


class _Server(Server):
    """A server that tells the supervisor when it accepts connections, and leaves signals and logs of them to it."""

    def __init__(self, app: Lectern, settings: Settings, channel: Channel) -> None:
        super().__init__(app, settings)
        self._channel = channel
        self.shares_sockets = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._channel.send("ready")

    def report_drain(self, seconds: float) -> None:
        """Say nothing: the supervisor does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
