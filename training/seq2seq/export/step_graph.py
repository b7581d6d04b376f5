"""The nodes of one step of the decoder, for N sources' W hypotheses each: R = N x W rows."""

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
from training.seq2seq.export.quantize import Parts
from training.seq2seq.network.attention import Attention
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.network.recurrent import Recurrent


def step_graph(parts: Parts, network: Seq2Seq) -> None:
    """tokens, state and the encoder's memory -> candidates, next state, attention."""
    decoder = network.decoder
    parts.add("Shape", TOKENS, out="rows_NW")
    tokens = parts.add("Reshape", TOKENS, parts.sizes(-1), out="tokens_R")
    shared = network.source_embedding is network.target_embedding
    target = parts.store("embeddings" if shared else "target_table", network.target_embedding.weight, shared=shared)
    tied = network.output.weight is network.target_embedding.weight
    output = target if tied else parts.store("output_table", network.output.weight)
    inputs = [parts.rows(target, tokens, out="embedded")]
    flat = parts.add("Reshape", STATE, parts.sizes(-1, network.state_size), out="state_RZ")
    states = parts.split(flat, decoder.state_sizes, "state")
    if network.config.input_feeding:
        inputs.append(states.pop())
    after, context, outputs = [], "", ""
    bounded = not decoder.norms  # what the layers give out, and means of it: from -1 to 1
    for number, (layer, state) in enumerate(zip(decoder.layers, states, strict=True)):
        assert isinstance(layer, Recurrent)
        if number:
            inputs = [outputs, context] if context and number == decoder.attention_layer + 1 else [outputs]
        outputs, whole = _cell(parts, layer, inputs, state, f"decoder_{number}", bounded=bounded and number > 0)
        after.append(whole)
        if decoder.norms:
            outputs = parts.norm(decoder.norms[number], outputs, out=f"decoder_{number}_norm")
        if number == decoder.attention_layer and decoder.attention is not None:
            context = _attended(parts, decoder.attention, outputs, network.encoder.width, bounded=bounded)
    seen = parts.add("Concat", outputs, context, out="seen", axis=1) if context else outputs
    matrix = parts.store("readout_matrix", decoder.readout.weight)
    linear = parts.product(seen, matrix, decoder.readout.bias, bounded=bounded, out="readout_linear")
    readout = parts.add("Tanh", linear, out="readout")
    if network.config.input_feeding:
        after.append(readout)
    together = parts.add("Concat", *after, out="after_RZ", axis=1) if len(after) > 1 else after[0]
    _by_hypothesis(parts, together, network.state_size, out=NEXT_STATE)
    bias = network.output.bias.detach().clone()
    bias[network.forbidden] = -torch.inf
    _candidates(parts, parts.product(readout, output, bias, bounded=True, out="scores_RV"), len(bias))


def _cell(
    parts: Parts, layer: Recurrent, inputs: list[str], state: str, name: str, *, bounded: bool
) -> tuple[str, str]:
    """One step of a layer, as `Recurrent.step`: its output [R, H] and its state [R, Z]."""
    of_input, of_state, input_bias, state_bias = layer.weights.all_weights[0]
    hidden = layer.hidden
    h, *rest = (
        parts.split(state, [hidden, layer.state_size - hidden], f"{name}_before") if layer.cell == "lstm" else [state]
    )
    if layer.cell == "gru":
        return (_gru(parts, layer, inputs, h, name, bounded=bounded),) * 2
    # i, f, o side by side, so that one operator serves them all
    matrix, recurrent, bias = (_sigmoids_first(one) for one in (of_input, of_state, input_bias + state_bias))
    from_input = _from_input(parts, inputs, matrix, None, name, bounded=bounded)
    stored = parts.store(f"{name}_recurrent", recurrent)
    from_state = parts.product(h, stored, bias, bounded=True, out=f"{name}_from_state")
    summed = parts.add("Add", from_input, from_state, out=f"{name}_gates")
    sigmoids, new = parts.split(summed, [3 * hidden, hidden], f"{name}_kinds")
    opened = parts.add("Sigmoid", sigmoids, out=f"{name}_opened")
    i, f, o = parts.split(opened, [hidden] * 3, f"{name}_gate")
    kept = parts.add("Mul", f, rest[0], out=f"{name}_kept")
    added = parts.add("Mul", i, parts.add("Tanh", new, out=f"{name}_new"), out=f"{name}_added")
    c = parts.add("Add", kept, added, out=f"{name}_c")
    h = parts.add("Mul", o, parts.add("Tanh", c, out=f"{name}_shown"), out=f"{name}_h")
    return h, parts.add("Concat", h, c, out=f"{name}_after", axis=1)


def _from_input(
    parts: Parts, inputs: list[str], matrix: Tensor, bias: Tensor | None, name: str, *, bounded: bool
) -> str:
    """What the inputs, side by side as one row, come to: [R, gates x H]."""
    joined = parts.add("Concat", *inputs, out=f"{name}_inputs", axis=1) if len(inputs) > 1 else inputs[0]
    return parts.product(joined, parts.store(f"{name}_input", matrix), bias, bounded=bounded, out=f"{name}_from_input")


