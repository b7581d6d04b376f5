"""Host names: which of them the server answers to, against DNS rebinding.

In DNS rebinding the name of an attacker's page resolves to this server after the page was loaded. The browser takes
both for one site, and only the `Host` header, which then names the attacker's site, gives it away.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from functools import cache

from service.errors import ConfigurationError
from service.limits import variable
from service.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_AUTHORITY = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?)(?::(?P<port>[0-9]{0,5}))?"
)
_HTTP_PORT = 80
_NAME_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")

# No public DNS server answers for these: RFC 6762 and ICANN's resolution of 29 July 2024.
_PRIVATE_SUFFIXES = (".local", ".internal")


def host_of(authority: str) -> str | None:
    """The host of a `Host` header or of the part of a URL behind `//`, without port, brackets and final dot.

    Returns:
        In lower case; None where the text is anything but a host and a port.
    """
    match = _AUTHORITY.fullmatch(authority.strip().lower())
    return (match["ipv6"] or match["name"]) if match else None


def port_of(authority: str) -> int:
    """The port of a `Host` header: 80 where it has none, as browsers leave out the port of http."""
    match = _AUTHORITY.fullmatch(authority.strip().lower())
    return int(match["port"] or _HTTP_PORT) if match else _HTTP_PORT


def is_loopback_name(host: str) -> bool:
    """Whether a host, as `host_of` returns it, is this machine's own by its form: localhost, 127.0.0.1, ::1."""
    if address := _address(host):
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


@cache
def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine only; a name is resolved."""
    if address := _address(host):
        return address.is_loopback
    try:
        resolved = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    addresses = [_address(str(entry[4][0])) for entry in resolved]
    return bool(addresses) and all(address is not None and address.is_loopback for address in addresses)


def allows_model_control(settings: Settings) -> bool:
    """Whether models may be loaded and unloaded over HTTP: by default only on a loopback address."""
    if settings.model_control == "auto":
        return is_loopback(settings.host)
    return settings.model_control == "explicit"


class TrustedHosts:
    """Decides which `Host` a request may name.

    Args:
        patterns: names, `*.` and a name for all names below it, IP addresses, networks such as 10.0.0.0/8, or `*` for
            every host. Empty: the names that no attacker's page can have, see `admits`.
        bound: the address or name that the server listens on.
        encrypted: whether it has a certificate, which no rebound name fits.

    Raises:
        ConfigurationError: a pattern is none of these.
    """

    def __init__(self, patterns: Sequence[str], bound: str, *, encrypted: bool = False) -> None:
        self.configured = bool(patterns)
        self._all = "*" in patterns
        self._names: set[str] = set()
        self._suffixes: tuple[str, ...] = ()
        self._networks: list[Network] = []
        for pattern in patterns:
            if pattern != "*":
                self._add(pattern)
        self._on_loopback = is_loopback(bound)
        self.checks_reading = self.configured or (self._on_loopback and not encrypted)
        """Whether hosts matter to requests that change nothing."""
        self._own = {bound.lower()} if self._on_loopback else {bound.lower(), socket.gethostname().lower()}

    def admits(self, host: str | None, *, from_page: bool) -> bool:
        """Whether a request for `host` is answered.

        With patterns: what they name, and the loopback names. Without: what no page of an attacker can be loaded from.
        On a loopback address that is localhost, names below it, loopback addresses and the name listened on; elsewhere
        also every IP address, names without a dot, as compose and Kubernetes give them, names below .local and
        .internal, and this machine's own name. Programs may also name a host without a dot on a loopback address; a
        page may not, since an attacker in the same network could answer for it.

        Args:
            host: as `host_of` returns it.
            from_page: whether a web page sends the request.
        """
        if host is None:
            return False
        if self._all or is_loopback_name(host):
            return True
        address = _address(host)
        if self.configured:
            if address:
                return any(address in network for network in self._networks)
            return host in self._names or host.endswith(self._suffixes or "\0")
        if host in self._own:
            return True
        if self._on_loopback:
            return not from_page and address is None and "." not in host
        return not _is_public_name(host)

    def admits_reading(self, authority: bytes, port: int | None) -> bool:
        """Whether a request that changes nothing is answered.

        With patterns: as `admits`. Without, on a loopback address: a browser that calls this server directly names its
        port. With a public name that is a page in DNS rebinding, and refused; with another port it is a proxy on this
        machine that hands on the name which it was called by.

        Args:
            authority: the `Host` header.
            port: the port that the request came to; None where it came to none.
        """
        text = authority.decode("latin-1")
        host = host_of(text)
        if self.configured:
            return self.admits(host, from_page=False)
        if not self._on_loopback or host is None or host in self._own or port_of(text) != port:
            return True
        return not _is_public_name(host)

    def _add(self, pattern: str) -> None:
        text = pattern.lower().removeprefix("[").removesuffix("]").removesuffix(".")
        try:
            self._networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            if not _NAME_PATTERN.fullmatch(text):
                raise ConfigurationError(
                    f"{variable('trusted_hosts')}: {pattern!r} is no host; write names without scheme, port and path, "
                    "such as api.example.com, *.example.com, 10.1.2.3 or 10.0.0.0/8"
                ) from error
            if text.startswith("*."):
                self._suffixes += (text[1:],)
            else:
                self._names.add(text)


def _is_public_name(host: str) -> bool:
    """Whether a public DNS server may answer for a host, and so for one of an attacker's."""
    is_private = is_loopback_name(host) or host.endswith(_PRIVATE_SUFFIXES)
    return "." in host and _address(host) is None and not is_private


def _address(host: str) -> Address | None:
    """An IP address; an IPv4 address that is written as an IPv6 address is that IPv4 address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
