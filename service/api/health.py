"""Probes and metrics."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.access.scopes import KeyScope
from service.api.errors import ErrorShape
from service.api.io import model_response
from service.api.negotiation import Accepted, accepted
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
    """Write all metrics, in the format that the caller accepts."""
    members = sorted(accepted(request.headers, "accept"), key=lambda member: -member.weight)
    content_type = next(filter(None, map(_exposition, members)), CONTENT_TYPE_PLAIN_0_0_4)
    content = context(request).metrics.render(openmetrics=content_type == OPENMETRICS)
    return Response(content, headers={"content-type": content_type, "vary": "accept"})


def _exposition(member: Accepted) -> str | None:
    """The content type of the format of metrics that a member of `Accept` names; None of any other."""
    version = member.parameters.get("version", "")
    if member.name == "application/openmetrics-text":
        return OPENMETRICS if version in ("", "1.0.0") else None
    if member.name in ("text/plain", "text/*", "*/*"):
        return CONTENT_TYPE_PLAIN_1_0_0 if version == "1.0.0" else CONTENT_TYPE_PLAIN_0_0_4
    return None


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
        description="All metrics in Prometheus' text format, or in that of OpenMetrics 1.0 if `Accept` prefers it, "
        "summed over the worker processes.",
        operation_id="metrics_metrics_get",
        response_media_types={
            "text/plain": {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        },
        key_scope=KeyScope.METRICS,
    ),
)
