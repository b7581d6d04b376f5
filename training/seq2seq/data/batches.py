"""Batches of pairs of similar length, limited in tokens, padding included."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.tasks.translation.subwords import BEGIN, END, PAD


@dataclass(frozen=True)
class EncodedPair:
    """A pair as token ids, without END."""

    source: Sequence[int]
    target: Sequence[int]


@dataclass(frozen=True)
class Batch:
    """B pairs, padded."""

    source: Tensor
    """[B, S]: source tokens and END, then PAD."""
    lengths: Tensor
    """[B]: source lengths with END."""
    decoder_input: Tensor
    """[B, T]: BEGIN and target tokens, then PAD."""
    target: Tensor
    """[B, T]: target tokens and END, then PAD."""


def plan_batches(pairs: Sequence[EncodedPair], tokens: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
    """The indices of the pairs of each batch, batches in random order.

    Pairs are sorted by length, ties in random order. A batch has at most `tokens` tokens on its longer side, padding
    included; a pair that is longer is a batch by itself.
    """
    longer = np.array([max(len(pair.source), len(pair.target)) + 1 for pair in pairs])
    shorter = np.array([min(len(pair.source), len(pair.target)) for pair in pairs])
    order = np.lexsort((generator.random(len(pairs)), shorter // 2, longer))
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        # As pairs are sorted, the next pair would be the longest of the batch.
        if end == len(order) or (end + 1 - start) * longer[order[end]] > tokens:
            batches.append(order[start:end])
            start = end
    generator.shuffle(batches)
    return batches


def make_batch(pairs: Sequence[EncodedPair], device: torch.device) -> Batch:
    """The pairs as a batch on the device."""
    return Batch(
        source=_padded([[*pair.source, END] for pair in pairs], device),
        lengths=torch.tensor([len(pair.source) + 1 for pair in pairs], device=device),
        decoder_input=_padded([[BEGIN, *pair.target] for pair in pairs], device),
        target=_padded([[*pair.target, END] for pair in pairs], device),
    )


def twice(batch: Batch) -> Batch:
    """All pairs of a batch, then all of them once more."""
    return Batch(*(values.repeat(2, *[1] * (values.dim() - 1)) for values in vars(batch).values()))


def source_tensors(sources: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Sources alone: tokens and END [B, S], and their lengths [B]."""
    lengths = torch.tensor([len(source) + 1 for source in sources], device=device)
    return _padded([[*source, END] for source in sources], device), lengths


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    padded = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
    for row, tokens in zip(padded, rows, strict=True):
        row[: len(tokens)] = tokens
    return torch.from_numpy(padded).to(device)
