"""Graphs whose LSTMs multiply integers: near PyTorch, the same alone and in a batch bit for bit, on every CPU."""

from typing import Any, get_args

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.support.onnx_graphs import open_graph
from tests.training.bilstm_crf.test_graph import LABELS, SENTENCES, WORDS, features, from_pytorch, network
from training.bilstm_crf.config import Characters
from training.bilstm_crf.export.integer_graphs import (
    build_integer_graphs,
    feature_bounds,
    float_lstms,
    integer_graph_specs,
)
from training.bilstm_crf.network.model import BiLstmCrf
from training.common.recurrent_padding import without_lengths

pytestmark = pytest.mark.torch

VOCABULARY = [*WORDS, "an", "unforeseeablylongword", "é", "42", "x"]


def graphs(model: BiLstmCrf) -> dict[str, bytes]:
    return build_integer_graphs(model, feature_bounds(model, features(), VOCABULARY))


def emissions(files: dict[str, bytes], sentences: list[list[str]], more_padding: int = 0) -> NDArray[np.float32]:
    words = open_graph(files["words"])
    lengths = np.array([len(sentence) for sentence in sentences], np.int32)
    width = words.get_outputs()[0].shape[1]
    padded = np.zeros((len(sentences), int(lengths.max()) + more_padding, width), np.uint8)
    for row, sentence in zip(padded, sentences, strict=True):
        row[: len(sentence)] = words.run(None, features().words(sentence))[0]
    result: NDArray[np.float32] = open_graph(files["model"]).run(None, {"features": padded, "lengths": lengths})[0]
    return result


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("characters", get_args(Characters))
def test_emissions_are_near_pytorchs_and_the_same_alone_and_in_a_batch(characters: str, layers: int) -> None:
    model = network(characters, layers)
    files = graphs(model)
    together, expected = emissions(files, SENTENCES), from_pytorch(model, SENTENCES)
    for row, sentence in enumerate(SENTENCES):
        size = len(sentence)
        np.testing.assert_allclose(together[row, :size], expected[row, :size], atol=0.1)
        np.testing.assert_array_equal(emissions(files, [sentence])[0], together[row, :size])
        np.testing.assert_array_equal(emissions(files, [sentence], more_padding=3)[0, :size], together[row, :size])


def test_a_words_features_depend_on_nothing_but_the_word() -> None:
    session = open_graph(graphs(network("cnn"))["words"])
    (together,) = session.run(None, features().words(VOCABULARY))
    for row, word in enumerate(VOCABULARY):
        np.testing.assert_array_equal(session.run(None, features().words([word]))[0][0], together[row])
    assert together[:, -2:].tolist() == [[255, 0]] * len(VOCABULARY)  # they keep the scale of all runs the same
    assert (together[:, :-2].min(), together[:, :-2].max()) >= (1, 1)


def test_features_beyond_those_of_the_vocabulary_are_clipped() -> None:
    model = network("cnn")
    files = build_integer_graphs(model, feature_bounds(model, features(), VOCABULARY) / 100)
    (rows,) = open_graph(files["words"]).run(None, features().words(VOCABULARY))
    assert set(np.unique(rows[:, :6])) <= {1, 255, 128}


def test_features_are_quantized_by_operators_that_every_provider_computes_alike() -> None:
    # OpenVINO merges QuantizeLinear with the product before it, and gives other numbers.
    operators = {node.op_type for node in onnx.load_from_string(graphs(network("cnn"))["words"]).graph.node}
    assert "QuantizeLinear" not in operators
    assert {"Round", "Cast"} <= operators


def test_products_of_two_weights_never_overflow_16_bits() -> None:
    stored: dict[str, Any] = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(graphs(network("cnn", 2))["model"]).graph.initializer
    }
    matrices = [stored[f"layer_{layer}_{kind}"] for layer in (0, 1) for kind in ("input", "recurrent")]
    assert {matrix.dtype for matrix in matrices} == {np.dtype(np.int8)}
    assert max(int(np.abs(matrix.astype(int)).max()) for matrix in matrices) == 63
    assert 2 * 255 * 63 < 1 << 15


def test_the_graphs_fit_the_manifest_and_are_the_same_each_time() -> None:
    model = network("cnn", 2)
    files = graphs(model)
    assert files == graphs(network("cnn", 2))
    for name, spec in integer_graph_specs(model.width, LABELS).items():
        session = open_graph(files[name])
        for entries, nodes in ((spec.inputs, session.get_inputs()), (spec.outputs, session.get_outputs())):
            assert [entry.name for entry in entries] == [node.name for node in nodes]
            assert [entry.shape for entry in entries] == [
                tuple(size if isinstance(size, int) else -1 for size in node.shape) for node in nodes
            ]


def test_accelerators_get_the_same_weights_in_float32() -> None:
    model = network("cnn", 2)
    files = graphs(model)
    variant = float_lstms(onnx.load_from_string(files["model"]))
    assert {node.op_type for node in variant.graph.node} & {"LSTM", "DynamicQuantizeLSTM"} == {"LSTM"}
    variants = files | {"model": bytes(variant.SerializeToString())}
    expected = emissions(files, SENTENCES)
    for row, sentence in enumerate(SENTENCES):
        np.testing.assert_allclose(
            emissions(variants, SENTENCES)[row, : len(sentence)], expected[row, : len(sentence)], atol=0.1
        )
    words = onnx.load_from_string(files["words"])
    assert float_lstms(words) == words


def test_words_have_the_same_features_where_lengths_are_outside_of_the_lstm() -> None:
    words = graphs(network("cnn+bilstm"))["words"]
    variant = onnx.load_from_string(words)
    without_lengths(variant)
    assert "ReverseSequence" in {node.op_type for node in variant.graph.node}
    expected, changed = (
        open_graph(file).run(None, features().words(VOCABULARY))[0] for file in (words, variant.SerializeToString())
    )
    assert np.abs(expected.astype(int) - changed).max() <= 1
