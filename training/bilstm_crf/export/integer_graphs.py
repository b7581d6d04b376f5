"""The two ONNX graphs of a tagger whose LSTMs multiply integers: from words to features, from those to emissions.

onnxruntime's DynamicQuantizeLSTM has one scale for all inputs of a run and, in each step, one for the states of all
sentences, both from the least and the greatest number that occur, so that an answer would depend on the rest of the
batch. Here the greatest and the least are always the same: two features of every word are constant, and two units of
each layer have the constant states 1 and -1. Their weights are 0. So all scales are constant, and a sentence has the
same emissions, bit for bit, alone and in a batch.

A word's features are quantized with a scale for each feature, which the weights of the first layer contain. They
depend on nothing but the word, so the server keeps them.
"""

from collections.abc import Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.tasks.token_classification.features import (
    CASING,
    CHARACTERS,
    EMISSIONS,
    FEATURES,
    LENGTHS,
    WORDS,
    WordFeatures,
)
from service.tasks.token_classification.loading import MODEL, WORD_GRAPH
from training.bilstm_crf.export.graph import GRAPH_FILE, stack_gates, word_features
from training.bilstm_crf.network.model import BiLstm, BiLstmCrf
from training.common.graph_builder import GraphBuilder

WORDS_FILE = "words.onnx"

_CONTRIB = "com.microsoft"  # onnxruntime's own operators
_LARGEST_FEATURE = 127
"""Features are multiples of 1/127 from -1 to 1, stored around 128."""
_LARGEST_WEIGHT = 63
"""7 bits: CPUs without VNNI add two products in 16 bits, which would overflow with more."""
_CONSTANT_FEATURES = (2 * _LARGEST_FEATURE + 1, 0)
"""As stored: 1 and -128/127, for which the scale is 1/127 and the zero point 128."""
_RANGE_UNITS = 2
_UNIT_MULTIPLE = 8
"""Units are padded to such a multiple, which was measured to make a row 1/8 cheaper."""
_AXIS_2 = "axis_2"
_SATURATED = 40.0
"""A bias for which a sigmoid is 0 or 1, and a cell for which the tangent is 1."""
_VOCABULARY_PART = 4096


def feature_bounds(network: BiLstmCrf, features: WordFeatures, words: Sequence[str]) -> NDArray[np.float32]:
    """The largest absolute value [F] of each feature over words, and over their forms in lower case and capitals.

    Args:
        network: the trained network.
        features: makes its inputs.
        words: the vocabulary.
    """
    forms = list(dict.fromkeys(form for word in words for form in (word, word.lower(), word.upper(), word.title())))
    largest = torch.zeros(network.width)
    with torch.no_grad():
        for start in range(0, len(forms), _VOCABULARY_PART):
            feeds = features.words(forms[start : start + _VOCABULARY_PART])
            columns = (torch.from_numpy(feeds[name].astype(np.int64)) for name in (WORDS, CHARACTERS, CASING))
            largest = torch.maximum(largest, network.features(*columns).abs().amax(0))
    bounds: NDArray[np.float32] = largest.clamp(min=1e-6).numpy()
    return bounds


def integer_graph_specs(features: int, labels: int) -> dict[str, Graph]:
    """Both graphs for the manifest.

    Args:
        features: the number of features of a word, without the constant ones.
        labels: the number of labels.
    """
    width, integers = features + len(_CONSTANT_FEATURES), Datatype.INT32
    axes = {WORDS: (-1,), CHARACTERS: (-1, -1), CASING: (-1,)}
    words = Graph(
        file=WORDS_FILE,
        inputs=tuple(TensorSpec(name=name, datatype=integers, shape=shape) for name, shape in axes.items()),
        outputs=(TensorSpec(name=FEATURES, datatype=Datatype.UINT8, shape=(-1, width)),),
    )
    model = Graph(
        file=GRAPH_FILE,
        inputs=(
            TensorSpec(name=FEATURES, datatype=Datatype.UINT8, shape=(-1, -1, width)),
            TensorSpec(name=LENGTHS, datatype=integers, shape=(-1,)),
        ),
        outputs=(TensorSpec(name=EMISSIONS, datatype=Datatype.FP32, shape=(-1, -1, labels)),),
    )
    return {WORD_GRAPH: words, MODEL: model}


def build_integer_graphs(network: BiLstmCrf, bounds: NDArray[np.float32]) -> dict[str, bytes]:
    """The ONNX files by the names of their graphs, weights inside.

    Args:
        network: the trained network.
        bounds: what `feature_bounds` returned; features beyond them are clipped.
    """
    return {WORD_GRAPH: _words_graph(network, bounds), MODEL: _sentences_graph(network, bounds)}


