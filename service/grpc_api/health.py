"""The standard health service of gRPC, `grpc.health.v1.Health`: what readiness probes ask."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.api.operation import Context
from service.grpc_api.call import Rpc
from service.grpc_api.methods import is_ready
from service.grpc_api.protocol import SERVICE

SERVICE_NAME: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_NAMES = ("", SERVICE)
_CHECK_SECONDS = 1.0
"""Time between two looks at the status, while somebody watches it."""
_Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """SERVING while every model serves and the server does not drain; it answers without an API key, as /readyz.

    Args:
        service: the parts of the service.
        stopping: set when the server wants its streams to end.
    """

    def __init__(self, service: Context, stopping: asyncio.Event) -> None:
        self._service = service
        self._stopping = stopping

    async def Check(self, request: Any, context: Rpc) -> Any:  # noqa: N802  (the name of the method)
        """Answer with the status."""
        if request.service not in _NAMES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service[:100]!r}; leave it empty")
        return _Response(status=self._status())

    async def Watch(self, request: Any, context: Rpc) -> None:  # noqa: N802
        """Send the status, and again whenever it has changed."""
        known, sent = request.service in _NAMES, None
        while not self._stopping.is_set():
            status = self._status() if known else _Response.SERVICE_UNKNOWN
            if status != sent:
                await context.write(_Response(status=status))
                sent = status
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._stopping.wait()

    def _status(self) -> Any:
        return _Response.SERVING if is_ready(self._service) else _Response.NOT_SERVING
