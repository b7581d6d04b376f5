"""word2vec's inner loop on the CPU: windows in, updated rows out, without the GIL.

Every window is the same problem (Mikolov et al. 2013a, 2013b): some input rows, some target rows with labels, and one
logistic regression for each pair of them.

* skip-gram: the inputs are the rows of the context words; CBOW: the one input is their mean;
* negative sampling: the targets are the centre word (label 1) and sampled words (0), drawn once per window, so that
  its inputs share them; hierarchical softmax: the inner nodes on the centre word's Huffman path (1 - code).

Threads write to the same rows without locks (Hogwild, Recht et al. 2011): now and then an update is lost. One thread
alone repeats bit for bit.
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
    train_each,
    train_mean,
)

_State = NDArray[np.uint64]

LONGEST_SENTENCE = 1000
"""Words; longer ones are cut, as in word2vec.c."""


_AHEAD = 2  # windows between asking for rows and using them
_SLOTS = 4  # of a ring of targets; more than _AHEAD
_MEASURED = 16  # one window in so many adds to the loss


class Settings(NamedTuple):
    """What does not change in a run."""

    cbow: bool
    hierarchical: bool
    window: int
    negatives: int


class Tables(NamedTuple):
    """What is known of each of V words. Words that stand for nothing (padding) have the number V."""

    keep: NDArray[np.uint32]
    """[V]: a word stays in the text where a random number is at most this (subsampling)."""
    threshold: NDArray[np.uint32]
    """[V]: Walker's alias method for drawing negatives: stay below this, else take the alias."""
    alias: Ints
    """[V]"""
    offsets: Ints
    """[V + 1]: where each word's Huffman path lies in `points` and `codes`."""
    points: Ints
    codes: NDArray[np.int8]


class Scratch(NamedTuple):
    """Working memory of one call."""

    random: _State
    sentence: Ints
    inputs: Ints
    targets: Ints
    """[slots, T]"""
    labels: Floats
    """[slots, T]"""
    sizes: NDArray[np.int64]
    """[slots]: how many of a slot's targets are real."""
    scores: Floats
    """[inputs, T]"""
    hidden: Floats
    """[2, width]: CBOW's mean, as it is updated and as it was."""


def scratch(settings: Settings, longest_path: int, width: int, seed: int) -> Scratch:
    """Working memory for one call of `train_chunk`."""
    targets = _padded(longest_path if settings.hierarchical else 1 + settings.negatives, TILE_COLUMNS)
    inputs = _padded(2 * settings.window, TILE_ROWS)
    return Scratch(
        random=np.array([seed], np.uint64),
        sentence=np.zeros(LONGEST_SENTENCE, np.int32),
        inputs=np.zeros(inputs, np.int32),
        targets=np.zeros((_SLOTS, targets), np.int32),
        labels=np.zeros((_SLOTS, targets), np.float32),
        sizes=np.zeros(_SLOTS, np.int64),
        scores=np.zeros((inputs, targets), np.float32),
        hidden=np.zeros((2, width), np.float32),
    )


def table(rows: int, dimensions: int) -> Floats:
    """Zeros [rows + 1, width]: whole cache lines per row, and a last row for padding that stays zero."""
    width = _padded(dimensions, WIDTH)
    line = 4 * WIDTH
    memory = np.zeros((rows + 1) * width * 4 + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + (rows + 1) * width * 4].view(np.float32).reshape(rows + 1, width)


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