def float_lstms(model: ModelProto) -> ModelProto:
    """A copy of a model whose LSTMs compute in float32 with the same weights, for accelerators.

    The constant units have no initial states there, so they stay 0, which changes nothing.
    """
    result = ModelProto()
    result.CopyFrom(model)
    nodes: list[NodeProto] = []
    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DynamicQuantizeLSTM":
            nodes.append(node)
            continue
        inputs, weights, recurrent, bias, lengths = node.input[:5]
        matrices = []
        for matrix, scales in ((weights, node.input[8]), (recurrent, node.input[10])):
            cast, turned, column = f"{matrix}_cast", f"{matrix}_turned", f"{scales}_column"
            nodes.append(helper.make_node("Cast", [matrix], [cast], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Transpose", [cast], [turned], perm=[0, 2, 1]))
            nodes.append(helper.make_node("Unsqueeze", [scales, _AXIS_2], [column]))
            nodes.append(helper.make_node("Mul", [turned, column], [f"{matrix}_float"]))
            matrices.append(f"{matrix}_float")
        layer = helper.make_node("LSTM", [inputs, *matrices, bias, lengths], node.output)
        layer.attribute.extend(node.attribute)
        nodes.append(layer)
        constants[_AXIS_2] = numpy_helper.from_array(np.array([2], np.int64), _AXIS_2)
    if len(nodes) == len(model.graph.node):
        return result
    needed = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del result.graph.node[:], result.graph.initializer[:], result.opset_import[:]
    result.graph.node.extend(kept[::-1])
    result.graph.initializer.extend(constant for name, constant in constants.items() if name in needed)
    result.opset_import.extend(opset for opset in model.opset_import if opset.domain != _CONTRIB)
    onnx.checker.check_model(result, full_check=True)
    return result


def _words_graph(network: BiLstmCrf, bounds: NDArray[np.float32]) -> bytes:
    """From words to features: UINT8 [U, F + 2]."""
    builder = GraphBuilder("int8")
    features = word_features(builder, network)
    factors = builder.add_constant("feature_factors", _LARGEST_FEATURE / bounds)
    scaled = builder.add("Mul", features, factors, out="features_scaled")
    builder.constants["middle"] = np.array(_LARGEST_FEATURE + 1, np.float32)
    limit = np.float32(_LARGEST_FEATURE)
    builder.constants["least"], builder.constants["most"] = np.array(-limit), np.array(limit)
    clipped = builder.add("Clip", scaled, "least", "most", out="features_clipped")
    # Not QuantizeLinear: OpenVINO 2025.4 merges it with the product by a scale per feature, and gives other numbers.
    rounded = builder.add("Round", clipped, out="features_rounded")
    shifted = builder.add("Add", rounded, "middle", out="features_shifted")
    quantized = builder.add("Cast", shifted, out="features_quantized", to=TensorProto.UINT8)
    count = builder.add("Shape", WORDS, out="count_1")
    builder.constants["constant_count"] = np.array([len(_CONSTANT_FEATURES)], np.int64)
    shape = builder.add("Concat", count, "constant_count", out="constants_shape", axis=0)
    builder.constants["constants"] = np.array([_CONSTANT_FEATURES], np.uint8)
    constants = builder.add("Expand", "constants", shape, out="constants_U2")
    builder.add("Concat", quantized, constants, out=FEATURES, axis=1)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, axes)
        for name, axes in {WORDS: ["U"], CHARACTERS: ["U", "C"], CASING: ["U"]}.items()
    ]
    width = len(bounds) + len(_CONSTANT_FEATURES)
    return builder.model("words", inputs, [helper.make_tensor_value_info(FEATURES, TensorProto.UINT8, ["U", width])])


def _sentences_graph(network: BiLstmCrf, bounds: NDArray[np.float32]) -> bytes:
    """From features [B, T, F + 2] to emissions [B, T, K]."""
    builder = GraphBuilder("int8")
    builder.domains = (_CONTRIB,)
    by_time = builder.add("Transpose", FEATURES, out="features_TBF", perm=[1, 0, 2])
    builder.constants["feature_scale"] = np.array(1 / _LARGEST_FEATURE, np.float32)
    builder.constants["middle"] = np.array(_LARGEST_FEATURE + 1, np.uint8)
    states = builder.add("DequantizeLinear", by_time, "feature_scale", "middle", out="states_0")
    padded = 0
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, BiLstm)
        hidden = layer.forward_lstm.hidden_size
        weights = stack_gates((layer.forward_lstm, layer.backward_lstm), "weight_ih_l0").numpy()
        if number == 0:
            weights = _padded(weights * bounds, len(bounds) + len(_CONSTANT_FEATURES), 2)
        else:
            weights = np.concatenate([_padded(half, padded, 2) for half in np.split(weights, 2, axis=2)], axis=2)
        padded = -(-(hidden + _RANGE_UNITS) // _UNIT_MULTIPLE) * _UNIT_MULTIPLE
        states = _lstm(builder, layer, states, weights, padded, f"layer_{number}")
    halves = network.output.weight.detach().numpy().T
    output = np.concatenate([_padded(half, padded, 0) for half in np.split(halves, 2)])
    product = builder.add("MatMul", states, builder.add_constant("output", output), out="product_TBK")
    biased = builder.add("Add", product, builder.add_constant("output_bias", network.output.bias), out="emissions_TBK")
    builder.add("Transpose", biased, out=EMISSIONS, perm=[1, 0, 2])
    labels = network.output.out_features
    width = len(bounds) + len(_CONSTANT_FEATURES)
    inputs = [
        helper.make_tensor_value_info(FEATURES, TensorProto.UINT8, ["B", "T", width]),
        helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["B"]),
    ]
    outputs = [helper.make_tensor_value_info(EMISSIONS, TensorProto.FLOAT, ["B", "T", labels])]
    return builder.model("tagger", inputs, outputs)


