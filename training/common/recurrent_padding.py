"""Recurrent layers whose padding is outside of the operator, for execution providers other than the CPU's.

ONNX gives LSTM and GRU the lengths of the sequences of a batch. Not every provider heeds them: OpenVINO 2025 computes a
reverse layer from the padding on, without an error. `ReverseSequence` turns each sequence round within its own length,
so that every layer runs forward and reaches the padding last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from onnx.helper import get_attribute_value

_RECURRENT = ("LSTM", "GRU")
_LENGTHS = 4  # the input of a recurrent operator that has them
_ZERO, _ONE, _PAIR = "padding_0", "padding_1", "padding_1_1"


def without_lengths(model: ModelProto) -> None:
    """Replace each recurrent layer that gets lengths by forward ones that do not.

    The states beyond the length of a sequence are others than before, where they were zero; nothing may read them. Last
    states of an LSTM's cells (its third output) are not supported.
    """
    layers = [node for node in model.graph.node if _has_lengths(node)]
    if not layers:
        return
    nodes: list[NodeProto] = []
    lengths: dict[str, str] = {}
    for node in model.graph.node:
        if not _has_lengths(node):
            nodes.append(node)
            continue
        name = node.input[_LENGTHS]
        if name not in lengths:
            lengths[name] = f"{name}_int64_at_least_1"
            nodes.append(helper.make_node("Cast", [name], [f"{name}_int64"], to=TensorProto.INT64))
            nodes.append(helper.make_node("Max", [f"{name}_int64", _ONE], [lengths[name]]))
        nodes += _forward_layers(node, lengths[name])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    constants = {_ZERO: [0], _ONE: [1], _PAIR: [1, 1]}
    used = {name for node in nodes for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(values, np.int64), name) for name, values in constants.items() if name in used
    )
    checker.check_model(model, full_check=True)


def _has_lengths(node: NodeProto) -> bool:
    return node.op_type in _RECURRENT and len(node.input) > _LENGTHS and bool(node.input[_LENGTHS])


def _forward_layers(node: NodeProto, lengths: str) -> list[NodeProto]:
    """The nodes that take the place of one recurrent layer, whose outputs they have."""
    attributes = {one.name: get_attribute_value(one) for one in node.attribute}
    direction = attributes.pop("direction", b"forward").decode()
    assert not any(node.input[_LENGTHS + 1 :]), "initial states and peepholes are not supported"
    assert not attributes.get("layout"), "another layout is not supported"
    assert len(node.output) <= 2, "cell states are not supported"
    backward = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[direction]
    values, *weights = node.input[:_LENGTHS]
    name = next(filter(None, node.output))
    nodes: list[NodeProto] = []

    def add(operator: str, inputs: list[str], *outputs: str, **settings: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, outputs, **settings))
        return outputs[0]

    def reversed_in_time(sequence: str, out: str) -> str:
        return add("ReverseSequence", [sequence, lengths], out, time_axis=0, batch_axis=1)

    parts = [[f"{one}_{number}" for number in range(len(backward))] for one in weights]
    if len(backward) == 1:
        parts = [[one] for one in weights]
    else:
        for one, names in zip(weights, parts, strict=True):
            if one:
                add("Split", [one, _PAIR], *names, axis=0)
    all_states, last_states = [], []
    for number, is_backward in enumerate(backward):
        inputs = reversed_in_time(values, f"{name}_{number}_inputs") if is_backward else values
        own = [names[number] if one else "" for one, names in zip(weights, parts, strict=True)]
        ran = add(node.op_type, [inputs, *own], f"{name}_{number}_run", **attributes)
        ran = add("Squeeze", [ran, _ONE], f"{name}_{number}_run_SNH")
        turned = reversed_in_time(ran, f"{name}_{number}_turned")
        states = turned if is_backward else ran
        all_states.append(add("Unsqueeze", [states, _ONE], f"{name}_{number}_states"))
        # Turned round, each sequence begins with the state that its layer ended with.
        last_states.append(add("Slice", [turned, _ZERO, _ONE, _ZERO], f"{name}_{number}_last"))
    if node.output[0]:
        add("Concat", all_states, node.output[0], axis=1)
    if len(node.output) > 1 and node.output[1]:
        add("Concat", last_states, node.output[1], axis=0)
    return _used(nodes, set(node.output) - {""})


def _used(nodes: list[NodeProto], outputs: set[str]) -> list[NodeProto]:
    """The nodes that these outputs depend on."""
    kept: list[NodeProto] = []
    for node in reversed(nodes):
        if outputs & set(node.output):
            outputs |= set(node.input)
            kept.append(node)
    return kept[::-1]
