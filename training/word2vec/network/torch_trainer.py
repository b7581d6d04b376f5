"""Trains word2vec on a GPU with PyTorch: a thousand windows per batch, with hand-written gradients.

The windows of a batch do not see each other's updates. For a row that many of them change (the root of the Huffman
tree, very frequent words, any word of a small vocabulary) the sum of all updates would overshoot, and training would
diverge. The sum is therefore multiplied by 1 / max(1, c), where c is the learning rate times the trace of the Hessian
of the batch's loss with respect to the row; if all vectors of the batch are parallel, c = 1 is a Newton step. The
other rows get the plain sum, which for small learning rates approximates word2vec.c's sequential updates. The batch is
only as large as a GPU needs: with four times as many windows, hierarchical softmax was measurably worse.

With subwords the words of a batch are composed first; a step changes these vectors, and the changes go to the rows they
are the means of. A row of several words gets the sum of their changes, scaled down by the sum of their traces alike.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from training.common.vectors.word_rows import WordRows
from training.word2vec.config import Architecture, Word2VecConfig
from training.word2vec.network.cpu_trainer import initial_vectors
from training.word2vec.network.huffman import huffman_tree
from training.word2vec.network.sampling import keep_thresholds
from training.word2vec.network.windows import Windows, make_windows

_BATCH_SIZE = 1024  # windows; fewer for a small vocabulary
_MIN_BATCH_SIZE = 64
_LOSS_INTERVAL = 16  # the loss is measured on every 16th window


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """Targets of the T logistic regressions of each of N windows."""

    rows: Tensor
    """[N, T], rows of the output vectors; any row where `present` is False."""
    labels: Tensor
    """[N, T], 1 or 0."""
    present: Tensor
    """[N, T], bool: False for padding."""


class NegativeSampling:
    """Targets: the center word (label 1) and K words sampled by count to a power (0) (2013b, section 2.2)."""

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig, device: torch.device) -> None:
        cumulative = np.cumsum(counts**config.negative_exponent)
        # In float64, as the probability of a rare word is below 1e-7.
        self._cumulative = torch.from_numpy(cumulative / cumulative[-1]).to(device)
        self._negatives = config.negatives

    def targets(self, centers: Tensor, random: torch.Generator) -> Targets:
        """The targets of windows with these center words [N]; a sample equal to the center word is dropped."""
        shape = (len(centers), self._negatives)
        draws = torch.rand(shape, generator=random, device=centers.device, dtype=torch.float64)
        sampled = torch.searchsorted(self._cumulative, draws, right=True)
        rows = torch.cat([centers[:, None], sampled], 1)
        first = torch.zeros_like(rows, dtype=torch.bool)
        first[:, 0] = True
        return Targets(rows=rows, labels=first.float(), present=first | (rows != centers[:, None]))


class HierarchicalSoftmax:
    """Targets: the inner nodes on the center word's Huffman path (2013b, section 2.1)."""

    def __init__(self, counts: NDArray[np.int64], config: Word2VecConfig, device: torch.device) -> None:
        points, codes = huffman_tree(counts).padded()
        self._present = torch.from_numpy(points >= 0).to(device)
        # Padding points to different rows, as thousands of atomic additions to one row would be serialized.
        spread = np.where(points >= 0, points, np.arange(len(points))[:, None])
        self._points = torch.from_numpy(spread).to(device)
        self._labels = torch.from_numpy(1 - codes).to(device)

    def targets(self, centers: Tensor, random: torch.Generator) -> Targets:
        """The targets of windows with these center words [N]; `random` is not used."""
        return Targets(
            rows=self._points[centers].long(),
            labels=self._labels[centers].float(),
            present=self._present[centers],
        )


