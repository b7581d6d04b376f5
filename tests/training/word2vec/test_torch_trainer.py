"""The tensor operations compared to autograd, and the GPU trainer that uses them."""

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


def random_matrices() -> tuple[Tensor, Tensor]:
    """Vectors so short that no row's updates are scaled down in the batches below."""
    random = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, len(COUNTS), 12, generator=random) * 0.3
    return first, second


def windows_of(*rows: tuple[int, list[int]]) -> Windows:
    """Windows from (center word, context words), padded to six context words."""
    contexts = torch.tensor([context + [8] * (6 - len(context)) for _, context in rows])
    present = torch.tensor([[index < len(context) for index in range(6)] for _, context in rows])
    return Windows(centers=torch.tensor([center for center, _ in rows]), contexts=contexts, present=present)


def reference(
    windows: Windows, targets: Targets, settings: Word2VecConfig, rate: float
) -> tuple[Tensor, Tensor, float]:
    """Both matrices after one step on the summed loss of the windows, and the first window's mean loss per input."""
    inputs, outputs = (matrix.requires_grad_() for matrix in random_matrices())
    tree, losses = huffman_tree(COUNTS), []
    for window, center in enumerate(windows.centers.tolist()):
        context = windows.contexts[window][windows.present[window]]
        hidden = window_inputs(inputs[context], settings.architecture)
        if settings.loss == "negative-sampling":
            negatives = targets.rows[window, 1:][targets.present[window, 1:]]
            losses.append(negative_sampling_loss(hidden, outputs[center], outputs[negatives]))
        else:
            path = slice(tree.offsets[center], tree.offsets[center + 1])
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
        windows_of((3, [1, 1, 3, 8])),  # words that occur twice, or are the center word
        windows_of((2, [0, 1, 3, 4]), (0, [5]), (2, [2, 0])),
    ],
    ids=["one", "short", "repeated", "batch"],
)
def test_a_step_equals_autograd(architecture: str, loss: str, windows: Windows) -> None:
    settings = config(architecture, loss)
    kind = NegativeSampling if loss == "negative-sampling" else HierarchicalSoftmax
    targets = kind(COUNTS, settings, CPU).targets(windows.centers, torch.Generator().manual_seed(3))
    inputs, outputs = random_matrices()
    total, count = update(inputs, outputs, windows, targets, settings.architecture, 0.1).losses.tolist()
    expected_inputs, expected_outputs, expected_loss = reference(windows, targets, settings, 0.1)
    torch.testing.assert_close(inputs, expected_inputs, rtol=0, atol=1e-6)
    torch.testing.assert_close(outputs, expected_outputs, rtol=0, atol=1e-6)
    assert total / count == pytest.approx(expected_loss, rel=1e-6)
    assert not torch.equal(inputs, random_matrices()[0])


def test_the_exact_derivative_of_a_mean_is_divided_by_its_size() -> None:
    rows = random_matrices()[0][:4].requires_grad_()
    exact, fourfold = (
        torch.autograd.grad(window_inputs(rows, "cbow", undivided=undivided).square().sum(), rows)[0]
        for undivided in (False, True)
    )
    torch.testing.assert_close(fourfold, 4 * exact)


@models
def test_a_row_updated_by_a_whole_batch_does_not_overshoot(architecture: str, loss: str) -> None:
    settings = config(architecture, loss)
    kind = NegativeSampling if loss == "negative-sampling" else HierarchicalSoftmax
    inputs, outputs = random_matrices()
    windows = windows_of(*[(2, [0, 1])] * 1000)
    targets = kind(COUNTS, settings, CPU).targets(windows.centers, torch.Generator().manual_seed(0))
    losses = []
    for _ in range(50):
        total, count = update(inputs, outputs, windows, targets, settings.architecture, 0.1).losses.tolist()
        losses.append(total / count)
    assert losses[-1] < 0.5 * losses[0]
    assert max(inputs.abs().max(), outputs.abs().max()) < 20


