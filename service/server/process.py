"""Starts the server: the socket, the signals and the worker processes."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import tempfile

import uvicorn
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess

from service.api.operation import Context
from service.app import Lectern, create_app
from service.limits import variable
from service.observability import MULTIPROCESS_DIR, configure_logging, sweep_dead_processes
from service.runtime.providers import check_installation
from service.server.listener import listen, url_of
from service.server.server import Server
from service.serving.repository import ModelRepository
from service.settings import Settings, load_settings, unknown_variables

log = logging.getLogger(__name__)

# Models and modules live as long as the process, so the garbage collector need not scan them again; what requests
# allocate is freed by reference counting. Without this, its pauses make the 99th percentile ten times slower.
_GC_THRESHOLDS = (50_000, 50, 100)

_HEALTHCHECK_SECONDS = 60


def serve(settings: Settings) -> int:
    """Serve until a signal ends it.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: the installation, the settings, the address or the models do not allow serving.
    """
    check_installation()
    configure_logging(settings.log_level)
    for name in unknown_variables():
        log.warning("unknown setting", extra={"fields": {"variable": name, "see": "lectern serve --help"}})
    with listen(settings.host, settings.port) as listener:
        return _serve_on(listener, settings)


def _serve_on(listener: socket.socket, settings: Settings) -> int:
    app = _create_app(settings)
    # Loaded before uvicorn starts, so that every reason not to start is reported with exit code 2.
    asyncio.run(app.context.control.start())
    address = url_of(listener)
    if settings.workers > 1:
        # The workers find there what was prepared here.
        if isinstance(app.context.control, ModelRepository) and app.context.control.cache is not None:
            os.environ[variable("cache")] = str(app.context.control.cache)
        return _serve_many(settings, listener, address)
    server = Server(app, settings)
    for number in HANDLED_SIGNALS:  # Until now a signal ended the process, even one whose models load for ever.
        signal.signal(number, server.handle_exit)
    log.info("serving", extra={"fields": {"address": address, "docs": f"{address}/docs"}})
    server.run(sockets=[listener])
    log.info("stopped")
    return 0


def worker_application() -> Lectern:
    """The application of one of several worker processes; its settings come from the environment."""
    settings = load_settings()
    configure_logging(settings.log_level)
    sweep_dead_processes()
    return _create_app(settings)


def _create_app(settings: Settings) -> Lectern:
    return create_app(settings, on_ready=lambda context: _on_ready(context, settings))


def _on_ready(context: Context, settings: Settings) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _serve_many(settings: Settings, listener: socket.socket, address: str) -> int:
    """Supervise worker processes that share the socket, and their metrics through files in a temporary folder."""
    folder = tempfile.mkdtemp(prefix="lectern-metrics-")
    os.environ[MULTIPROCESS_DIR] = folder
    log.info("serving", extra={"fields": {"address": address, "workers": settings.workers}})
    try:
        Multiprocess(_config("service.server.process:worker_application", settings), sockets=[listener]).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _config(app: Lectern | str, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.workers,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # Nothing uses the address of the caller.
        timeout_graceful_shutdown=settings.shutdown_seconds,
        # A worker does not respond while it creates a session; killed for that, it would never start.
        timeout_worker_healthcheck=_HEALTHCHECK_SECONDS,
    )
