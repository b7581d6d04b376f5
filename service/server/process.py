"""The server as one process: the socket, the signals, and uvicorn."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.runtime.memory import keep_returning_memory, limit_heap
from service.runtime.providers import check_installation
from service.server.event_loop import loop_factory
from service.server.grpc_port import grpc_port
from service.server.listener import addresses, listening
from service.server.logs import start_log
from service.server.process_signals import EXIT_SECONDS, EarlySignals, end_process_within, handle_signals
from service.serving.helper_process import shared_helper
from service.serving.repository import ModelRepository
from service.serving.states import ModelControl, RepositoryState
from service.settings import Settings

if TYPE_CHECKING:  # Imported when they are needed: preparing models does not wait for them.
    from service.app import Lectern
    from service.serving.registry import ModelRegistry

log = logging.getLogger(__name__)

# Models and modules live as long as the process, so the garbage collector need not scan them again; what requests
# allocate is freed by reference counting. Without this, its pauses make the 99th percentile ten times slower.
# The first collections are small and many: a large document is few lists of very many items, and each collection looks
# at all the items of the lists that are new, with the interpreter's lock held. Further ones come as rarely as they can.
_GC_THRESHOLDS = (1_000, 2_500, 100)

# How long a thread that computes may keep the event loop waiting for the GIL, each of the several times that a request
# needs it. With Python's 5 ms a small request takes tens of milliseconds beside large ones.
_SWITCH_SECONDS = 0.0005


def serve(settings: Settings) -> int:
    """Serve by this process until a signal ends it.

    Returns:
        The exit code: 1 if it ended because a device failed.

    Raises:
        ConfigurationError: the installation, the settings, the address or the models do not allow serving.
    """
    limit_heap()
    gc.disable()  # Importing makes next to no garbage: `_make_app` enables it again.
    check_installation()
    shared_helper().fork()  # With what was imported by now, and before there are sockets and threads.
    start_log(settings)
    # The sockets are closed first: the end of the runner waits for threads.
    with (
        asyncio.Runner(loop_factory=loop_factory()) as runner,
        grpc_port(settings) as settings,
        listening(settings) as listeners,
    ):
        # Models load before uvicorn starts, so that every reason not to start is reported with exit code 2.
        start = runner.run(_start(settings))
        if start is not None:
            _serve_on(runner, start, listeners, settings)
    log.info("stopped")
    return int(start is not None and start.app.context.registry.device_lost and settings.exit_on_device_error)


@dataclass(kw_only=True)
class _Start:
    """A server that can serve."""

    app: Lectern
    loading: asyncio.Task[None]
    """The loading of further models."""
    signals: EarlySignals


async def _start(settings: Settings) -> _Start | None:
    """Make the application, and load models until it can serve; None if a signal comes before that."""
    signals = EarlySignals()
    registry: asyncio.Future[ModelRegistry] = asyncio.get_running_loop().create_future()

    async def publish(state: RepositoryState) -> Mapping[str, str]:
        return await (await asyncio.shield(registry)).apply(state)

    repository = ModelRepository(settings, publish)
    beginning = asyncio.get_running_loop().create_task(repository.begin())

    async def start() -> _Start:
        # In a thread, as importing the application takes long: meanwhile the helper process prepares models.
        sys.setswitchinterval(_SWITCH_SECONDS)
        app = await asyncio.to_thread(_make_app, settings, repository)
        registry.set_result(app.context.registry)
        return _Start(app=app, loading=await beginning, signals=signals)

    started = None
    try:
        started = await signals.run_until_one_comes(start())
        return started
    finally:
        if started is None:
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
            if signals.number is not None:
                shared_helper().close()  # First: a preparation that has just begun writes into what is removed next.
            await repository.close()
            if signals.number is not None:
                end_process_within(EXIT_SECONDS)  # A model that is being opened may hold a thread.


def _make_app(settings: Settings, control: ModelControl) -> Lectern:
    from service.app import create_app

    app = create_app(settings, on_ready=lambda context: settle(), control=lambda settings, registry: control)
    gc.freeze()  # Without looking at it first, which would take a tenth of a second.
    gc.enable()
    return app


def _serve_on(runner: asyncio.Runner, start: _Start, listeners: list[socket.socket], settings: Settings) -> None:
    from service.server.server import Server

    class AnnouncingServer(Server):
        """A server that logs that it serves, once it accepts connections by all protocols and all models are loaded."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            start.loading.add_done_callback(announce)

    def announce(loaded: asyncio.Task[None]) -> None:
        if not loaded.cancelled():
            freeze_objects()
            log.info("serving", extra={"fields": addresses(listeners, settings)})

    server = AnnouncingServer(start.app, settings)
    handle_signals(server.handle_exit)
    if start.signals.number is not None:
        server.handle_exit(start.signals.number, None)
    log.info("listening", extra={"fields": addresses(listeners, settings)})
    server.run_in(runner, listeners)


def settle() -> None:
    """Set up what lasts: nothing of what was loaded by now is collected, no thread keeps the event loop long, and free
    memory goes back to the system.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    freeze_objects()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()
    keep_returning_memory()


def freeze_objects() -> None:
    """Keep the garbage collector from visiting what exists now, ever."""
    gc.collect()
    gc.freeze()
