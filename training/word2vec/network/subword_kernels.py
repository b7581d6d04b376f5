"""The training loop for words that are means of several rows: their own and those of their n-grams (see `WordRows`).

The only input of a window is a mean, whose full gradient goes to each of its rows, as in fastText.

* Skip-gram: the input is the center word, the targets are its context words, each with negative samples of its own.
  That is fastText's direction; `kernels` goes the other way, where each input of a window would have to be composed.
* CBOW: the input is the mean of the rows of all context words, the targets are the center word and negative samples.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.word2vec.network.kernels import (
    LOSS_INTERVAL,
    MAX_SENTENCE_LENGTH,
    KernelSettings,
    RandomState,
    Tables,
    context_words,
    read_sentence,
    round_up,
    sampled_targets,
)
from training.word2vec.network.llvm_intrinsics import prefetch
from training.word2vec.network.window_update import TILE_COLUMNS, Floats, Ints, compiled, update_cbow

_PREFETCH_DISTANCE = 1  # windows between the prefetch of their rows and their update
_SLOTS = 2  # of the ring buffers; more than _PREFETCH_DISTANCE


class Workspace(NamedTuple):
    """Preallocated arrays of one call of `train_chunk`. T is the number of targets, padded to whole tiles."""

    random: RandomState
    """[1]: state of the random number generator."""
    sentence: Ints
    """[longest sentence]: words of the current sentence."""
    contexts: Ints
    """[slots, context words]: ring buffer of the context words of the next windows."""
    counts: NDArray[np.int64]
    """[slots]: number of context words."""
    inputs: Ints
    """[rows]: rows of the current window's input."""
    targets: Ints
    """[slots, T]: ring buffer of the target rows of the next windows."""
    labels: Floats
    """[slots, T]"""
    sizes: NDArray[np.int64]
    """[slots]: targets without padding."""
    scores: Floats
    """[1, T]"""
    hidden: Floats
    """[2, width]: the mean of the rows, before and after its update."""


def make_workspace(settings: KernelSettings, most_rows: int, width: int, seed: int) -> Workspace:
    """Allocate the arrays for one call of `train_chunk`.

    Args:
        settings: settings of the run.
        most_rows: the largest number of rows of a word.
        width: padded length of a row.
        seed: seed of the random numbers.
    """
    contexts = 2 * settings.window
    targets = round_up((1 if settings.cbow else contexts) * (1 + settings.negatives), TILE_COLUMNS)
    return Workspace(
        random=np.array([seed], np.uint64),
        sentence=np.zeros(MAX_SENTENCE_LENGTH, np.int32),
        contexts=np.zeros((_SLOTS, contexts), np.int32),
        counts=np.zeros(_SLOTS, np.int64),
        inputs=np.zeros((contexts if settings.cbow else 1) * most_rows, np.int32),
        targets=np.zeros((_SLOTS, targets), np.int32),
        labels=np.zeros((_SLOTS, targets), np.float32),
        sizes=np.zeros(_SLOTS, np.int64),
        scores=np.zeros((1, targets), np.float32),
        hidden=np.zeros((2, width), np.float32),
    )


@compiled
def train_chunk(
    ids: Ints,
    inputs: Floats,
    targets: Floats,
    settings: KernelSettings,
    tables: Tables,
    offsets: NDArray[np.int64],
    word_rows: Ints,
    workspace: Workspace,
    learning_rate: np.float32,
) -> tuple[float, int]:
    """Train on a chunk of the corpus.

    Args:
        ids: [tokens], word ids with -1 between sentences.
        inputs: [V + buckets + 1, width], input vectors, updated in place.
        targets: [V + 1, width], output vectors, updated in place; the last row is padding.
        settings: settings of the run; negative sampling only.
        tables: tables of the vocabulary.
        offsets: [V + 1], see `WordRows`.
        word_rows: [total], see `WordRows`.
        workspace: overwritten, the random state included.
        learning_rate: of this chunk.

    Returns:
        The summed loss of the measured windows, in nats, and the number of words that they predict.
    """
    # Unpacked here because passing a whole tuple to a small function costs more than the function itself.
    cbow, _, window, negatives = settings
    keep, threshold, alias, _, _, _ = tables
    random, sentence, contexts, counts, rows, ring, labels, sizes, scores, hidden = workspace
    loss, measured, cursor = 0.0, 0, 0
    while cursor < len(ids):
        cursor, length = read_sentence(ids, cursor, keep, random, sentence)
        for ahead in range(length + _PREFETCH_DISTANCE):
            if ahead < length:
                slot = ahead % _SLOTS
                count = context_words(ahead, length, window, random, sentence, contexts[slot])
                counts[slot], size = count, 0
                if cbow:
                    size = sampled_targets(
                        sentence[ahead], negatives, threshold, alias, random, ring[slot], labels[slot]
                    )
                else:
                    for c in range(count):
                        word, free, free_labels = contexts[slot, c], ring[slot, size:], labels[slot, size:]
                        size += sampled_targets(word, negatives, threshold, alias, random, free, free_labels)
                for t in range(size):
                    prefetch(targets, ring[slot, t])
                for t in range(size, ring.shape[1]):
                    ring[slot, t] = len(targets) - 1
                sizes[slot] = size
                reach = ahead + window if cbow else ahead
                if reach < length:
                    for r in range(offsets[sentence[reach]], offsets[sentence[reach] + 1]):
                        prefetch(inputs, word_rows[r])
            center = ahead - _PREFETCH_DISTANCE
            slot = center % _SLOTS
            if center < 0 or counts[slot] == 0:
                continue
            size = 0
            if cbow:
                for c in range(counts[slot]):
                    size += _word_rows(contexts[slot, c], offsets, word_rows, rows[size:])
            else:
                size = _word_rows(sentence[center], offsets, word_rows, rows)
            measure, columns, slot_labels = center % LOSS_INTERVAL == 0, ring[slot], labels[slot]
            window_loss = update_cbow(
                inputs, rows, size, targets, columns, slot_labels, sizes[slot], hidden, scores, learning_rate, measure
            )
            if measure:
                loss += window_loss
                measured += 1 if cbow else counts[slot]
    return loss, measured


@compiled
def _word_rows(word: int, offsets: NDArray[np.int64], word_rows: Ints, rows: Ints) -> int:
    """Write the rows of a word; returns their number."""
    start, end = offsets[word], offsets[word + 1]
    for r in range(start, end):
        rows[r - start] = word_rows[r]
    return int(end - start)
