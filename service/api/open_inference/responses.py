"""Writes the answer to an inference: JSON, or JSON followed by binary tensors; compressed if requested."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from service.api.io import WrittenResponse
from service.api.negotiation import all_members
from service.api.open_inference.codec import check_finite, write_binary, write_json
from service.api.open_inference.requests import JSON_LENGTH_HEADER, ParsedInferRequest, RequestedOutput
from service.bundle.manifest import Datatype, TensorSpec
from service.runtime.session import Tensors
from service.serving.served_model import ServedModel

_JSON_LENGTH_HEADER = JSON_LENGTH_HEADER.encode()
_MIN_COMPRESSED_BYTES = 1024


def write_response(inference: ParsedInferRequest, tensors: Tensors, served: ServedModel) -> Response:
    """Write the requested outputs of a model.

    Args:
        inference: the request.
        tensors: all outputs of the model, by name.
        served: the model.

    Raises:
        InvalidRequest: an output has no JSON form.
        ModelFailure: an output holds NaN or infinity.
    """
    entries: list[dict[str, Any]] = []
    blocks: list[bytes] = []
    for output, spec, array in answered_outputs(inference, tensors, served):
        entry: dict[str, Any] = {"name": spec.name, "datatype": spec.datatype.value, "shape": array.shape}
        if output.binary:
            check_finite(array, spec.name)
            blocks.append(write_binary(array, spec.datatype))
            entry["parameters"] = {"binary_data_size": len(blocks[-1])}
        else:
            entry["data"] = write_json(array, spec)
        entries.append(entry)
    document = {"model_name": served.name, "model_version": served.version, "outputs": entries}
    if inference.id is not None:
        document["id"] = inference.id
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:  # NaN, or part of a name. Checking every output would cost more than writing a small answer.
        for output in inference.outputs:
            if not output.binary:
                check_finite(tensors[output.spec.name], output.spec.name)
    if not any(output.binary for output in inference.outputs):
        return WrittenResponse(text, b"application/json")
    response = WrittenResponse(b"".join([text, *blocks]), b"application/octet-stream")
    response.raw_headers.append((_JSON_LENGTH_HEADER, b"%d" % len(text)))
    return response


def answered_outputs(
    inference: ParsedInferRequest, tensors: Tensors, served: ServedModel
) -> Iterator[tuple[RequestedOutput, TensorSpec, NDArray[Any]]]:
    """Yield each requested output with what its answer is: the tensor, or its highest values as BYTES.

    Args:
        inference: the request.
        tensors: all outputs of the model, by name.
        served: the model.

    Raises:
        ModelFailure: an output of which the highest values are asked for holds NaN or infinity.
    """
    for output in inference.outputs:
        array, spec = tensors[output.spec.name], output.spec
        if output.classes:
            array, spec = _classify(array, output, served.manifest.labels)
        yield output, spec, array


def compress(response: Response, scope: Scope) -> None:
    """Compress the body if it is long enough to benefit and the request's headers accept gzip or deflate."""
    if len(response.body) < _MIN_COMPRESSED_BYTES:
        return
    encoding = _preferred(Headers(scope=scope))
    if encoding is None:
        return
    body = bytes(response.body)
    # Level 1: floats hardly compress further, and the event loop is blocked meanwhile.
    body = gzip.compress(body, 1, mtime=0) if encoding == "gzip" else zlib.compress(body, 1)
    response.body = body
    response.headers["content-encoding"] = encoding
    response.headers["content-length"] = str(len(body))


def _classify(
    array: NDArray[Any], output: RequestedOutput, labels: Sequence[str] | None
) -> tuple[NDArray[np.object_], TensorSpec]:
    """The highest values of every row as BYTES `value:index:label`, [batch, classes] (classification extension)."""
    rows = array.reshape(len(array), -1)
    check_finite(rows, output.spec.name)
    columns = rows.shape[1]
    # Reversed twice, so that equal values stay in order.
    top = columns - 1 - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1][:, : output.classes]
    has_labels = labels is not None and len(labels) == columns
    texts = np.empty(top.shape, object)
    for (row, rank), column in np.ndenumerate(top):
        label = f":{labels[int(column)]}" if has_labels and labels else ""
        texts[row, rank] = f"{rows[row, column]!s}:{column}{label}".encode()
    return texts, TensorSpec(name=output.spec.name, datatype=Datatype.BYTES, shape=top.shape)


def _preferred(headers: Headers) -> str | None:
    """gzip or deflate, whichever the caller prefers; None if it accepts neither."""
    weights = {member.name: member.weight for member in all_members(headers, "accept-encoding")}
    weights.setdefault("gzip", weights.get("x-gzip", weights.get("*", 0.0)))  # RFC 9110, section 8.4.1.3
    known = {name: weights.get(name, weights.get("*", 0.0)) for name in ("gzip", "deflate")}
    best = max(known, key=known.__getitem__)
    return best if known[best] > 0 else None
