"""The ONNX graph of a tagger: from `service.tasks.token_classification.features.Batch` to emissions [B, T, K].

Each distinct word goes through the tables and the character network once; its features are then gathered at the
positions of its tokens. The LSTMs get the lengths, so that padding is never read. Shapes are named as in
`training.bilstm_crf.network.model`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from onnx import TensorProto, ValueInfoProto, helper
from torch import Tensor, nn

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.tasks.token_classification.features import CASING, CHARACTERS, EMISSIONS, LENGTHS, TOKENS, WORDS
from training.bilstm_crf.network.model import BiLstm, BiLstmCrf, CharacterBiLstm, CharacterCnn
from training.common.graph_builder import GraphBuilder
from training.common.onnx_gates import to_onnx_gates

GRAPH_FILE = "model.onnx"

Weights = Literal["int8", "int8-stored", "fp16", "fp32"]
"""How the word table and the matrices of the LSTMs are stored; everything else is small and stays float32.

8 bits have a scale for each word and for each row of a matrix (each gate of each unit). int8 computes the products of
the LSTMs in integers and has two graphs, see `integer_graphs`. The others have one and compute in float32: stored
matrices are converted once, when the graph is loaded, word vectors when they are looked up.
"""

_PADDING_RESPONSE = -1e4
"""Response of a filter at padding: lower than any other, so that max-pooling ignores it."""


def graph_spec(labels: int) -> Graph:
    """The inputs and outputs of the only graph, for the manifest."""
    return Graph(
        file=GRAPH_FILE,
        inputs=tuple(
            TensorSpec(name=name, datatype=Datatype.INT32, shape=(-1,) * len(axes)) for name, axes in _AXES.items()
        ),
        outputs=(TensorSpec(name=EMISSIONS, datatype=Datatype.FP32, shape=(-1, -1, labels)),),
    )


def build_graph(network: BiLstmCrf, weights: Weights) -> bytes:
    """The ONNX file of a tagger that computes in float32, weights inside."""
    builder = GraphBuilder(weights)
    states = builder.add("Gather", word_features(builder, network), _tokens_TB(builder), out="states_0")
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, BiLstm)
        both = lstm(builder, layer, states, LENGTHS, f"layer_{number}", out="all")
        transposed = builder.add("Transpose", both, out=f"transposed_{number}", perm=[0, 2, 1, 3])
        states = builder.add("Reshape", transposed, builder.sizes(0, 0, -1), out=f"states_{number + 1}")
    product = builder.add("MatMul", states, builder.add_constant("output", network.output.weight.T), out="product_TBK")
    biased = builder.add("Add", product, builder.add_constant("output_bias", network.output.bias), out="emissions_TBK")
    builder.add("Transpose", biased, out=EMISSIONS, perm=[1, 0, 2])
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, axes) for name, axes in _AXES.items()]
    return builder.model("tagger", inputs, [_emissions(network.output.out_features)])


_AXES = {WORDS: ["U"], CHARACTERS: ["U", "C"], CASING: ["U"], TOKENS: ["B", "T"], LENGTHS: ["B"]}
"""The inputs with the names of their axes."""


def _emissions(labels: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(EMISSIONS, TensorProto.FLOAT, ["B", "T", labels])


def _tokens_TB(builder: GraphBuilder) -> str:
    return builder.add("Transpose", TOKENS, out="tokens_TB", perm=[1, 0])


def word_features(builder: GraphBuilder, network: BiLstmCrf) -> str:
    """The features of each distinct word [U, F]: its vector, casing and characters."""
    features = [builder.rows(builder.add_weights("word_table", network.words.rows()), WORDS, out="word_vectors")]
    features.append(
        builder.add("Gather", builder.add_constant("casings", network.casing.weight), CASING, out="casing_vectors")
    )
    for encoder in network.characters:
        if isinstance(encoder, CharacterCnn):
            features.append(_character_cnn(builder, encoder))
        else:
            assert isinstance(encoder, CharacterBiLstm)
            features.append(_character_lstm(builder, encoder))
    return builder.add("Concat", *features, out="features_UF", axis=1)


def _character_cnn(builder: GraphBuilder, network: CharacterCnn) -> str:
    """Max-pooled responses of the filters [U, units].

    Instead of embedding and Conv, three tables hold what a character adds to the responses of the filters when it is on
    their left, in their middle and on their right: three look-ups and two sums, measured to take a third of the time.
    The tables are computed when the graph is loaded (constant folding).
    """
    previous, following = _neighbors(builder)
    embeddings = network.embedding.weight.detach()
    is_padding = torch.zeros(len(embeddings), 1)
    is_padding[0] = 1
    builder.add_constant("letters", torch.cat([embeddings, is_padding], dim=1))
    assert network.convolution.bias is not None
    bias = builder.add_constant("filters_bias", network.convolution.bias)
    responses = ""
    taps = network.convolution.weight.detach().unbind(2)
    positions = (("left", previous), ("middle", CHARACTERS), ("right", following))
    for (name, characters), tap in zip(positions, taps, strict=True):
        at_padding = torch.full((len(tap), 1), _PADDING_RESPONSE if name == "middle" else 0.0)
        filters = builder.add_constant(f"filters_{name}", torch.cat([tap, at_padding], dim=1).T)
        table = builder.add("MatMul", "letters", filters, out=f"table_{name}")
        if name == "middle":
            table = builder.add("Add", table, bias, out="table_middle_biased")
        response = builder.add("Gather", table, characters, out=f"response_{name}")
        responses = builder.add("Add", responses, response, out=f"responses_{name}") if responses else response
    return builder.add("ReduceMax", responses, builder.sizes(1), out="character_features", keepdims=0)


def _neighbors(builder: GraphBuilder) -> tuple[str, str]:
    """The characters [U, C] before and after each character, with padding at the ends."""
    builder.constants["no_character"] = np.array(0, np.int32)
    padded = builder.add("Pad", CHARACTERS, builder.sizes(0, 1, 0, 1), "no_character", out="characters_padded")
    axis, end = builder.sizes(1), builder.sizes(np.iinfo(np.int64).max)
    before = builder.add("Slice", padded, builder.sizes(0), builder.sizes(-2), axis, out="characters_before")
    return before, builder.add("Slice", padded, builder.sizes(2), end, axis, out="characters_after")


def _character_lstm(builder: GraphBuilder, network: CharacterBiLstm) -> str:
    """The final states of both directions [U, units]."""
    letters = builder.add_constant("spelling_letters", network.embedding.weight)
    embedded = builder.add("Gather", letters, CHARACTERS, out="characters_UCE")
    transposed = builder.add("Transpose", embedded, out="characters_CUE", perm=[1, 0, 2])
    builder.constants["no_character"] = np.array(0, np.int32)
    is_character = builder.add("Greater", CHARACTERS, "no_character", out="is_character_UC")
    ones = builder.add("Cast", is_character, out="ones_UC", to=TensorProto.INT32)
    builder.constants["at_least"] = np.array(1, np.int32)
    counts = builder.add("ReduceSum", ones, builder.sizes(1), out="counts_U", keepdims=0)
    lengths = builder.add("Max", counts, "at_least", out="characters_U")
    last = lstm(builder, network.lstm, transposed, lengths, "spelling", out="last")
    by_word = builder.add("Transpose", last, out="last_U2H", perm=[1, 0, 2])
    return builder.add("Reshape", by_word, builder.sizes(0, -1), out="spelling_features")


def lstm(
    builder: GraphBuilder, layer: BiLstm, inputs: str, lengths: str, name: str, *, out: Literal["all", "last"]
) -> str:
    """All states [T, 2, B, H] or the final ones [2, B, H] of a bidirectional LSTM over sequences of these lengths."""
    directions = (layer.forward_lstm, layer.backward_lstm)
    matrices = [
        builder.as_float(
            *builder.add_weights(f"{name}_{kind}_stored", stack_gates(directions, weights)), out=f"{name}_{kind}"
        )
        for kind, weights in (("input", "weight_ih_l0"), ("recurrent", "weight_hh_l0"))
    ]
    biases = [stack_gates(directions, weights) for weights in ("bias_ih_l0", "bias_hh_l0")]
    bias = builder.add_constant(f"{name}_bias", torch.cat(biases, dim=1))
    builder.nodes.append(
        helper.make_node(
            "LSTM",
            [inputs, *matrices, bias, lengths],
            [f"{name}_states"] if out == "all" else ["", f"{name}_states"],
            direction="bidirectional",
            hidden_size=layer.forward_lstm.hidden_size,
        )
    )
    return f"{name}_states"


def stack_gates(directions: Sequence[nn.LSTM], weights: str) -> Tensor:
    """The weights of both directions, stacked, with their gates in ONNX's order."""
    return torch.stack([to_onnx_gates("lstm", lstm.get_parameter(weights)) for lstm in directions])
