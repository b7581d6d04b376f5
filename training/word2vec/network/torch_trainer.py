"""word2vec in PyTorch's tensor operations, for a GPU: thousands of windows at once, gradients by hand.

The windows of a batch do not see each other's updates. A row that many of them change (the root of the Huffman tree,
very frequent words, any word of a small vocabulary) would be thrown too far by the sum of all its updates, and training
would diverge. A row's sum is therefore multiplied by 1 / max(1, c), where c is the learning rate times the trace of the
second derivative of the batch's loss by the row: where all vectors of the batch point one way, c = 1 is Newton's step.
The other rows get the plain sum, which for small learning rates is what word2vec.c's one-by-one updates come to.
Batches are no larger than keeps a GPU busy: with four times as many windows, hierarchical softmax was measurably worse.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from training.word2vec.config import Architecture, Word2VecConfig
from training.word2vec.network.cpu_trainer import initial_vectors
from training.word2vec.network.huffman import huffman_tree
from training.word2vec.network.sampling import keep_limits
from training.word2vec.network.windows import Windows, make_windows

_BATCH = 1024  # windows; fewer for a small vocabulary
_LEAST_BATCH = 64
_MEASURED = 16  # one window in so many adds to the loss


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """T logistic regressions for each of N windows."""

    rows: Tensor
    """[N, T]; where there is none, any row."""
    labels: Tensor
    """[N, T]: 1 or 0."""
    present: Tensor
    """[N, T] bool: where there is one."""


class NegativeSampling:
    """The centre word with label 1, and K words with 0, drawn by their counts to a power (2013b, section 2.2)."""

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig, device: torch.device) -> None:
        shares = np.cumsum(counts**config.negative_exponent)
        self._shares = torch.from_numpy(shares / shares[-1]).to(device)  # float64: a rare word's share is below 1e-7
        self._negatives = config.negatives

    def targets(self, centres: Tensor, random: torch.Generator) -> Targets:
        """Of the windows with these centre words [N]; a sample that is the centre word itself is dropped."""
        shape = (len(centres), self._negatives)
        draws = torch.rand(shape, generator=random, device=centres.device, dtype=torch.float64)
        sampled = torch.searchsorted(self._shares, draws, right=True)
        rows = torch.cat([centres[:, None], sampled], 1)
        first = torch.zeros_like(rows, dtype=torch.bool)
        first[:, 0] = True
        return Targets(rows=rows, labels=first.float(), present=first | (rows != centres[:, None]))


class HierarchicalSoftmax:
    """The inner nodes on the centre word's Huffman path (2013b, section 2.1)."""

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig, device: torch.device) -> None:
        points, codes = huffman_tree(counts).padded()
        self._present = torch.from_numpy(points >= 0).to(device)
        # Padding is spread over the table: thousands of additions to one row would wait for each other.
        spread = np.where(points >= 0, points, np.arange(len(points))[:, None])
        self._points = torch.from_numpy(spread).to(device)
        self._labels = torch.from_numpy(1 - codes).to(device)

    def targets(self, centres: Tensor, random: torch.Generator) -> Targets:
        """Of the windows with these centre words [N]; nothing is drawn."""
        return Targets(
            rows=self._points[centres].long(),
            labels=self._labels[centres].float(),
            present=self._present[centres],
        )


