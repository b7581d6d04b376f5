"""The ONNX graph of a tagger against PyTorch: alone, batched, padded, and with weights in fewer bits."""

from typing import Any, get_args

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from service.bundle.manifest import Datatype
from service.tasks.token_classification.features import WordFeatures
from tests.support.onnx_graphs import open_graph
from training.bilstm_crf.config import Characters, NetworkConfig
from training.bilstm_crf.data.batches import inputs
from training.bilstm_crf.export.graph import Weights, build_graph, graph_spec
from training.bilstm_crf.network.model import BiLstmCrf

pytestmark = pytest.mark.torch

WORDS = ["the", "cat", "sat", "on", "mat", "Zoë"]
SENTENCES = [
    ["the", "cat", "sat", "on", "the", "mat"],
    ["Zoë"],
    ["an", "unforeseeablylongword", "é", "42", "THE"],
    ["x", "the"],
]
LABELS = 5


def features(max_characters: int = 8) -> WordFeatures:
    return WordFeatures(WORDS, list("abcdehmnostuZ"), max_characters)


def network(characters: str = "cnn", layers: int = 1, output: str = "crf") -> BiLstmCrf:
    """A network with random weights, including biases and the differences of tuned words."""
    torch.manual_seed(3)
    settings: dict[str, Any] = {"characters": characters, "layers": layers, "output": output}
    config = NetworkConfig(hidden=5, character_dimensions=3, character_units=4, **settings)
    table = np.random.default_rng(0).normal(0, 1, (len(WORDS) + 1, 6)).astype(np.float32)
    model = BiLstmCrf(config, table, 4, features().character_count, np.ones((LABELS + 2, LABELS), bool))
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "bias" in name or "difference" in name:
                values.normal_()
    return model.eval()


@torch.no_grad()
def from_pytorch(model: BiLstmCrf, sentences: list[list[str]]) -> NDArray[np.float32]:
    emissions: NDArray[np.float32] = model(**inputs(features().batch(sentences), torch.device("cpu"))).numpy()
    return emissions


def from_graph(graph: bytes, sentences: list[list[str]]) -> NDArray[np.float32]:
    emissions: NDArray[np.float32] = open_graph(graph).run(["emissions"], features().batch(sentences).feeds())[0]
    return emissions


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("characters", get_args(Characters))
def test_emissions_are_pytorchs_alone_batched_and_padded(characters: str, layers: int) -> None:
    model = network(characters, layers)
    graph = build_graph(model, "fp32")
    together = from_graph(graph, SENTENCES)
    assert together.shape == (len(SENTENCES), 6, LABELS)
    expected = from_pytorch(model, SENTENCES)
    for row, sentence in enumerate(SENTENCES):
        size = len(sentence)
        np.testing.assert_allclose(together[row, :size], expected[row, :size], atol=1e-5)
        np.testing.assert_allclose(from_graph(graph, [sentence])[0], expected[row, :size], atol=1e-5)


def test_padding_of_sentences_and_words_changes_nothing() -> None:
    graph = build_graph(network("cnn", 2), "fp32")
    feeds = features().batch(SENTENCES[:1]).feeds()
    expected = open_graph(graph).run(None, feeds)[0]
    feeds["tokens"] = np.pad(feeds["tokens"], ((0, 0), (0, 3)), constant_values=1)
    feeds["characters"] = np.pad(feeds["characters"], ((0, 0), (0, 5)))
    padded = open_graph(graph).run(None, feeds)[0]
    np.testing.assert_array_equal(padded[:, :6], expected)


@pytest.mark.parametrize(("weights", "tolerance"), [("fp16", 5e-3), ("int8-stored", 0.1)])
@pytest.mark.parametrize("characters", ["cnn", "bilstm", "cnn+bilstm"])
def test_fewer_bits_change_emissions_little(weights: Weights, tolerance: float, characters: str) -> None:
    model = network(characters, 2)
    graph, exact = build_graph(model, weights), build_graph(model, "fp32")
    difference = np.abs(from_graph(graph, SENTENCES[:1]) - from_graph(exact, SENTENCES[:1])).max()
    assert 0 < difference < tolerance
    together = from_graph(graph, SENTENCES)
    for row, sentence in enumerate(SENTENCES):
        np.testing.assert_allclose(from_graph(graph, [sentence])[0], together[row, : len(sentence)], atol=1e-5)


def test_8_bits_have_a_scale_for_each_row() -> None:
    model = network()
    stored = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(build_graph(model, "int8-stored")).graph.initializer
    }
    table = model.words.rows().numpy()
    assert stored["word_table"].dtype == np.int8
    assert stored["word_table_scales"].shape == (len(WORDS) + 1, 1)
    assert np.abs(stored["word_table"]).max(axis=1).tolist() == [127] * len(table)
    np.testing.assert_allclose(
        stored["word_table"] * stored["word_table_scales"], table, atol=float(np.abs(table).max()) / 250
    )
    assert stored["layer_0_input_stored"].shape == (2, 20, 6 + 8 + 4)
    assert stored["layer_0_input_stored_scales"].shape == (2, 20, 1)


def test_words_without_a_vector_stay_zero_in_8_bits() -> None:
    model = network()
    with torch.no_grad():
        model.words.pretrained[5] = 0
    stored = {
        t.name: numpy_helper.to_array(t)
        for t in onnx.load_from_string(build_graph(model, "int8-stored")).graph.initializer
    }
    assert not (stored["word_table"][5] * stored["word_table_scales"][5]).any()
    assert np.isfinite(stored["word_table_scales"]).all()


@pytest.mark.parametrize("weights", ["fp32", "fp16", "int8-stored"])
def test_the_same_network_gives_the_same_file(weights: Weights) -> None:
    assert build_graph(network(), weights) == build_graph(network(), weights)


def test_the_graph_fits_the_manifest() -> None:
    session, spec = open_graph(build_graph(network(), "int8-stored")), graph_spec(LABELS)
    assert [(i.name, len(i.shape), i.type) for i in session.get_inputs()] == [
        (entry.name, len(entry.shape), "tensor(int32)") for entry in spec.inputs
    ]
    assert {entry.datatype for entry in spec.inputs} == {Datatype.INT32}
    (output,) = session.get_outputs()
    assert (output.name, output.shape[2], output.type) == ("emissions", LABELS, "tensor(float)")
    assert spec.outputs[0].shape == (-1, -1, LABELS)
