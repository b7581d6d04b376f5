"""Vocabulary, batches, the training loop, resuming, seeds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.tasks.token_classification.features import UNKNOWN_WORD, WordFeatures
from tests.support import tagged_sentences
from tests.support.runs import checkpoint_weights, equal_weights
from training.bilstm_crf import train as module
from training.bilstm_crf.config import FAMILY, PRESETS, TaggerConfig
from training.bilstm_crf.data.batches import Example, chunks, make_batches, tensors
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.data.vocabulary import build_lexicon
from training.bilstm_crf.multi_seed import best_run, create_series, runs_of, summary
from training.bilstm_crf.tagger import BEST, load_tagger
from training.bilstm_crf.train import dev_score, labels_of, train
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, ConfigError, DatasetError, RunError
from training.common.interrupts import Interrupted
from training.common.run import Run
from training.common.vectors import WordVectors, read_vectors, write_vectors

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
CONFIG = merge(PRESETS["debug"], {"epochs": 3, "data": "", "train": "made", "hidden": 8, "learning_rate": 0.02})


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(CONFIG))
    yield run
    run.close()


def with_settings(**changes: Any) -> TaggerConfig:
    return merge(CONFIG, changes)


def file_of_vectors(path: Path, words: list[str], dimensions: int = 6) -> str:
    matrix = np.random.default_rng(0).normal(2.0, 5.0, (len(words), dimensions)).astype(np.float32)
    write_vectors(WordVectors(words=words, matrix=matrix), path, format="glove")
    return str(path)


@pytest.mark.parametrize("kind", ["spans", "tags"])
def test_a_small_language_is_learned(run: Run, kind: str) -> None:
    data = tagged_sentences.data(kind)
    train(with_settings(epochs=8), data, run, CPU)  # load_tagger needs no more of the settings than the network's
    tagger = load_tagger(run)
    assert dev_score(tagger, data) > 0.95
    assert tagger.tag([("Anna", "Bodo", "sings"), (), ("Oslo",)])[0][0] == ("B-PER" if kind == "spans" else "NAME")
    assert tagger.tag([()]) == [[]]


def test_the_softmax_learns_too(tmp_path: Path) -> None:
    data = tagged_sentences.data("tags")
    config = with_settings(epochs=8, output="softmax")
    run = Run.create(tmp_path / "softmax", family=FAMILY, config=to_dict(config))
    train(config, data, run, CPU)
    run.close()
    tagger = load_tagger(run)
    assert tagger.transitions() is None
    assert dev_score(tagger, data) > 0.95


@pytest.mark.parametrize("kind", ["spans", "tags"])
def test_transitions_of_low_rank_learn_too(tmp_path: Path, kind: str) -> None:
    data, config = tagged_sentences.data(kind), with_settings(epochs=8, transition_rank=2)
    run = Run.create(tmp_path / "low-rank", family=FAMILY, config=to_dict(config))
    train(config, data, run, CPU)
    run.close()
    tagger = load_tagger(run)
    transitions = tagger.transitions()
    assert transitions is not None
    assert transitions.shape == (len(tagger.labels) + 2, len(tagger.labels))
    assert dev_score(tagger, data) > 0.95


def test_the_rank_is_below_the_number_of_labels(run: Run) -> None:
    with pytest.raises(ConfigError, match="transition_rank is 3; it must be below the number of labels, 3, or 0"):
        train(with_settings(transition_rank=3), tagged_sentences.data("tags"), run, CPU)


def test_labels_are_bioes_for_spans() -> None:
    assert labels_of(tagged_sentences.data("spans")) == (
        "O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "B-PER", "I-PER", "E-PER", "S-PER",
    )  # fmt: skip
    assert labels_of(tagged_sentences.data("tags")) == ("NAME", "REST", "VERB")
    lonely = replace(tagged_sentences.data("tags"), splits={"train": [Sentence(("a",), ("X",))]})
    with pytest.raises(DatasetError, match="no tags but X"):
        labels_of(lonely)


def test_a_resumed_run_equals_an_uninterrupted_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tagged_sentences.data("spans")
    uninterrupted = Run.create(tmp_path / "uninterrupted", family=FAMILY, config=to_dict(CONFIG))
    train(CONFIG, data, uninterrupted, CPU)
    epoch, calls = module._epoch, iter([False, False, True])

    def interrupted_epoch(*arguments: Any) -> float:
        loss = epoch(*arguments)
        if next(calls):
            raise Interrupted(2)
        return loss

    monkeypatch.setattr(module, "_epoch", interrupted_epoch)
    with pytest.raises(Interrupted):
        train(CONFIG, data, run, CPU)
    monkeypatch.setattr(module, "_epoch", epoch)
    train(CONFIG, data, run, CPU)
    uninterrupted.close()
    for name in (BEST, "last.pt"):
        assert equal_weights(checkpoint_weights(run, name), checkpoint_weights(uninterrupted, name))
    assert [record["dev_score"] for record in run.metrics()] == [
        record["dev_score"] for record in uninterrupted.metrics()
    ]


def test_a_checkpoint_belongs_to_its_data(run: Run) -> None:
    train(with_settings(epochs=1), tagged_sentences.data("spans"), run, CPU)
    with pytest.raises(CheckpointError, match="data_sha256"):
        train(with_settings(epochs=1), tagged_sentences.data("spans", train=61), run, CPU)


def test_vocabulary_has_words_seen_twice_and_the_most_frequent_others(tmp_path: Path) -> None:
    sentences = [Sentence(("b", "a", "Once"), ("X",) * 3), Sentence(("a", "b", "New"), ("X",) * 3)]
    file = file_of_vectors(tmp_path / "vectors.txt", ["x", "a", "once", "New", "z"])
    config = replace(CONFIG.network, vectors=file, extra_words=2, dimensions=0)
    lexicon = build_lexicon(config, sentences, 0)
    assert lexicon.words == ["a", "b", "x", "once"]
    assert lexicon.trained_rows == 3
    assert lexicon.table.shape == (5, 6)
    assert not lexicon.table[[0, 2]].any()  # the unknown word, and b, which has no vector
    assert lexicon.initial_difference[[0, 2]].all()
    assert not lexicon.initial_difference[1].any()
    assert lexicon.table[[1, 3, 4]].std() == pytest.approx(0.3, rel=1e-3)
    everything = build_lexicon(replace(config, extra_words=0), sentences, 0)
    assert everything.words == ["a", "b", "x", "once", "New", "z"]


def test_fewer_dimensions_are_principal_components(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(50)]
    file = file_of_vectors(tmp_path / "vectors.txt", words)
    sentences = [Sentence(tuple(words), ("X",) * 50)] * 2
    full = build_lexicon(replace(CONFIG.network, vectors=file, dimensions=6), sentences, 0).table[1:]
    cut = build_lexicon(replace(CONFIG.network, vectors=file, dimensions=3), sentences, 0).table[1:]
    singular = np.linalg.svd(full - full.mean(0), compute_uv=False)
    reduced = np.linalg.svd(cut - cut.mean(0), compute_uv=False)
    ratio = reduced / singular[:3]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    with pytest.raises(ConfigError, match="dimensions is 7"):
        build_lexicon(replace(CONFIG.network, vectors=file, dimensions=7), sentences, 0)


def test_several_files_of_vectors_are_concatenated(tmp_path: Path) -> None:
    first = file_of_vectors(tmp_path / "one.txt", ["a", "b", "c"])
    second = file_of_vectors(tmp_path / "two.txt", ["c", "A", "a"], 4)
    sentences = [Sentence(("a", "b", "c"), ("X",) * 3)] * 2
    table = build_lexicon(replace(CONFIG.network, vectors=f"{first}, {second}", dimensions=0), sentences, 0).table
    assert table.shape == (4, 10)
    assert not table[2, 6:].any()  # b is not in the second
    assert table[[1, 2, 3], :6].all()
    assert table[[1, 3], 6:].all()


def test_training_words_without_a_vector_are_composed_of_ngrams(tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "common" / "fasttext.bin"
    sentences = [Sentence(("water", "waterless", "kingdom"), ("X",) * 3)] * 2 + [Sentence(("once",), ("X",))]
    network = replace(CONFIG.network, vectors=str(model), dimensions=0)
    lexicon = build_lexicon(network, sentences, 0)
    vectors = read_vectors(model)
    assert lexicon.words[:3] == ["kingdom", "water", "waterless"]
    assert "once" not in lexicon.words, "a word that is seen once trains the unknown word, as at requests"
    expected = np.stack(
        [vectors.compose("kingdom"), vectors.matrix[vectors.index["water"]], vectors.compose("waterless")]
    )  # type: ignore[list-item]
    np.testing.assert_allclose(lexicon.table[1:4] / lexicon.table[1, 0], expected / expected[0, 0], rtol=1e-4)
    assert not lexicon.initial_difference[1:].any()
    reduced = build_lexicon(replace(network, dimensions=3), sentences, 0).table
    assert reduced[1:4].any(axis=1).all()
    both = f"{model}, {file_of_vectors(tmp_path / 'one.txt', ['water', 'kingdom'])}"
    table = build_lexicon(replace(network, vectors=both), sentences, 0).table
    assert table[1:4, :4].any(axis=1).all()
    assert table[[1, 2], 4:].any(axis=1).all()
    assert not table[3, 4:].any()


def test_an_epoch_has_every_sentence_once_among_similar_lengths() -> None:
    examples = [Example(("w",) * (1 + number % 17), (number,) * (1 + number % 17)) for number in range(300)]
    random = torch.Generator().manual_seed(0)
    batches = make_batches(examples, 8, random)
    assert sorted(example.labels[0] for batch in batches for example in batch) == list(range(300))
    padded = sum(len(batch) * max(len(example.words) for example in batch) for batch in batches)
    assert padded < 1.1 * sum(len(example.words) for example in examples)
    assert make_batches(examples, 8, random) != batches


def test_dropped_words_keep_their_characters() -> None:
    features = WordFeatures(["a", "b"], ["a", "b"], 4)
    examples = [Example(("a", "b"), (1, 0)), Example(("b",), (2,))]
    arrays, labels, _ = tensors(examples, features, 0.999, torch.Generator().manual_seed(0))
    assert arrays["words"].tolist() == [UNKNOWN_WORD, UNKNOWN_WORD]
    assert arrays["characters"].tolist() == [[2], [3]]
    assert labels.tolist() == [[1, 2], [0, 0]]


def test_chunks_are_within_the_budget() -> None:
    lengths = [5, 1, 9, 2, 30, 4]
    groups = list(chunks(lengths, 10))
    assert sorted(index for group in groups for index in group) == list(range(6))
    assert all(len(group) * max(lengths[index] for index in group) <= 10 or len(group) == 1 for group in groups)


def test_several_seeds(tmp_path: Path) -> None:
    data = tagged_sentences.data("tags")
    config = with_settings(epochs=1)
    folder = tmp_path / "series"
    for path, settings in create_series(folder, config, 2):
        run = Run.create(path, family=FAMILY, config=to_dict(settings))
        train(settings, data, run, CPU)
        run.close()
    assert [path.name for path in runs_of(folder)] == ["seed-0", "seed-1"]
    first, second = (checkpoint_weights(Run(path)) for path in runs_of(folder))
    assert not torch.equal(first["output.weight"], second["output.weight"])
    assert best_run(folder) in runs_of(folder)
    assert create_series(folder, config, 2)[1][1].seed == 1
    with pytest.raises(RunError, match="count was 2, is 3"):
        create_series(folder, config, 3)
    assert summary("dev", [0.9, 0.92, 0.94]) == "dev, 3 seeds: mean 92.00 %, standard deviation 2.00, median 92.00 %"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 3}, "layers is 3"),
        ({"characters": "cnn+bilstm", "character_units": 7}, "character_units is 7; a character BiLSTM needs an even"),
        ({"transition_rank": -1}, "transition_rank is -1; it must be at least 0"),
        ({"transition_rank": 2, "output": "softmax"}, "leave out --output softmax or --transition-rank"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be above 0"),
        ({"data": "ewt"}, "name either --data"),
        ({"train_on_dev": True}, "add --select last"),
        ({"train": ""}, "name either --data"),
    ],
)
def test_invalid_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_settings(**changes)


def test_data_is_named_once() -> None:
    data: TaggedData = tagged_sentences.data("tags")
    assert data.sha256() == tagged_sentences.data("tags").sha256()
    with pytest.raises(ConfigError, match="--dev and --test go with --train"):
        merge(PRESETS["default"], {"dev": "x"})
