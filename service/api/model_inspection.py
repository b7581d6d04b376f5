"""GET /v1/models/{model}/weights and the like: what a model is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.forms import query_fields
from service.api.io import add_model_headers, json_response
from service.api.model_inspection_answers import EvaluationAnswer, GraphAnswer, WeightsAnswer
from service.api.operation import Operation, context
from service.api.path_privacy import hide_paths
from service.bundle.files import BundleError
from service.errors import InvalidRequest
from service.serving.original_graphs import read_original_graphs
from service.serving.served_model import ServedModel
from service.tasks.quantized_array import ArrayType, quantize

_ARRAY_TYPES: tuple[ArrayType, ...] = get_args(ArrayType)


async def get_weights(request: Request) -> Response:
    """Answer with the layers of a network and their weights."""
    served, options = _find(request, "dtype")
    dtype = options.get("dtype") or "uint8"
    if dtype not in _ARRAY_TYPES:
        raise InvalidRequest(f"is {dtype[:32]!r}; send {' or '.join(_ARRAY_TYPES)}", "dtype")
    if served.predictor.network is None:
        raise InvalidRequest(
            f"model {served.name!r} was exported without its layers; make its next version with them: for image "
            "classifiers lectern-train lenet convert",
            "model",
        )
    layers = await asyncio.to_thread(lambda: list(_layers(served, dtype)))
    return _answer(served, {"layers": layers})


def _layers(served: ServedModel, dtype: ArrayType) -> Iterator[dict[str, Any]]:
    network, weights = served.predictor.network, served.predictor.weights
    assert network is not None
    for layer in network.layers:
        fields = layer.model_dump(mode="json", exclude={"weight", "bias"}, exclude_none=True)
        if layer.weight is not None:
            fields |= quantize(weights[f"{layer.name}.weight"], f"weights of {layer.name!r}", dtype)
        if layer.bias is not None:
            fields["bias"] = quantize(weights[f"{layer.name}.bias"], f"biases of {layer.name!r}", dtype)
        yield fields


async def get_graph(request: Request) -> Response:
    """Answer with the nodes of a model's graphs."""
    served, _ = _find(request)
    models, manifest = context(request).settings.models, served.manifest

    def read() -> list[dict[str, Any]]:
        graphs = []
        for name, content in read_original_graphs(models, manifest).items():
            spec = manifest.graphs[name].model_dump(mode="json", include={"inputs", "outputs"})
            nodes = [
                {
                    "operator": node.operator,
                    "name": node.name,
                    "inputs": node.inputs,
                    "outputs": node.outputs,
                    "weights": [{"name": name, "shape": shape} for name, shape in node.weights.items()],
                    "parameters": node.parameters,
                    "attributes": node.attributes,
                }
                for node in content.nodes
            ]
            graphs.append(
                {"name": name, **spec, "nodes": nodes, "shapes": content.shapes, "parameters": content.parameters}
            )
        return graphs

    try:
        graphs = await asyncio.to_thread(read)
    except BundleError as error:
        raise InvalidRequest(f"its graphs cannot be shown: {hide_paths(str(error), models)}", "model") from error
    return _answer(served, {"graphs": graphs})


async def get_evaluation(request: Request) -> Response:
    """Answer with the confusion matrices and the learning curve of a model."""
    served, _ = _find(request)
    return _answer(served, served.predictor.evaluation.model_dump(mode="json"))


def _find(request: Request, *names: str) -> tuple[ServedModel, dict[str, str]]:
    """The model that the path names, and the query, which may have `version` and `names`."""
    query = query_fields(request, "version", *names)
    model = request.path_params["model"]
    return context(request).registry.find(name=model, version=query.get("version") or None), query


def _answer(served: ServedModel, fields: dict[str, Any]) -> Response:
    document = {"model": served.name, "version": served.version} | fields
    return add_model_headers(json_response(document), served)


_VERSION = {
    "name": "version",
    "in": "query",
    "schema": {"type": "string"},
    "description": "Which version; by default the one that is served.",
}

_DTYPE = {
    "name": "dtype",
    "in": "query",
    "schema": {"type": "string", "enum": list(_ARRAY_TYPES), "default": "uint8"},
    "description": "How values are written: one of 256 steps in a byte, or as they are.",
}

_WEIGHTS = Operation(
    method="GET",
    path="/v1/models/{model}/weights",
    endpoint=get_weights,
    errors=ErrorShape.OPENAI,
    tag="models",
    summary="The weights of a network, layer by layer",
    description=(
        "The kernels of a convolutional network, and what each layer does with them. The names of the layers are "
        "those of `explain` on `/v1/classify`."
    ),
    response=WeightsAnswer,
    parameters=(_VERSION, _DTYPE),
    statuses=(404, 503),
)

OPERATIONS = (
    _WEIGHTS,
    replace(
        _WEIGHTS,
        path="/v1/models/{model}/graph",
        endpoint=get_graph,
        summary="The graphs of a model, node by node",
        description="Operators, what flows between them, and their parameters, as the model was exported.",
        response=GraphAnswer,
        parameters=(_VERSION,),
    ),
    replace(
        _WEIGHTS,
        path="/v1/models/{model}/evaluation",
        endpoint=get_evaluation,
        summary="Confusion matrices and learning curve of a model",
        description="As far as the bundle has them; the figures of the model card are in `metrics` of the model.",
        response=EvaluationAnswer,
        parameters=(_VERSION,),
    ),
)
