"""The training loop over the windows of a chunk, compiled with numba and run without the GIL.

A window has input rows and target rows with labels, with a logistic regression for each pair of them (Mikolov et al.
2013a, 2013b).

* Skip-gram: the inputs are the rows of the context words. CBOW: the mean of these rows is the only input.
* Negative sampling: the targets are the center word (label 1) and sampled words (label 0), which all inputs of the
  window share. Hierarchical softmax: the inner nodes on the center word's Huffman path (label 1 - code).

Threads update the same rows without locks (Hogwild, Recht et al. 2011), so an update is occasionally lost. On one
thread the result is the same bit for bit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.word2vec.network.llvm_intrinsics import WIDTH, prefetch
from training.word2vec.network.window_update import (
    TILE_COLUMNS,
    TILE_ROWS,
    Floats,
    Ints,
    compiled,
    inlined,
    update_cbow,
    update_skip_gram,
)

RandomState = NDArray[np.uint64]

MAX_SENTENCE_LENGTH = 1000
"""Words; longer sentences are split, as in word2vec.c."""

_PREFETCH_DISTANCE = 2  # windows between the prefetch of their rows and their update
_SLOTS = 4  # of the ring buffer of targets; more than _PREFETCH_DISTANCE
LOSS_INTERVAL = 16
"""The loss is measured on every 16th window."""


class KernelSettings(NamedTuple):
    """The settings of a run that the kernel needs; see `Word2VecConfig`."""

    cbow: bool
    hierarchical: bool
    window: int
    negatives: int


class Tables(NamedTuple):
    """Lookup tables over the V words of the vocabulary; word V is padding."""

    keep: NDArray[np.uint32]
    """[V]: an occurrence of a word is kept if a random number is at most this (subsampling)."""
    threshold: NDArray[np.uint32]
    """[V]: thresholds of Walker's alias method for negative samples; see `alias_table`."""
    alias: Ints
    """[V]: the word to return instead if the random number is not below the threshold."""
    offsets: Ints
    """[V + 1]: start of each word's Huffman path in `points` and `codes`."""
    points: Ints
    """[total path length]: inner nodes; see `HuffmanTree`."""
    codes: NDArray[np.int8]
    """[total path length]: branches, 0 or 1."""


class Workspace(NamedTuple):
    """Preallocated arrays of one call of `train_chunk`. T is the number of targets, padded to whole tiles."""

    random: RandomState
    """[1]: state of the random number generator."""
    sentence: Ints
    """[longest sentence]: words of the current sentence."""
    inputs: Ints
    """[inputs]: context words of the current window, padded to whole tiles."""
    targets: Ints
    """[slots, T]: ring buffer of the target rows of the next windows."""
    labels: Floats
    """[slots, T]"""
    sizes: NDArray[np.int64]
    """[slots]: targets without padding."""
    scores: Floats
    """[inputs, T]"""
    hidden: Floats
    """[2, width]: CBOW's mean, after and before its update."""


def make_workspace(settings: KernelSettings, max_path_length: int, width: int, seed: int) -> Workspace:
    """Allocate the arrays for one call of `train_chunk`.

    Args:
        settings: settings of the run.
        max_path_length: longest Huffman path.
        width: padded length of a row.
        seed: seed of the random numbers.
    """
    targets = round_up(max_path_length if settings.hierarchical else 1 + settings.negatives, TILE_COLUMNS)
    inputs = round_up(2 * settings.window, TILE_ROWS)
    return Workspace(
        random=np.array([seed], np.uint64),
        sentence=np.zeros(MAX_SENTENCE_LENGTH, np.int32),
        inputs=np.zeros(inputs, np.int32),
        targets=np.zeros((_SLOTS, targets), np.int32),
        labels=np.zeros((_SLOTS, targets), np.float32),
        sizes=np.zeros(_SLOTS, np.int64),
        scores=np.zeros((inputs, targets), np.float32),
        hidden=np.zeros((2, width), np.float32),
    )


def zero_matrix(rows: int, dimensions: int) -> Floats:
    """Allocate zeros [rows + 1, width] aligned to cache lines; the last row is for padding and stays zero."""
    width = round_up(dimensions, WIDTH)
    line = 4 * WIDTH
    memory = np.zeros((rows + 1) * width * 4 + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + (rows + 1) * width * 4].view(np.float32).reshape(rows + 1, width)


