"""The port of gRPC: found and held before anything is loaded, so that all processes can listen on it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from service.errors import ConfigurationError
from service.server.listener import listen
from service.settings import Settings

_PACKAGES = {"grpc": "grpcio", "grpc_health": "grpcio-health-checking", "grpc_reflection": "grpcio-reflection"}


@contextmanager
def grpc_port(settings: Settings) -> Iterator[Settings]:
    """Yield the settings with the port that gRPC will have, where they ask for one; it is held until the block ends.

    Raises:
        ConfigurationError: the packages for gRPC are not installed, or the port is in use.
    """
    if settings.grpc_port is None:
        yield settings
        return
    if missing := [package for module, package in _PACKAGES.items() if find_spec(module) is None]:
        raise ConfigurationError(
            f"LECTERN_GRPC_PORT needs {', '.join(missing)}: pip install 'lectern[grpc]', or leave it out"
        )
    if settings.grpc_port and settings.grpc_port == settings.port:
        raise ConfigurationError("LECTERN_GRPC_PORT is that of LECTERN_PORT; gRPC needs a port of its own")
    # Whether another server has it: one that lets others share its port would share it with this one too.
    with listen(settings.host, settings.grpc_port, "LECTERN_GRPC_PORT or LECTERN_HOST") as probe:
        address = probe.getsockname()
    with socket.socket(probe.family, socket.SOCK_STREAM) as held:
        # Bound, it takes no connections while it does not listen.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
        yield settings.model_copy(update={"grpc_port": address[1]})
