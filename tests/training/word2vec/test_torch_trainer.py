"""The tensor operations against autograd, window by window, and as a trainer."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.word2vec.config import Word2VecConfig
from training.word2vec.network.huffman import huffman_tree
from training.word2vec.network.reference import (
    descend,
    hierarchical_softmax_loss,
    negative_sampling_loss,
    window_inputs,
)
from training.word2vec.network.torch_trainer import (
    HierarchicalSoftmax,
    NegativeSampling,
    Targets,
    TorchTrainer,
    update,
)
from training.word2vec.network.windows import Windows, make_windows

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
COUNTS = np.array([40, 30, 20, 10, 8, 5, 3, 2, 1])
MODELS = list(product(("skip-gram", "cbow"), ("negative-sampling", "hierarchical-softmax")))
models = pytest.mark.parametrize(("architecture", "loss"), MODELS)


def config(architecture: str, loss: str, **settings: object) -> Word2VecConfig:
    return replace(Word2VecConfig(), architecture=architecture, loss=loss, dimensions=12, **settings)


def made_tables() -> tuple[Tensor, Tensor]:
    """Short vectors: no row's changes are scaled down in the batches below."""
    draw = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, len(COUNTS), 12, generator=draw) * 0.3
    return first, second


def windows_of(*rows: tuple[int, list[int]]) -> Windows:
    """Centre word and context words of each window; padded to six."""
    contexts = torch.tensor([context + [8] * (6 - len(context)) for _, context in rows])
    present = torch.tensor([[place < len(context) for place in range(6)] for _, context in rows])
    return Windows(centres=torch.tensor([centre for centre, _ in rows]), contexts=contexts, present=present)


def reference(
    windows: Windows, targets: Targets, settings: Word2VecConfig, rate: float
) -> tuple[Tensor, Tensor, float]:
    """The tables after one step on the sum of the windows' losses, and the mean loss per input of the first window."""
    inputs, outputs = (table.requires_grad_() for table in made_tables())
    tree, losses = huffman_tree(COUNTS), []
    for window, centre in enumerate(windows.centres.tolist()):
        context = windows.contexts[window][windows.present[window]]
        hidden = window_inputs(inputs[context], settings.architecture)
        if settings.loss == "negative-sampling":
            negatives = targets.rows[window, 1:][targets.present[window, 1:]]
            losses.append(negative_sampling_loss(hidden, outputs[centre], outputs[negatives]))
        else:
            path = slice(tree.offsets[centre], tree.offsets[centre + 1])
            nodes = torch.from_numpy(tree.points[path]).long()
            losses.append(hierarchical_softmax_loss(hidden, outputs[nodes], torch.from_numpy(tree.codes[path])))
    descend(torch.stack(losses).sum(), (inputs, outputs), rate)
    first = 1 if settings.architecture == "cbow" else int(windows.present[0].sum())
    return inputs.detach(), outputs.detach(), float(losses[0].detach()) / first


@models
@pytest.mark.parametrize(
    "windows",
    [
        windows_of((2, [0, 1, 3, 4])),
        windows_of((0, [5])),
        windows_of((3, [1, 1, 3, 8])),  # words that occur twice, or are the centre word
        windows_of((2, [0, 1, 3, 4]), (0, [5]), (2, [2, 0])),
    ],
    ids=["one", "short", "repeated", "batch"],
)
def test_a_step_is_that_of_autograd(architecture: str, loss: str, windows: Windows) -> None:
    settings = config(architecture, loss)
    kind = NegativeSampling if loss == "negative-sampling" else HierarchicalSoftmax
    targets = kind(COUNTS, settings, CPU).targets(windows.centres, torch.Generator().manual_seed(3))
    inputs, outputs = made_tables()
    total, measured = update(inputs, outputs, windows, targets, settings.architecture, 0.1).tolist()
    expected_inputs, expected_outputs, expected_loss = reference(windows, targets, settings, 0.1)
    torch.testing.assert_close(inputs, expected_inputs, rtol=0, atol=1e-6)
    torch.testing.assert_close(outputs, expected_outputs, rtol=0, atol=1e-6)
    assert total / measured == pytest.approx(expected_loss, rel=1e-6)
    assert not torch.equal(inputs, made_tables()[0])


def test_the_exact_derivative_of_a_mean_is_a_share_for_each_row() -> None:
    rows = made_tables()[0][:4].requires_grad_()
    exact, whole = (
        torch.autograd.grad(window_inputs(rows, "cbow", undivided=undivided).square().sum(), rows)[0]
        for undivided in (False, True)
    )
    torch.testing.assert_close(whole, 4 * exact)


