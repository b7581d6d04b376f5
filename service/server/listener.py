"""The listening socket: opened before anything is loaded, and shared by all worker processes."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from service.errors import ConfigurationError
from service.server.tls import certificate_of
from service.settings import Settings

_BACKLOG = 2048


@contextmanager
def listening(settings: Settings) -> Iterator[list[socket.socket]]:
    """Open the listening sockets: that of the service, and that of LECTERN_ADMIN_PORT if there is one.

    Raises:
        ConfigurationError: an address cannot be listened on, or the certificate cannot be used.
    """
    certificate_of(settings)
    with ExitStack() as stack:
        listeners = [stack.enter_context(listen(settings.host, settings.port))]
        if settings.admin_port.startswith("/"):
            path = Path(settings.admin_port)
            listeners.append(stack.enter_context(_listen_on_path(path)))
            stack.callback(_unlink_own, path, path.stat())
        elif settings.admin_port:
            host, _, port = settings.admin_port.rpartition(":")
            admin = listen(host.strip("[]") or settings.host, int(port), "LECTERN_ADMIN_PORT")
            listeners.append(stack.enter_context(admin))
        yield listeners


def _listen_on_path(path: Path) -> socket.socket:
    """Open a listening Unix socket, for the user and the group of this process."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.stat().st_mode) and not _is_served(path):
                path.unlink()  # Left by a server that was killed.
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {path} ({error.strerror or error}); set LECTERN_ADMIN_PORT"
        ) from error
    return listener


def _unlink_own(path: Path, status: os.stat_result) -> None:
    """Remove the socket that this server made: a server that was started since may have made another one there."""
    with suppress(OSError):
        if os.path.samestat(path.lstat(), status):
            path.unlink()


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


def listen(host: str, port: int, settings: str = "LECTERN_PORT or LECTERN_HOST") -> socket.socket:
    """Open a listening socket.

    Args:
        host: the address, IPv4 or IPv6.
        port: 0 takes a free one.
        settings: what an error names.

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
        raise ConfigurationError(f"cannot listen on {host}:{port} ({error.strerror}); set {settings}") from error
    return listener


def is_unix(listener: socket.socket) -> bool:
    """Whether it is a Unix socket."""
    return listener.family.name == "AF_UNIX"  # Not every platform has the constant.


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """The base URL of what answers on a listening socket; of a Unix socket its path."""
    if is_unix(listener):
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def addresses(listeners: list[socket.socket], settings: Settings) -> dict[str, str]:
    """The base URLs of the listening sockets, as the log names them."""
    scheme = "https" if settings.tls_cert else "http"
    urls = [url_of(listener, scheme) for listener in listeners]
    names = {"address": urls[0], "docs": f"{urls[0]}{settings.root_path}/docs"}
    return names | ({"admin": urls[1]} if len(urls) > 1 else {})
