"""OpenAI's shapes: the list of models, which is the model card as data."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, JsonValue

from service.api.operation import context
from service.bundle.manifest import Metric
from service.serving.served_model import ServedModel

router = APIRouter(tags=["models"])


class Providers(BaseModel):
    """The execution providers of one graph: what was asked for and what runs."""

    requested: list[str]
    actual: list[str]


class Licence(BaseModel):
    """What may be done with the weights, and whom to name."""

    weights: str
    attribution: str
    data: str


class ModelCard(BaseModel):
    """A model that serves: OpenAI's fields, then ours."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "lectern"
    task: str
    description: str
    version: str
    versions: list[str]
    labels: list[str] | None
    metrics: list[Metric]
    licence: Licence
    providers: dict[str, Providers]
    inline: bool
    """Whether the model runs in the event loop; else it has a thread."""
    warm_up_ms: float
    """Median time of an ordinary request when the model was loaded."""
    limits: dict[str, JsonValue]
    details: dict[str, JsonValue]
    """What only models of this task have, as the dimensions of word vectors."""


class ModelList(BaseModel):
    """All models that serve."""

    object: str = "list"
    data: list[ModelCard]


@router.get("/v1/models", summary="The models that serve")
async def list_models(request: Request) -> ModelList:
    """Every model that serves, with its task, labels, metrics, licence and limits."""
    return ModelList(data=[_card(request, served) for served in context(request).registry.serving()])


@router.get("/v1/models/{model}", summary="One model", responses={404: {"description": "No such model"}})
async def get_model(request: Request, model: str) -> ModelCard:
    """One model that serves."""
    return _card(request, context(request).registry.get(model))


def _card(request: Request, served: ServedModel) -> ModelCard:
    found = context(request)
    manifest = served.manifest
    settings = found.settings
    limits: dict[str, Any] = {
        "max_batch_size": served.max_batch_size,
        "max_body_bytes": settings.max_body_bytes,
        "deadline_seconds": settings.deadline_seconds,
    } | {name: getattr(served.predictor.limits, name) for name in served.predictor.limiting}
    return ModelCard(
        id=served.name,
        created=int(manifest.provenance.created.timestamp()),
        task=manifest.task.value,
        description=manifest.description,
        version=served.version,
        versions=found.registry.versions(served.name),
        labels=list(manifest.labels) if manifest.labels is not None else None,
        metrics=list(manifest.metrics),
        licence=Licence(
            weights=manifest.provenance.licence,
            attribution=manifest.provenance.attribution,
            data=manifest.provenance.data,
        ),
        providers={
            name: Providers(requested=list(report.requested), actual=list(report.actual))
            for name, report in served.predictor.reports.items()
        },
        inline=served.inline,
        warm_up_ms=round(served.warm_up_seconds * 1e3, 3),
        limits=limits,
        details=served.predictor.details,
    )
