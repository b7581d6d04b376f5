"""Recurrent layers without lengths compute what those with lengths do, up to each sequence's end."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.support.onnx_graphs import open_graph
from training.common.recurrent_padding import without_lengths

INPUT, HIDDEN, TIME = 3, 4, 6
GATES = {"LSTM": 4, "GRU": 3}
LENGTHS = np.array([6, 1, 4, 2], np.int32)


def layer(
    operator: str, direction: str, *, outputs: tuple[str, ...] = ("states", "last"), **attributes: Any
) -> ModelProto:
    """A layer that gets lengths, with random weights."""
    generator = np.random.default_rng(0)
    directions, gates = 2 if direction == "bidirectional" else 1, GATES[operator]
    shapes = {"w": (gates * HIDDEN, INPUT), "r": (gates * HIDDEN, HIDDEN), "b": (2 * gates * HIDDEN,)}
    weights = [
        numpy_helper.from_array(generator.normal(size=(directions, *shape)).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = helper.make_node(
        operator, ["x", "w", "r", "b", "lengths"], outputs, direction=direction, hidden_size=HIDDEN, **attributes
    )
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "N", INPUT]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["N"]),
    ]
    axes = {"states": ["T", directions, "N", HIDDEN], "last": [directions, "N", HIDDEN]}
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes[name]) for name in outputs]
    graph = helper.make_graph([node], "layer", inputs, results, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: ModelProto, outputs: list[str]) -> list[Any]:
    x = np.random.default_rng(1).normal(size=(TIME, len(LENGTHS), INPUT)).astype(np.float32)
    return open_graph(model.SerializeToString()).run(outputs, {"x": x, "lengths": LENGTHS})


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("operator", "attributes"), [("LSTM", {}), ("GRU", {"linear_before_reset": 1})])
def test_states_up_to_each_end_and_last_states_are_the_same(
    operator: str, attributes: dict[str, Any], direction: str
) -> None:
    model = layer(operator, direction, **attributes)
    expected = run(model, ["states", "last"])
    without_lengths(model)
    layers = [node for node in model.graph.node if node.op_type == operator]
    assert len(layers) == (2 if direction == "bidirectional" else 1)
    assert all(len(node.input) == 4 and not any(one.name == "direction" for one in node.attribute) for node in layers)
    states, last = run(model, ["states", "last"])
    np.testing.assert_allclose(last, expected[1], atol=1e-6)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(states[:length, :, row], expected[0][:length, :, row], atol=1e-6)


def test_only_what_is_needed_is_added() -> None:
    model = layer("LSTM", "forward", outputs=("states",))
    without_lengths(model)
    assert not [node for node in model.graph.node if node.op_type == "ReverseSequence"]


def test_a_graph_without_such_layers_is_left_as_it_is() -> None:
    model = layer("LSTM", "forward")
    del model.graph.node[0].input[4:]
    before = ModelProto()
    before.CopyFrom(model)
    without_lengths(model)
    assert model == before
    assert onnx.checker.check_model(model) is None
