"""POST /v2/models/{model}/infer: tensors in, tensors out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.io import add_model_headers, read_body, while_connected
from service.api.open_inference.requests import JSON_LENGTH_HEADER, read_inference
from service.api.open_inference.responses import compress, write_response
from service.api.open_inference.schemas import InferRequest, InferResponse
from service.api.operation import INFERENCE_STATUSES_WITHOUT_422, Operation, context, timings
from service.runtime.session import Tensors


async def infer(request: Request) -> Response:
    """Run a model on the tensors of one request."""
    body = await read_body(request)
    served = context(request).registry.find(
        name=request.path_params["model"], version=request.path_params.get("version")
    )
    inference = read_inference(body, request.headers.get(JSON_LENGTH_HEADER), served.predictor)

    def finish(outputs: Tensors) -> Response:
        response = write_response(inference, outputs, served)
        compress(response, request.headers)
        return response

    work = served.infer(inference.tensors, finish, timings(request), inference.timeout)
    return add_model_headers(await while_connected(request, served, work), served)


OPERATION = Operation(
    method="POST",
    path="/v2/models/{model}/infer",
    endpoint=infer,
    fast_path=True,
    errors=ErrorShape.PLAIN,
    tag="open inference protocol",
    summary="Run a model on tensors",
    description=(
        "Tensors are JSON, flat or nested, or binary. With binary tensors the body is the JSON followed by the tensors "
        "in order (little-endian, row-major), `Inference-Header-Content-Length` is the length of the JSON, and "
        "`parameters.binary_data_size` replaces `data`. A length of 0 means that the body is the bytes of the only "
        "input. `binary_data` of an output, or `binary_data_output` for all, requests binary outputs; "
        "`classification` requests the highest values as `value:index:label`."
    ),
    body=InferRequest,
    response=InferResponse,
    parameters=(
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "schema": {"type": "integer", "minimum": 0},
            "description": "Number of bytes of the JSON, if binary tensors follow it.",
        },
    ),
    response_media_types={"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    body_media_types={"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    statuses=INFERENCE_STATUSES_WITHOUT_422,
)
