"""Origins of web pages: which page a request comes from, and whether it is a page of this server.

A browser lets every page send a POST to every server (cross-site request forgery). What changes the state of the server
is therefore done for programs and for its own pages only. A browser says who asks in `Origin`, `Sec-Fetch-Site` and, if
it is old, `Referer`; a page cannot change these headers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from service.access.hosts import host_of
from service.errors import ConfigurationError
from service.limits import variable

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#\\@\s]+)")
_PORT = re.compile(r":([0-9]{1,5})$")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_OWN_SITES = ("same-origin", "none")  # "none": the person typed the address.


def normalize_origin(text: str) -> str | None:
    """An origin as browsers write it: lower case, without the default port; None where the text is no origin."""
    match = _ORIGIN.fullmatch(text.strip().lower())
    host = host_of(match["authority"]) if match else None
    if match is None or host is None:
        return None
    scheme, port = match["scheme"], _port(match["authority"])
    suffix = f":{port}" if port and port != _DEFAULT_PORTS.get(scheme) else ""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{suffix}"


def parse_origins(values: Sequence[str]) -> frozenset[str]:
    """The origins of the setting; `*` stands for all.

    Raises:
        ConfigurationError: one is no origin.
    """
    origins = set()
    for value in values:
        origin = "*" if value == "*" else normalize_origin(value)
        if origin is None:
            raise ConfigurationError(
                f"{variable('cors_origins')}: {value!r} is no origin; write scheme, host and port without a path, such "
                "as https://app.example.com or http://localhost:3000, or * for all"
            )
        origins.add(origin)
    return frozenset(origins)


def is_foreign(
    origins: Sequence[str], sites: Sequence[str], referers: Sequence[str], host: str, allowed: Collection[str]
) -> bool:
    """Whether a request comes from a web page of another origin, as far as one of its headers says so.

    Args:
        origins: its `Origin` headers.
        sites: its `Sec-Fetch-Site` headers.
        referers: its `Referer` headers, which count only where the others are missing.
        host: its `Host` header.
        allowed: origins whose pages are trusted like this server's own.
    """
    if origins and all(normalize_origin(origin) in allowed for origin in origins):
        return False
    if any(site.strip().lower() not in _OWN_SITES for site in sites):
        return True
    if origins:
        return not all(_same_origin(origin, host) for origin in origins)
    return not sites and not all(_same_origin(origin_of_url(url), host) for url in referers)


def _same_origin(origin: str, host: str) -> bool:
    """Whether an origin is that of this server, reached as `host`; a proxy may have taken TLS away."""
    match = _ORIGIN.fullmatch(origin.strip().lower())
    if match is None or match["scheme"] not in _DEFAULT_PORTS:
        return False
    name = host_of(match["authority"])
    default = _DEFAULT_PORTS[match["scheme"]]
    return (
        name is not None
        and name == host_of(host)
        and (_port(match["authority"]) or default) == (_port(host.strip()) or default)
    )


def origin_of_url(url: str) -> str:
    """The beginning of a URL up to its path: its origin, with what may stand before the host."""
    scheme, separator, rest = url.partition("://")
    return scheme + separator + re.split(r"[/?#\\]", rest, maxsplit=1)[0]


def _port(authority: str) -> str | None:
    match = _PORT.search(authority)
    return match[1].lstrip("0") or "0" if match else None