def _gru(parts: Parts, layer: Recurrent, inputs: list[str], h: str, name: str, *, bounded: bool) -> str:
    """The state [R, H] of a GRU after one more input."""
    of_input, of_state, input_bias, state_bias = layer.weights.all_weights[0]
    hidden = layer.hidden
    from_input = _from_input(parts, inputs, of_input, input_bias, name, bounded=bounded)
    stored = parts.store(f"{name}_recurrent", of_state)
    from_state = parts.product(h, stored, state_bias, bounded=True, out=f"{name}_from_state")
    given, new_given = parts.split(from_input, [2 * hidden, hidden], f"{name}_input_kinds")
    known, new_known = parts.split(from_state, [2 * hidden, hidden], f"{name}_state_kinds")
    summed = parts.add("Add", given, known, out=f"{name}_summed")
    opened = parts.add("Sigmoid", summed, out=f"{name}_opened")
    reset, update = parts.split(opened, [hidden] * 2, f"{name}_gate")
    recalled = parts.add("Mul", reset, new_known, out=f"{name}_recalled")
    new = parts.add("Tanh", parts.add("Add", new_given, recalled, out=f"{name}_linear"), out=f"{name}_new")
    # (1 - update) x new + update x h
    change = parts.add("Sub", h, new, out=f"{name}_change")
    return parts.add("Add", new, parts.add("Mul", update, change, out=f"{name}_kept"), out=f"{name}_h")


def _sigmoids_first(weights: Tensor) -> Tensor:
    """i, f, g, o as i, f, o, g."""
    i, f, g, o = weights.detach().chunk(4)
    return torch.cat([i, f, o, g])


def _attended(parts: Parts, attention: Attention, query: str, width: int, *, bounded: bool) -> str:
    """The context [R, D] of every hypothesis; the weights are the graph's output."""
    size = attention.query.out_features if attention.query is not None else 0
    if attention.query is not None and attention.score is not None:
        matrix = parts.store("query_matrix", attention.query.weight)
        asked = parts.product(query, matrix, attention.query.bias, bounded=bounded, out="query_RA")
        rows = _by_hypothesis(parts, asked, size, out="query_NWA")
        apart = parts.add("Unsqueeze", rows, parts.sizes(2), out="query_NW1A")
        beside = parts.add("Unsqueeze", KEYS, parts.sizes(1), out="keys_N1SA")
        together = parts.add("Tanh", parts.add("Add", apart, beside, out="together_linear"), out="together_NWSA")
        scores = parts.add("MatMul", together, parts.keep("attention_score", attention.score), out="scores_NWS")
    else:
        # Keys times queries: turned queries are smaller than turned keys.
        rows = _by_hypothesis(parts, query, -1, out="query_NWA")
        turned = parts.add("Transpose", rows, out="query_NAW", perm=[0, 2, 1])
        scores = parts.add("MatMul", KEYS, turned, out="scores_NSW")
        scores = parts.add("Transpose", scores, out="scores_NWS", perm=[0, 2, 1])
    weights = parts.add("Softmax", _masked(parts, scores), out=ATTENTION, axis=-1)
    context = parts.add("MatMul", weights, MEMORY, out="context_NWD")
    return parts.add("Reshape", context, parts.sizes(-1, width), out="context_RD")


def _masked(parts: Parts, scores: str) -> str:
    """Scores [N, W, S], -inf beyond the length."""
    shape = parts.add("Shape", KEYS, out="longest", start=1, end=2)
    longest = parts.add("Squeeze", shape, out="longest_scalar")
    zero, one = parts.number(np.int64(0)), parts.number(np.int64(1))
    places = parts.add("Range", zero, longest, one, out="places_S")
    lengths = parts.add("Cast", LENGTHS, out="lengths_int64", to=TensorProto.INT64)
    column = parts.add("Reshape", lengths, parts.sizes(-1, 1, 1), out="lengths_N11")
    inside = parts.add("Less", places, column, out="inside_N1S")
    return parts.add("Where", inside, scores, parts.number(float("-inf")), out="scores_masked")


def _candidates(parts: Parts, scores: str, vocabulary: int) -> None:
    """The best k pieces with their log-probabilities."""
    log_probs = parts.add("LogSoftmax", scores, out="log_probs_RV", axis=-1)
    most = parts.add("Min", K, parts.sizes(vocabulary), out="k_bounded")
    parts.nodes.append(helper.make_node("TopK", [log_probs, most], ["best_Rk", "places_Rk"], axis=-1))
    places = parts.add("Cast", "places_Rk", out="places_int32", to=TensorProto.INT32)
    _by_hypothesis(parts, "best_Rk", -1, out=LOG_PROBS)
    _by_hypothesis(parts, places, -1, out=CANDIDATES)


def _by_hypothesis(parts: Parts, values: str, size: int, *, out: str) -> str:
    """[R, X] as [N, W, X]."""
    shape = parts.add("Concat", "rows_NW", parts.sizes(size), out=f"{out}_shape", axis=0)
    return parts.add("Reshape", values, shape, out=out)
