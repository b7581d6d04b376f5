"""Words as means of their own row and those of their n-grams: both trainers, composing, files and evaluation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.text import CharacterNgrams
from training.common.errors import ConfigError, DatasetError
from training.common.vectors import BucketMatrix, SubwordVectors, WordVectors, load_vectors, save_vectors
from training.common.vectors.word_rows import WordRows, word_rows
from training.word2vec.config import Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, open_corpus
from training.word2vec.evaluate import evaluate
from training.word2vec.network.cpu_trainer import CpuTrainer
from training.word2vec.network.reference import descend, negative_sampling_loss
from training.word2vec.network.torch_trainer import NegativeSampling, SubwordBatches, TorchTrainer
from training.word2vec.network.windows import Windows
from training.word2vec.train import train_vectors

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
WORDS = ["water", "waters", "watery", "red", "reddish", "er"]
NGRAMS = CharacterNgrams(min_ngram=3, max_ngram=4, buckets=50)
CONFIG = replace(Word2VecConfig(), subwords=True, dimensions=12, window=2, negatives=2, sample=0.0, min_count=1)
architectures = pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])


@pytest.fixture(scope="module")
def rows() -> WordRows:
    return word_rows(WORDS, NGRAMS)


def rows_of(rows: WordRows, *words: int) -> NDArray[np.int64]:
    """The rows of some words, one after the other."""
    parts = [rows.rows[rows.offsets[word] : rows.offsets[word + 1]] for word in words]
    return np.concatenate(parts).astype(np.int64)


def mean_of_rows(inputs: Tensor, indices: NDArray[np.int64]) -> Tensor:
    """The mean of rows [1, D], whose full gradient goes to each of them."""
    gathered = inputs[torch.from_numpy(indices)]
    gathered.register_hook(lambda gradient: gradient * len(indices))
    return gathered.mean(0, keepdim=True)


def random_matrices(rows: WordRows) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return (
        torch.randn(rows.matrix_rows, 12, generator=random) * 0.3,
        torch.randn(len(WORDS), 12, generator=random) * 0.3,
    )


def test_a_word_has_its_own_row_and_those_of_its_ngrams(rows: WordRows) -> None:
    assert len(rows) == len(WORDS)
    assert rows.matrix_rows == 56
    for index, word in enumerate(WORDS):
        own, *ngrams = rows_of(rows, index).tolist()
        assert own == index
        assert [row - len(WORDS) for row in ngrams] == NGRAMS.buckets_of(word)
    assert rows.most_rows == 1 + len(NGRAMS.buckets_of("reddish"))


@architectures
def test_a_step_of_the_cpu_equals_autograd(architecture: str, rows: WordRows) -> None:
    # Nearly all negative samples are word 5, so that they are known in advance.
    counts = np.array([1, 1, 1, 1, 1, 10**15])
    config = replace(CONFIG, architecture=architecture, negatives=1)
    trainer = CpuTrainer(counts, config, rows)
    inputs, outputs = random_matrices(rows)
    trainer.input_vectors.copy_(inputs)
    trainer.output_vectors.copy_(outputs)
    rate = 1e-3
    loss = trainer.train_chunk(np.array([0, 4, -1], np.int32), rate, 0)

    inputs.requires_grad_()
    outputs.requires_grad_()
    losses = []
    for center, context in ((0, 4), (4, 0)):
        word, target = (center, context) if architecture == "skip-gram" else (context, center)
        hidden = mean_of_rows(inputs, rows_of(rows, word))
        losses.append(negative_sampling_loss(hidden, outputs[target], outputs[[5]]))
        descend(losses[-1], (inputs, outputs), rate)
    assert loss == pytest.approx(float(losses[0].detach()), rel=1e-5)
    torch.testing.assert_close(trainer.input_vectors, inputs.detach(), rtol=0, atol=1e-6)
    torch.testing.assert_close(trainer.output_vectors, outputs.detach(), rtol=0, atol=1e-6)


@architectures
def test_a_step_of_a_batch_equals_autograd(architecture: str, rows: WordRows) -> None:
    windows = Windows(
        centers=torch.tensor([3, 0]),
        contexts=torch.tensor([[0, 4, 1], [2, 2, 5]]),
        present=torch.tensor([[True, True, True], [True, False, False]]),
    )
    config = replace(CONFIG, architecture=architecture)
    counts = np.array([6, 5, 4, 3, 2, 1])
    targets = NegativeSampling(counts, config, CPU).targets(windows.centers, torch.Generator().manual_seed(3))
    inputs, outputs = random_matrices(rows)
    SubwordBatches(rows, CPU).update(inputs, outputs, windows, targets, config.architecture, 0.01)

    expected_inputs, expected_outputs = (matrix.requires_grad_() for matrix in random_matrices(rows))
    losses = []
    for window in range(2):
        context = windows.contexts[window][windows.present[window]].tolist()
        if architecture == "cbow":
            hidden = mean_of_rows(expected_inputs, rows_of(rows, *context))
        else:
            hidden = torch.cat([mean_of_rows(expected_inputs, rows_of(rows, word)) for word in context])
        negatives = targets.rows[window, 1:][targets.present[window, 1:]]
        center = int(windows.centers[window])
        losses.append(negative_sampling_loss(hidden, expected_outputs[center], expected_outputs[negatives]))
    descend(torch.stack(losses).sum(), (expected_inputs, expected_outputs), 0.01)
    torch.testing.assert_close(inputs, expected_inputs.detach(), rtol=0, atol=1e-6)
    torch.testing.assert_close(outputs, expected_outputs.detach(), rtol=0, atol=1e-6)


@architectures
def test_rows_that_a_whole_batch_shares_do_not_overshoot(architecture: str, rows: WordRows) -> None:
    inputs, outputs = random_matrices(rows)
    count = 2000
    windows = Windows(
        centers=torch.full((count,), 3),
        contexts=torch.tensor([[0, 1], [1, 2]]).repeat(count // 2, 1),
        present=torch.ones(count, 2, dtype=torch.bool),
    )
    batches, random = SubwordBatches(rows, CPU), torch.Generator().manual_seed(0)
    sampling = NegativeSampling(np.array([6, 5, 4, 3, 2, 1]), CONFIG, CPU)
    losses = []
    for _ in range(50):
        targets = sampling.targets(windows.centers, random)
        total, measured = batches.update(inputs, outputs, windows, targets, architecture, 0.1).losses.tolist()  # type: ignore[arg-type]
        losses.append(total / measured)
    assert losses[-1] < 0.5 * losses[0]
    assert max(inputs.abs().max(), outputs.abs().max()) < 20


def two_topics() -> tuple[list[str], NDArray[np.int32]]:
    """Words with the stem `water` occur with each other, and so do those with `fire`."""
    words = [f"{stem}{letter}{letter}" for stem in ("water", "fire") for letter in "abcdefghij"]
    random = np.random.default_rng(0)
    text = [[*random.integers(0, 10, 8) + 10 * (number % 2), -1] for number in range(3000)]
    return words, np.concatenate(text).astype(np.int32)


@architectures
@pytest.mark.parametrize("kind", [CpuTrainer, TorchTrainer])
def test_an_unknown_word_is_near_those_of_its_stem(architecture: str, kind: type) -> None:
    words, ids = two_topics()
    config = replace(CONFIG, architecture=architecture, buckets=5000)
    rows = word_rows(words, CharacterNgrams(min_ngram=3, max_ngram=6, buckets=5000))
    counts = np.bincount(ids[ids >= 0]).astype(np.int64)
    runs = []
    for _ in range(2):
        trainer = kind(counts, config, rows) if kind is CpuTrainer else kind(counts, config, CPU, rows)
        losses = [trainer.train_chunk(ids, 0.05, seed) for seed in range(3)]
        assert losses[-1] < losses[0]
        runs.append(trainer.input_vectors.clone())
    assert torch.equal(runs[0], runs[1]), "the result depends on the seeds only"
    inputs = runs[0].numpy()
    vectors = rows.compose(inputs)
    composed = rows.subword_vectors(inputs).compose("waterfall")
    assert composed is not None
    centered = vectors - vectors.mean(0)
    cosines = centered @ (composed - vectors.mean(0))
    assert cosines[:10].min() > cosines[10:].max()


def test_composing_is_the_mean_of_rows(rows: WordRows, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_matrices(rows)[0].numpy()
    expected = np.stack([matrix[rows_of(rows, word)].mean(0) for word in range(len(WORDS))])
    np.testing.assert_allclose(rows.compose(matrix), expected, rtol=1e-5, atol=1e-7)
    monkeypatch.setattr("training.common.vectors.word_rows._BLOCK_ROWS", 10)
    np.testing.assert_allclose(rows.compose(matrix), expected, rtol=1e-5, atol=1e-7)


def test_ngrams_that_no_word_has_are_zero(rows: WordRows) -> None:
    matrix = random_matrices(rows)[0].numpy()
    vectors = rows.subword_vectors(matrix)
    used = {bucket for word in WORDS for bucket in NGRAMS.buckets_of(word)}
    assert set(np.flatnonzero(vectors.table.rows(slice(None)).any(1)).tolist()) == used
    np.testing.assert_allclose(
        vectors.compose("watered"), vectors.table.rows(NGRAMS.buckets_of("watered")).mean(0), rtol=1e-6
    )
    assert vectors.compose("") is None
    unseen = next(word for number in range(10_000) if not used & {*NGRAMS.buckets_of(word := chr(0x4E00 + number))})
    assert vectors.compose(unseen) is None, "no vector of zeros"
    unit = replace(vectors, unit=True).compose("watered")
    assert unit is not None
    assert np.linalg.norm(unit) == pytest.approx(1)


def test_a_run_keeps_its_ngrams(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join("water waters watery red reddish" for _ in range(50)))
    corpus = open_corpus(str(tmp_path / "text.txt"), CorpusSettings(min_count=1), tmp_path / "encoded")
    vectors = train_vectors(corpus, replace(CONFIG, buckets=100))
    assert vectors.subwords is not None
    save_vectors(vectors, tmp_path / "run")
    loaded = load_vectors(tmp_path / "run")
    assert loaded.subwords is not None
    assert loaded.subwords.ngrams == vectors.subwords.ngrams == CharacterNgrams(min_ngram=3, max_ngram=6, buckets=100)
    np.testing.assert_array_equal(loaded.subwords.table.rows(slice(None)), vectors.subwords.table.rows(slice(None)))
    (tmp_path / "run" / "buckets.npy").write_bytes(b"no array")
    with pytest.raises(DatasetError, match="train again"):
        load_vectors(tmp_path / "run")


def test_pairs_of_unknown_words_are_scored_apart(tmp_path: Path) -> None:
    buckets = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    subwords = SubwordVectors(ngrams=NGRAMS, table=BucketMatrix(buckets), dimensions=8)
    matrix = np.random.default_rng(1).normal(size=(len(WORDS), 8)).astype(np.float32)
    vectors = WordVectors(words=WORDS, matrix=matrix, subwords=subwords)
    lines = ["water red 1", "water waters 3", "water Redder 2", "Redder watering 5", "reds waterless 4", "x water 9"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    (score,) = evaluate(vectors, pairs=[tmp_path / "pairs.txt"]).pairs
    assert (score.pairs, score.skipped) == (2, 4)
    assert score.composed is not None
    assert score.composed.pairs == 3 + (subwords.compose("x") is not None)
    assert score.composed.spearman is not None
    assert "unknown words, from n-grams" in evaluate(vectors, pairs=[tmp_path / "pairs.txt"]).report()
    plain = evaluate(replace(vectors, subwords=None), pairs=[tmp_path / "pairs.txt"])
    assert plain.pairs[0] == replace(score, composed=None)
    assert "n-grams" not in plain.report()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "hierarchical-softmax"}, "subwords are for negative sampling"),
        ({"add_context": 0.3}, "n-grams have no output vectors"),
        ({"min_ngram": 5, "max_ngram": 4}, "max_ngram is 4; it must be at least min_ngram, 5"),
        ({"min_ngram": 0}, "min_ngram is 0"),
        ({"buckets": 0}, "buckets is 0"),
        ({"buckets": 20_000_000}, "at most 10,000,000"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **settings)  # type: ignore[arg-type]
