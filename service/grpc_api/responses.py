"""Writes the answer to an inference: every output as bytes, as Triton does."""

from __future__ import annotations

from typing import Any

from service.api.open_inference.codec import check_finite, write_binary
from service.api.open_inference.requests import ParsedInferRequest
from service.api.open_inference.responses import answered_outputs
from service.grpc_api.protocol import ModelInferResponse
from service.runtime.session import Tensors
from service.serving.served_model import ServedModel

FINAL = "triton_final_response"
"""The parameter that an answer of a stream has which is the last to its request."""


def write_message(inference: ParsedInferRequest, tensors: Tensors, served: ServedModel) -> Any:
    """Write the requested outputs of a model as a ModelInferResponse.

    Args:
        inference: the request.
        tensors: all outputs of the model, by name.
        served: the model.

    Raises:
        ModelFailure: an output holds NaN or infinity.
    """
    message = ModelInferResponse(model_name=served.name, model_version=served.version, id=inference.id or "")
    for _, spec, array in answered_outputs(inference, tensors, served):
        check_finite(array, spec.name)
        message.outputs.add(name=spec.name, datatype=spec.datatype.value, shape=array.shape)
        message.raw_output_contents.append(write_binary(array, spec.datatype))
    return message
