"""The listening socket: opened before anything is loaded, and shared by all worker processes."""

from __future__ import annotations

import socket

from service.errors import ConfigurationError

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Args:
        host: the address, IPv4 or IPv6.
        port: 0 takes a free one.

    Raises:
        ConfigurationError: the address is in use, not allowed, or not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol given, asyncio disables Nagle's algorithm, which delays answers by 40 ms; uvloop always does.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}); set LECTERN_PORT or LECTERN_HOST"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The base URL of what answers on a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
