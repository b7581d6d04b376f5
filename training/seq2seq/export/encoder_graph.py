"""The ONNX nodes of the encoder. Its layers get the lengths, so that padding has no influence."""

from typing import Any

import torch
from onnx import helper
from torch import nn

from service.decoding.graph_io import KEYS, LENGTHS, MEMORY, SOURCE, STATE
from training.common.onnx_gates import to_onnx_gates
from training.seq2seq.export.quantize import QuantizedGraph
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.network.recurrent import Recurrent


def add_encoder(graph: QuantizedGraph, network: Seq2Seq) -> None:
    """Add the nodes from source and lengths to memory, keys and state."""
    encoder, attention = network.encoder, network.decoder.attention
    shared = network.source_embedding is network.target_embedding
    table = graph.add_weights("embeddings" if shared else "source_table", network.source_embedding.weight)
    transposed = graph.add("Transpose", SOURCE, out="source_SN", perm=[1, 0])
    outputs = graph.rows(table, transposed, out="layer_0")
    last_states = ""
    for number, backward in enumerate(encoder.backwards):
        directions = [*([encoder.forwards[number]] if encoder.forwards else []), backward]
        last_below = last_states
        states, last_states = _layer(graph, directions, outputs, f"encoder_{number}")
        states = graph.add("Transpose", states, out=f"encoder_{number}_SNDH", perm=[0, 2, 1, 3])
        below = outputs
        outputs = graph.add("Reshape", states, graph.sizes(0, 0, -1), out=f"layer_{number + 1}")
        if encoder.residual and number:
            outputs = graph.add("Add", outputs, below, out=f"layer_{number + 1}_sum")
            last_states = graph.add("Add", last_states, last_below, out=f"encoder_{number}_last_sum")
        if encoder.norms:
            outputs = graph.norm(encoder.norms[number], outputs, out=f"encoder_{number}_norm")
    last = graph.add("Transpose", last_states, out="last_NDH", perm=[1, 0, 2])
    last = graph.add("Reshape", last, graph.sizes(0, -1), out="last_ND")
    _initial_state(graph, network, last)
    if attention is None:
        return
    graph.add("Transpose", outputs, out=MEMORY, perm=[1, 0, 2])
    if attention.key is None:
        graph.add("Identity", MEMORY, out=KEYS)
        return
    matrix = graph.as_float(*graph.add_weights("key", attention.key.weight), out="key_float")
    graph.add("MatMul", MEMORY, graph.add("Transpose", matrix, out="key_transposed", perm=[1, 0]), out=KEYS)


def _layer(graph: QuantizedGraph, directions: list[nn.Module], inputs: str, name: str) -> tuple[str, str]:
    """The states [S, directions, N, H] of a layer, and the last ones [directions, N, H]."""
    layers = [layer for layer in directions if isinstance(layer, Recurrent)]
    gates = [[to_onnx_gates(layer.cell, weights) for weights in layer.weights.all_weights[0]] for layer in layers]
    matrices = [
        graph.as_float(
            *graph.add_weights(f"{name}_{kind}_stored", torch.stack([one[index] for one in gates])),
            out=f"{name}_{kind}",
        )
        for index, kind in enumerate(("input", "recurrent"))
    ]
    bias = graph.add_constant(f"{name}_bias", torch.stack([torch.cat([one[2], one[3]]) for one in gates]))
    gru: dict[str, Any] = {"linear_before_reset": 1} if layers[0].cell == "gru" else {}
    states, last = f"{name}_states", f"{name}_last"
    graph.nodes.append(
        helper.make_node(
            layers[0].cell.upper(), [inputs, *matrices, bias, LENGTHS], [states, last],
            direction="bidirectional" if len(layers) > 1 else "reverse", hidden_size=layers[0].hidden, **gru,
        )
    )  # fmt: skip
    return states, last


def _initial_state(graph: QuantizedGraph, network: Seq2Seq, last: str) -> None:
    """The decoder's initial state: tanh of a linear layer of the encoder's last states, padded with zeros."""
    matrix = graph.add_weights("bridge", network.bridge.weight)
    linear = graph.product(last, matrix, network.bridge.bias, bounded=not network.encoder.residual, out="bridge_linear")
    bridged = graph.add("Tanh", linear, out="bridged")
    decoder = network.decoder
    with_c = decoder.attention is None  # see `Seq2Seq._bridge_sizes`
    sizes = [layer.state_size if with_c else layer.hidden for layer in decoder.layers if isinstance(layer, Recurrent)]
    parts = graph.split(bridged, sizes, "bridged_part")
    zeros = [state_size - size for state_size, size in zip(decoder.state_sizes, sizes, strict=False)]
    zeros[-1] += sum(decoder.state_sizes[len(sizes) :])
    padded = [
        graph.add("Pad", part, graph.sizes(0, 0, 0, missing), out=f"{part}_padded") if missing else part
        for part, missing in zip(parts, zeros, strict=True)
    ]
    graph.add("Concat", *padded, out=STATE, axis=1)