class TorchTrainer:
    """The input and output vectors of a run, on one device.

    Args:
        counts: [V], how often each word occurs in the corpus.
        config: settings of the run.
        device: device of the vectors and of all computation.
        word_rows: the rows that each word is the mean of; None where a word has one row.
    """

    def __init__(
        self,
        counts: NDArray[np.int64],
        config: Word2VecConfig,
        device: torch.device,
        word_rows: WordRows | None = None,
    ) -> None:
        self._config, self._device = config, device
        thresholds = keep_thresholds(counts, config.sample)
        self._keep = torch.from_numpy((thresholds / 2.0**32).astype(np.float32)).to(device)
        kind = HierarchicalSoftmax if config.loss == "hierarchical-softmax" else NegativeSampling
        self._loss = kind(counts, config, device)
        self._batch_size = min(_BATCH_SIZE, max(_MIN_BATCH_SIZE, len(counts)))
        self._subwords = None if word_rows is None else SubwordBatches(word_rows, device)
        input_rows = len(counts) if word_rows is None else word_rows.matrix_rows
        self.input_vectors: Tensor = initial_vectors(input_rows, config).to(device)
        """[V, D]: the word vectors, or with `word_rows` [V + buckets, D]."""
        self.output_vectors: Tensor = torch.zeros(len(counts), config.dimensions, device=device)
        """[V, D]: the vectors of words as targets, or of the tree's inner nodes (the last row is then unused)."""

    @torch.no_grad()
    def train_chunk(self, ids: NDArray[np.int32], learning_rate: float, seed: int) -> float:
        """Train on a chunk of the corpus; deterministic on a CPU, up to the order of summation on a GPU.

        Args:
            ids: word ids, with -1 between sentences.
            learning_rate: learning rate of the chunk.
            seed: of subsampling, window sizes, batch order and negative samples.

        Returns:
            The mean loss per input in nats; NaN if there was no window.
        """
        random = torch.Generator(self._device).manual_seed(seed)
        on_device = torch.from_numpy(np.ascontiguousarray(ids)).to(self._device)
        windows = make_windows(on_device, self._keep, self._config.window, random)
        # Shuffled: in text order a batch would cover few topics and update the same few rows many times.
        order = torch.randperm(len(windows), generator=random, device=self._device)
        total = torch.zeros(2, device=self._device)
        for batch in order.split(self._batch_size):
            batch_windows = windows[batch]
            targets = self._loss.targets(batch_windows.centers, random)
            step = update if self._subwords is None else self._subwords.update
            total += step(
                self.input_vectors,
                self.output_vectors,
                batch_windows,
                targets,
                self._config.architecture,
                learning_rate,
            ).losses
        loss, measured = total.tolist()
        return loss / measured if measured else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What a step of gradient descent on a batch tells."""

    losses: Tensor
    """[2]: the summed loss of the measured inputs, in nats, and their number."""
    traces: Tensor
    """[V]: learning rate times the trace of the Hessian of the batch's loss with respect to each input vector."""


class SubwordBatches:
    """Steps on words that are means of rows.

    Args:
        word_rows: the rows of each word.
        device: device of the vectors.
    """

    def __init__(self, word_rows: WordRows, device: torch.device) -> None:
        self._offsets = torch.from_numpy(word_rows.offsets).to(device)
        self._rows = torch.from_numpy(word_rows.rows).to(device)

    def update(
        self,
        inputs: Tensor,
        outputs: Tensor,
        windows: Windows,
        targets: Targets,
        architecture: Architecture,
        rate: float,
    ) -> Step:
        """One step of gradient descent on a batch of windows; `inputs` is [V + buckets, D], all else as in `update`.

        The input of CBOW is the mean of the rows of all context words, as in fastText, so that longer words count more.
        """
        words, local = torch.unique(windows.contexts, return_inverse=True)
        starts, sizes = self._offsets[words], self._offsets[words + 1] - self._offsets[words]
        word = torch.arange(len(words), device=inputs.device).repeat_interleave(sizes)
        within_word = torch.arange(len(word), device=inputs.device) - (sizes.cumsum(0) - sizes)[word]
        rows = self._rows[starts[word] + within_word].long()
        before = torch.zeros(len(words), inputs.shape[1], device=inputs.device).index_add_(0, word, inputs[rows])
        before /= sizes[:, None]
        composed = before.clone()
        batch = Windows(centers=windows.centers, contexts=local, present=windows.present)
        step = update(composed, outputs, batch, targets, architecture, rate, sizes=sizes[local].float())
        traces = torch.zeros(len(inputs), device=inputs.device).index_add_(0, rows, step.traces.clamp(max=1)[word])
        inputs.index_add_(0, rows, (composed - before)[word] / traces[rows].clamp(min=1)[:, None])
        return step


