"""GET /v1/models: the model cards as data, in the shape of OpenAI's list of models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.io import model_response
from service.api.operation import Operation, context
from service.api.path_privacy import hide_paths
from service.bundle.manifest import Metric
from service.serving.provider_choice_figures import ProviderChoice
from service.serving.served_model import ServedModel


class Providers(BaseModel):
    """The execution providers of one graph: the requested ones and those in use."""

    requested: list[str]
    actual: list[str]
    nodes: dict[str, int] | None
    """Nodes of the graph by provider; null where onnxruntime does not tell."""
    fallback_nodes: dict[str, int]
    """Nodes on other providers than the first in use, by operator."""
    device: str
    """The device of the first provider in use; empty where it is not known."""
    options: dict[str, str]
    """The options that this provider was given."""


class Memory(BaseModel):
    """Memory that opening the model and its first runs took, in bytes; null where that is not known."""

    process_bytes: int | None
    device_bytes: int | None


class Licence(BaseModel):
    """Licence of the weights, and the attribution that it requires."""

    weights: str
    attribution: str
    data: str


class ModelCard(BaseModel):
    """A model that serves: OpenAI's fields, then Lectern's."""

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
    provider_choice: ProviderChoice | None
    """How `auto` chose its execution provider; null where the settings name one, or only one is there."""
    memory: Memory
    inline: bool
    """Whether the model runs in the event loop; otherwise it has a thread."""
    warm_up_ms: float
    """Median time of an ordinary request when the model was loaded."""
    limits: dict[str, JsonValue]
    details: dict[str, JsonValue]
    """Facts that only models of this task have, such as the dimensions of word vectors."""


class IdleModelCard(BaseModel):
    """A model of the repository of which no version serves."""

    id: str
    task: str | None = Field(description="Null where its manifest cannot be read.")
    state: str = Field(description="`LOADING`, `UNLOADING` or `UNAVAILABLE`.")
    reason: str = Field(description="Why it is unavailable: `unloaded`, or what is wrong with it.")


class ListAdditions(BaseModel):
    """Lectern's own addition to the list."""

    model_control: bool = Field(
        description="Whether models may be loaded and unloaded over HTTP; a key also needs the scope for it."
    )
    not_serving: list[IdleModelCard] = Field(description="The other models of the repository.")


class ModelList(BaseModel):
    """The models that serve."""

    object: str = "list"
    data: list[ModelCard]
    lectern: ListAdditions


async def list_models(request: Request) -> Response:
    """List every model that serves."""
    service = context(request)
    cards = [_card(request, served) for served in service.registry.serving()]
    not_serving = [
        IdleModelCard(
            id=one.name,
            task=one.task.value if one.task is not None else None,
            state=one.state.value,
            reason=hide_paths(one.reason, service.settings.models),
        )
        for one in service.registry.idle()
    ]
    additions = ListAdditions(model_control=service.access.model_control, not_serving=not_serving)
    return model_response(ModelList(data=cards, lectern=additions))


async def get_model(request: Request) -> Response:
    """Describe one model that serves."""
    return model_response(_card(request, context(request).registry.find(name=request.path_params["model"])))


def _card(request: Request, served: ServedModel) -> ModelCard:
    service = context(request)
    manifest = served.manifest
    settings = service.settings
    limits: dict[str, Any] = {
        "max_batch_size": served.max_batch_size,
        "max_body_bytes": settings.max_body_bytes,
        "deadline_seconds": settings.deadline_seconds,
    } | {name: getattr(served.predictor.limits, name) for name in served.predictor.limit_names}
    return ModelCard(
        id=served.name,
        created=int(manifest.provenance.created.timestamp()),
        task=manifest.task.value,
        description=manifest.description,
        version=served.version,
        versions=service.registry.versions(served.name),
        labels=list(manifest.labels) if manifest.labels is not None else None,
        metrics=list(manifest.metrics),
        licence=Licence(
            weights=manifest.provenance.licence,
            attribution=manifest.provenance.attribution,
            data=manifest.provenance.data,
        ),
        providers={
            name: Providers(
                requested=list(report.requested),
                actual=list(report.actual),
                nodes=report.node_counts,
                fallback_nodes=report.fallback_nodes,
                device=report.device,
                options=dict(report.options),
            )
            for name, report in served.predictor.reports.items()
        },
        provider_choice=served.provider_choice,
        memory=Memory(process_bytes=served.memory.process, device_bytes=served.memory.device),
        inline=served.inline,
        warm_up_ms=round(served.warm_up_seconds * 1e3, 3),
        limits=limits,
        details=served.predictor.details,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/models",
        endpoint=list_models,
        errors=ErrorShape.OPENAI,
        tag="models",
        summary="List the models that serve",
        description="Each with its task, labels, metrics, license and limits; `lectern` names those that do not serve.",
        operation_id="list_models_v1_models_get",
        response=ModelList,
    ),
    Operation(
        method="GET",
        path="/v1/models/{model}",
        endpoint=get_model,
        errors=ErrorShape.OPENAI,
        tag="models",
        summary="Describe a model",
        operation_id="get_model_v1_models__model__get",
        response=ModelCard,
        statuses=(404, 503),
    ),
)
