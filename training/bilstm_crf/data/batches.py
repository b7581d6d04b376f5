"""Batches of training sentences of similar length, in an order that depends on seed and epoch only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from service.tasks.token_classification.features import UNKNOWN_WORD, Batch, WordFeatures

_POOL_BATCHES = 20
"""Batches whose sentences are sorted by length together: little padding, yet other batches in every epoch."""

UNLABELED = -100
"""The auxiliary label of tokens without one: the default `ignore_index` of `cross_entropy`."""


@dataclass(frozen=True, slots=True)
class Example:
    """A training sentence: its words, their label indices, and those of the auxiliary column, if any."""

    words: tuple[str, ...]
    labels: tuple[int, ...]
    auxiliary: tuple[int, ...] = ()


def inputs(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """The network's inputs for a batch."""
    return {name: torch.from_numpy(values.astype(np.int64)).to(device) for name, values in batch.feeds().items()}


def make_batches(examples: Sequence[Example], batch_size: int, random: torch.Generator) -> list[list[Example]]:
    """All examples once, in batches of similar length, in random order."""
    shuffled = torch.randperm(len(examples), generator=random).tolist()
    batches = []
    for start in range(0, len(shuffled), batch_size * _POOL_BATCHES):
        pool = sorted(
            shuffled[start : start + batch_size * _POOL_BATCHES], key=lambda index: len(examples[index].words)
        )
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    order = torch.randperm(len(batches), generator=random).tolist()
    return [[examples[index] for index in batches[number]] for number in order]


def tensors(
    batch: Sequence[Example], features: WordFeatures, word_dropout: float, random: torch.Generator
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The network's inputs, the labels [T, B] and the auxiliary labels [T, B] of a batch.

    Args:
        batch: the sentences.
        features: the feature extractor.
        word_dropout: the probability that a distinct word is replaced by the unknown word.
        random: the generator of word dropout.
    """
    arrays = inputs(features.batch([example.words for example in batch]), torch.device("cpu"))
    if word_dropout:
        dropped = torch.rand(len(arrays["words"]), generator=random) < word_dropout
        arrays["words"] = arrays["words"].masked_fill(dropped, UNKNOWN_WORD)
    shape = tuple(arrays["tokens"].shape)[::-1]
    labels, auxiliary = torch.zeros(shape, dtype=torch.long), torch.full(shape, UNLABELED)
    for column, example in enumerate(batch):
        labels[: len(example.labels), column] = torch.tensor(example.labels)
        auxiliary[: len(example.auxiliary), column] = torch.tensor(example.auxiliary, dtype=torch.long)
    return arrays, labels, auxiliary


def chunks(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of sentences, shortest first, in chunks of at most `budget` padded tokens; a longer sentence is alone."""
    chunk: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if chunk and (len(chunk) + 1) * lengths[index] > budget:
            yield chunk
            chunk = []
        chunk.append(index)
    if chunk:
        yield chunk