def _lstm(
    builder: GraphBuilder, layer: BiLstm, inputs: str, weights: NDArray[np.float32], padded: int, name: str
) -> str:
    """The states [T, B, 2P] of a layer of H units, padded to P: its own, then the constant ones, then zeros.

    Args:
        builder: collects the nodes.
        layer: the trained layer.
        inputs: name of the inputs [T, B, I].
        weights: of the inputs: [2, 4H, I].
        padded: P.
        name: prefix of the names.
    """
    directions = (layer.forward_lstm, layer.backward_lstm)
    hidden = layer.forward_lstm.hidden_size
    recurrent = _padded(stack_gates(directions, "weight_hh_l0").numpy(), padded, 2)
    biases = [stack_gates(directions, kind).numpy().copy() for kind in ("bias_ih_l0", "bias_hh_l0")]
    input_bias, recurrent_bias = (_padded_gates(bias, padded) for bias in biases)
    gates = input_bias.reshape(2, 4, padded)
    gates[:, 0, hidden:] = -_SATURATED  # i
    gates[:, 1:3, hidden:] = _SATURATED  # o and f
    matrices: list[str] = []
    for kind, matrix in (("input", weights), ("recurrent", recurrent)):
        integers, scales = _quantized(_padded_gates(matrix, padded))
        builder.constants[f"{name}_{kind}"] = integers
        builder.constants[f"{name}_{kind}_scales"] = scales
        matrices.append(f"{name}_{kind}")
    builder.constants["zero_points"] = np.zeros((2, 4 * padded), np.int8)
    bias = builder.add_constant(f"{name}_bias", np.concatenate([input_bias, recurrent_bias], axis=1))
    sentences = builder.add("Shape", LENGTHS, out=f"{name}_sentences")
    shape = builder.add("Concat", builder.sizes(2), sentences, builder.sizes(padded), out=f"{name}_shape", axis=0)
    initial = []
    for kind, size in (("h", 1.0), ("c", _SATURATED)):
        values = np.zeros((1, 1, padded), np.float32)
        values[..., hidden : hidden + _RANGE_UNITS] = size, -size
        builder.add_constant(f"{name}_{kind}", values)
        initial.append(builder.add("Expand", f"{name}_{kind}", shape, out=f"{name}_initial_{kind}"))
    builder.nodes.append(
        helper.make_node(
            "DynamicQuantizeLSTM",
            [inputs, *matrices, bias, LENGTHS, *initial, "", f"{name}_input_scales", "zero_points",
             f"{name}_recurrent_scales", "zero_points"],
            [f"{name}_states"],
            domain=_CONTRIB,
            direction="bidirectional",
            hidden_size=padded,
        )
    )  # fmt: skip
    transposed = builder.add("Transpose", f"{name}_states", out=f"{name}_TB2P", perm=[0, 2, 1, 3])
    return builder.add("Reshape", transposed, builder.sizes(0, 0, -1), out=f"{name}_TBP")


def _padded(values: NDArray[np.float32], size: int, axis: int) -> NDArray[np.float32]:
    """With zeros at the end of an axis up to a size."""
    widths = [(0, size - length if axis == number else 0) for number, length in enumerate(values.shape)]
    return np.pad(values, widths)


def _padded_gates(values: NDArray[np.float32], padded: int) -> NDArray[np.float32]:
    """[2, 4H, …] as [2, 4P, …], each gate with zeros at its end."""
    apart = values.reshape(2, 4, values.shape[1] // 4, *values.shape[2:])
    return _padded(apart, padded, 2).reshape(2, 4 * padded, *values.shape[2:])


def _quantized(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix [2, M, K] as integers [2, K, M], and the scale [2, M] of each row."""
    scales = np.abs(matrix).max(axis=2) / np.float32(_LARGEST_WEIGHT)
    safe = np.where(scales == 0, np.float32(1), scales)
    integers = np.rint(matrix / safe[:, :, None]).astype(np.int8)
    return np.ascontiguousarray(integers.transpose(0, 2, 1)), safe.astype(np.float32)
