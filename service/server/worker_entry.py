"""The entry of a worker process. It imports nothing heavy, since the supervisor imports it too, to name it."""

from __future__ import annotations

import socket

from service.settings import Settings


def run(settings: Settings, listeners: list[socket.socket], control: socket.socket) -> None:
    """Run a worker until its supervisor stops it.

    Args:
        settings: the settings of the service.
        listeners: the listening sockets that all workers share.
        control: this end of the channel to the supervisor.
    """
    from service.server.worker import run_worker

    run_worker(settings, listeners, control)