class TorchTrainer:
    """The two tables of a run and what changes them.

    Args:
        counts: [V], how often each word occurs in the corpus.
        config: of the run.
        device: where everything is computed.
    """

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        limits = keep_limits(counts, config.sample)
        self._keep = torch.from_numpy((limits / 2.0**32).astype(np.float32)).to(device)
        kind = HierarchicalSoftmax if config.loss == "hierarchical-softmax" else NegativeSampling
        self._loss = kind(counts, config, device)
        self._batch = min(_BATCH, max(_LEAST_BATCH, len(counts)))
        self.input: Tensor = initial_vectors(len(counts), config).to(device)
        """[V, D]: the words' vectors."""
        self.output: Tensor = torch.zeros_like(self.input)
        """[V, D]: the vectors of words as targets, or of the inner nodes (the last row is not used then)."""

    @torch.no_grad()
    def train_chunk(self, ids: NDArray[np.int32], learning_rate: float, seed: int) -> float:
        """Train on words of the corpus, with -1 between sentences; the mean loss per input, in nats (NaN: no window).

        On a CPU the result depends on the arguments alone; a GPU adds up in any order.
        """
        random = torch.Generator(self._device).manual_seed(seed)
        on_device = torch.from_numpy(np.ascontiguousarray(ids)).to(self._device)
        windows = make_windows(on_device, self._keep, self._config.window, random)
        # In the order of the text a batch would be about few things, and change few rows often.
        order = torch.randperm(len(windows), generator=random, device=self._device)
        total = torch.zeros(2, device=self._device)
        for batch in order.split(self._batch):
            chosen = windows[batch]
            targets = self._loss.targets(chosen.centres, random)
            total += update(self.input, self.output, chosen, targets, self._config.architecture, learning_rate)
        loss, measured = total.tolist()
        return loss / measured if measured else float("nan")


def update(
    inputs: Tensor, outputs: Tensor, windows: Windows, targets: Targets, architecture: Architecture, rate: float
) -> Tensor:
    """One step of gradient descent on a batch of windows.

    Args:
        inputs: [V, D], changed.
        outputs: [V, D], changed.
        windows: N windows with C context words.
        targets: T for each window.
        architecture: skip-gram has C inputs, CBOW one; CBOW's error goes whole to each context word.
        rate: the learning rate.

    Returns:
        [2]: the sum of the losses of the inputs that were measured, in nats, and their number.
    """
    slots = windows.present.float()  # [N, C]
    rows, target_rows = inputs[windows.contexts], outputs[targets.rows]  # [N, C, D], [N, T, D]
    if architecture == "cbow":
        hidden = (slots / slots.sum(1, keepdim=True)).unsqueeze(1) @ rows  # [N, I, D], with one input
        real = torch.ones_like(slots[:, :1])  # [N, I]
    else:
        hidden, real = rows, slots  # an input for every context word
    used = real.unsqueeze(2) * targets.present.unsqueeze(1)  # [N, I, T]
    labels = targets.labels.unsqueeze(1)  # [N, 1, T]
    scores = hidden @ target_rows.mT  # [N, I, T]
    chances = scores.sigmoid()
    errors = rate * used * (labels - chances)
    bends = rate * used * chances * (1 - chances)  # of the losses, by the scores
    input_bends = (bends @ target_rows.square().sum(2, keepdim=True)).squeeze(2)  # [N, I]
    target_bends = (bends.mT @ hidden.square().sum(2, keepdim=True)).squeeze(2)  # [N, T]
    input_scales = _scales(windows.contexts, slots * input_bends, len(inputs))
    target_scales = _scales(targets.rows, target_bends, len(outputs))
    if architecture == "cbow":
        changes = (errors @ target_rows) * (slots * input_scales).unsqueeze(2)
    else:
        changes = (errors * input_scales.unsqueeze(2)) @ target_rows
    target_changes = (errors * target_scales.unsqueeze(1)).mT @ hidden
    inputs.index_add_(0, windows.contexts.flatten(), changes.flatten(0, 1))
    outputs.index_add_(0, targets.rows.flatten(), target_changes.flatten(0, 1))
    losses = softplus((1 - 2 * labels) * scores)[::_MEASURED] * used[::_MEASURED]
    return torch.stack((losses.sum(), real[::_MEASURED].sum()))


def _scales(rows: Tensor, bends: Tensor, size: int) -> Tensor:
    """By what the changes of each row are multiplied, so that their sum does not throw it too far.

    Args:
        rows: [N, S] in a table of `size` rows.
        bends: [N, S], learning rate times trace of the second derivative by the row, of each place's part of the loss.
    """
    total = torch.zeros(size, device=rows.device).index_add_(0, rows.flatten(), bends.flatten())
    return 1 / total[rows].clamp(min=1)
