"""Proxies in front of the server: whose X-Forwarded-For counts, and which client it names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

_WITH_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::(\d{1,5}))?")
"""An address as X-Forwarded-For has it: of IPv6 in brackets if there is a port."""


class TrustedProxies:
    """The proxies of LECTERN_TRUSTED_PROXIES.

    What they name as the client counts only if it is an IP address: any other text would be a client of its own, with
    its own limits, and as long as one likes in the log.

    Args:
        proxies: addresses and networks; `*` stands for all.

    Raises:
        ValueError: one is none of these.
    """

    def __init__(self, proxies: Iterable[str]) -> None:
        proxies = set(proxies)
        self._trusts_all = "*" in proxies
        self._networks = [ip_network(proxy) for proxy in proxies - {"*"}]

    def __contains__(self, host: str | None) -> bool:
        """Whether a host, as a connection or a header has it, is a proxy of the setting."""
        if self._trusts_all:
            return True
        try:
            address = ip_address(host or "")
        except ValueError:
            return False
        # A socket of IPv6 that takes connections of IPv4 too shows those as ::ffff:10.0.0.1.
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(address in network or mapped in network for network in self._networks)

    def client_named(self, forwarded: str) -> tuple[str, int]:
        """The client that X-Forwarded-For names, with its port or 0; without a host where it names none.

        Each proxy adds the address that it was called from, so that is the last one that is no proxy.
        """
        addresses = [_split_port(part.strip()) for part in forwarded.split(",")]
        host, port = next((each for each in reversed(addresses) if each[0] not in self), addresses[0])
        try:
            ip_address(host)
        except ValueError:
            return "", 0
        return host, port

    def client_of(self, connection: str, forwarded: str | None) -> str:
        """The address of the client of a request.

        Args:
            connection: the address that the connection comes from.
            forwarded: the X-Forwarded-For of the request; None without one.
        """
        if forwarded is None or connection not in self:
            return connection
        return self.client_named(forwarded)[0] or connection


def _split_port(text: str) -> tuple[str, int]:
    match = _WITH_PORT.fullmatch(text)
    return (match[1] or match[2], int(match[3] or 0)) if match else (text, 0)
