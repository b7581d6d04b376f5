"""The nodes of the encoder; its layers are told the lengths, so that padding is never read."""

from typing import Any

import torch
from onnx import helper
from torch import Tensor, nn

from service.decoding.graph_io import KEYS, LENGTHS, MEMORY, SOURCE, STATE
from training.seq2seq.export.quantize import Parts
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.network.recurrent import Recurrent


def encoder_graph(parts: Parts, network: Seq2Seq) -> None:
    """source, lengths -> memory, keys, state."""
    encoder, attention = network.encoder, network.decoder.attention
    shared = network.source_embedding is network.target_embedding
    table = parts.store("embeddings" if shared else "source_table", network.source_embedding.weight, shared=shared)
    turned = parts.add("Transpose", SOURCE, out="source_SN", perm=[1, 0])
    outputs = parts.rows(table, turned, out="layer_0")
    ends = ""
    for number, backward in enumerate(encoder.backwards):
        both = [*([encoder.forwards[number]] if encoder.forwards else []), backward]
        states, ends = _layer(parts, both, outputs, f"encoder_{number}")
        beside = parts.add("Transpose", states, out=f"encoder_{number}_beside", perm=[0, 2, 1, 3])
        outputs = parts.add("Reshape", beside, parts.sizes(0, 0, -1), out=f"layer_{number + 1}")
        if encoder.norms:
            outputs = parts.norm(encoder.norms[number], outputs, out=f"encoder_{number}_norm")
    last = parts.add("Transpose", ends, out="ends_ND", perm=[1, 0, 2])
    last = parts.add("Reshape", last, parts.sizes(0, -1), out="last_ND")
    _first_state(parts, network, last)
    if attention is None:
        return
    parts.add("Transpose", outputs, out=MEMORY, perm=[1, 0, 2])
    if attention.key is None:
        parts.add("Identity", MEMORY, out=KEYS)
        return
    matrix = parts.as_float(*parts.store("key", attention.key.weight), out="key_whole")
    parts.add("MatMul", MEMORY, parts.add("Transpose", matrix, out="key_turned", perm=[1, 0]), out=KEYS)


def _layer(parts: Parts, both: list[nn.Module], inputs: str, name: str) -> tuple[str, str]:
    """All states [S, directions, N, H] and the last ones [directions, N, H] of a layer that knows the lengths."""
    layers = [layer for layer in both if isinstance(layer, Recurrent)]
    gates = [[_onnx_gates(layer.cell, weights) for weights in layer.weights.all_weights[0]] for layer in layers]
    matrices = [
        parts.as_float(
            *parts.store(f"{name}_{kind}_stored", torch.stack([one[place] for one in gates])), out=f"{name}_{kind}"
        )
        for place, kind in enumerate(("input", "recurrent"))
    ]
    bias = parts.keep(f"{name}_bias", torch.stack([torch.cat([one[2], one[3]]) for one in gates]))
    gru: dict[str, Any] = {"linear_before_reset": 1} if layers[0].cell == "gru" else {}
    states, last = f"{name}_states", f"{name}_last"
    parts.nodes.append(
        helper.make_node(
            layers[0].cell.upper(), [inputs, *matrices, bias, LENGTHS], [states, last],
            direction="bidirectional" if len(layers) > 1 else "reverse", hidden_size=layers[0].hidden, **gru,
        )
    )  # fmt: skip
    return states, last


def _onnx_gates(cell: str, weights: Tensor) -> Tensor:
    """PyTorch's gates are i, f, g, o and r, z, n; ONNX wants i, o, f, c and z, r, h."""
    if cell == "lstm":
        i, f, g, o = weights.detach().chunk(4)
        return torch.cat([i, o, f, g])
    reset, update, new = weights.detach().chunk(3)
    return torch.cat([update, reset, new])


def _first_state(parts: Parts, network: Seq2Seq, last: str) -> None:
    """tanh of a linear layer of what the encoder ends with; zeros where nothing comes from it."""
    matrix = parts.store("bridge", network.bridge.weight)
    linear = parts.product(last, matrix, network.bridge.bias, bounded=True, out="bridged_linear")
    bridged = parts.add("Tanh", linear, out="bridged")
    decoder = network.decoder
    whole = decoder.attention is None  # then an LSTM's c is given too
    given = [layer.state_size if whole else layer.hidden for layer in decoder.layers if isinstance(layer, Recurrent)]
    pieces = parts.split(bridged, given, "bridged_part")
    zeros = [size - part for size, part in zip(decoder.state_sizes, given, strict=False)]
    zeros[-1] += sum(decoder.state_sizes[len(given) :])
    padded = [
        parts.add("Pad", piece, parts.sizes(0, 0, 0, missing), out=f"{piece}_padded") if missing else piece
        for piece, missing in zip(pieces, zeros, strict=True)
    ]
    parts.add("Concat", *padded, out=STATE, axis=1)
