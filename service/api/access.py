"""Decides whether the sender of a request may use its operation."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.types import Scope

from service.access.hosts import TrustedHosts, allows_model_control, host_of
from service.access.key_file import KeyFile
from service.access.keys import ApiKey
from service.access.origins import is_foreign, parse_origins
from service.api.bodies import MAX_SMALL_BYTES, is_small
from service.api.cors import Cors
from service.api.key_fields import keys_in_body, keys_in_form
from service.api.quotas import Quotas
from service.api.refusal_log import LOGGED_CHARACTERS, RefusalLog, client_address, describe_hosts, describe_page
from service.errors import (
    Forbidden,
    LecternError,
    QuotaExceeded,
    RefusalReason,
    Saturated,
    Unauthorized,
    UnknownRoute,
)
from service.limits import variable
from service.observability import Timings
from service.settings import Settings

if TYPE_CHECKING:
    from service.api.operation import Operation

log = logging.getLogger(__name__)

API_KEY = "api_key"
"""Key in the state of a scope: the `ApiKey` of the caller, where keys are needed."""

PORT = "port"
"""Key in the state of a scope: the `Port` that the request came to, where there are two."""

IS_EXCESS = "is_excess"
"""Key in the state of a scope: set if its connection is one above the limit, on which only probes are answered."""

_MISSING_KEY = "missing_key"
"""Key in the state of a scope: the operation whose API key may still come in a field of its small body."""

TOO_MANY_CONNECTIONS = f"the server has too many connections ({variable('max_connections')})"

_NO_KEY = "an API key is needed: send it as `Authorization: Bearer KEY`, or ask the operator for one"
_NO_KEY_LIBRETRANSLATE = "Please contact the server operator to get an API key"
_NO_KEY_IN_LARGE_BODY = (
    f"; in a body above {MAX_SMALL_BYTES} bytes, compressed or of unknown length, it does not count: "
    "send it in the header Authorization"
)
_WRONG_KEY_LIBRETRANSLATE = "Invalid API key"

_PAGE_HEADERS = (b"origin", b"sec-fetch-site", b"referer")
_KNOWN_HOSTS = 256
"""Hosts whose decision is remembered."""


class Port(Enum):
    """The listening socket of a request, where the routes of administration have one of their own."""

    MAIN = "main"
    ADMIN = "admin"


class Access:
    """The checks that every request passes before its body is read, in this order.

    `check_connection`: its host, whether its port has the route, and whether its connection is one too many.
    `check_sender`: its page, the limits of its caller, and its API key. Probes pass all of them.

    Args:
        settings: the settings of the service.

    Raises:
        ConfigurationError: a setting holds no host, no origin or no rate, or the key file is bad.
    """

    def __init__(self, settings: Settings) -> None:
        self._hosts = TrustedHosts(settings.trusted_hosts, settings.host, encrypted=settings.tls_cert is not None)
        self._admits_reading = lru_cache(_KNOWN_HOSTS)(self._hosts.admits_reading)
        self._origins = parse_origins(settings.cors_origins)
        self.cors = Cors(self._origins) if self._origins else None
        """Adds headers for the web pages of other origins, where some are allowed."""
        self._keys = KeyFile(settings.api_keys) if settings.api_keys else None
        self._quotas = Quotas(settings)
        self._refusals = RefusalLog()
        self.limits_callers = self._keys is not None or self._quotas.limits_addresses
        """Whether requests are counted by their caller."""
        self.model_control = allows_model_control(settings)
        """Whether models may be loaded and unloaded over HTTP."""

    def check(self, operation: Operation, scope: Scope) -> None:
        """Return if the request may be answered, as far as its head says.

        Raises:
            LecternError: what `check_connection` and `check_sender` raise.
        """
        if not operation.is_probe:
            self.check_connection(operation, scope)
            self.check_sender(operation, scope)

    def check_call(self, operation: Operation, scope: Scope) -> None:
        """Return if a call of gRPC may be answered, which is another encoding of the operation.

        The host does not matter to it: only programs speak gRPC, and web pages cannot.

        Raises:
            LecternError: what `check_port` and `check_sender` raise.
        """
        if not operation.is_probe:
            self.check_port(operation, scope)
            self.check_sender(operation, scope)

    def check_connection(self, operation: Operation, scope: Scope) -> None:
        """Return if the route is answered on this connection under this host.

        Raises:
            Forbidden: the request names an unknown host.
            UnknownRoute: the port does not have the route.
            Saturated: the connection is one above the limit.
        """
        if operation.is_probe:
            return
        if operation.changes_state or self._hosts.checks_reading:
            self._check_host(operation, scope)
        self.check_port(operation, scope)
        if IS_EXCESS in scope["state"]:
            raise Saturated(TOO_MANY_CONNECTIONS)

    def check_port(self, operation: Operation, scope: Scope) -> None:
        """Return if the port that the request came to has the route.

        Raises:
            UnknownRoute: it does not.
        """
        state = scope["state"]
        if PORT in state and operation.is_administration != (state[PORT] is Port.ADMIN):
            port = "but LECTERN_ADMIN_PORT's" if operation.is_administration else "of LECTERN_ADMIN_PORT"
            raise UnknownRoute(f"no route {scope['path']} on any port {port}")

    def check_sender(self, operation: Operation, scope: Scope) -> None:
        """Return if the sender may use the route, as far as the head of the request says.

        Raises:
            Forbidden: it comes from a page of another origin and would change state, or its API key does not allow it.
            Unauthorized: it has no valid API key, where one is needed.
            QuotaExceeded: its caller has asked for too much.
        """
        if operation.changes_state:
            self._check_page(operation, scope)
        if not self.limits_callers:
            return
        text = _bearer_key(scope)
        if self._keys is None or operation.key_scope is None:
            self._count(operation, scope, self._find_key(text))
            return
        if text is None and operation.key_in_fields:
            text = next((key for key in reversed(keys_in_form(scope["query_string"])) if key), None)
            if text is None and is_small(scope):
                scope["state"][_MISSING_KEY] = operation
                return
        self._check_key(self._find_key(text), text, operation, scope)

    def check_unparsed(self, body: bytes, media_type: str, scope: Scope) -> None:
        """Refuse a body without a valid key before it is parsed, on routes that take the field `api_key`.

        It looks for the bytes of such a field anywhere in the body; `check_fields` decides when it is parsed.

        Raises:
            LecternError: as `check_fields`.
        """
        operation = scope["state"].get(_MISSING_KEY)
        if operation is not None:
            keys = keys_in_body(body, media_type)
            if not any(map(self._find_key, keys)):
                del scope["state"][_MISSING_KEY]
                self._check_key(None, keys[-1] if keys else None, operation, scope)

    def check_fields(self, fields: Mapping[str, Any], scope: Scope) -> None:
        """Check the field `api_key` of a request whose headers had no key, on routes that have the field.

        Raises:
            Forbidden: the key is wrong or does not allow it.
            Unauthorized: there is no key either.
            QuotaExceeded: its caller has asked for too much.
        """
        operation = scope["state"].pop(_MISSING_KEY, None)
        if operation is not None:
            text = fields.get("api_key")
            self._check_key(self._find_key(text), text, operation, scope)

    def confirm(self, operation: Operation, scope: Scope) -> None:
        """Check that the key was checked before an answer or an error is sent.

        So no route can forget its fields, and a body that cannot be read is one without a key.
        """
        if operation.key_in_fields:
            self.check_fields({}, scope)

    def charge(self, scope: Scope, *, client_left: bool) -> None:
        """Count the model time of a request against the limits of its caller.

        Args:
            scope: the scope of the request.
            client_left: whether the client did not wait for the answer. Nobody knows then for how long models worked
                for it: the whole time counts, or leaving early would make them work for nothing.
        """
        timings: Timings = scope["state"]["timings"]
        seconds = timings.total if client_left else timings.stages.get("infer", 0.0)
        self._quotas.charge(scope["state"].get(API_KEY), client_address(scope), seconds)

    async def record(self, scope: Scope, answer: Awaitable[Response]) -> Response:
        """Await the answer of an operation that changes state, and log who asked for it and what came of it."""
        key: ApiKey | None = scope["state"].get(API_KEY)
        path, name = scope["path"][:LOGGED_CHARACTERS], {"key": key.name} if key else {}
        try:
            response = await answer
        except LecternError as error:
            self._refusals.write(str(error), path, scope, message="state not changed", **name)
            raise
        log.info("state changed", extra={"fields": {"path": path, "client": client_address(scope)} | name})
        return response

    def _check_host(self, operation: Operation, scope: Scope) -> None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if operation.changes_state:
            from_page = any(name in _PAGE_HEADERS for name, _ in scope["headers"])
            is_trusted = len(hosts) == 1 and self._hosts.admits(host_of(_text(hosts[0])), from_page=from_page)
        else:
            server = scope.get("server")
            port = server[1] if server else None
            refused = [host for host in hosts if not self._admits_reading(host, port)]
            is_trusted = not refused and (len(hosts) == 1 or not self._hosts.configured)
        if not is_trusted:
            described = describe_hosts([host_of(_text(host)) for host in hosts])
            self._refusals.write("host", operation.path, scope, host=described)
            raise Forbidden(
                f"this host is not trusted; call the server by an address that {variable('trusted_hosts')} names"
                + ("" if self._hosts.configured else ", or by localhost or its IP address"),
                RefusalReason.HOST,
            )

    def _check_page(self, operation: Operation, scope: Scope) -> None:
        """Refuse a page of another origin."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(_text(value))
        origins, sites, referers = (headers.get(name, []) for name in _PAGE_HEADERS)
        (host,) = headers.get(b"host", [""])  # A call of gRPC has none.
        if is_foreign(origins, sites, referers, host, self._origins):
            self._refusals.write("origin", operation.path, scope, origin=describe_page(origins, sites, referers))
            raise Forbidden(
                "a web page of another origin may not do this; call from a program, or name the page's origin in "
                f"{variable('cors_origins')}",
                RefusalReason.ORIGIN,
            )

    def _check_key(self, key: ApiKey | None, text: Any, operation: Operation, scope: Scope) -> None:
        """Check the API key of a request.

        Args:
            key: the key; None if there is none such.
            text: what was sent as a key.
            operation: the operation.
            scope: the scope of the request.
        """
        assert operation.key_scope is not None
        libretranslate = operation.key_in_fields
        self._count(operation, scope, key)
        if text is None or text == "":
            self._refusals.write("no key", operation.path, scope)
            raise Unauthorized(_no_key_in(scope) if libretranslate else _NO_KEY)
        if key is None:
            self._refusals.write("wrong key", operation.path, scope)
            if libretranslate:
                raise Forbidden(_WRONG_KEY_LIBRETRANSLATE)
            raise Unauthorized("the API key is not valid; check it, or ask the operator for another", wrong=True)
        if operation.key_scope not in key.scopes:
            self._refusals.write("scope of the key", operation.path, scope, key=key.name)
            raise Forbidden(f"the API key does not allow this: it lacks the scope {operation.key_scope.value!r}")
        scope["state"][API_KEY] = key

    def _find_key(self, text: Any) -> ApiKey | None:
        return self._keys.find(text) if self._keys is not None and isinstance(text, str) else None

    def _count(self, operation: Operation, scope: Scope, key: ApiKey | None) -> None:
        """Count the request against the limits of its caller, if they concern the operation."""
        if operation.is_uncounted:
            return
        try:
            self._quotas.admit(key, client_address(scope))
        except QuotaExceeded as error:
            self._refusals.write("limit", operation.path, scope, **({"key": key.name} if key else {}))
            if operation.key_in_fields:
                raise QuotaExceeded(f"Slowdown: {error}", error.retry_after) from None
            raise


def _bearer_key(scope: Scope) -> str | None:
    """The API key in the header `Authorization`; None where there is none. Several such headers hold no valid key."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        return None
    scheme, _, text = values[0].decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    return text.strip() if len(values) == 1 else " "


def _no_key_in(scope: Scope) -> str:
    """What a caller of LibreTranslate's routes is told who sent no key, or one where it does not count."""
    return _NO_KEY_LIBRETRANSLATE if is_small(scope) else _NO_KEY_LIBRETRANSLATE + _NO_KEY_IN_LARGE_BODY


def _text(value: bytes) -> str:
    return value.decode("latin-1")
