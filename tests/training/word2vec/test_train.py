"""The training loop: chunk order, resuming, interruption."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.common.config import to_dict
from training.common.errors import CheckpointError
from training.common.interrupts import Interrupted
from training.common.run import Run
from training.common.vectors import WordVectors, load_vectors
from training.word2vec import chunks
from training.word2vec import train as module
from training.word2vec.chunks import Schedule, Trainer, train_chunks
from training.word2vec.config import FAMILY, Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, EncodedCorpus, open_corpus
from training.word2vec.train import make_trainer, train, train_vectors

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
CONFIG = replace(Word2VecConfig(), dimensions=8, epochs=3, sample=0.0, min_count=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> EncodedCorpus:
    folder = tmp_path_factory.mktemp("text")
    draw = np.random.default_rng(0)
    lines = [" ".join("abcdefgh"[number] * 2 for number in draw.integers(0, 8, 12)) for _ in range(300)]
    (folder / "text.txt").write_text("\n".join(lines))
    return open_corpus(str(folder), CorpusSettings(min_count=1), folder / "encoded")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(CONFIG))
    yield run
    run.close()


def run_training(corpus: EncodedCorpus, run: Run, config: Word2VecConfig = CONFIG) -> WordVectors:
    return train(config, corpus, run, CPU, 1)


def test_every_epoch_visits_every_chunk(corpus: EncodedCorpus) -> None:
    schedule = Schedule(CONFIG, len(corpus.ids))
    assert schedule.chunks_per_epoch > 20
    orders = []
    for epoch in range(CONFIG.epochs):
        first = epoch * schedule.chunks_per_epoch
        chunks = [schedule.chunk(index) for index in range(first, first + schedule.chunks_per_epoch)]
        orders.append([chunk.start for chunk in chunks])
        assert sum(len(corpus.ids[chunk]) for chunk in chunks) == len(corpus.ids)
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    assert schedule.learning_rate(0) == 0.025
    assert schedule.learning_rate(schedule.total_chunks) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("after", "config"), [(1, CONFIG), (30, CONFIG), (70, CONFIG), (30, replace(CONFIG, subwords=True, buckets=40))]
)
def test_an_interrupted_run_resumes_to_the_same_vectors(
    corpus: EncodedCorpus, run: Run, after: int, config: Word2VecConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = train_vectors(corpus, config)
    update = module._Progress.update

    def stop(progress: module._Progress, done: int, loss: float) -> None:
        update(progress, done, loss)
        if done == after:
            raise Interrupted(2)

    monkeypatch.setattr(module._Progress, "update", stop)
    with pytest.raises(Interrupted):
        run_training(corpus, run, config)
    monkeypatch.setattr(module._Progress, "update", update)
    resumed = run_training(corpus, run, config)
    assert np.array_equal(resumed.matrix, uninterrupted.matrix)
    assert (resumed.subwords is not None) == config.subwords
    if resumed.subwords and uninterrupted.subwords:
        assert np.array_equal(resumed.subwords.table.rows(slice(None)), uninterrupted.subwords.table.rows(slice(None)))
    assert np.array_equal(load_vectors(run.path).matrix, uninterrupted.matrix)
    epochs = [record["epoch"] for record in run.metrics()]
    assert epochs == sorted(set(epochs))
    assert epochs[-1] == CONFIG.epochs
    assert "resuming after epoch" in (run.path / "log.txt").read_text()


def test_checkpoints_are_written_during_training(
    corpus: EncodedCorpus, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "_MIN_CHUNKS", 5)  # few checkpoints, as each is synced to disk
    uninterrupted = train_vectors(corpus, CONFIG)
    saved = []
    save = module.save_checkpoint
    monkeypatch.setattr(module, "_CHECKPOINT_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(
        module, "save_checkpoint", lambda path, **state: (saved.append(state["done"]), save(path, **state))
    )
    vectors = run_training(corpus, run)
    assert len(saved) > 1
    assert saved[-1] == Schedule(CONFIG, len(corpus.ids)).total_chunks
    assert np.array_equal(vectors.matrix, uninterrupted.matrix)


def test_a_checkpoint_of_another_text_is_refused(corpus: EncodedCorpus, run: Run, tmp_path: Path) -> None:
    run_training(corpus, run)
    (tmp_path / "other.txt").write_text("one two three two one")
    other = open_corpus(str(tmp_path / "other.txt"), CorpusSettings(min_count=1), tmp_path / "other")
    with pytest.raises(CheckpointError, match="vocabulary was 8, is 3"):
        run_training(other, run)


def test_several_threads_train_every_chunk(corpus: EncodedCorpus) -> None:
    schedule = Schedule(CONFIG, len(corpus.ids))
    trainer = make_trainer(corpus, CONFIG, CPU)
    seen: list[int] = []
    done = train_chunks(trainer, corpus.ids, schedule, threads=3, on_chunk=lambda count, loss: seen.append(count))
    assert done == schedule.total_chunks
    assert seen == list(range(1, schedule.total_chunks + 1))
    assert torch.isfinite(trainer.input_vectors).all()


def test_errors_in_threads_are_raised(corpus: EncodedCorpus) -> None:
    class Broken:
        input_vectors = output_vectors = torch.zeros(1)

        def train_chunk(self, ids: object, learning_rate: float, seed: int) -> float:
            raise MemoryError("no room")

    broken: Trainer = Broken()
    with pytest.raises(MemoryError, match="no room"):
        train_chunks(broken, corpus.ids, Schedule(CONFIG, len(corpus.ids)), threads=2)


def test_output_vectors_can_be_added(corpus: EncodedCorpus) -> None:
    inputs_only = train_vectors(corpus, CONFIG)
    both = train_vectors(corpus, replace(CONFIG, add_context=0.5))
    difference = both.matrix - inputs_only.unit()
    np.testing.assert_allclose(np.linalg.norm(difference, axis=1), 0.5, rtol=1e-5)
