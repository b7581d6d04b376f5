"""Training by several processes: each trains on its chunks of the corpus; now and then their changes are combined.

By row, as in Maleki et al. 2020 ("Scaling Distributed Training with Adaptive Summation"): changes that are orthogonal
are added, equal ones averaged. A plain sum overshoots for words that every process meets often, until it diverges; a
plain mean moves the vectors of all others less than one process would.
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
"""Exchanges in a run, at least."""


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
    """Train on the chunks from `start` on, every process on its own, and combine their changes after each round.

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
    shared = [values.clone() for values in vectors]
    try:
        while done < schedule.total_chunks:
            end = min(done + length, schedule.total_chunks)
            train_chunks(
                trainer, ids, schedule, threads=threads, start=done, end=end, stride=processes, on_chunk=on_chunk
            )
            shared = combined(shared, vectors)
            _copy(shared, vectors)
            done = end
            if time.monotonic() - saved_at > interval:
                save(done)
                saved_at = time.monotonic()
    finally:
        _copy(shared, vectors)
        save(done)


def combined(before: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[Tensor]:
    """The vectors [V, D] with the changes of all processes.

    Args:
        before: matrices after the last exchange, the same in every process.
        vectors: the same matrices as this process has trained them.
    """
    matrices = []
    for shared, trained in zip(before, vectors, strict=True):
        change = trained - shared
        squares = summed(change.square().sum(dim=1, keepdim=True))
        total = summed(change)
        # 1 where the changes are orthogonal, 1 / processes where they are equal.
        scale = squares / total.square().sum(dim=1, keepdim=True).clamp(min=torch.finfo(total.dtype).tiny)
        matrices.append(shared + total * scale.clamp(max=1))
    return matrices


def _chunks_per_round(schedule: Schedule, processes: int) -> int:
    """Chunks that each process trains on between two exchanges."""
    usual = round(schedule.config.exchange_every / schedule.chunk_size)
    return max(1, min(usual, schedule.total_chunks // (processes * _MIN_ROUNDS)))


@torch.no_grad()
def _copy(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    for values, own in zip(source, target, strict=True):
        own.copy_(values)
