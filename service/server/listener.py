"""The listening socket: opened before anything is loaded, and shared by all worker processes."""

from __future__ import annotations

import array
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from service.errors import ConfigurationError
from service.server.tls import certificate_of
from service.settings import Settings

_BACKLOG = 2048

_SO_ATTACH_FILTER = 26
"""Of Linux; Python has no name for it."""
_TCP_FLAGS_OFFSET, _SYN, _SYN_OR_ACK = 13, 0x02, 0x12
_DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, _TCP_FLAGS_OFFSET),  # Load the byte with the flags of the segment,
    (0x54, 0, 0, _SYN_OR_ACK),
    (0x15, 0, 1, _SYN),  # and if it has SYN without ACK, which begins a connection,
    (0x06, 0, 0, 0),  # drop it;
    (0x06, 0, 0, 0xFFFFFFFF),  # else take all of it.
)
"""A classic BPF program: operation, jumps and operand of each instruction, as linux/filter.h has them."""


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
    except (OSError, TypeError, ValueError) as error:  # The last two: no name of a host can be written so.
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a host"
        raise ConfigurationError(f"cannot listen on {host}:{port} ({reason}); set {settings}") from error
    return listener


def refuse_new_connections(listener: socket.socket) -> None:
    """Have the kernel begin no further connection on a listening socket, in all processes that share it.

    Those that are made, or half-made, can still be accepted, so that the socket can be closed without resetting one:
    closing it resets whatever waits to be accepted, however short the time since the last look.

    A client that connects to a Unix socket is refused at once. One that connects by TCP repeats its attempt after a
    second, as if the packet had been lost; by then the socket is closed, and it is refused, or a successor takes it.
    Without Linux nothing happens for TCP: a connection that is made between the last accept and the close, which are
    microseconds apart, is reset.
    """
    with suppress(OSError):  # Where a sandbox does not allow it, those microseconds remain too.
        if is_unix(listener):
            listener.shutdown(socket.SHUT_RD)
        elif sys.platform == "linux":
            program = array.array("B", b"".join(struct.pack("HBBI", *each) for each in _DROP_NEW_CONNECTIONS))
            described = struct.pack("HP", len(_DROP_NEW_CONNECTIONS), program.buffer_info()[0])
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


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
    names = {"address": urls[0], "docs": f"{urls[0]}{settings.docs_path}"}
    if settings.page:
        names["page"] = f"{urls[0]}{settings.root_path}/"
    if settings.grpc_port is not None:
        names["grpc"] = grpc_address(settings)
    return names | ({"admin": urls[1]} if len(urls) > 1 else {})


def grpc_address(settings: Settings) -> str:
    """Host and port of gRPC."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.grpc_port}"
