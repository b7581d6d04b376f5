"""The order of a run's chunks, and training on them by one or several threads."""

import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from training.common.processes import process_rank
from training.common.seed import derive_seed
from training.word2vec.config import Word2VecConfig

_MAX_CHUNK_SIZE = 200_000  # tokens: about a tenth of a second of training
_MIN_CHUNKS = 200  # per run, so that the learning rate falls smoothly


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


def train_chunks(
    trainer: Trainer,
    ids: NDArray[np.int32],
    schedule: Schedule,
    *,
    threads: int,
    start: int = 0,
    end: int | None = None,
    stride: int = 1,
    seconds: float = math.inf,
    on_chunk: Callable[[int, float], None] = lambda done, loss: None,
) -> int:
    """Train on the chunks from `start` to `end`, until all are done or the time is up.

    With one thread the result depends on the seed alone. Several threads update the same vectors without locks
    (Hogwild). When an exception interrupts the loop, the chunks already started are finished before it propagates.

    Args:
        trainer: its vectors are updated.
        ids: the encoded corpus.
        schedule: schedule of the run.
        threads: chunks trained at the same time.
        start: the first chunk.
        end: the chunk to stop before; None: the end of the run.
        stride: processes that train on every stride-th chunk each; the others count as done.
        seconds: after this time no further chunk is started; at least one is.
        on_chunk: called after each chunk with the number of chunks done and the chunk's loss.

    Returns:
        The number of chunks done since the beginning of the run.
    """
    pending: deque[Future[float]] = deque()
    done, deadline = start, time.monotonic() + seconds
    last = schedule.total_chunks if end is None else end

    def finish_oldest() -> None:
        nonlocal done
        loss = pending[0].result()
        pending.popleft()
        done = min(done + stride, last)
        on_chunk(done, loss)

    with ThreadPoolExecutor(threads, thread_name_prefix="word2vec") as pool:
        try:
            for index in range(start + (process_rank() if stride > 1 else 0), last, stride):
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
