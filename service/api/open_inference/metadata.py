"""Metadata of the server; metadata, configuration and readiness of its models."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from service import __version__
from service.api.errors import ErrorShape
from service.api.io import model_response
from service.api.open_inference.schemas import (
    ModelConfig,
    ModelMetadata,
    ModelReady,
    ServerMetadata,
    TensorMetadata,
)
from service.api.operation import Operation, context
from service.bundle.manifest import Datatype, Task, TensorSpec
from service.errors import NotReady
from service.runtime.provider_options import CUDA, DIRECTML, MIGRAPHX, TENSORRT
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.settings import Settings

PLATFORM = "onnxruntime_onnx"
BACKEND = "onnxruntime"

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "statistics",
)
"""The extensions that are implemented in full, by Triton's names."""

_TAG = "open inference protocol"
_GPU_PROVIDERS = (CUDA, TENSORRT, MIGRAPHX, DIRECTML, "ROCMExecutionProvider", "WebGpuExecutionProvider")


def served_model(request: Request) -> ServedModel:
    """The model and version that the path names."""
    return context(request).registry.find(name=request.path_params["model"], version=request.path_params.get("version"))


async def server_metadata(request: Request) -> Response:
    """Name the server and its extensions."""
    return model_response(describe_server())


async def model_metadata(request: Request) -> Response:
    """Describe a model."""
    return model_response(describe_model(served_model(request)))


async def model_config(request: Request) -> Response:
    """Describe the configuration of a model as Triton does (model_config.proto)."""
    return model_response(describe_config(served_model(request), context(request).settings))


async def model_ready(request: Request) -> Response:
    """Answer 200 if the model can serve."""
    served = served_model(request)
    check_ready(served, context(request).registry)
    return model_response(ModelReady(name=served.name, ready=True))


def describe_server() -> ServerMetadata:
    """Name and version of the server, and what it implements."""
    return ServerMetadata(name="lectern", version=__version__, extensions=list(EXTENSIONS))


def describe_model(served: ServedModel) -> ModelMetadata:
    """A model, its tensors and where it comes from."""
    reports = served.predictor.reports.values()
    provenance = served.manifest.provenance
    return ModelMetadata(
        name=served.name,
        versions=[served.version],
        platform=PLATFORM,
        inputs=[_metadata(spec) for spec in served.predictor.tensors.inputs],
        outputs=[_metadata(spec) for spec in served.predictor.tensors.outputs],
        parameters={
            "task": served.manifest.task.value,
            "description": served.manifest.description,
            "licence": provenance.licence,
            "attribution": provenance.attribution,
            "data": provenance.data,
            "providers_requested": _joined(name for report in reports for name in report.requested),
            "providers_actual": _joined(name for report in reports for name in report.actual),
            "fell_back": any(report.fell_back for report in reports),
        },
    )


def check_ready(served: ServedModel, registry: ModelRegistry) -> None:
    """Raise NotReady if a model that was loaded does not answer as it should."""
    if failing := registry.failing(served.name, served.version):
        raise NotReady(f"model {served.name!r} is not ready: {failing}", retry_after=5)


def describe_config(served: ServedModel, settings: Settings) -> ModelConfig:
    """The configuration of a model, in Triton's terms."""
    on_gpu = any(report.actual[0] in _GPU_PROVIDERS for report in served.predictor.reports.values())
    delay = settings.for_model(served.name).max_queue_delay_us or 0
    return ModelConfig(
        name=served.name,
        platform=PLATFORM,
        backend=BACKEND,
        version_policy={"latest": {"num_versions": 1}},
        max_batch_size=served.max_batch_size,
        input=[_config_tensor(spec) for spec in served.predictor.tensors.inputs],
        output=[_config_tensor(spec) for spec in served.predictor.tensors.outputs],
        instance_group=[{"name": served.name, "kind": "KIND_GPU" if on_gpu else "KIND_CPU", "count": settings.workers}],
        dynamic_batching={"max_queue_delay_microseconds": delay},
        parameters={"task": {"string_value": served.manifest.task.value}},
        model_transaction_policy={"decoupled": is_decoupled(served)},
    )


def is_decoupled(served: ServedModel) -> bool:
    """Whether a request in a stream of gRPC may have several answers; Triton's term."""
    return served.manifest.task is Task.TRANSLATION


def _joined(names: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(names))


def _metadata(spec: TensorSpec) -> TensorMetadata:
    return TensorMetadata(name=spec.name, datatype=spec.datatype.value, shape=list(spec.shape))


def _config_tensor(spec: TensorSpec) -> dict[str, object]:
    """A tensor without its batch axis, which `max_batch_size` implies."""
    name = "STRING" if spec.datatype is Datatype.BYTES else spec.datatype.value
    return {"name": spec.name, "data_type": f"TYPE_{name}", "dims": list(spec.shape[1:])}


SERVER = Operation(
    method="GET",
    path="/v2",
    endpoint=server_metadata,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Name the server and its extensions",
    response=ServerMetadata,
)

MODEL_METADATA = Operation(
    method="GET",
    path="/v2/models/{model}",
    endpoint=model_metadata,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Describe a model and its tensors",
    response=ModelMetadata,
    statuses=(404, 503),
)

MODEL_CONFIG = Operation(
    method="GET",
    path="/v2/models/{model}/config",
    endpoint=model_config,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Describe a model's configuration",
    response=ModelConfig,
    statuses=(404, 503),
)

MODEL_READY = Operation(
    method="GET",
    path="/v2/models/{model}/ready",
    endpoint=model_ready,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Whether a model is ready",
    response=ModelReady,
    statuses=(404, 503),
)

MODEL = (MODEL_METADATA, MODEL_CONFIG, MODEL_READY)