def test_negatives_follow_the_counts_and_exclude_the_center_word() -> None:
    settings = config("skip-gram", "negative-sampling", negatives=4)
    centers = torch.zeros(20_000, dtype=torch.long)
    targets = NegativeSampling(COUNTS, settings, CPU).targets(centers, torch.Generator().manual_seed(0))
    assert targets.labels.sum(0).tolist() == [20_000, 0, 0, 0, 0]
    assert targets.present[:, 0].all()
    assert torch.equal(targets.present[:, 1:], targets.rows[:, 1:] != 0)
    share = np.bincount(targets.rows[:, 1:].flatten().numpy(), minlength=9) / 80_000
    np.testing.assert_allclose(share, COUNTS**0.75 / (COUNTS**0.75).sum(), atol=0.006)


def test_windows_stay_within_sentences_and_prefer_near_words() -> None:
    ids = torch.tensor(([-1, *range(9), -1, -1, 4, -1, 2, 3] * 2000), dtype=torch.int32)
    windows = make_windows(ids, torch.ones(9), 3, torch.Generator().manual_seed(0))
    assert len(windows) == 2000 * 11  # the sentence of one word has no window
    middle = windows[windows.centers == 5]
    frequency = np.bincount(middle.contexts[middle.present].numpy(), minlength=9) / 2000
    np.testing.assert_allclose(frequency, [0, 0, 1 / 3, 2 / 3, 1, 0, 1, 2 / 3, 1 / 3], atol=0.04)
    first = windows[windows.centers == 0]
    assert set(first.contexts[first.present].tolist()) == {1, 2, 3}


def test_words_are_subsampled_by_their_probability() -> None:
    ids = torch.tensor([0, 1, 2] * 4000, dtype=torch.int32)
    keep = torch.tensor([0.25, 1.0, 0.5])
    windows = make_windows(ids, keep, 1, torch.Generator().manual_seed(0))
    share = np.bincount(windows.centers.numpy()) / 4000
    np.testing.assert_allclose(share, [0.25, 1, 0.5], atol=0.04)


def topics(words: int, sentences: int) -> NDArray[np.int32]:
    """Sentences of ten words of one topic each: even words belong to one topic, odd words to the other."""
    random = np.random.default_rng(0)
    sentence_words = random.integers(0, words // 2, (sentences, 10)) * 2 + random.integers(0, 2, (sentences, 1))
    return np.concatenate([sentence_words, np.full((sentences, 1), -1)], 1).astype(np.int32).ravel()


@models
def test_two_topics_are_learned(architecture: str, loss: str) -> None:
    ids = topics(20, 400)
    counts = np.bincount(ids[ids >= 0])
    trainer = TorchTrainer(counts, config(architecture, loss, sample=0.0), CPU)
    losses = [trainer.train_chunk(ids, 0.1, epoch) for epoch in range(6)]
    assert losses[-1] < losses[0]
    unit = torch.nn.functional.normalize(trainer.input_vectors)
    cosines = (unit @ unit.T).fill_diagonal_(0)
    topic = torch.arange(20) % 2
    same = topic == topic[:, None]
    assert torch.equal(topic[cosines.argmax(1)], topic)
    assert cosines[same].mean() > cosines[~same].mean() + 0.4


@models
def test_the_result_depends_on_the_seed_only(architecture: str, loss: str) -> None:
    ids = topics(20, 50)
    runs = []
    for seed in (5, 5, 6):
        trainer = TorchTrainer(np.bincount(ids[ids >= 0]), config(architecture, loss), CPU)
        trainer.output_vectors.normal_(generator=torch.Generator().manual_seed(0))
        assert trainer.train_chunk(ids, 0.05, seed) > 0
        runs.append(trainer.input_vectors)
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@models
def test_a_chunk_without_a_window_changes_nothing(architecture: str, loss: str) -> None:
    trainer = TorchTrainer(COUNTS, config(architecture, loss), CPU)
    before = trainer.input_vectors.clone()
    for ids in ([], [-1, -1], [3, -1, 4]):
        assert np.isnan(trainer.train_chunk(np.array(ids, np.int32), 0.05, 0))
    assert torch.equal(trainer.input_vectors, before)
