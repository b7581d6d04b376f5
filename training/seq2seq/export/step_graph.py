"""The ONNX nodes of one step of the decoder, for W hypotheses of each of N sources: R = N x W rows."""

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import Tensor

from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    MEMORY,
    NEXT_STATE,
    STATE,
    TOKENS,
    K,
)
from training.seq2seq.export.quantize import QuantizedGraph
from training.seq2seq.network.attention import Attention
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.network.recurrent import Recurrent


def add_step(graph: QuantizedGraph, network: Seq2Seq) -> None:
    """Add the nodes from tokens, state and the encoder's memory to candidates, next state and attention."""
    decoder = network.decoder
    graph.add("Shape", TOKENS, out="rows_NW")
    tokens = graph.add("Reshape", TOKENS, graph.sizes(-1), out="tokens_R")
    shared = network.source_embedding is network.target_embedding
    target = graph.add_weights("embeddings" if shared else "target_table", network.target_embedding.weight)
    tied = network.output.weight is network.target_embedding.weight
    output = target if tied else graph.add_weights("output_table", network.output.weight)
    inputs = [graph.rows(target, tokens, out="embedded")]
    flat = graph.add("Reshape", STATE, graph.sizes(-1, network.state_size), out="state_RZ")
    states = graph.split(flat, decoder.state_sizes, "state")
    if network.config.input_feeding:
        inputs.append(states.pop())
    next_states, context, outputs = [], "", ""
    residual = network.config.residual
    bounded = not decoder.norms and not residual  # then outputs of layers are between -1 and 1
    context_bounded = bounded and not network.encoder.residual  # and so are means of them
    for number, (layer, state) in enumerate(zip(decoder.layers, states, strict=True)):
        assert isinstance(layer, Recurrent)
        if number:
            inputs = [outputs, context] if context and number == decoder.attention_layer + 1 else [outputs]
        inputs_bounded = number > 0 and (context_bounded if len(inputs) > 1 else bounded)
        outputs, next_state = _cell(graph, layer, inputs, state, f"decoder_{number}", bounded=inputs_bounded)
        next_states.append(next_state)
        if residual and number:
            outputs = graph.add("Add", outputs, inputs[0], out=f"decoder_{number}_sum")
        if decoder.norms:
            outputs = graph.norm(decoder.norms[number], outputs, out=f"decoder_{number}_norm")
        if number == decoder.attention_layer and decoder.attention is not None:
            context = _attention(graph, decoder.attention, outputs, network.encoder.width, bounded=bounded)
    inputs_of_readout = graph.add("Concat", outputs, context, out="readout_inputs", axis=1) if context else outputs
    matrix = graph.add_weights("readout_matrix", decoder.readout.weight)
    linear = graph.product(
        inputs_of_readout, matrix, decoder.readout.bias, bounded=context_bounded, out="readout_linear"
    )
    readout = graph.add("Tanh", linear, out="readout")
    if network.config.input_feeding:
        next_states.append(readout)
    joined = graph.add("Concat", *next_states, out="next_state_RZ", axis=1) if len(next_states) > 1 else next_states[0]
    _by_hypothesis(graph, joined, network.state_size, out=NEXT_STATE)
    bias = network.output.bias.detach().clone()
    bias[network.forbidden] = -torch.inf
    _candidates(graph, graph.product(readout, output, bias, bounded=True, out="scores_RV"), len(bias))


def _cell(
    graph: QuantizedGraph, layer: Recurrent, inputs: list[str], state: str, name: str, *, bounded: bool
) -> tuple[str, str]:
    """One step of a layer, as in `Recurrent.step`: its output [R, H] and its next state [R, Z]."""
    input_weights, state_weights, input_bias, state_bias = layer.weights.all_weights[0]
    hidden = layer.hidden
    h, *c_before = (
        graph.split(state, [hidden, layer.state_size - hidden], f"{name}_before") if layer.cell == "lstm" else [state]
    )
    if layer.cell == "gru":
        return (_gru(graph, layer, inputs, h, name, bounded=bounded),) * 2
    # i, f and o beside each other, so that one operator computes the sigmoid of all
    matrix, recurrent, bias = (_sigmoids_first(one) for one in (input_weights, state_weights, input_bias + state_bias))
    from_input = _from_input(graph, inputs, matrix, None, name, bounded=bounded)
    stored = graph.add_weights(f"{name}_recurrent", recurrent)
    from_state = graph.product(h, stored, bias, bounded=True, out=f"{name}_from_state")
    summed = graph.add("Add", from_input, from_state, out=f"{name}_gates")
    sigmoid_inputs, new = graph.split(summed, [3 * hidden, hidden], f"{name}_gates_part")
    sigmoids = graph.add("Sigmoid", sigmoid_inputs, out=f"{name}_sigmoids")
    i, f, o = graph.split(sigmoids, [hidden] * 3, f"{name}_gate")
    kept = graph.add("Mul", f, c_before[0], out=f"{name}_kept")
    added = graph.add("Mul", i, graph.add("Tanh", new, out=f"{name}_new"), out=f"{name}_added")
    c = graph.add("Add", kept, added, out=f"{name}_c")
    h = graph.add("Mul", o, graph.add("Tanh", c, out=f"{name}_c_tanh"), out=f"{name}_h")
    return h, graph.add("Concat", h, c, out=f"{name}_next_state", axis=1)


