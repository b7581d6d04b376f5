"""ONNX files of a few nodes, and the provenance of bundles made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from service.bundle.manifest import Provenance

PROVENANCE = Provenance(
    data="made up", licence="CC0-1.0", attribution="nobody", created=datetime(2026, 1, 1, tzinfo=UTC)
)


def onnx_file(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Mapping[str, NDArray[Any]],
    *,
    opset: int = 20,
) -> bytes:
    """The bytes of a checked model of one graph.

    Args:
        name: name of the graph.
        nodes: nodes in topological order.
        inputs: inputs with type and shape.
        outputs: outputs with type and shape.
        constants: initializers by name.
        opset: version of the operators.
    """
    initializers = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