def update(
    inputs: Tensor,
    outputs: Tensor,
    windows: Windows,
    targets: Targets,
    architecture: Architecture,
    rate: float,
    *,
    sizes: Tensor | None = None,
) -> Step:
    """One step of gradient descent on a batch of windows.

    Args:
        inputs: [V, D], input vectors, updated in place.
        outputs: [V, D], output vectors, updated in place.
        windows: N windows with C context words.
        targets: T targets of each window.
        architecture: skip-gram has C inputs per window, CBOW one, whose full gradient goes to each context word.
        rate: the learning rate.
        sizes: [N, C], the weights of the context words in the mean of CBOW; None for equal ones.
    """
    present = windows.present.float()  # [N, C]
    rows, target_rows = inputs[windows.contexts], outputs[targets.rows]  # [N, C, D], [N, T, D]
    if architecture == "cbow":
        weights = present if sizes is None else present * sizes
        hidden = (weights / weights.sum(1, keepdim=True)).unsqueeze(1) @ rows  # [N, I, D], with one input
        input_mask = torch.ones_like(present[:, :1])  # [N, I]
    else:
        hidden, input_mask = rows, present  # one input per context word
    pair_mask = input_mask.unsqueeze(2) * targets.present.unsqueeze(1)  # [N, I, T]
    labels = targets.labels.unsqueeze(1)  # [N, 1, T]
    scores = hidden @ target_rows.mT  # [N, I, T]
    probabilities = scores.sigmoid()
    errors = rate * pair_mask * (labels - probabilities)
    curvature = rate * pair_mask * probabilities * (1 - probabilities)  # second derivative by the scores
    input_traces = (curvature @ target_rows.square().sum(2, keepdim=True)).squeeze(2)  # [N, I]
    target_traces = (curvature.mT @ hidden.square().sum(2, keepdim=True)).squeeze(2)  # [N, T]
    traces_of_inputs = _total_traces(windows.contexts, present * input_traces, len(inputs))
    # Factors of the updates of each row, such that their sum does not overshoot (see the module docstring).
    input_scales = 1 / traces_of_inputs[windows.contexts].clamp(min=1)  # [N, C]
    target_scales = 1 / _total_traces(targets.rows, target_traces, len(outputs))[targets.rows].clamp(min=1)  # [N, T]
    if architecture == "cbow":
        input_updates = (errors @ target_rows) * (present * input_scales).unsqueeze(2)
    else:
        input_updates = (errors * input_scales.unsqueeze(2)) @ target_rows
    target_updates = (errors * target_scales.unsqueeze(1)).mT @ hidden
    inputs.index_add_(0, windows.contexts.flatten(), input_updates.flatten(0, 1))
    outputs.index_add_(0, targets.rows.flatten(), target_updates.flatten(0, 1))
    losses = softplus((1 - 2 * labels) * scores)[::_LOSS_INTERVAL] * pair_mask[::_LOSS_INTERVAL]
    measured = torch.stack((losses.sum(), input_mask[::_LOSS_INTERVAL].sum()))
    return Step(losses=measured, traces=traces_of_inputs)


def _total_traces(rows: Tensor, traces: Tensor, size: int) -> Tensor:
    """The sum of the traces of each row of a matrix, [size].

    Args:
        rows: [N, S], the updated row of each window's S inputs or targets.
        traces: [N, S], learning rate times the trace of the Hessian of each one's share of the loss.
        size: rows of the matrix.
    """
    return torch.zeros(size, device=rows.device).index_add_(0, rows.flatten(), traces.flatten())
