"""Probes and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from service.api.errors import plain_error
from service.api.operation import context

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    live: bool = True


class Ready(BaseModel):
    """Every model serves."""

    ready: bool = True


@router.get("/v2/health/live", summary="Whether the process answers")
@router.get("/livez", summary="Whether the process answers")
async def live() -> Alive:
    """200 as long as the process can answer, also while it drains."""
    return Alive()


@router.get("/v2/health/ready", summary="Whether every model serves", responses={503: {"description": "Not ready"}})
@router.get("/readyz", summary="Whether every model serves", responses={503: {"description": "Not ready"}})
async def ready(request: Request) -> Response:
    """200 when every model has a version that was verified, loaded, warmed up and held against its samples."""
    found = context(request)
    if found.draining.is_set():
        return plain_error(503, "the server is shutting down", request.url.path, headers={"retry-after": "5"})
    if not found.registry.ready():
        waiting = sorted({entry.name for entry in found.registry.index()} - found.registry.ready_names())
        text = f"not ready: {', '.join(waiting) or 'no model is loaded'}"
        return plain_error(503, text, request.url.path, headers={"retry-after": "5"})
    return Response(Ready().model_dump_json(), media_type="application/json")


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """All metrics in Prometheus' text format, summed over the worker processes."""
    return Response(context(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)
