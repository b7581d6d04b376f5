"""The training loop: order, resuming, interruption."""

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
from training.word2vec import train as module
from training.word2vec.config import FAMILY, Word2VecConfig
from training.word2vec.data.corpus import CorpusSettings, EncodedCorpus, open_corpus
from training.word2vec.train import Schedule, Trainer, make_trainer, train, train_pieces, train_vectors

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
    made = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(CONFIG))
    yield made
    made.close()


def started(corpus: EncodedCorpus, run: Run, config: Word2VecConfig = CONFIG) -> WordVectors:
    return train(config, corpus, run, CPU, 1)


def test_every_epoch_has_every_piece(corpus: EncodedCorpus) -> None:
    schedule = Schedule(CONFIG, len(corpus.ids))
    assert schedule.per_epoch > 20
    orders = []
    for epoch in range(CONFIG.epochs):
        pieces = [
            schedule.piece(number) for number in range(epoch * schedule.per_epoch, (epoch + 1) * schedule.per_epoch)
        ]
        orders.append([piece.start for piece in pieces])
        assert sum(len(corpus.ids[piece]) for piece in pieces) == len(corpus.ids)
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    assert schedule.rate(0) == 0.025
    assert schedule.rate(schedule.total) == pytest.approx(1e-4)


@pytest.mark.parametrize("after", [1, 30, 70])
def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(
    corpus: EncodedCorpus, run: Run, after: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = train_vectors(corpus, CONFIG)
    piece = module._Progress.piece

    def stop(progress: module._Progress, done: int, loss: float) -> None:
        piece(progress, done, loss)
        if done == after:
            raise Interrupted(2)

    monkeypatch.setattr(module._Progress, "piece", stop)
    with pytest.raises(Interrupted):
        started(corpus, run)
    monkeypatch.setattr(module._Progress, "piece", piece)
    resumed = started(corpus, run)
    assert np.array_equal(resumed.matrix, whole.matrix)
    assert np.array_equal(load_vectors(run.path).matrix, whole.matrix)
    epochs = [record["epoch"] for record in run.metrics()]
    assert epochs == sorted(set(epochs))
    assert epochs[-1] == CONFIG.epochs
    assert "resuming after epoch" in (run.path / "log.txt").read_text()


def test_a_checkpoint_is_written_while_it_trains(
    corpus: EncodedCorpus, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNKS", 5)  # each checkpoint waits for the disk
    whole = train_vectors(corpus, CONFIG)
    saved = []
    save = module.save_checkpoint
    monkeypatch.setattr(module, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(
        module, "save_checkpoint", lambda path, **state: (saved.append(state["done"]), save(path, **state))
    )
    vectors = started(corpus, run)
    assert len(saved) > 1
    assert saved[-1] == Schedule(CONFIG, len(corpus.ids)).total
    assert np.array_equal(vectors.matrix, whole.matrix)


def test_a_checkpoint_of_another_text_is_refused(corpus: EncodedCorpus, run: Run, tmp_path: Path) -> None:
    started(corpus, run)
    (tmp_path / "other.txt").write_text("one two three two one")
    other = open_corpus(str(tmp_path / "other.txt"), CorpusSettings(min_count=1), tmp_path / "other")
    with pytest.raises(CheckpointError, match="vocabulary was 8, is 3"):
        started(other, run)


def test_several_threads_do_all_the_work(corpus: EncodedCorpus) -> None:
    schedule = Schedule(CONFIG, len(corpus.ids))
    trainer = make_trainer(corpus, CONFIG, CPU)
    seen: list[int] = []
    done = train_pieces(trainer, corpus.ids, schedule, threads=3, on_piece=lambda number, loss: seen.append(number))
    assert done == schedule.total
    assert seen == list(range(1, schedule.total + 1))
    assert torch.isfinite(trainer.input).all()


def test_what_goes_wrong_in_a_thread_is_raised(corpus: EncodedCorpus) -> None:
    class Broken:
        input = output = torch.zeros(1)

        def train_chunk(self, ids: object, learning_rate: float, seed: int) -> float:
            raise MemoryError("no room")

    broken: Trainer = Broken()
    with pytest.raises(MemoryError, match="no room"):
        train_pieces(broken, corpus.ids, Schedule(CONFIG, len(corpus.ids)), threads=2)


def test_the_targets_can_be_added(corpus: EncodedCorpus) -> None:
    plain = train_vectors(corpus, CONFIG)
    both = train_vectors(corpus, replace(CONFIG, add_context=0.5))
    difference = both.matrix - plain.unit()
    np.testing.assert_allclose(np.linalg.norm(difference, axis=1), 0.5, rtol=1e-5)
