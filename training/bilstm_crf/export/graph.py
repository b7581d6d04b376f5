"""The ONNX graph of a tagger: `service.tasks.token_classification.features.Batch` to emissions [B, T, K].

Each distinct word goes through the tables and the character network once; its features are then put where its tokens
are. The LSTMs are told the lengths, so that padding is never read. Shapes are named as in
`training.bilstm_crf.network.model`.
"""

from typing import Any, Literal

import numpy as np
import torch
from onnx import TensorProto, ValueInfoProto, helper
from torch import Tensor, nn

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.tasks.token_classification.features import CASING, CHARACTERS, EMISSIONS, LENGTHS, TOKENS, WORDS
from training.bilstm_crf.network.model import BiLstm, BiLstmCrf, CharacterBiLstm, CharacterCnn
from training.common.graph_builder import OnnxParts

GRAPH_FILE = "model.onnx"

Weights = Literal["int8", "fp16", "fp32"]
"""How the word table and the matrices of the LSTMs are stored; all else is small and stays float32.

int8 has a scale for each word and for each row of a matrix (each gate of each unit). Everything is computed in float32:
what is stored otherwise is converted once, when the graph is loaded, words when they are looked up.
"""

_NEVER = -1e4  # below every answer of a filter


def graph_spec(labels: int) -> Graph:
    """What goes in and out, as the manifest says it."""
    return Graph(
        file=GRAPH_FILE,
        inputs=tuple(
            TensorSpec(name=name, datatype=Datatype.INT32, shape=(-1,) * len(axes)) for name, axes in _AXES.items()
        ),
        outputs=(TensorSpec(name=EMISSIONS, datatype=Datatype.FP32, shape=(-1, -1, labels)),),
    )


def build_graph(network: BiLstmCrf, weights: Weights) -> bytes:
    """The ONNX file, weights inside."""
    parts = OnnxParts(weights)
    features = parts.add("Gather", _features(parts, network), _tokens_TB(parts), out="states_0")
    states = features
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, BiLstm)
        both = _lstm(parts, layer, states, LENGTHS, f"layer_{number}", out="all")
        beside = parts.add("Transpose", both, out=f"beside_{number}", perm=[0, 2, 1, 3])
        states = parts.add("Reshape", beside, parts.sizes(0, 0, -1), out=f"states_{number + 1}")
    scored = parts.add("MatMul", states, parts.keep("output", network.output.weight.T), out="scored_TBK")
    shifted = parts.add("Add", scored, parts.keep("output_bias", network.output.bias), out="emissions_TBK")
    parts.add("Transpose", shifted, out=EMISSIONS, perm=[1, 0, 2])
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, axes) for name, axes in _AXES.items()]
    return parts.model("tagger", inputs, [_emissions(network.output.out_features)])


_AXES = {WORDS: ["U"], CHARACTERS: ["U", "C"], CASING: ["U"], TOKENS: ["B", "T"], LENGTHS: ["B"]}
"""The inputs with the names of their axes."""