@models
def test_a_row_that_a_whole_batch_changes_is_not_thrown_too_far(architecture: str, loss: str) -> None:
    settings = config(architecture, loss)
    kind = NegativeSampling if loss == "negative-sampling" else HierarchicalSoftmax
    inputs, outputs = made_tables()
    windows = windows_of(*[(2, [0, 1])] * 1000)
    targets = kind(COUNTS, settings, CPU).targets(windows.centres, torch.Generator().manual_seed(0))
    losses = []
    for _ in range(50):
        total, measured = update(inputs, outputs, windows, targets, settings.architecture, 0.1).tolist()
        losses.append(total / measured)
    assert losses[-1] < 0.5 * losses[0]
    assert max(inputs.abs().max(), outputs.abs().max()) < 20


def test_negatives_follow_the_counts_and_leave_the_centre_word_out() -> None:
    settings = config("skip-gram", "negative-sampling", negatives=4)
    centres = torch.zeros(20_000, dtype=torch.long)
    targets = NegativeSampling(COUNTS, settings, CPU).targets(centres, torch.Generator().manual_seed(0))
    assert targets.labels.sum(0).tolist() == [20_000, 0, 0, 0, 0]
    assert targets.present[:, 0].all()
    assert torch.equal(targets.present[:, 1:], targets.rows[:, 1:] != 0)
    share = np.bincount(targets.rows[:, 1:].flatten().numpy(), minlength=9) / 80_000
    np.testing.assert_allclose(share, COUNTS**0.75 / (COUNTS**0.75).sum(), atol=0.006)


def test_windows_stay_within_sentences_and_prefer_near_words() -> None:
    ids = torch.tensor(([-1, *range(9), -1, -1, 4, -1, 2, 3] * 2000), dtype=torch.int32)
    windows = make_windows(ids, torch.ones(9), 3, torch.Generator().manual_seed(0))
    assert len(windows) == 2000 * 11  # the sentence of one word has no window
    middle = windows[windows.centres == 5]
    found = np.bincount(middle.contexts[middle.present].numpy(), minlength=9) / 2000
    np.testing.assert_allclose(found, [0, 0, 1 / 3, 2 / 3, 1, 0, 1, 2 / 3, 1 / 3], atol=0.04)
    first = windows[windows.centres == 0]
    assert set(first.contexts[first.present].tolist()) == {1, 2, 3}


def test_words_are_left_out_by_their_probability() -> None:
    ids = torch.tensor([0, 1, 2] * 4000, dtype=torch.int32)
    keep = torch.tensor([0.25, 1.0, 0.5])
    windows = make_windows(ids, keep, 1, torch.Generator().manual_seed(0))
    share = np.bincount(windows.centres.numpy()) / 4000
    np.testing.assert_allclose(share, [0.25, 1, 0.5], atol=0.04)


def topics(words: int, sentences: int) -> NDArray[np.int32]:
    """Sentences of ten words, all of one of two topics: the even words are of one, the odd ones of the other."""
    random = np.random.default_rng(0)
    drawn = random.integers(0, words // 2, (sentences, 10)) * 2 + random.integers(0, 2, (sentences, 1))
    return np.concatenate([drawn, np.full((sentences, 1), -1)], 1).astype(np.int32).ravel()


@models
def test_two_topics_are_learnt(architecture: str, loss: str) -> None:
    ids = topics(20, 400)
    counts = np.bincount(ids[ids >= 0])
    trainer = TorchTrainer(counts, config(architecture, loss, sample=0.0), CPU)
    losses = [trainer.train_chunk(ids, 0.1, epoch) for epoch in range(6)]
    assert losses[-1] < losses[0]
    unit = torch.nn.functional.normalize(trainer.input)
    cosines = (unit @ unit.T).fill_diagonal_(0)
    topic = torch.arange(20) % 2
    same = topic == topic[:, None]
    assert torch.equal(topic[cosines.argmax(1)], topic)
    assert cosines[same].mean() > cosines[~same].mean() + 0.4


@models
def test_a_seed_repeats(architecture: str, loss: str) -> None:
    ids = topics(20, 50)
    runs = []
    for seed in (5, 5, 6):
        trainer = TorchTrainer(np.bincount(ids[ids >= 0]), config(architecture, loss), CPU)
        trainer.output.normal_(generator=torch.Generator().manual_seed(0))
        assert trainer.train_chunk(ids, 0.05, seed) > 0
        runs.append(trainer.input)
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@models
def test_a_chunk_without_a_window_changes_nothing(architecture: str, loss: str) -> None:
    trainer = TorchTrainer(COUNTS, config(architecture, loss), CPU)
    before = trainer.input.clone()
    for ids in ([], [-1, -1], [3, -1, 4]):
        assert np.isnan(trainer.train_chunk(np.array(ids, np.int32), 0.05, 0))
    assert torch.equal(trainer.input, before)
