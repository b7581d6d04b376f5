"""The network: padding, batching and character features."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from service.tasks.token_classification.features import WordFeatures
from service.tasks.token_classification.tag_schemes import allowed_transitions
from training.bilstm_crf.config import Characters, NetworkConfig
from training.bilstm_crf.data.batches import inputs
from training.bilstm_crf.network.model import (
    BiLstm,
    BiLstmCrf,
    CharacterBiLstm,
    CharacterCnn,
    VariationalDropout,
    WordTable,
    upgrade_weights,
)

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
CONFIG = NetworkConfig(hidden=6, character_dimensions=4, character_units=6)
WORDS = ["the", "cat", "sat", "on", "a", "mat"]
FEATURES = WordFeatures(WORDS, list("acehmnostu"), 8)
SENTENCES = [["The", "cat", "sat"], ["cat"], ["the", "cat", "met", "extraordinarily", "a", "Mat", "on"]]


def network(config: NetworkConfig) -> BiLstmCrf:
    torch.manual_seed(3)
    table = np.random.default_rng(3).normal(size=(len(WORDS) + 1, 5)).astype(np.float32)
    return BiLstmCrf(config, table, 3, FEATURES.character_count, allowed_transitions(("A", "B", "C"))).eval()


def emissions(model: BiLstmCrf, sentences: list[list[str]]) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = model(**inputs(FEATURES.batch(sentences), CPU))
    return result


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("characters", get_args(Characters))
def test_a_sentence_alone_is_as_in_a_batch(layers: int, characters: Characters) -> None:
    model = network(replace(CONFIG, layers=layers, characters=characters))
    together = emissions(model, SENTENCES)
    assert together.shape == (3, 7, 3)
    for row, sentence in enumerate(SENTENCES):
        alone = emissions(model, [sentence])[0]
        torch.testing.assert_close(together[row, : len(sentence)], alone, atol=1e-6, rtol=0)


def test_both_directions_are_read() -> None:
    model = network(CONFIG)
    plain = emissions(model, [["the", "cat", "sat"]])[0]
    assert not torch.equal(plain[0], emissions(model, [["the", "cat", "mat"]])[0, 0])
    assert not torch.equal(plain[2], emissions(model, [["a", "cat", "sat"]])[0, 2])


def test_a_layer_is_pytorchs_own_over_packed_sequences() -> None:
    torch.manual_seed(4)
    layer, lengths = BiLstm(5, 3), torch.tensor([4, 1, 3])
    reference = nn.LSTM(5, 3, bidirectional=True)
    for name, weights in layer.forward_lstm.state_dict().items():
        reference.state_dict()[name].copy_(weights)
    for name, weights in layer.backward_lstm.state_dict().items():
        reference.state_dict()[f"{name}_reverse"].copy_(weights)
    sequences = torch.randn(4, 3, 5)
    packed = nn.utils.rnn.pack_padded_sequence(sequences, lengths, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0])
    inside = (torch.arange(4)[:, None] < lengths)[..., None]
    torch.testing.assert_close(layer(sequences, lengths) * inside, expected)


@pytest.mark.parametrize("characters", ["cnn", "bilstm"])
def test_weights_of_earlier_versions_are_read(characters: Characters) -> None:
    config = replace(CONFIG, characters=characters)
    model, changed = network(config), network(config)
    with torch.no_grad():
        changed.layers[1].backward_lstm.bias_ih_l0.add_(1)
        changed.characters[0].embedding.weight.add_(1)
    old = {
        name.replace("forward_lstm.", "ahead.")
        .replace("backward_lstm.", "back.")
        .replace("pretrained", "given")
        .replace("characters.0.", "characters."): values
        for name, values in model.state_dict().items()
    }
    expected = {"layers.0.ahead.weight_ih_l0", "layers.1.back.bias_ih_l0", "words.given"}
    expected |= {"characters.convolution.bias" if characters == "cnn" else "characters.lstm.ahead.bias_hh_l0"}
    assert expected <= old.keys()
    changed.load_state_dict(upgrade_weights(old))
    assert torch.equal(emissions(changed, SENTENCES[:1]), emissions(model, SENTENCES[:1]))


def test_unknown_words_differ_by_their_spelling() -> None:
    unknown = [["moan"], ["nutcase"]]
    spelled = emissions(network(CONFIG), unknown)
    assert not torch.equal(spelled[0], spelled[1])
    without = emissions(network(replace(CONFIG, characters="none")), unknown)
    assert torch.equal(without[0], without[1])


def test_both_character_encoders_stand_side_by_side() -> None:
    both = network(replace(CONFIG, characters="cnn+bilstm"))
    feeds = FEATURES.words(["moan", "a"])
    words, characters, casing = (torch.tensor(feeds[name]) for name in ("words", "characters", "casing"))
    features = both.features(words, characters, casing)
    cnn, bilstm = both.characters
    assert isinstance(cnn, CharacterCnn)
    assert isinstance(bilstm, CharacterBiLstm)
    units = CONFIG.character_units
    assert features.shape == (2, both.width) == (2, network(CONFIG).width + units)
    torch.testing.assert_close(features[:, -2 * units : -units], cnn(characters))
    torch.testing.assert_close(features[:, -units:], bilstm(characters))


def test_only_tuned_rows_have_a_difference() -> None:
    table = WordTable(np.ones((4, 2), np.float32), 2)
    with torch.no_grad():
        table.difference.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    rows = torch.tensor([0, 3, 1])
    vectors = table(rows)
    torch.testing.assert_close(vectors, torch.tensor([[2.0, 3.0], [1.0, 1.0], [4.0, 5.0]]))
    torch.testing.assert_close(table.rows()[rows], vectors)
    vectors.sum().backward()
    assert table.difference.grad is not None
    assert table.difference.grad.tolist() == [[1, 1], [1, 1]]


def test_dropout_is_the_same_in_all_steps() -> None:
    torch.manual_seed(0)
    dropped = VariationalDropout(0.5).train()(torch.ones(6, 2, 40))
    assert (dropped == dropped[0]).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[:, 0], dropped[:, 1])
    ones = torch.ones(2, 2, 2)
    assert VariationalDropout(0.5).eval()(ones) is ones
