"""The server as one process: the socket, the signals, and uvicorn."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys

from uvicorn.server import HANDLED_SIGNALS

from service.app import create_app
from service.runtime.memory import keep_returning_memory, limit_heap
from service.runtime.providers import check_installation
from service.server.listener import addresses, listening
from service.server.logs import start_log
from service.server.server import Server
from service.settings import Settings

log = logging.getLogger(__name__)

# Models and modules live as long as the process, so the garbage collector need not scan them again; what requests
# allocate is freed by reference counting. Without this, its pauses make the 99th percentile ten times slower.
_GC_THRESHOLDS = (50_000, 50, 100)

# How long a thread that computes may keep the event loop waiting for the GIL, each of the several times that a request
# needs it. With Python's 5 ms a small request takes tens of milliseconds beside large ones.
_SWITCH_SECONDS = 0.0005


def serve(settings: Settings) -> int:
    """Serve by this process until a signal ends it.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: the installation, the settings, the address or the models do not allow serving.
    """
    limit_heap()
    check_installation()
    start_log(settings)
    with listening(settings) as listeners:
        return _serve_on(listeners, settings)


def _serve_on(listeners: list[socket.socket], settings: Settings) -> int:
    app = create_app(settings, on_ready=lambda context: settle())
    # Loaded before uvicorn starts, so that every reason not to start is reported with exit code 2.
    asyncio.run(app.context.control.start())
    server = Server(app, settings)
    for number in HANDLED_SIGNALS:  # Until now a signal ended the process, even one whose models load for ever.
        signal.signal(number, server.handle_exit)
    log.info("serving", extra={"fields": addresses(listeners, settings)})
    server.run(sockets=listeners)
    log.info("stopped")
    return 0


def settle() -> None:
    """Set up what lasts: nothing of what was loaded by now is collected, no thread keeps the event loop long, and free
    memory goes back to the system.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    keep_returning_memory()