def round_up(size: int, multiple: int) -> int:
    """Round `size` up to a multiple."""
    return -(-size // multiple) * multiple


@compiled
def train_chunk(
    ids: Ints,
    inputs: Floats,
    targets: Floats,
    settings: KernelSettings,
    tables: Tables,
    workspace: Workspace,
    learning_rate: np.float32,
) -> tuple[float, int]:
    """Train on a chunk of the corpus.

    Args:
        ids: [tokens], word ids with -1 between sentences.
        inputs: [V + 1, width], input vectors, updated in place.
        targets: [V + 1, width], output vectors, updated in place; rows are inner nodes with hierarchical softmax.
        settings: settings of the run.
        tables: tables of the vocabulary.
        workspace: overwritten, the random state included.
        learning_rate: of this chunk.

    Returns:
        The summed loss of the measured inputs, in nats, and their number.
    """
    # Unpacked here because passing a whole tuple to a small function costs more than the function itself.
    cbow, hierarchical, window, negatives = settings
    keep, threshold, alias, offsets, points, codes = tables
    random, sentence, rows, ring, labels, sizes, scores, hidden = workspace
    loss, measured, cursor = 0.0, 0, 0
    while cursor < len(ids):
        cursor, length = read_sentence(ids, cursor, keep, random, sentence)
        for ahead in range(length + _PREFETCH_DISTANCE):
            if ahead < length:
                word, slot = sentence[ahead], ahead % _SLOTS
                if hierarchical:
                    size = _path_targets(word, offsets, points, codes, ring[slot], labels[slot])
                else:
                    size = sampled_targets(word, negatives, threshold, alias, random, ring[slot], labels[slot])
                for t in range(size):
                    prefetch(targets, ring[slot, t])
                for t in range(size, ring.shape[1]):
                    ring[slot, t] = len(targets) - 1
                sizes[slot] = size
                if ahead + window < length:
                    prefetch(inputs, sentence[ahead + window])
            center = ahead - _PREFETCH_DISTANCE
            count = context_words(center, length, window, random, sentence, rows) if center >= 0 else 0
            if count == 0:
                continue
            slot, measure = center % _SLOTS, center % LOSS_INTERVAL == 0
            columns, slot_labels, size = ring[slot], labels[slot], sizes[slot]
            if cbow:
                window_loss = update_cbow(
                    inputs, rows, count, targets, columns, slot_labels, size, hidden, scores, learning_rate, measure
                )
                count = 1
            else:
                window_loss = update_skip_gram(
                    inputs, rows, count, targets, columns, slot_labels, size, scores, learning_rate, measure
                )
            if measure:
                loss += window_loss
                measured += count
    return loss, measured


@inlined
def _random(state: RandomState) -> np.uint64:
    """The next 32-bit random number, by the linear congruential generator of word2vec.c."""
    state[0] = state[0] * np.uint64(25214903917) + np.uint64(11)
    return (state[0] >> np.uint64(16)) & np.uint64(0xFFFFFFFF)


@inlined
def _below(limit: int, state: RandomState) -> int:
    """A uniform random integer from 0 to limit - 1."""
    return int((_random(state) * np.uint64(limit)) >> np.uint64(32))


@compiled
def read_sentence(
    ids: Ints, cursor: int, keep: NDArray[np.uint32], state: RandomState, sentence: Ints
) -> tuple[int, int]:
    """Copy a subsampled sentence; returns the start of the next one and the length of the copy."""
    length = 0
    while cursor < len(ids) and length < MAX_SENTENCE_LENGTH:
        word = ids[cursor]
        cursor += 1
        if word < 0:
            break
        if _random(state) <= np.uint64(keep[word]):
            sentence[length] = word
            length += 1
    return cursor, length


@compiled
def sampled_targets(
    word: int, negatives: int, threshold: NDArray[np.uint32], alias: Ints, state: RandomState, ids: Ints, labels: Floats
) -> int:
    """Write the center word (label 1) and negative samples (label 0); returns their number."""
    ids[0] = word
    labels[0] = 1
    size = 1
    for _ in range(negatives):
        other = _below(len(alias), state)
        if _random(state) >= np.uint64(threshold[other]):
            other = np.int64(alias[other])
        if other != word:  # otherwise one negative fewer, as in word2vec.c
            ids[size] = other
            labels[size] = 0
            size += 1
    return size


@compiled
def _path_targets(word: int, offsets: Ints, points: Ints, codes: NDArray[np.int8], ids: Ints, labels: Floats) -> int:
    """Write the inner nodes on a word's Huffman path and their labels; returns their number."""
    size = 0
    for node in range(offsets[word], offsets[word + 1]):
        ids[size] = points[node]
        labels[size] = 1 - codes[node]
        size += 1
    return size


@compiled
def context_words(center: int, length: int, window: int, state: RandomState, sentence: Ints, rows: Ints) -> int:
    """Write the context words of a window of random size, 1 to `window` (2013a, section 3.2); returns their number."""
    reach = 1 + _below(window, state)
    count = 0
    for position in range(max(0, center - reach), min(length, center + reach + 1)):
        if position != center:
            rows[count] = sentence[position]
            count += 1
    return count
