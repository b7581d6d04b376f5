"""The training loop of word2vec: pieces of the corpus in random order, on one or several threads."""

import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.common.checkpoint import load_checkpoint, save_checkpoint
from training.common.config import to_dict
from training.common.progress import bar
from training.common.run import Run
from training.common.seed import derive
from training.common.vectors import WordVectors, save_vectors
from training.word2vec.config import Word2VecConfig
from training.word2vec.data.corpus import EncodedCorpus
from training.word2vec.network.cpu_trainer import CpuTrainer
from training.word2vec.network.torch_trainer import TorchTrainer

LAST = "last.pt"

_LONGEST_CHUNK = 200_000  # words: a tenth of a second
_CHUNKS = 200  # at least so many in a run, so that the learning rate falls smoothly
_RECORDS = 100  # lines of metrics in a run
_LOGGED_SECONDS = 15.0  # between two lines of the log
_CHECKPOINT_SECONDS = 300.0


class Trainer(Protocol):
    """What trains on a piece of the corpus: compiled kernels on the CPU, or PyTorch on a GPU."""

    input: Tensor
    output: Tensor

    def train_chunk(self, ids: NDArray[np.int32], learning_rate: float, seed: int) -> float:
        """Train on `ids`; the mean loss per input in nats."""


@dataclass(frozen=True)
class Schedule:
    """Which piece of the corpus comes when, and with which learning rate: a run is `total` pieces long."""

    config: Word2VecConfig
    length: int
    """Of the encoded corpus, ends of sentences included."""

    @property
    def chunk(self) -> int:
        """The length of a piece."""
        return max(1, min(_LONGEST_CHUNK, math.ceil(self.length * self.config.epochs / _CHUNKS)))

    @property
    def per_epoch(self) -> int:
        """Pieces in an epoch."""
        return math.ceil(self.length / self.chunk)

    @property
    def total(self) -> int:
        """Pieces in the run."""
        return self.per_epoch * self.config.epochs

    def piece(self, number: int) -> slice:
        """Where a piece lies: every epoch has all of them, in an order of its own."""
        epoch, place = divmod(number, self.per_epoch)
        start = int(_order(self.config.seed, epoch, self.per_epoch)[place]) * self.chunk
        return slice(start, start + self.chunk)

    def rate(self, number: int) -> float:
        """The learning rate of a piece: it falls linearly."""
        first, last = self.config.starting_rate, self.config.min_learning_rate
        return first + (last - first) * number / self.total


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(derive(seed, "order", epoch)).permutation(count)


def make_trainer(corpus: EncodedCorpus, config: Word2VecConfig, device: torch.device) -> Trainer:
    """Fresh tables on the device: the kernels on a CPU, PyTorch on a GPU."""
    if device.type == "cpu":
        return CpuTrainer(corpus.counts, config)
    return TorchTrainer(corpus.counts, config, device)


def train_vectors(corpus: EncodedCorpus, config: Word2VecConfig, *, threads: int = 1) -> WordVectors:
    """Train on the CPU and keep nothing on disk."""
    trainer = make_trainer(corpus, config, torch.device("cpu"))
    train_pieces(trainer, corpus.ids, Schedule(config, len(corpus.ids)), threads=threads)
    return to_vectors(trainer, corpus, config.add_context)


def to_vectors(trainer: Trainer, corpus: EncodedCorpus, add_context: float = 0.0) -> WordVectors:
    """The words' vectors as they are now; with `add_context` unit vectors, plus that times those of the targets."""
    matrix = trainer.input.cpu().clone(memory_format=torch.contiguous_format)
    if add_context:
        matrix = functional.normalize(matrix) + add_context * functional.normalize(trainer.output.cpu())
    return WordVectors(words=corpus.words, matrix=matrix.numpy(), counts=corpus.counts)


def train_pieces(
    trainer: Trainer,
    ids: NDArray[np.int32],
    schedule: Schedule,
    *,
    threads: int,
    start: int = 0,
    seconds: float = math.inf,
    on_piece: Callable[[int, float], None] = lambda number, loss: None,
) -> int:
    """Train on the pieces from `start` on, until all are done or the time is up.

    With one thread the result depends on the seed alone; several write to the same tables without waiting for each
    other. When an exception comes from outside, the pieces that were begun are finished before it goes on.

    Args:
        trainer: changed.
        ids: the encoded corpus.
        schedule: of the run.
        threads: pieces in work at once.
        start: the first piece.
        seconds: after this time no further piece is begun, but one is.
        on_piece: called with the number of pieces done and the loss of the last one.

    Returns:
        The number of pieces done.
    """
    waiting: deque[Future[float]] = deque()
    done, until = start, time.monotonic() + seconds

    def finish_one() -> None:
        nonlocal done
        loss = waiting[0].result()
        waiting.popleft()
        done += 1
        on_piece(done, loss)

    with ThreadPoolExecutor(threads, thread_name_prefix="word2vec") as pool:
        try:
            for number in range(start, schedule.total):
                seed = derive(schedule.config.seed, "piece", number)
                piece = ids[schedule.piece(number)]
                waiting.append(pool.submit(trainer.train_chunk, piece, schedule.rate(number), seed))
                if len(waiting) > threads:
                    finish_one()
                if time.monotonic() > until:
                    break
        finally:
            while waiting:
                finish_one()
    return done


