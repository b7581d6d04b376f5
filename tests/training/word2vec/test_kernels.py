"""The compiled kernels compared to autograd, and the CPU trainer that uses them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.word2vec.config import Word2VecConfig
from training.word2vec.network.cpu_trainer import CpuTrainer
from training.word2vec.network.kernels import MAX_SENTENCE_LENGTH, zero_matrix
from training.word2vec.network.reference import descend, negative_sampling_loss, window_inputs
from training.word2vec.network.sampling import alias_table, keep_thresholds
from training.word2vec.network.window_update import TILE_COLUMNS, TILE_ROWS, update_cbow, update_skip_gram

pytestmark = pytest.mark.torch

WORDS, DIMENSIONS, RATE = 30, 20, np.float32(1e-3)
MODELS = list(product(("skip-gram", "cbow"), ("negative-sampling", "hierarchical-softmax")))
models = pytest.mark.parametrize(("architecture", "loss"), MODELS)


def random_matrices() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(3)
    matrices = zero_matrix(WORDS, DIMENSIONS), zero_matrix(WORDS, DIMENSIONS)
    for matrix in matrices:
        matrix[:WORDS, :DIMENSIONS] = 0.5 * random.standard_normal((WORDS, DIMENSIONS))
    return matrices


def padded(ids: list[int], tile: int) -> NDArray[np.int32]:
    """`ids`, padded to whole tiles."""
    return np.array(ids + [WORDS] * (-len(ids) % tile), np.int32)


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
@pytest.mark.parametrize("context", [[4], [4, 9], [1, 2, 3, 4, 5, 6, 7]], ids=len)
@pytest.mark.parametrize("negatives", [1, 5, 6, 15])
def test_a_window_is_a_step_of_gradient_descent(architecture: str, context: list[int], negatives: int) -> None:
    inputs, targets = random_matrices()
    expected = [torch.from_numpy(matrix[:WORDS, :DIMENSIONS].copy()).requires_grad_() for matrix in (inputs, targets)]
    center, sampled = 0, list(range(10, 10 + negatives))
    hidden = window_inputs(expected[0][context], architecture)  # type: ignore[arg-type]
    loss = negative_sampling_loss(hidden, expected[1][center], expected[1][sampled])
    descend(loss, (expected[0], expected[1]), float(RATE))

    rows = padded(context, TILE_ROWS)
    columns = padded([center, *sampled], TILE_COLUMNS)
    labels = np.array([1] + [0] * negatives, np.float32)
    scores = np.full((len(rows), len(columns)), np.nan, np.float32)
    if architecture == "cbow":
        hidden_rows = np.full((2, inputs.shape[1]), np.nan, np.float32)
        window_loss = update_cbow(
            inputs, rows, len(context), targets, columns, labels, 1 + negatives, hidden_rows, scores, RATE, True
        )
    else:
        window_loss = update_skip_gram(
            inputs, rows, len(context), targets, columns, labels, 1 + negatives, scores, RATE, True
        )

    assert window_loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for matrix, expected_matrix in zip((inputs, targets), expected, strict=True):
        # The tiles of a window see each other's updates, which are of the order of the learning rate squared.
        np.testing.assert_allclose(matrix[:WORDS, :DIMENSIONS], expected_matrix.detach().numpy(), rtol=0, atol=1e-5)
        assert not matrix[WORDS].any(), "the row of the padding stays zero"
        assert not matrix[:, DIMENSIONS:].any(), "the columns of the padding stay zero"


def two_topics(sentences: int = 3000) -> NDArray[np.int32]:
    """Words 0 to 9 occur with each other, and so do 10 to 19."""
    random = np.random.default_rng(0)
    text = [[*random.integers(0, 10, 8) + 10 * (number % 2), -1] for number in range(sentences)]
    return np.concatenate(text).astype(np.int32)


def trainer(ids: NDArray[np.int32], **settings: object) -> CpuTrainer:
    config = replace(Word2VecConfig(), dimensions=12, sample=0.0, window=3, **settings)  # type: ignore[arg-type]
    return CpuTrainer(np.bincount(ids[ids >= 0]).astype(np.int64), config)


@models
def test_topics_are_learned(architecture: str, loss: str) -> None:
    ids = two_topics()
    model = trainer(ids, architecture=architecture, loss=loss)
    for seed in range(5):
        model.train_chunk(ids, 0.05, seed)
    unit = torch.nn.functional.normalize(model.input_vectors - model.input_vectors.mean(0))
    cosines = (unit @ unit.T).numpy()
    within_topic = np.mean([cosines[:10, :10].mean(), cosines[10:, 10:].mean()])
    assert within_topic > cosines[:10, 10:].mean() + 0.3


@models
def test_a_chunk_depends_on_its_seed_only(architecture: str, loss: str) -> None:
    ids = two_topics(200)
    results = []
    for seed in (1, 1, 2):
        model = trainer(ids, architecture=architecture, loss=loss)
        model.train_chunk(ids, 0.05, seed)
        results.append(model.input_vectors.clone())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    "ids",
    [[], [-1, -1], [0], [0, -1, 1, -1], [0, 1] * MAX_SENTENCE_LENGTH, [0] * 20],
    ids=["empty", "ends", "one word", "single words", "one long sentence", "one word repeated"],
)
def test_unusual_texts(ids: list[int]) -> None:
    counts = np.array([5, 3, 1])
    model = CpuTrainer(counts, replace(Word2VecConfig(), dimensions=4, sample=0.0))
    loss = model.train_chunk(np.array(ids, np.int32), 0.05, 0)
    assert torch.isfinite(model.input_vectors).all()
    assert np.isnan(loss) == (len(ids) < 10)


def test_subsampling_follows_the_formula() -> None:
    counts, sample = np.array([900_000, 90_000, 9_900, 100]), 1e-3
    frequency = counts / counts.sum()
    expected = np.minimum(1, np.sqrt(sample / frequency) + sample / frequency)
    np.testing.assert_allclose(keep_thresholds(counts, sample) / 2.0**32, expected, atol=1e-9)
    assert (keep_thresholds(counts, 0.0) == 0xFFFFFFFF).all()


def test_the_alias_table_samples_by_weight() -> None:
    weights = np.array([1000.0, 1.0, 50.0, 50.0, 7.0]) ** 0.75
    threshold, alias = alias_table(weights)
    probabilities = threshold / 2.0**32
    sampled = probabilities + np.bincount(alias, 1 - probabilities, len(weights))
    np.testing.assert_allclose(sampled / len(weights), weights / weights.sum(), atol=1e-9)
