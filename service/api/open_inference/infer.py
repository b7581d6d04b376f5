"""POST /v2/models/{model}/infer: tensors in, tensors out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from service.api.bodies import is_small
from service.api.errors import ErrorShape
from service.api.io import add_model_headers, media_type, read_body, while_connected
from service.api.json_limits import UNCHECKED_BYTES, JsonLimits, bytes_of, check_json
from service.api.open_inference.requests import JSON_LENGTH_HEADER, read_inference
from service.api.open_inference.responses import compress, write_response
from service.api.open_inference.schemas import InferRequest, InferResponse
from service.api.operation import (
    INFERENCE_STATUSES_WITHOUT_422,
    Context,
    InlineCall,
    Operation,
    context,
    json_limits,
    timings,
)
from service.errors import InvalidRequest, PayloadTooLarge
from service.limits import Limits
from service.runtime.session import Tensors
from service.serving.served_model import ServedModel

_JSON_LENGTH_HEADER = JSON_LENGTH_HEADER.encode()
_MAX_TENSORS = 64
"""Inputs and outputs of one request, of whatever model."""
_WRITTEN_IN_LOOP_BYTES = 128 * 1024
"""Outputs up to this size are written and compressed in the event loop."""
_MAX_LISTS = 50_000
"""Lists that the data of tensors may be nested in."""


async def infer(request: Request) -> Response:
    """Run a model on the tensors of one request."""
    limits, json_length = json_limits(request), request.headers.get(JSON_LENGTH_HEADER)
    if not is_small(request.scope):
        _find_model(
            context(request), request.path_params
        )  # A large body is not awaited for a model that does not serve.
    body = await read_body(request, limits if json_length is None else None)
    served = _find_model(context(request), request.path_params)
    await _check_json(request, body, limits, served.predictor.limits)
    if request.headers.get(JSON_LENGTH_HEADER) == "0" and media_type(request) == "application/json":
        raise InvalidRequest(
            "is 0: the body is the bytes of the only input, and not application/json; send application/octet-stream",
            JSON_LENGTH_HEADER,
        )
    inference = read_inference(body, json_length, served.predictor, max_rows=served.max_batch_size)

    def write(outputs: Tensors) -> Response:
        response = write_response(inference, outputs, served)
        compress(response, request.scope)
        return response

    def finish(outputs: Tensors) -> Response | Tensors:
        return outputs if _are_large(outputs) else write(outputs)

    work = served.infer(inference.tensors, finish, timings(request), inference.timeout)
    answer = await while_connected(request, work, in_loop=served.infers_in_loop(inference.tensors))
    response = answer if isinstance(answer, Response) else await asyncio.to_thread(write, answer)
    return add_model_headers(response, served)


def infer_inline(call: InlineCall) -> bool:
    """Run an inline model on the tensors of a small request."""
    json_length = call.header(_JSON_LENGTH_HEADER)
    if json_length == "0":
        return False
    served = _find_model(call.service, call.scope["path_params"])
    if not served.inline:
        return False
    inference = read_inference(call.body, json_length, served.predictor, max_rows=served.max_batch_size)

    def write(outputs: Tensors) -> Response:
        response = write_response(inference, outputs, served)
        compress(response, call.scope)
        return add_model_headers(response, served)

    return served.start_inference(inference.tensors, call.timings, inference.timeout, write, call)


def _find_model(service: Context, parameters: Mapping[str, str]) -> ServedModel:
    """The model that the path names, as it serves now.

    Raises:
        UnknownModel: there is no such model or version.
        NotReady: it does not serve now.
    """
    return service.registry.find(name=parameters["model"], version=parameters.get("version"))


def _are_large(outputs: Tensors) -> bool:
    """Whether writing or compressing the outputs would hold the event loop for more than a few milliseconds."""
    size = sum(sum(map(len, array.flat)) if array.dtype == object else array.nbytes for array in outputs.values())
    return size > _WRITTEN_IN_LOOP_BYTES


async def _check_json(request: Request, body: bytes, limits: JsonLimits, settings: Limits) -> None:
    """Check the JSON of a body, which binary tensors may follow, before it is parsed.

    Raises:
        PayloadTooLarge: it has more bytes than may be JSON.
        InvalidRequest: it holds more than the route takes.
    """
    text, json_length = body, request.headers.get(JSON_LENGTH_HEADER)
    if json_length is not None:
        length = int(json_length) if json_length.isdecimal() and len(json_length) < 19 else 0
        if length > limits.bytes_allowed(settings):
            raise PayloadTooLarge(
                f"the JSON is larger than {limits.bytes_allowed(settings)} bytes ({limits.describe_bytes(settings)}); "
                "send tensors as binary data"
            )
        text = body[:length]
    if len(text) > UNCHECKED_BYTES:
        turns = context(request).turns
        await check_json(text, limits, turns)
        await turns.next()


def _json_limits(limits: Limits) -> JsonLimits:
    """20 bytes a number, or texts as they are on /v1/tag."""
    return JsonLimits(
        max_bytes=bytes_of(max(20 * limits.max_numbers, 24 * limits.max_total_tokens)),
        items=limits.max_numbers,
        lists=min(limits.max_numbers, _MAX_LISTS),
        objects=_MAX_TENSORS * 4,
        fields=_MAX_TENSORS * 32,
        settings=("max_numbers", "max_total_tokens"),
    )


OPERATION = Operation(
    method="POST",
    path="/v2/models/{model}/infer",
    endpoint=infer,
    inline=infer_inline,
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
    json_limits=_json_limits,
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
