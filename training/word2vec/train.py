"""The training loop of word2vec: chunks of the corpus in random order, on one or several threads."""

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
from training.common.progress import progress_bar, time_left
from training.common.run import Run
from training.common.seed import derive_seed
from training.common.vectors import WordVectors, save_vectors
from training.word2vec.config import Word2VecConfig
from training.word2vec.data.corpus import EncodedCorpus
from training.word2vec.network.cpu_trainer import CpuTrainer
from training.word2vec.network.torch_trainer import TorchTrainer

CHECKPOINT = "last.pt"

_MAX_CHUNK_SIZE = 200_000  # tokens: about a tenth of a second of training
_MIN_CHUNKS = 200  # per run, so that the learning rate falls smoothly
_METRIC_RECORDS = 100  # lines of metrics.jsonl per run
_LOG_INTERVAL_SECONDS = 15.0
_CHECKPOINT_INTERVAL_SECONDS = 300.0


class Trainer(Protocol):
    """A backend that trains on one chunk at a time: compiled kernels on the CPU, or PyTorch on a GPU."""

    input_vectors: Tensor
    """[V, D]: the word vectors."""
    output_vectors: Tensor
    """[V, D]: the vectors of words as prediction targets, or of the nodes of the Huffman tree."""

    def train_chunk(self, ids: NDArray[np.int32], learning_rate: float, seed: int) -> float:
        """Train on the tokens `ids` and return the mean loss per input in nats."""


@dataclass(frozen=True)
class Schedule:
    """The order of a run's chunks and the learning rate of each."""

    config: Word2VecConfig
    corpus_length: int
    """Tokens of the encoded corpus, the end of each paragraph included."""

    @property
    def chunk_size(self) -> int:
        """Tokens per chunk."""
        return max(1, min(_MAX_CHUNK_SIZE, math.ceil(self.corpus_length * self.config.epochs / _MIN_CHUNKS)))

    @property
    def chunks_per_epoch(self) -> int:
        """Chunks in one pass over the corpus."""
        return math.ceil(self.corpus_length / self.chunk_size)

    @property
    def total_chunks(self) -> int:
        """Chunks in the whole run."""
        return self.chunks_per_epoch * self.config.epochs

    def chunk(self, index: int) -> slice:
        """The tokens of the run's chunk `index`; every epoch visits all chunks in its own random order."""
        epoch, position = divmod(index, self.chunks_per_epoch)
        start = int(_chunk_order(self.config.seed, epoch, self.chunks_per_epoch)[position]) * self.chunk_size
        return slice(start, start + self.chunk_size)

    def learning_rate(self, index: int) -> float:
        """The learning rate of chunk `index`; it falls linearly over the run."""
        first, last = self.config.starting_rate, self.config.min_learning_rate
        return first + (last - first) * index / self.total_chunks


@lru_cache(maxsize=2)
def _chunk_order(seed: int, epoch: int, chunks: int) -> NDArray[np.int64]:
    return np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(chunks)


def make_trainer(corpus: EncodedCorpus, config: Word2VecConfig, device: torch.device) -> Trainer:
    """Make a trainer with initial vectors on `device`: compiled kernels on a CPU, PyTorch on a GPU."""
    if device.type == "cpu":
        return CpuTrainer(corpus.counts, config)
    return TorchTrainer(corpus.counts, config, device)


def train_vectors(corpus: EncodedCorpus, config: Word2VecConfig, *, threads: int = 1) -> WordVectors:
    """Train on the CPU without a run folder, and return the vectors."""
    trainer = make_trainer(corpus, config, torch.device("cpu"))
    train_chunks(trainer, corpus.ids, Schedule(config, len(corpus.ids)), threads=threads)
    return to_vectors(trainer, corpus, config.add_context)


