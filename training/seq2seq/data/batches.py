"""Pairs of like length side by side, about as many target pieces in each batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.tasks.translation.subwords import BEGIN, END, PAD


@dataclass(frozen=True)
class Encoded:
    """One pair as pieces; END is not among them yet."""

    source: Sequence[int]
    target: Sequence[int]


@dataclass(frozen=True)
class Batch:
    """B pairs, padded."""

    source: Tensor
    """Pieces and END [B, S]."""
    lengths: Tensor
    """Of the sources, END included [B]."""
    given: Tensor
    """BEGIN and pieces [B, T]: what the decoder reads."""
    wanted: Tensor
    """Pieces and END [B, T]: what it is to say; PAD after that."""


def plan(pairs: Sequence[Encoded], tokens: int, draw: np.random.Generator) -> list[NDArray[np.int64]]:
    """Which pairs go together: places in `pairs`, batch by batch, in random order.

    Pairs are sorted by length, where chance decides between equal ones, and cut where a batch would have more than
    `tokens` pieces on its longer side, padding included; a longer pair is a batch by itself.
    """
    longest = np.array([max(len(pair.source), len(pair.target)) + 1 for pair in pairs])
    other = np.array([min(len(pair.source), len(pair.target)) for pair in pairs])
    order = np.lexsort((draw.random(len(pairs)), other // 2, longest))
    batches, start = [], 0
    for place in range(1, len(order) + 1):
        # Sorted, the next pair is the longest of its batch.
        if place == len(order) or (place + 1 - start) * longest[order[place]] > tokens:
            batches.append(order[start:place])
            start = place
    draw.shuffle(batches)
    return batches


def tensors(pairs: Sequence[Encoded], device: torch.device) -> Batch:
    """A batch of pairs, on the device."""
    return Batch(
        source=_padded([[*pair.source, END] for pair in pairs], device),
        lengths=torch.tensor([len(pair.source) + 1 for pair in pairs], device=device),
        given=_padded([[BEGIN, *pair.target] for pair in pairs], device),
        wanted=_padded([[*pair.target, END] for pair in pairs], device),
    )


def source_tensors(sources: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Sources alone: pieces and END [B, S], and their lengths [B]."""
    lengths = torch.tensor([len(source) + 1 for source in sources], device=device)
    return _padded([[*source, END] for source in sources], device), lengths


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    found = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
    for row, pieces in zip(found, rows, strict=True):
        row[: len(pieces)] = pieces
    return torch.from_numpy(found).to(device)