@dataclass
class _Progress:
    """What a run shows while it trains, and what it writes to `metrics.jsonl`."""

    run: Run
    schedule: Schedule
    words: int
    """In one epoch."""
    done: int
    seconds: float
    """Of training, earlier sittings included."""
    losses: list[float] = field(default_factory=list)
    recorded: int = 0

    def __post_init__(self) -> None:
        self.recorded = self.done
        self.started = self._since = self._logged = time.monotonic()
        self._bar = bar(total=self.words * self.schedule.config.epochs, text="training", unit="words", scaled=True)
        self._bar.update(self._words(self.done))

    def piece(self, done: int, loss: float) -> None:
        """A piece is done."""
        self._bar.update(self._words(done) - self._words(self.done))
        self.done = done
        if not math.isnan(loss):
            self.losses.append(loss)
        share = max(1, self.schedule.total // _RECORDS)
        if done % share == 0 or done == self.schedule.total:
            self._record()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def total_seconds(self) -> float:
        """Seconds of training so far."""
        return self.seconds + time.monotonic() - self.started

    def _words(self, done: int) -> int:
        return round(self.words * done / self.schedule.per_epoch)

    def _record(self) -> None:
        now = time.monotonic()
        speed = (self._words(self.done) - self._words(self.recorded)) / max(now - self._since, 1e-9)
        epoch = self.done / self.schedule.per_epoch
        loss = round(sum(self.losses) / len(self.losses), 5) if self.losses else None
        self.run.add_metrics({
            "epoch": round(epoch, 4), "loss": loss, "learning_rate": round(self.schedule.rate(self.done), 6),
            "words_per_second": round(speed), "seconds": round(self.total_seconds(), 1),
        })  # fmt: skip
        if now - self._logged > _LOGGED_SECONDS or self.done == self.schedule.total:
            self._logged = now
            left = (self.words * self.schedule.config.epochs - self._words(self.done)) / max(speed, 1.0)
            shown = "-" if loss is None else f"{loss:.4f}"
            self.run.logger().info(
                "epoch %.2f of %d: loss %s, %s words/s, %.0f s left",
                epoch, self.schedule.config.epochs, shown, f"{speed:,.0f}", left,
            )  # fmt: skip
        self.losses, self.recorded, self._since = [], self.done, now


def identity(config: Word2VecConfig, corpus: EncodedCorpus) -> dict[str, Any]:
    """What a checkpoint belongs to: the settings and the encoded text."""
    return {**to_dict(config), "vocabulary": len(corpus.words), "total": corpus.total, "length": len(corpus.ids)}


def train(config: Word2VecConfig, corpus: EncodedCorpus, run: Run, device: torch.device, threads: int) -> WordVectors:
    """Train to the last epoch, from the run's checkpoint if it has one; leaves the vectors in the run's directory.

    Stopped by an exception, it keeps what is done. A run on one thread that was stopped and resumed equals one that
    never was.
    """
    trainer = make_trainer(corpus, config, device)
    schedule = Schedule(config, len(corpus.ids))
    checkpoint, belongs = run.checkpoints / LAST, identity(config, corpus)
    done, seconds = 0, 0.0
    if checkpoint.exists():
        state = load_checkpoint(checkpoint, config=belongs)
        trainer.input.copy_(state["input"])
        trainer.output.copy_(state["output"])
        done, seconds = state["done"], state["seconds"]
        run.logger().info("resuming after epoch %.2f of %d", done / schedule.per_epoch, config.epochs)
    run.keep_metrics(done / schedule.per_epoch)
    progress = _Progress(run, schedule, corpus.total, done, seconds)
    at_once = threads if device.type == "cpu" else 1
    try:
        while progress.done < schedule.total:
            try:
                train_pieces(
                    trainer, corpus.ids, schedule, threads=at_once, start=progress.done, seconds=_CHECKPOINT_SECONDS,
                    on_piece=progress.piece,
                )  # fmt: skip
            finally:
                save_checkpoint(
                    checkpoint, config=belongs, input=trainer.input.cpu().contiguous(),
                    output=trainer.output.cpu().contiguous(), done=progress.done, seconds=progress.total_seconds(),
                )  # fmt: skip
    finally:
        progress.close()
    vectors = to_vectors(trainer, corpus, config.add_context)
    save_vectors(vectors, run.path)
    return vectors
