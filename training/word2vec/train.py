"""The training loop of word2vec: chunks of the corpus in random order, by one or several threads and processes."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.common.checkpoint import load_last_checkpoint, save_checkpoint
from training.common.config import to_dict
from training.common.processes import is_main, process_count
from training.common.progress import progress_bar, time_left
from training.common.run import Run
from training.common.vectors import WordVectors, save_vectors
from training.common.vectors.word_rows import WordRows, word_rows
from training.word2vec.chunks import Schedule, Trainer, train_chunks
from training.word2vec.config import Word2VecConfig
from training.word2vec.data.corpus import EncodedCorpus
from training.word2vec.exchange import train_together
from training.word2vec.network.cpu_trainer import CpuTrainer
from training.word2vec.network.torch_trainer import TorchTrainer

CHECKPOINT = "last.pt"

_METRIC_RECORDS = 100  # lines of metrics.jsonl per run
_LOG_INTERVAL_SECONDS = 15.0
_CHECKPOINT_INTERVAL_SECONDS = 300.0


def make_trainer(corpus: EncodedCorpus, config: Word2VecConfig, device: torch.device) -> Trainer:
    """Make a trainer with initial vectors on `device`: compiled kernels on a CPU, PyTorch on a GPU."""
    rows = rows_of_words(corpus, config)
    if device.type == "cpu":
        return CpuTrainer(corpus.counts, config, rows)
    return TorchTrainer(corpus.counts, config, device, rows)


def rows_of_words(corpus: EncodedCorpus, config: Word2VecConfig) -> WordRows | None:
    """The rows of the input matrix that each word is the mean of; None without subwords."""
    return None if config.character_ngrams is None else word_rows(corpus.words, config.character_ngrams)


def train_vectors(corpus: EncodedCorpus, config: Word2VecConfig, *, threads: int = 1) -> WordVectors:
    """Train on the CPU without a run folder, and return the vectors."""
    trainer = make_trainer(corpus, config, torch.device("cpu"))
    train_chunks(trainer, corpus.ids, Schedule(config, len(corpus.ids)), threads=threads)
    return to_vectors(trainer, corpus, config)


def to_vectors(trainer: Trainer, corpus: EncodedCorpus, config: Word2VecConfig) -> WordVectors:
    """Copy the current word vectors out of a trainer.

    Args:
        trainer: left unchanged.
        corpus: has the words and their counts.
        config: says whether words are composed of subwords, and with which weight the unit output vector is added to
            each unit input vector (Levy et al. 2015, section 3.3).
    """
    matrix = trainer.input_vectors.cpu().clone(memory_format=torch.contiguous_format)
    if rows := rows_of_words(corpus, config):
        inputs = matrix.numpy()
        return WordVectors(
            words=corpus.words, matrix=rows.compose(inputs), counts=corpus.counts, subwords=rows.subword_vectors(inputs)
        )
    if config.add_context:
        matrix = functional.normalize(matrix) + config.add_context * functional.normalize(trainer.output_vectors.cpu())
    return WordVectors(words=corpus.words, matrix=matrix.numpy(), counts=corpus.counts)


@dataclass
class _Progress:
    """Progress bar, log and `metrics.jsonl` of a run while it trains."""

    run: Run
    schedule: Schedule
    words: int
    """Words per epoch."""
    done: int
    """Chunks trained so far."""
    seconds: float
    """Training time before this process, if the run was resumed."""
    losses: list[float] = field(default_factory=list)
    """Losses of the chunks since the last record."""
    recorded: int = 0
    """Chunks trained at the last record."""

    def __post_init__(self) -> None:
        self.recorded = self.done
        self.started = self._recorded_at = self._logged_at = time.monotonic()
        self._bar = progress_bar(
            total=self.words * self.schedule.config.epochs, description="training", unit="words", unit_scale=True
        )
        self._bar.update(self._words(self.done))

    def update(self, done: int, loss: float) -> None:
        """Count trained chunks; writes a record every hundredth of the run.

        Args:
            done: chunks trained so far.
            loss: mean loss of the last one in nats; NaN if it had no window.
        """
        self._bar.update(self._words(done) - self._words(self.done))
        self.done = done
        if not math.isnan(loss):
            self.losses.append(loss)
        interval = max(1, self.schedule.total_chunks // _METRIC_RECORDS)
        if done // interval > self.recorded // interval or done == self.schedule.total_chunks:
            self._record()

    def close(self) -> None:
        """Remove the progress bar."""
        self._bar.close()

    def total_seconds(self) -> float:
        """Training time so far, earlier processes included."""
        return self.seconds + time.monotonic() - self.started

    def _words(self, chunks: int) -> int:
        return round(self.words * chunks / self.schedule.chunks_per_epoch)

    def _record(self) -> None:
        now = time.monotonic()
        speed = (self._words(self.done) - self._words(self.recorded)) / max(now - self._recorded_at, 1e-9)
        epoch = self.done / self.schedule.chunks_per_epoch
        loss = round(sum(self.losses) / len(self.losses), 5) if self.losses else None
        self.run.add_metrics({
            "epoch": round(epoch, 4), "loss": loss, "learning_rate": round(self.schedule.learning_rate(self.done), 6),
            "words_per_second": round(speed), "seconds": round(self.total_seconds(), 1),
        })  # fmt: skip
        if now - self._logged_at > _LOG_INTERVAL_SECONDS or self.done == self.schedule.total_chunks:
            self._logged_at = now
            remaining = (self.words * self.schedule.config.epochs - self._words(self.done)) / max(speed, 1.0)
            self.run.logger().info(
                "epoch %.2f of %d: loss %s, %s words/s, %s",
                epoch, self.schedule.config.epochs, "-" if loss is None else f"{loss:.4f}", f"{speed:,.0f}",
                time_left(remaining),
            )  # fmt: skip
        self.losses, self.recorded, self._recorded_at = [], self.done, now


def checkpoint_fingerprint(config: Word2VecConfig, corpus: EncodedCorpus) -> dict[str, Any]:
    """The settings and the size of the encoded corpus; a checkpoint is resumed only where these are unchanged."""
    return {**to_dict(config), "vocabulary": len(corpus.words), "total": corpus.total, "length": len(corpus.ids)}


def train(config: Word2VecConfig, corpus: EncodedCorpus, run: Run, device: torch.device, threads: int) -> WordVectors:
    """Train to the last epoch and save the vectors in the run folder, resuming from its checkpoint if it has one.

    An interrupted run keeps the chunks that are done. On one thread, a run that was interrupted and resumed gives the
    same vectors as one that was not.
    """
    trainer = make_trainer(corpus, config, device)
    schedule = Schedule(config, len(corpus.ids))
    checkpoint, fingerprint = run.checkpoints / CHECKPOINT, checkpoint_fingerprint(config, corpus)
    done, seconds = 0, 0.0
    if state := load_last_checkpoint(checkpoint, config=fingerprint, log=run.logger()):
        trainer.input_vectors.copy_(state["input"])
        trainer.output_vectors.copy_(state["output"])
        done, seconds = state["done"], state["seconds"]
        run.logger().info("resuming after epoch %.2f of %d", done / schedule.chunks_per_epoch, config.epochs)
    run.drop_metrics_after(done / schedule.chunks_per_epoch)
    progress = _Progress(run, schedule, corpus.total, done, seconds)
    workers = threads if device.type == "cpu" else 1

    def save(done: int) -> None:
        save_checkpoint(
            checkpoint, config=fingerprint, input=trainer.input_vectors.cpu().contiguous(),
            output=trainer.output_vectors.cpu().contiguous(), done=done, seconds=progress.total_seconds(),
        )  # fmt: skip

    try:
        if process_count() > 1:
            train_together(
                trainer, corpus.ids, schedule, threads=workers, start=done, interval=_CHECKPOINT_INTERVAL_SECONDS,
                on_chunk=progress.update, save=save,
            )  # fmt: skip
        else:
            _train_alone(trainer, corpus.ids, schedule, workers, progress, save)
    finally:
        progress.close()
    vectors = to_vectors(trainer, corpus, config)
    if is_main():
        save_vectors(vectors, run.path)
    return vectors


def _train_alone(
    trainer: Trainer,
    ids: NDArray[np.int32],
    schedule: Schedule,
    threads: int,
    progress: _Progress,
    save: Callable[[int], None],
) -> None:
    """Train by one process; what is done is saved now and then, at the end, and when an exception ends it."""
    while progress.done < schedule.total_chunks:
        try:
            train_chunks(
                trainer, ids, schedule, threads=threads, start=progress.done, seconds=_CHECKPOINT_INTERVAL_SECONDS,
                on_chunk=progress.update,
            )  # fmt: skip
        finally:
            save(progress.done)