@compiled
def train_chunk(
    ids: Ints,
    inputs: Floats,
    targets: Floats,
    settings: Settings,
    tables: Tables,
    own: Scratch,
    learning_rate: np.float32,
) -> tuple[float, int]:
    """Train on a piece of the corpus.

    Args:
        ids: words, -1 between sentences.
        inputs: [V + 1, width], changed.
        targets: [V + 1, width], changed; of hierarchical softmax the rows are inner nodes.
        settings: of the run.
        tables: of the vocabulary.
        own: working memory, with the random numbers' state; changed.
        learning_rate: of this piece.

    Returns:
        The sum of the losses that were measured, in nats per input, and their number.
    """
    # Plain arrays from here on: to hand a whole tuple to a small function costs more than what the function does.
    cbow, hierarchical, window, negatives = settings
    keep, threshold, alias, offsets, points, codes = tables
    random, sentence, rows, ring, labels, sizes, scores, hidden = own
    loss, measured, at = 0.0, 0, 0
    while at < len(ids):
        at, length = _read_sentence(ids, at, keep, random, sentence)
        for coming in range(length + _AHEAD):
            if coming < length:
                word, slot = sentence[coming], coming % _SLOTS
                if hierarchical:
                    size = _path(word, offsets, points, codes, ring[slot], labels[slot])
                else:
                    size = _negatives(word, negatives, threshold, alias, random, ring[slot], labels[slot])
                for t in range(size):
                    prefetch(targets, ring[slot, t])
                for t in range(size, ring.shape[1]):
                    ring[slot, t] = len(targets) - 1
                sizes[slot] = size
                if coming + window < length:
                    prefetch(inputs, sentence[coming + window])
            centre = coming - _AHEAD
            count = _context(centre, length, window, random, sentence, rows) if centre >= 0 else 0
            if count == 0:
                continue
            slot, measure = centre % _SLOTS, centre % _MEASURED == 0
            columns, marks, size = ring[slot], labels[slot], sizes[slot]
            if cbow:
                window_loss = train_mean(
                    inputs, rows, count, targets, columns, marks, size, hidden, scores, learning_rate, measure
                )
                count = 1
            else:
                window_loss = train_each(
                    inputs, rows, count, targets, columns, marks, size, scores, learning_rate, measure
                )
            if measure:
                loss += window_loss
                measured += count
    return loss, measured


@inlined
def _random(state: _State) -> np.uint64:
    """The next of word2vec.c's random numbers: 32 bits."""
    state[0] = state[0] * np.uint64(25214903917) + np.uint64(11)
    return (state[0] >> np.uint64(16)) & np.uint64(0xFFFFFFFF)


@inlined
def _below(limit: int, state: _State) -> int:
    """A random number from 0 to limit - 1."""
    return int((_random(state) * np.uint64(limit)) >> np.uint64(32))


@compiled
def _read_sentence(ids: Ints, at: int, keep: NDArray[np.uint32], state: _State, sentence: Ints) -> tuple[int, int]:
    """Copy a sentence, less the frequent words that are left out by chance; where the next begins, and its length."""
    length = 0
    while at < len(ids) and length < LONGEST_SENTENCE:
        word = ids[at]
        at += 1
        if word < 0:
            break
        if _random(state) <= np.uint64(keep[word]):
            sentence[length] = word
            length += 1
    return at, length


@compiled
def _negatives(
    word: int, negatives: int, threshold: NDArray[np.uint32], alias: Ints, state: _State, ids: Ints, labels: Floats
) -> int:
    """The centre word (label 1) and sampled others (0); how many in all."""
    ids[0] = word
    labels[0] = 1
    size = 1
    for _ in range(negatives):
        other = _below(len(alias), state)
        if _random(state) >= np.uint64(threshold[other]):
            other = np.int64(alias[other])
        if other != word:  # word2vec.c, too, takes one fewer then
            ids[size] = other
            labels[size] = 0
            size += 1
    return size


@compiled
def _path(word: int, offsets: Ints, points: Ints, codes: NDArray[np.int8], ids: Ints, labels: Floats) -> int:
    """The inner nodes on a word's path; how many."""
    size = 0
    for node in range(offsets[word], offsets[word + 1]):
        ids[size] = points[node]
        labels[size] = 1 - codes[node]
        size += 1
    return size


@compiled
def _context(centre: int, length: int, window: int, state: _State, sentence: Ints, rows: Ints) -> int:
    """The context words, from a window of random size: nearer ones are chosen more often (2013a, section 3.2)."""
    reach = 1 + _below(window, state)
    count = 0
    for place in range(max(0, centre - reach), min(length, centre + reach + 1)):
        if place != centre:
            rows[count] = sentence[place]
            count += 1
    return count
