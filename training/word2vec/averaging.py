"""Training by several processes: each trains on its chunks of the corpus, and their vectors are averaged now and then.

Parameter averaging after McDonald, Hall and Mann 2010 ("Distributed training strategies for the structured
perceptron"), by row: a word's vector becomes the mean over the processes that have met the word since the last average.
The vectors of rare words, which one process alone has met, so move as far as in training by a single process.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.common.distributed import summed
from training.common.processes import process_count
from training.word2vec.chunks import Schedule, Trainer, train_chunks

_MIN_ROUNDS = 20
"""Averages in a run, at least."""


def train_together(
    trainer: Trainer,
    ids: NDArray[np.int32],
    schedule: Schedule,
    *,
    threads: int,
    start: int,
    interval: float,
    on_chunk: Callable[[int, float], None],
    save: Callable[[int], None],
) -> None:
    """Train on the chunks from `start` on, every process on its own, and average their vectors after each round.

    When an exception ends it, the vectors are those of the last whole round, which `save` gets.

    Args:
        trainer: its vectors are updated; the same in every process.
        ids: the encoded corpus.
        schedule: schedule of the run.
        threads: chunks that each process trains at the same time.
        start: the first chunk.
        interval: seconds between two checkpoints.
        on_chunk: called after each of this process's chunks with the number of chunks that all have done and its loss.
        save: called with the number of chunks done, for a checkpoint.
    """
    processes, done, saved_at = process_count(), start, time.monotonic()
    length = processes * _chunks_per_round(schedule, processes)
    vectors = [trainer.input_vectors, trainer.output_vectors]
    averages = [values.clone() for values in vectors]
    try:
        while done < schedule.total_chunks:
            end = min(done + length, schedule.total_chunks)
            train_chunks(
                trainer, ids, schedule, threads=threads, start=done, end=end, stride=processes, on_chunk=on_chunk
            )
            averages = averaged(averages, vectors)
            _copy(averages, vectors)
            done = end
            if time.monotonic() - saved_at > interval:
                save(done)
                saved_at = time.monotonic()
    finally:
        _copy(averages, vectors)
        save(done)


def averaged(before: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[Tensor]:
    """The vectors [V, D] averaged over the processes that have changed them.

    Args:
        before: matrices after the last average, the same in every process.
        vectors: the same matrices as this process has trained them.
    """
    averages = []
    for shared, trained in zip(before, vectors, strict=True):
        change = trained - shared
        processes = summed((change != 0).any(dim=1).to(change.dtype))
        averages.append(shared + summed(change) / processes.clamp(min=1).unsqueeze(1))
    return averages


def _chunks_per_round(schedule: Schedule, processes: int) -> int:
    """Chunks that each process trains on between two averages."""
    usual = round(schedule.config.average_every / schedule.chunk_size)
    return max(1, min(usual, schedule.total_chunks // (processes * _MIN_ROUNDS)))


@torch.no_grad()
def _copy(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    for values, own in zip(source, target, strict=True):
        own.copy_(values)
