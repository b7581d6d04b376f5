"""Training sentences as batches: of like length, in an order that depends on seed and epoch only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from service.tasks.token_classification.features import UNKNOWN_WORD, Batch, WordFeatures

_POOL = 20
"""Batches whose sentences are sorted by length together: little padding, and still another company every epoch."""


UNLABELLED = -100
"""The auxiliary label of tokens that have none: what `cross_entropy` leaves out."""


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence to learn: its words, their labels as numbers, and those of the auxiliary column if there is one."""

    words: tuple[str, ...]
    labels: tuple[int, ...]
    auxiliary: tuple[int, ...] = ()


def inputs(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """The arrays of a batch as the network takes them."""
    return {name: torch.from_numpy(values.astype(np.int64)).to(device) for name, values in batch.feeds().items()}


def order(examples: Sequence[Example], batch_size: int, random: torch.Generator) -> list[list[Example]]:
    """All examples once, in batches of like length."""
    shuffled = torch.randperm(len(examples), generator=random).tolist()
    batches = []
    for start in range(0, len(shuffled), batch_size * _POOL):
        pool = sorted(shuffled[start : start + batch_size * _POOL], key=lambda place: len(examples[place].words))
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    return [
        [examples[place] for place in batches[at]] for at in torch.randperm(len(batches), generator=random).tolist()
    ]


def tensors(
    batch: Sequence[Example], features: WordFeatures, word_dropout: float, random: torch.Generator
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The network's inputs, labels and auxiliary labels [T, B]; some distinct words are shown as the unknown word."""
    arrays = inputs(features.batch([example.words for example in batch]), torch.device("cpu"))
    if word_dropout:
        hidden = torch.rand(len(arrays["words"]), generator=random) < word_dropout
        arrays["words"] = arrays["words"].masked_fill(hidden, UNKNOWN_WORD)
    shape = tuple(arrays["tokens"].shape)[::-1]
    labels, auxiliary = torch.zeros(shape, dtype=torch.long), torch.full(shape, UNLABELLED)
    for place, example in enumerate(batch):
        labels[: len(example.labels), place] = torch.tensor(example.labels)
        auxiliary[: len(example.auxiliary), place] = torch.tensor(example.auxiliary, dtype=torch.long)
    return arrays, labels, auxiliary


def chunks(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Places of sentences, shortest first, in groups of at most `budget` padded tokens (a longer one is alone)."""
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (len(group) + 1) * lengths[place] > budget:
            yield group
            group = []
        group.append(place)
    if group:
        yield group