def _emissions(labels: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(EMISSIONS, TensorProto.FLOAT, ["B", "T", labels])


def _tokens_TB(parts: OnnxParts) -> str:
    return parts.add("Transpose", TOKENS, out="tokens_TB", perm=[1, 0])


def _features(parts: OnnxParts, network: BiLstmCrf) -> str:
    """What is known of each distinct word: [U, F]."""
    found = [parts.rows(parts.store("word_table", network.words.rows()), WORDS, out="word_vectors")]
    found.append(parts.add("Gather", parts.keep("casings", network.casing.weight), CASING, out="casing_vectors"))
    if isinstance(network.characters, CharacterCnn):
        found.append(_convolved(parts, network.characters))
    elif isinstance(network.characters, CharacterBiLstm):
        found.append(_spelt(parts, network.characters))
    return parts.add("Concat", *found, out="features", axis=1)


def _convolved(parts: OnnxParts, network: CharacterCnn) -> str:
    """Each filter's highest answer [U, units], the padding's left out.

    Three tables say what a character adds to the answers of the filters that have it on their left, in their middle and
    on their right: three look-ups and two sums, measured to take a third of the time of embedding and Conv. The tables
    are worked out when the graph is loaded.
    """
    before, after = _neighbours(parts)
    letters = network.embedding.weight.detach()
    blank = torch.zeros(len(letters), 1)
    blank[0] = 1
    parts.keep("letters", torch.cat([letters, blank], dim=1))
    assert network.convolution.bias is not None
    bias = parts.keep("filters_bias", network.convolution.bias)
    maps = ""
    taps = network.convolution.weight.detach().unbind(2)
    for name, characters, tap in zip(("left", "middle", "right"), (before, CHARACTERS, after), taps, strict=True):
        out_of_place = torch.full((len(tap), 1), _NEVER if name == "middle" else 0.0)
        filters = parts.keep(f"filters_{name}", torch.cat([tap, out_of_place], dim=1).T)
        table = parts.add("MatMul", "letters", filters, out=f"table_{name}")
        if name == "middle":
            table = parts.add("Add", table, bias, out="table_middle_shifted")
        told = parts.add("Gather", table, characters, out=f"told_{name}")
        maps = parts.add("Add", maps, told, out=f"maps_{name}") if maps else told
    return parts.add("ReduceMax", maps, parts.sizes(1), out="spelling", keepdims=0)


def _neighbours(parts: OnnxParts) -> tuple[str, str]:
    """The characters [U, C] before and after each one, padding around them."""
    parts.constants["no_character"] = np.array(0, np.int32)
    padded = parts.add("Pad", CHARACTERS, parts.sizes(0, 1, 0, 1), "no_character", out="characters_padded")
    axis, beyond = parts.sizes(1), parts.sizes(np.iinfo(np.int64).max)
    before = parts.add("Slice", padded, parts.sizes(0), parts.sizes(-2), axis, out="characters_before")
    return before, parts.add("Slice", padded, parts.sizes(2), beyond, axis, out="characters_after")


def _spelt(parts: OnnxParts, network: CharacterBiLstm) -> str:
    """The last states of both LSTMs [U, units]."""
    letters = parts.add("Gather", parts.keep("letters", network.embedding.weight), CHARACTERS, out="letters_UCE")
    turned = parts.add("Transpose", letters, out="letters_CUE", perm=[1, 0, 2])
    parts.constants["no_character"] = np.array(0, np.int32)
    inside = parts.add("Greater", CHARACTERS, "no_character", out="inside_UC")
    ones = parts.add("Cast", inside, out="ones_UC", to=TensorProto.INT32)
    parts.constants["at_least"] = np.array(1, np.int32)
    counted = parts.add("ReduceSum", ones, parts.sizes(1), out="counted_U", keepdims=0)
    lengths = parts.add("Max", counted, "at_least", out="characters_U")
    last = _lstm(parts, network.lstm, turned, lengths, "spelling", out="last")
    beside = parts.add("Transpose", last, out="last_U2H", perm=[1, 0, 2])
    return parts.add("Reshape", beside, parts.sizes(0, -1), out="spelling")


def _lstm(parts: OnnxParts, layer: BiLstm, inputs: str, lengths: str, name: str, *, out: Literal["all", "last"]) -> str:
    """All states [T, 2, B, H] or the last ones [2, B, H] of an LSTM in both directions, which knows the lengths."""
    both = (layer.ahead, layer.back)
    matrices = [
        parts.as_float(
            *parts.store(f"{name}_{short}_stored", torch.stack([_gates(getattr(lstm, long)) for lstm in both])),
            out=f"{name}_{short}",
        )
        for short, long in (("input", "weight_ih_l0"), ("recurrent", "weight_hh_l0"))
    ]
    biases = [torch.cat([_gates(lstm.bias_ih_l0), _gates(lstm.bias_hh_l0)]) for lstm in both]
    bias = parts.keep(f"{name}_bias", torch.stack(biases))
    parts.nodes.append(
        helper.make_node(
            "LSTM",
            [inputs, *matrices, bias, lengths],
            [f"{name}_states"] if out == "all" else ["", f"{name}_states"],
            direction="bidirectional",
            hidden_size=layer.ahead.hidden_size,
        )
    )
    return f"{name}_states"


def _gates(weights: Any) -> Tensor:
    """PyTorch's gates are i, f, g, o; ONNX wants i, o, f, c."""
    assert isinstance(weights, nn.Parameter)
    i, f, g, o = weights.detach().chunk(4)
    return torch.cat([i, o, f, g])