def to_vectors(trainer: Trainer, corpus: EncodedCorpus, add_context: float = 0.0) -> WordVectors:
    """Copy the current word vectors out of a trainer.

    Args:
        trainer: left unchanged.
        corpus: has the words and their counts.
        add_context: weight of the unit output vector that is added to each unit input vector (Levy et al. 2015,
            section 3.3); 0 returns the input vectors as they are.
    """
    matrix = trainer.input_vectors.cpu().clone(memory_format=torch.contiguous_format)
    if add_context:
        matrix = functional.normalize(matrix) + add_context * functional.normalize(trainer.output_vectors.cpu())
    return WordVectors(words=corpus.words, matrix=matrix.numpy(), counts=corpus.counts)


def train_chunks(
    trainer: Trainer,
    ids: NDArray[np.int32],
    schedule: Schedule,
    *,
    threads: int,
    start: int = 0,
    seconds: float = math.inf,
    on_chunk: Callable[[int, float], None] = lambda done, loss: None,
) -> int:
    """Train on the chunks from `start` on, until all are done or the time is up.

    With one thread the result depends on the seed alone. Several threads update the same vectors without locks
    (Hogwild). When an exception interrupts the loop, the chunks already started are finished before it propagates.

    Args:
        trainer: its vectors are updated.
        ids: the encoded corpus.
        schedule: schedule of the run.
        threads: chunks trained at the same time.
        start: the first chunk.
        seconds: after this time no further chunk is started; at least one is.
        on_chunk: called after each chunk with the number of chunks done and the chunk's loss.

    Returns:
        The number of chunks done since the beginning of the run.
    """
    pending: deque[Future[float]] = deque()
    done, deadline = start, time.monotonic() + seconds

    def finish_oldest() -> None:
        nonlocal done
        loss = pending[0].result()
        pending.popleft()
        done += 1
        on_chunk(done, loss)

    with ThreadPoolExecutor(threads, thread_name_prefix="word2vec") as pool:
        try:
            for index in range(start, schedule.total_chunks):
                # "piece" names the random stream: another name would draw other numbers than earlier releases.
                seed = derive_seed(schedule.config.seed, "piece", index)
                chunk = ids[schedule.chunk(index)]
                pending.append(pool.submit(trainer.train_chunk, chunk, schedule.learning_rate(index), seed))
                if len(pending) > threads:
                    finish_oldest()
                if time.monotonic() > deadline:
                    break
        finally:
            while pending:
                finish_oldest()
    return done


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
        """Count a trained chunk; writes a record every hundredth of the run.

        Args:
            done: chunks trained so far.
            loss: mean loss of the last one in nats; NaN if it had no window.
        """
        self._bar.update(self._words(done) - self._words(self.done))
        self.done = done
        if not math.isnan(loss):
            self.losses.append(loss)
        interval = max(1, self.schedule.total_chunks // _METRIC_RECORDS)
        if done % interval == 0 or done == self.schedule.total_chunks:
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
    if checkpoint.exists():
        state = load_checkpoint(checkpoint, config=fingerprint)
        trainer.input_vectors.copy_(state["input"])
        trainer.output_vectors.copy_(state["output"])
        done, seconds = state["done"], state["seconds"]
        run.logger().info("resuming after epoch %.2f of %d", done / schedule.chunks_per_epoch, config.epochs)
    run.drop_metrics_after(done / schedule.chunks_per_epoch)
    progress = _Progress(run, schedule, corpus.total, done, seconds)
    workers = threads if device.type == "cpu" else 1
    try:
        while progress.done < schedule.total_chunks:
            try:
                train_chunks(
                    trainer, corpus.ids, schedule, threads=workers, start=progress.done,
                    seconds=_CHECKPOINT_INTERVAL_SECONDS, on_chunk=progress.update,
                )  # fmt: skip
            finally:
                save_checkpoint(
                    checkpoint, config=fingerprint, input=trainer.input_vectors.cpu().contiguous(),
                    output=trainer.output_vectors.cpu().contiguous(), done=progress.done,
                    seconds=progress.total_seconds(),
                )  # fmt: skip
    finally:
        progress.close()
    vectors = to_vectors(trainer, corpus, config.add_context)
    save_vectors(vectors, run.path)
    return vectors
