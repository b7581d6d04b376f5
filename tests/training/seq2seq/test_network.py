"""The network: attention, padding, and steps that equal whole sequences."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from service.tasks.translation.subwords import BEGIN, PAD, UNKNOWN
from training.common.config import from_dict, merge, to_dict
from training.common.errors import ConfigError
from training.seq2seq.config import PRESETS, TranslatorConfig
from training.seq2seq.loss import consistency_loss, smoothed_cross_entropy
from training.seq2seq.network.attention import Attention
from training.seq2seq.network.model import Memory, Seq2Seq
from training.seq2seq.network.recurrent import Recurrent, token_dropout, variational_dropout

pytestmark = pytest.mark.torch

SIZE = 40
VARIANTS: list[dict[str, Any]] = [
    {},
    {"attend_after": "last", "decoder_layers": 2},
    {"decoder_layers": 3, "encoder_layers": 3, "layer_norm": True},
    {"input_feeding": True, "attend_after": "last"},
    {"input_feeding": True, "decoder_layers": 2, "layer_norm": True},
    {"attention": "dot", "encoder_hidden": 16, "hidden": 32},
    {"attention": "additive", "cell": "gru"},
    {"attention": "none", "bidirectional": False, "encoder_layers": 2, "decoder_layers": 2},
    {"attention": "none", "cell": "gru"},
    {"encoder_layers": 3, "decoder_layers": 2, "encoder_residual": True},
    {"tied": "none", "joint": False},
    {"tied": "target", "joint": False, "bidirectional": False},
]


def network(**changes: Any) -> Seq2Seq:
    config = merge(PRESETS["debug"], {"hidden": 24, "encoder_hidden": 12, "embedding": 20, **changes})
    torch.manual_seed(0)
    return Seq2Seq(config, SIZE, SIZE).eval()


def sources(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(4, SIZE, (len(lengths), max(lengths)), generator=generator)
    for row, length in enumerate(lengths):
        source[row, length:] = 0
    return source, torch.tensor(lengths)


def rows(memory: Memory, indices: list[int], width: int) -> Memory:
    keys = None if memory.keys is None else memory.keys[indices, :width]
    return Memory(memory.values[indices, :width], keys, memory.mask[indices, :width], memory.state[indices])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_steps_say_what_whole_targets_say(changes: dict[str, Any]) -> None:
    model = network(**changes)
    source, lengths = sources([5, 3, 7])
    target = torch.randint(4, SIZE, (3, 6), generator=torch.Generator().manual_seed(2))
    target[:, 0] = BEGIN
    with torch.inference_mode():
        logits = model.output(model(source, lengths, target))
        logits[..., model.forbidden] = -math.inf
        memory = model.encode(source, lengths)
        state = memory.state.unsqueeze(1)
        for position in range(6):
            scores, state, weights = model.step(target[:, position : position + 1], state, memory)
            torch.testing.assert_close(scores[:, 0], logits[:, position].log_softmax(dim=1), rtol=1e-4, atol=1e-5)
    assert state.shape == (3, 1, model.state_size)
    if model.config.attention == "none":
        assert weights is None
    else:
        assert weights is not None
        torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 1))
        assert float(weights[1, 0, 3:].abs().max()) == 0


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_padding_changes_nothing(changes: dict[str, Any]) -> None:
    model = network(**changes)
    source, lengths = sources([4, 9])
    tokens = torch.tensor([[7, 8]])
    with torch.inference_mode():
        together, alone = model.encode(source, lengths), model.encode(source[:1, :4], lengths[:1])
        state = alone.state.unsqueeze(1).expand(1, 2, -1)
        torch.testing.assert_close(together.state[:1], alone.state, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(together.values[:1, :4], alone.values, rtol=1e-5, atol=1e-6)
        first, _, _ = model.step(tokens, state, rows(together, [0], 9))
        second, _, _ = model.step(tokens, state, alone)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_hypotheses_of_a_sentence_stand_side_by_side() -> None:
    model = network()
    memory = model.encode(*sources([5, 3]))
    state = memory.state.unsqueeze(1).expand(2, 3, -1)
    tokens = torch.tensor([[4, 5, 6], [7, 8, 9]])
    together, after, _ = model.step(tokens, state, memory)
    for column in range(3):
        part = slice(column, column + 1)
        alone, state_after, _ = model.step(tokens[:, part], state[:, part], memory)
        torch.testing.assert_close(together[:, part], alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(after[:, part], state_after, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize(("placeholders", "forbidden"), [(0.0, {PAD, UNKNOWN, BEGIN}), (0.1, {PAD, BEGIN})])
def test_some_tokens_are_never_generated(placeholders: float, forbidden: set[int]) -> None:
    model = network(placeholders=placeholders)
    memory = model.encode(*sources([5]))
    scores, _, _ = model.step(torch.tensor([[BEGIN]]), memory.state.unsqueeze(1), memory)
    assert {piece for piece, score in enumerate(scores[0, 0].tolist()) if score == -math.inf} == forbidden
    assert float(scores[0, 0].exp().sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_step_of_a_layer_is_pytorchs(cell: Any) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 7)
    inputs = torch.randn(2, 4, 5)
    state = torch.randn(2, layer.state_size)
    outputs = layer(inputs, state)
    for position in range(4):
        state = layer.step(inputs[:, position], state)
        torch.testing.assert_close(state[:, :7], outputs[:, position], rtol=1e-4, atol=1e-5)


def test_scores_of_attention_are_the_papers() -> None:
    torch.manual_seed(0)
    query, memory = torch.randn(1, 1, 6), torch.randn(1, 3, 6)
    mask = torch.ones(1, 3, dtype=torch.bool)
    dot = Attention("dot", 6, 6)
    general = Attention("general", 6, 6)
    additive = Attention("additive", 6, 6)
    assert general.key is not None
    assert additive.key is not None
    assert additive.query is not None
    assert additive.score is not None
    expected_scores = {
        dot: memory[0] @ query[0, 0],
        general: memory[0] @ general.key.weight.T @ query[0, 0],
        additive: torch.tanh(additive.query(query[0, 0]) + memory[0] @ additive.key.weight.T) @ additive.score,
    }
    for attention, scores in expected_scores.items():
        context, weights = attention(query, attention.keys(memory), memory, mask)
        torch.testing.assert_close(weights[0, 0], scores.softmax(dim=0))
        torch.testing.assert_close(context[0, 0], scores.softmax(dim=0) @ memory[0])


def test_one_matrix_where_embeddings_are_tied() -> None:
    tied, target, free = network(), network(tied="target", joint=False), network(tied="none", joint=False)
    assert tied.output.weight is tied.source_embedding.weight is tied.target_embedding.weight
    assert target.output.weight is target.target_embedding.weight is not target.source_embedding.weight
    assert free.output.weight is not free.target_embedding.weight


def test_dropout_is_the_same_at_all_places_of_a_sentence() -> None:
    torch.manual_seed(0)
    ones = torch.ones(3, 5, 50)
    dropped = variational_dropout(ones, 0.5, True)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert bool((dropped == dropped[:, :1]).all())
    assert not bool((dropped[0] == dropped[1]).all())
    dropped = token_dropout(ones, 0.5, True)
    assert bool((dropped == dropped[:, :, :1]).all())
    assert variational_dropout(ones, 0.5, False) is ones
    assert token_dropout(ones, 0.0, True) is ones


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("count", [1, 64, 150])
def test_the_loss_is_pytorchs(smoothing: float, count: int) -> None:
    torch.manual_seed(0)
    ours = (3 * torch.randn(count, 30)).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    targets = torch.randint(30, (count,))
    loss = smoothed_cross_entropy(ours, targets, smoothing)
    expected = F.cross_entropy(theirs, targets, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(loss, expected)
    (loss / 3).backward()  # type: ignore[no-untyped-call]
    (expected / 3).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tied": "all", "joint": False}, "one vocabulary"),
        ({"attention": "none", "input_feeding": True}, "input-feeding"),
        ({"attention": "dot"}, "--hidden"),
        ({"decoder_layers": 4}, "decoder_layers is 4"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"vocabulary": 3}, "vocabulary is 3"),
        ({"train": "pairs.tsv"}, "either --data"),
        ({"data": "", "train": "pairs.tsv"}, "--source and --target"),
        ({"source": "en"}, "go with --train"),
        ({"patience": -1}, "patience is -1"),
        ({"phrases": -0.1}, "phrases is -0.1"),
        ({"placeholders": 1.0}, "placeholders is 1.0"),
        ({"max_ratio": 0.5}, "max_ratio is 0.5"),
        ({"clip": 0.0}, "clip is 0.0"),
    ],
)
def test_invalid_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        merge(PRESETS["default"], changes)


def test_placeholders_keep_their_key_in_run_folders() -> None:
    stored = to_dict(merge(PRESETS["debug"], {"placeholders": 0.1}))
    assert stored["copies"] == 0.1
    assert from_dict(TranslatorConfig, stored).placeholders == 0.1


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_make_networks(preset: str) -> None:
    config: TranslatorConfig = PRESETS[preset]
    small = replace(config, network=replace(config.network, embedding=8))
    assert Seq2Seq(small, SIZE, SIZE).state_size > 0


def test_the_consistency_loss_is_the_mean_divergence_of_both_readings() -> None:
    scores = torch.randn(300, 7, requires_grad=True)  # several chunks
    first, second = scores.log_softmax(1).chunk(2)
    expected = F.kl_div(first, second, log_target=True, reduction="sum") / 2
    expected = expected + F.kl_div(second, first, log_target=True, reduction="sum") / 2
    loss = consistency_loss(scores)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, scores), torch.autograd.grad(expected, scores))
    assert consistency_loss(scores[:5].repeat(2, 1)) == 0
