"""The ONNX graphs: parity with PyTorch, independence of the batch, tensors, size."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from service.bundle.manifest import ProviderKind
from service.decoding import SearchSettings
from service.decoding import search as decode
from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    ENCODER,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    MEMORY,
    NEXT_STATE,
    SOURCE,
    STATE,
    STEP,
    TOKENS,
    K,
    Tensors,
)
from tests.support.reference_search import reference_search
from tests.support.translator_networks import KINDS, PIECES, build_network, open_graphs, random_sources
from training.common.shared_weights import SHARED_FILE
from training.seq2seq.config import TATOEBA as DATA
from training.seq2seq.config import TranslatorConfig
from training.seq2seq.export.graph import FILES, build_graphs
from training.seq2seq.export.quantize import Weights
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.search import network_functions

pytestmark = pytest.mark.torch

WEIGHTS: tuple[Weights, ...] = ("int8", "int8-stored", "fp16", "fp32")


def encoder_feeds(sentences: list[list[int]]) -> Tensors:
    """The sentences with END, padded."""
    lengths = np.array([len(sentence) + 1 for sentence in sentences], np.int32)
    source = np.zeros((len(sentences), lengths.max()), np.int32)
    for row, sentence in zip(source, sentences, strict=True):
        row[: len(sentence) + 1] = [*sentence, 3]
    return {SOURCE: source, LENGTHS: lengths}


def step_feeds(encoded: Tensors, lengths: np.ndarray, width: int = 3) -> Tensors:
    """Inputs of a step with `width` different hypotheses of each sentence."""
    generator = np.random.default_rng(0)
    state = np.repeat(encoded[STATE][:, None], width, axis=1)
    feeds = {
        TOKENS: generator.integers(4, PIECES, size=state.shape[:2]).astype(np.int32),
        STATE: (state * generator.uniform(0.5, 1, size=state.shape)).astype(np.float32),
        K: np.array([width + 3], np.int64),
    }
    return feeds | {KEYS: encoded[KEYS], MEMORY: encoded[MEMORY], LENGTHS: lengths} if KEYS in encoded else feeds


@pytest.mark.parametrize("kind", KINDS)
def test_float32_graphs_equal_pytorch(kind: str) -> None:
    network = build_network(kind, spread=0.4)
    encode, step = open_graphs(network, "fp32")
    torch_encode, torch_step = network_functions(network)
    feeds = encoder_feeds(random_sources(10))
    outputs, expected = encode(feeds), torch_encode(feeds)
    assert set(outputs) == set(expected)
    inside = np.arange(feeds[SOURCE].shape[1]) < feeds[LENGTHS][:, None]
    for name, values in expected.items():
        mask = np.ones(len(values), bool) if name == STATE else inside
        np.testing.assert_allclose(outputs[name][mask], values[mask], atol=2e-5)
    feeds = step_feeds(dict(expected), feeds[LENGTHS])
    outputs, expected = step(feeds), torch_step(feeds)
    assert set(outputs) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(outputs[name], values, atol=5e-5, err_msg=name)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_translation_does_not_depend_on_the_batch(kind: str, weights: Weights) -> None:
    graphs = open_graphs(build_network(kind, spread=0.8), weights)
    sources, settings = random_sources(6, seed=1), SearchSettings(beam_size=3, n_best=2)
    together = decode(*graphs, sources, settings, wants_attention=True)
    for source, expected in zip(sources, together, strict=True):
        (alone,) = decode(*graphs, [source], settings, wants_attention=True)
        assert [hypothesis.tokens for hypothesis in alone] == [hypothesis.tokens for hypothesis in expected]
        # Integers are exact; a float that is summed otherwise may still be rounded to the next integer.
        assert [hypothesis.score for hypothesis in alone] == pytest.approx(
            [hypothesis.score for hypothesis in expected], abs=5e-3
        )


@pytest.mark.parametrize("kind", ["default", "gru", "bahdanau"])
def test_the_graphs_give_the_translations_of_the_reference(kind: str) -> None:
    network, sources = build_network(kind, spread=0.8), random_sources(20, seed=2)
    settings = SearchSettings(beam_size=4, n_best=2)
    outputs = decode(*open_graphs(network, "fp32"), sources, settings)
    expected = [reference_search(network, source, settings) for source in sources]
    assert [[hypothesis.tokens for hypothesis in best] for best in outputs] == [
        [hypothesis.tokens for hypothesis in best] for best in expected
    ]


@pytest.mark.parametrize("weights", ["int8", "int8-stored", "fp16"])
@pytest.mark.parametrize("kind", ["default", "general", "bahdanau", "sutskever"])
def test_weights_in_fewer_bits_give_similar_log_probabilities(kind: str, weights: Weights) -> None:
    network = build_network(kind, spread=0.1)
    _, step = open_graphs(network, weights)
    torch_encode, torch_step = network_functions(network)
    feeds = encoder_feeds(random_sources(10))
    feeds = step_feeds(dict(torch_encode(feeds)), feeds[LENGTHS]) | {K: np.array([PIECES], np.int64)}
    outputs, expected = _by_piece(step(feeds)), _by_piece(torch_step(feeds))
    assert np.abs(outputs[..., 3:] - expected[..., 3:]).max() < (0.01 if weights == "fp16" else 0.15)
    assert np.isneginf(outputs[..., :3]).all()


def _by_piece(outputs: Tensors) -> np.ndarray:
    """Log-probabilities [N, W, V]."""
    order = outputs[CANDIDATES].argsort(axis=2)
    return np.take_along_axis(outputs[LOG_PROBS], order, 2)


def test_candidates_are_bounded_by_the_vocabulary_and_forbidden_tokens_are_last() -> None:
    network = build_network("default", spread=0.4)
    encode, step = open_graphs(network, "int8")
    feeds = encoder_feeds(random_sources(4))
    feeds = step_feeds(dict(encode(feeds)), feeds[LENGTHS]) | {K: np.array([10_000], np.int64)}
    outputs = step(feeds)
    assert outputs[CANDIDATES].shape == (4, 3, PIECES)
    assert (np.sort(outputs[CANDIDATES][..., -3:], axis=2) == [0, 1, 2]).all()
    assert (np.diff(outputs[LOG_PROBS][..., :-3], axis=2) <= 0).all()
    np.testing.assert_allclose(np.exp(outputs[LOG_PROBS]).sum(2), 1, atol=1e-4)


def test_attention_is_0_beyond_the_length() -> None:
    encode, step = open_graphs(build_network("default"), "int8")
    feeds = encoder_feeds([[5], [5, 6, 7, 8]])
    outputs = step(step_feeds(dict(encode(feeds)), feeds[LENGTHS]))[ATTENTION]
    assert (outputs[0, :, 2:] == 0).all()
    np.testing.assert_allclose(outputs.sum(2), 1, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_describes_the_graphs(kind: str) -> None:
    network = build_network(kind)
    specs, files = build_graphs(network, "int8")
    assert set(specs) == set(FILES)
    for file, spec in [(file, one) for one in specs.values() for file in one.files]:
        graph = onnx.load_from_string(files[file]).graph
        for tensors, values in ((spec.inputs, graph.input), (spec.outputs, graph.output)):
            shapes = [tuple(size.dim_value or -1 for size in value.type.tensor_type.shape.dim) for value in values]
            assert [tensor.name for tensor in tensors] == [value.name for value in values]
            assert [tensor.shape for tensor in tensors] == shapes
    attends = kind not in ("sutskever", "gru")
    inputs = {tensor.name for tensor in specs[STEP].inputs}
    assert inputs == {TOKENS, STATE, K} | ({KEYS, MEMORY, LENGTHS} if attends else set())
    assert specs[ENCODER].inputs[0].name == SOURCE


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_that_graphs_have_in_common_are_stored_once(weights: Weights) -> None:
    network = build_network("default")
    specs, files = build_graphs(network, weights)
    assert set(files) == {file for spec in specs.values() for file in spec.files} | {SHARED_FILE}
    models = {name: onnx.load_from_string(content) for name, content in files.items() if name.endswith(".onnx")}
    inside = [c.raw_data for model in models.values() for c in model.graph.initializer if len(c.raw_data) >= 1024]
    assert len(set(inside)) == len(inside)
    for name in specs:
        (embeddings,) = [c for c in models[FILES[name]].graph.initializer if c.name == "embeddings"]
        assert embeddings.raw_data or ExternalDataInfo(embeddings).location == SHARED_FILE


def test_sides_with_embeddings_of_their_own_share_none() -> None:
    _, files = build_graphs(build_network("backward"), "fp32")
    step = onnx.load_from_string(files[FILES[STEP]])
    assert not any(uses_external_data(constant) for constant in step.graph.initializer)


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_for_accelerators_are_standard_onnx_without_lengths_of_layers(kind: str) -> None:
    specs, files = build_graphs(build_network(kind), "int8")
    for spec in specs.values():
        model = onnx.load_from_string(files[spec.variants[ProviderKind.ACCELERATOR].file])
        assert [opset.domain for opset in model.opset_import] == [""]
        assert not any(len(node.input) > 4 for node in model.graph.node if node.op_type in ("LSTM", "GRU"))
    assert any(opset.domain for opset in onnx.load_from_string(files[specs[STEP].file]).opset_import)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_graphs_for_accelerators_compute_the_same(kind: str, weights: Weights) -> None:
    network = build_network(kind, spread=0.3)
    feeds = encoder_feeds(random_sources(6))
    results = []
    for provider in ProviderKind:
        encode, step = open_graphs(network, weights, provider)
        encoded = dict(encode(feeds))
        results.append((encoded, step(step_feeds(encoded, feeds[LENGTHS]))))
    tolerance = 0.2 if weights == "int8" else 1e-5
    for ours, theirs in zip(*results, strict=True):
        assert ours.keys() == theirs.keys()
        for name in {STATE, NEXT_STATE} & ours.keys():
            np.testing.assert_allclose(ours[name], theirs[name], atol=tolerance)
    for row, length in enumerate(feeds[LENGTHS]):
        for name in {MEMORY, KEYS} & results[0][0].keys():
            np.testing.assert_allclose(
                results[0][0][name][row, :length], results[1][0][name][row, :length], atol=tolerance
            )


def test_int8_is_a_quarter() -> None:
    small = build_network("default").config
    config = TranslatorConfig(data=DATA, network=replace(small, embedding=64, encoder_hidden=48, hidden=64))
    network = Seq2Seq(config, 500, 500)
    sizes = {weights: sum(map(len, build_graphs(network, weights)[1].values())) for weights in WEIGHTS}
    assert sizes["int8"] < 0.33 * sizes["fp32"]
    assert sizes["fp16"] < 0.55 * sizes["fp32"]
