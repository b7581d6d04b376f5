"""Probes and metrics."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.access.scopes import KeyScope
from service.api.errors import ErrorShape
from service.api.io import model_response
from service.api.operation import Context, Operation, context
from service.errors import NotReady

_RETRY_AFTER_SECONDS = 5


class Alive(BaseModel):
    """The process answers."""

    live: bool = True


class Ready(BaseModel):
    """Every model that was not unloaded on purpose serves."""

    ready: bool = True


async def live(request: Request) -> Response:
    """Answer 200."""
    return model_response(Alive())


async def ready(request: Request) -> Response:
    """Answer 200 if every model that was not unloaded on purpose serves."""
    check_ready(context(request))
    return model_response(Ready())


def check_ready(service: Context) -> None:
    """Return if every model that was not unloaded on purpose serves.

    Raises:
        NotReady: a model does not serve, or the server is shutting down.
    """
    if service.draining.is_set():
        raise NotReady("the server is shutting down", _RETRY_AFTER_SECONDS)
    if not service.registry.ready():
        missing = ", ".join(service.registry.missing())
        raise NotReady(f"not ready: {missing or 'no model is loaded'}", _RETRY_AFTER_SECONDS)


async def metrics(request: Request) -> Response:
    """Write all metrics."""
    return Response(context(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)


LIVE = Operation(
    method="GET",
    path="/livez",
    endpoint=live,
    errors=ErrorShape.PROBLEM,
    tag="health",
    summary="Whether the process answers",
    description="200 as long as the process can answer, also while it drains.",
    operation_id="live_livez_get",
    response=Alive,
    key_scope=None,
    is_probe=True,
)

READY = Operation(
    method="GET",
    path="/readyz",
    endpoint=ready,
    errors=ErrorShape.PROBLEM,
    tag="health",
    summary="Whether every model serves",
    description="200 if every model that was not unloaded on purpose has a version that was verified, loaded, warmed "
    "up and compared with its samples.",
    operation_id="ready_readyz_get",
    response=Ready,
    statuses=(503,),
    key_scope=None,
    is_probe=True,
)

OPERATIONS = (
    LIVE,
    READY,
    replace(LIVE, path="/v2/health/live", errors=ErrorShape.PLAIN, operation_id="live_v2_health_live_get"),
    replace(READY, path="/v2/health/ready", errors=ErrorShape.PLAIN, operation_id="ready_v2_health_ready_get"),
    Operation(
        method="GET",
        path="/metrics",
        endpoint=metrics,
        errors=ErrorShape.PROBLEM,
        tag="health",
        summary="Prometheus metrics",
        description="All metrics in Prometheus' text format, summed over the worker processes.",
        operation_id="metrics_metrics_get",
        response_media_types={"text/plain": {"schema": {"type": "string"}}},
        key_scope=KeyScope.METRICS,
    ),
)
