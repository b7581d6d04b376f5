"""The log lines of refused requests: bounded, so that a caller who is refused cannot fill the disk."""

from __future__ import annotations

import logging
import time

from starlette.types import Scope

from service.access.origins import normalize_origin, origin_of_url

log = logging.getLogger(__name__)

LOGGED_CHARACTERS = 200
"""Longest value of the caller's that a line repeats."""
_LINES_PER_SECOND = 20


class RefusalLog:
    """Logs refused requests, at most 20 a second; the next line says how many were left out."""

    def __init__(self) -> None:
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def write(self, reason: str, path: str, scope: Scope, *, message: str = "request refused", **details: str) -> None:
        """Log a refusal.

        Args:
            reason: which check refused, or why it failed.
            path: the path of the route.
            scope: the scope of the request.
            message: what was refused.
            **details: what else is known, without anything that the caller keeps secret.
        """
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > _LINES_PER_SECOND:
            self._left_out += 1
            return
        fields: dict[str, object] = {"path": path, "client": client_address(scope), "reason": reason, **details}
        if self._left_out:
            fields["left_out"], self._left_out = self._left_out, 0
        log.warning(message, extra={"fields": fields})


def client_address(scope: Scope) -> str:
    """The address of the caller; empty where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def describe_hosts(hosts: list[str | None]) -> str:
    """The hosts that a request named, for the log; what is no host is not repeated."""
    return ", ".join(host or "malformed" for host in hosts)[:LOGGED_CHARACTERS] or "none"


def describe_page(origins: list[str], sites: list[str], referers: list[str]) -> str:
    """The page that a request came from, for the log: origins only, as the rest of a URL may hold secrets."""
    pages = [normalize_origin(text) or "opaque" for text in origins or map(origin_of_url, referers)]
    return ", ".join(pages)[:LOGGED_CHARACTERS] or ("not named" if sites else "")
