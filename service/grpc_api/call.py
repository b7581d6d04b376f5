"""One call, or one request of a stream: its id, its checks, its time, and what becomes of its errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from grpc import StatusCode
from grpc.aio import ServicerContext
from starlette.types import Scope

from service.api.access import API_KEY, PORT, Port
from service.api.middleware import choose_id, count_refusal, release_frames
from service.api.operation import Context, Operation
from service.errors import DeadlineExceeded
from service.grpc_api.errors import code_of, details_of, metadata_of
from service.observability import Timings, client, request_id
from service.serving.served_model import ServedModel

log = logging.getLogger(__name__)

Rpc = ServicerContext[Any, Any]
FindClient = Callable[[str, str | None], str]
"""From the address of a connection, and the X-Forwarded-For of a call, to the address of its client."""


class Call:
    """A request, as the checks and the log see it.

    Args:
        service: the parts of the service.
        operation: the operation of HTTP that it is another encoding of.
        path: the path of the method.
        rpc: the call of gRPC.
        find_client: finds its client behind proxies.
    """

    def __init__(self, service: Context, operation: Operation, path: str, rpc: Rpc, find_client: FindClient) -> None:
        self.timings = Timings()
        self._service = service
        self._operation = operation
        self._rpc = rpc
        self._served: ServedModel | None = None
        self.scope = _scope(path, rpc, find_client)
        self.scope["state"] = {"timings": self.timings}
        if service.settings.admin_port:
            self.scope["state"][PORT] = Port.MAIN
        self.id = choose_id(self.scope)
        request_id.set(self.id)
        client.set(self.scope["client"][0] or None)
        service.metrics.in_flight.add(1)

    def check(self, checked: Call | None = None) -> None:
        """Return if its sender may ask for this.

        Args:
            checked: a call of the same sender that was checked for this one.

        Raises:
            LecternError: what `Access.check_call` raises.
        """
        if checked is None:
            self._service.access.check_call(self._operation, self.scope)
        elif key := checked.scope["state"].get(API_KEY):
            self.scope["state"][API_KEY] = key

    def seconds(self, timeout: float | None) -> float | None:
        """The time that a model may take: what a request asks for, or until the deadline of the call.

        Raises:
            DeadlineExceeded: that has passed.
        """
        left: float | None = self._rpc.time_remaining()
        if left is None:
            return timeout
        if left <= 0:
            raise DeadlineExceeded("the deadline of the call has passed")
        # The time counts from the arrival of the request.
        left += self.timings.total
        return left if timeout is None else min(timeout, left)

    def answered_by(self, served: ServedModel) -> None:
        """Have the metadata of the answer name the model."""
        self._served = served

    async def send_metadata(self) -> None:
        """Send what HTTP has as headers: what answered, and the request id; the times of the stages come at the end."""
        metadata = [("x-request-id", self.id)]
        if self._served is not None:
            metadata += [
                ("x-lectern-model", self._served.name),
                ("x-lectern-version", self._served.version),
                ("x-lectern-provider", self._served.provider),
            ]
        await self._rpc.send_initial_metadata(metadata)
        if self.timings.stages:
            self._rpc.set_trailing_metadata((("server-timing", self.timings.header()),))

    def report(self, error: BaseException) -> tuple[StatusCode, str]:
        """Log and count an error; its code and its text for the caller."""
        code = code_of(error)
        if code is StatusCode.INTERNAL:
            log.error("request failed", exc_info=error, extra={"fields": {"path": self.scope["path"]}})
        count_refusal(error, self._service.metrics)
        return code, details_of(error, self._service.settings.models)

    async def abort(self, error: BaseException) -> None:
        """End the call with an error.

        Raises:
            grpc.aio.AbortError: always.
        """
        code, text = self.report(error)
        release_frames(error)
        await self._rpc.abort(code, text, (("x-request-id", self.id), *metadata_of(error)))

    def end(self, code: StatusCode) -> None:
        """Count the model time of the request, and log it."""
        self._service.metrics.in_flight.add(-1)
        if self._service.access.limits_callers:
            self._service.access.charge(self.scope, client_left=code is StatusCode.CANCELLED)
        if self._service.settings.access_log:
            fields = {"method": "gRPC", "path": self.scope["path"], "status": code.name}
            fields |= {"ms": round(self.timings.total * 1e3, 3), "client": self.scope["client"][0]}
            if key := self.scope["state"].get(API_KEY):
                fields["key"] = key.name
            log.info("request", extra={"fields": fields})


def _scope(path: str, rpc: Rpc, find_client: FindClient) -> Scope:
    """The head of a call as ASGI has that of an HTTP request."""
    headers = [
        (str(name).encode(), value if isinstance(value, bytes) else str(value).encode("latin-1", "replace"))
        for name, value in rpc.invocation_metadata() or ()
    ]
    names = {name for name, _ in headers}
    if b"authorization" not in names:
        headers += [(b"authorization", b"Bearer " + value) for name, value in headers if name == b"x-api-key"]
    forwarded = b", ".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    address = find_client(_address(rpc.peer()), forwarded or None)
    return {"type": "http", "path": path, "query_string": b"", "headers": headers, "client": (address, 0)}


def _address(peer: str) -> str:
    """The IP address of a peer: `ipv4:127.0.0.1:4242`, or `ipv6:%5B::1%5D:4242`."""
    kind, _, rest = peer.partition(":")
    return unquote(rest).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