def _from_input(
    graph: QuantizedGraph, inputs: list[str], matrix: Tensor, bias: Tensor | None, name: str, *, bounded: bool
) -> str:
    """The products of the concatenated inputs and their weights, for all gates: [R, gates x H]."""
    joined = graph.add("Concat", *inputs, out=f"{name}_inputs", axis=1) if len(inputs) > 1 else inputs[0]
    return graph.product(
        joined, graph.add_weights(f"{name}_input", matrix), bias, bounded=bounded, out=f"{name}_from_input"
    )


def _gru(graph: QuantizedGraph, layer: Recurrent, inputs: list[str], h: str, name: str, *, bounded: bool) -> str:
    """The state [R, H] of a GRU after one more input."""
    input_weights, state_weights, input_bias, state_bias = layer.weights.all_weights[0]
    hidden = layer.hidden
    from_input = _from_input(graph, inputs, input_weights, input_bias, name, bounded=bounded)
    stored = graph.add_weights(f"{name}_recurrent", state_weights)
    from_state = graph.product(h, stored, state_bias, bounded=True, out=f"{name}_from_state")
    gates_x, new_x = graph.split(from_input, [2 * hidden, hidden], f"{name}_input_part")
    gates_h, new_h = graph.split(from_state, [2 * hidden, hidden], f"{name}_state_part")
    summed = graph.add("Add", gates_x, gates_h, out=f"{name}_gates")
    sigmoids = graph.add("Sigmoid", summed, out=f"{name}_sigmoids")
    reset, update = graph.split(sigmoids, [hidden] * 2, f"{name}_gate")
    new_h = graph.add("Mul", reset, new_h, out=f"{name}_reset_h")
    new = graph.add("Tanh", graph.add("Add", new_x, new_h, out=f"{name}_linear"), out=f"{name}_new")
    # (1 - update) x new + update x h
    change = graph.add("Sub", h, new, out=f"{name}_change")
    return graph.add("Add", new, graph.add("Mul", update, change, out=f"{name}_kept"), out=f"{name}_h")


def _sigmoids_first(weights: Tensor) -> Tensor:
    """LSTM weights with the gates i, f, g, o in the order i, f, o, g."""
    i, f, g, o = weights.detach().chunk(4)
    return torch.cat([i, f, o, g])


def _attention(graph: QuantizedGraph, attention: Attention, query: str, width: int, *, bounded: bool) -> str:
    """The context [R, D] of each hypothesis; the attention weights are an output of the graph."""
    size = attention.query.out_features if attention.query is not None else 0
    if attention.query is not None and attention.score is not None:
        matrix = graph.add_weights("query_matrix", attention.query.weight)
        queries = graph.product(query, matrix, attention.query.bias, bounded=bounded, out="query_RA")
        rows = _by_hypothesis(graph, queries, size, out="query_NWA")
        queries = graph.add("Unsqueeze", rows, graph.sizes(2), out="query_NW1A")
        keys = graph.add("Unsqueeze", KEYS, graph.sizes(1), out="keys_N1SA")
        hidden = graph.add("Tanh", graph.add("Add", queries, keys, out="attention_linear"), out="attention_NWSA")
        scores = graph.add("MatMul", hidden, graph.add_constant("attention_score", attention.score), out="scores_NWS")
    else:
        # Keys times queries, as it is cheaper to transpose the queries than the keys.
        rows = _by_hypothesis(graph, query, -1, out="query_NWA")
        transposed = graph.add("Transpose", rows, out="query_NAW", perm=[0, 2, 1])
        scores = graph.add("MatMul", KEYS, transposed, out="scores_NSW")
        scores = graph.add("Transpose", scores, out="scores_NWS", perm=[0, 2, 1])
    weights = graph.add("Softmax", _masked(graph, scores), out=ATTENTION, axis=-1)
    context = graph.add("MatMul", weights, MEMORY, out="context_NWD")
    return graph.add("Reshape", context, graph.sizes(-1, width), out="context_RD")


def _masked(graph: QuantizedGraph, scores: str) -> str:
    """Scores [N, W, S], -inf beyond the length."""
    shape = graph.add("Shape", KEYS, out="longest", start=1, end=2)
    longest = graph.add("Squeeze", shape, out="longest_scalar")
    zero, one = graph.scalar(np.int64(0)), graph.scalar(np.int64(1))
    positions = graph.add("Range", zero, longest, one, out="positions_S")
    lengths = graph.add("Cast", LENGTHS, out="lengths_int64", to=TensorProto.INT64)
    column = graph.add("Reshape", lengths, graph.sizes(-1, 1, 1), out="lengths_N11")
    inside = graph.add("Less", positions, column, out="inside_N1S")
    return graph.add("Where", inside, scores, graph.scalar(float("-inf")), out="scores_masked")


def _candidates(graph: QuantizedGraph, scores: str, vocabulary: int) -> None:
    """The best k tokens with their log-probabilities."""
    log_probs = graph.add("LogSoftmax", scores, out="log_probs_RV", axis=-1)
    bounded_k = graph.add("Min", K, graph.sizes(vocabulary), out="k_bounded")
    graph.nodes.append(helper.make_node("TopK", [log_probs, bounded_k], ["best_Rk", "tokens_Rk"], axis=-1))
    tokens = graph.add("Cast", "tokens_Rk", out="tokens_int32", to=TensorProto.INT32)
    _by_hypothesis(graph, "best_Rk", -1, out=LOG_PROBS)
    _by_hypothesis(graph, tokens, -1, out=CANDIDATES)


def _by_hypothesis(graph: QuantizedGraph, values: str, size: int, *, out: str) -> str:
    """Reshape [R, X] to [N, W, X]."""
    shape = graph.add("Concat", "rows_NW", graph.sizes(size), out=f"{out}_shape", axis=0)
    return graph.add("Reshape", values, shape, out=out)
