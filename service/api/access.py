"""Decides whether the sender of a request may use its operation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.types import Scope

from service.access.hosts import TrustedHosts, allows_model_control, hosts_of
from service.access.origins import is_foreign, parse_origins
from service.errors import Forbidden
from service.limits import variable
from service.settings import Settings

if TYPE_CHECKING:
    from service.api.operation import Operation

log = logging.getLogger(__name__)


class Access:
    """The checks that every request passes before its body is read.

    Args:
        settings: the settings of the service.

    Raises:
        ConfigurationError: a setting holds no host or no origin.
    """

    def __init__(self, settings: Settings) -> None:
        self._hosts = TrustedHosts(settings.trusted_hosts, settings.host)
        self._origins = parse_origins(settings.cors_origins)
        self.model_control = allows_model_control(settings)
        """Whether models may be loaded and unloaded over HTTP."""

    def check(self, operation: Operation, scope: Scope) -> None:
        """Return if the request may be answered.

        Raises:
            Forbidden: it names an unknown host, or comes from a page of another origin and would change state.
        """
        if operation.changes_state or (self._hosts.configured and not operation.is_probe):
            self._check_sender(operation, scope)

    def _check_sender(self, operation: Operation, scope: Scope) -> None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        origins, sites, referers = (_texts(headers.get(name, [])) for name in _PAGE_HEADERS)
        hosts = hosts_of(headers.get(b"host", []))
        if len(hosts) != 1 or not self._hosts.admits(hosts[0], from_page=bool(origins or sites or referers)):
            _log_refusal("host", operation, scope, _texts(headers.get(b"host", [])))
            raise Forbidden(
                f"this host is not trusted; call the server by an address that {variable('trusted_hosts')} names"
                + ("" if self._hosts.configured else ", or by localhost or its IP address")
            )
        host = headers[b"host"][0].decode("latin-1")
        if operation.changes_state and is_foreign(origins, sites, referers, host, self._origins):
            _log_refusal("origin", operation, scope, origins or sites or referers)
            raise Forbidden(
                "a web page of another origin may not do this; call from a program, or name the page's origin in "
                f"{variable('cors_origins')}"
            )


_PAGE_HEADERS = (b"origin", b"sec-fetch-site", b"referer")
_LOGGED_CHARACTERS = 200


def client_address(scope: Scope) -> str:
    """The address of the caller; empty where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _texts(values: list[bytes]) -> list[str]:
    return [value.decode("latin-1") for value in values]


def _log_refusal(header: str, operation: Operation, scope: Scope, values: list[str]) -> None:
    # Without the query, and of a URL its origin only: both may hold what callers keep secret.
    value = ", ".join("/".join(text.split("/")[:3]) for text in values)[:_LOGGED_CHARACTERS]
    fields = {"path": operation.path, "client": client_address(scope), "reason": header, header: value}
    log.warning("request refused", extra={"fields": fields})
