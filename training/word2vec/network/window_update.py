"""The update of one window, compiled: scores, gradients, and a step of gradient descent on both matrices."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.word2vec.network.llvm_intrinsics import add_row, make_score_tile, make_update_tile

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

TILE_ROWS, TILE_COLUMNS = 2, 6
"""Size of a skip-gram tile: its twelve sums fit into registers; six targets are a word and its five negatives."""

_score_tile, _update_tile = make_score_tile(TILE_ROWS, TILE_COLUMNS), make_update_tile(TILE_ROWS, TILE_COLUMNS)
_score_row, _update_row = make_score_tile(1, TILE_COLUMNS), make_update_tile(1, TILE_COLUMNS)
_FIRST_ROW = np.zeros(1, np.int32)  # CBOW's input is the first row of `hidden`

compiled: Any = njit(nogil=True, fastmath=True)
inlined: Any = njit(nogil=True, fastmath=True, inline="always")


@compiled
def update_skip_gram(
    inputs: Floats, rows: Ints, count: int, targets: Floats, columns: Ints, labels: Floats, size: int, scores: Floats,
    learning_rate: np.float32, measure: bool,
) -> float:  # fmt: skip
    """Update one skip-gram window, in which every context word is an input.

    Args:
        inputs: [V + 1, width], input vectors, updated in place; the last row is padding.
        rows: the window's context words, with room for padding to whole tiles.
        count: number of context words.
        targets: [V + 1, width], output vectors, updated in place.
        columns: the window's targets, padded to whole tiles.
        labels: 1 or 0, for each target.
        size: number of targets.
        scores: [rows, columns], overwritten.
        learning_rate: learning rate of the step.
        measure: whether to compute the loss.

    Returns:
        The summed loss of the inputs in nats; 0 if not measured.
    """
    padded = count
    while padded % TILE_ROWS:
        rows[padded] = len(inputs) - 1
        padded += 1
    for i in range(0, padded, TILE_ROWS):
        for j in range(0, size, TILE_COLUMNS):
            _score_tile(inputs, rows, i, targets, columns, j, scores)
    loss = _to_gradients(scores, count, padded, labels, size, learning_rate, measure)
    for i in range(0, padded, TILE_ROWS):
        for j in range(0, size, TILE_COLUMNS):
            _update_tile(inputs, rows, i, targets, columns, j, scores)
    return loss


@compiled
def update_cbow(
    inputs: Floats, rows: Ints, count: int, targets: Floats, columns: Ints, labels: Floats, size: int, hidden: Floats,
    scores: Floats, learning_rate: np.float32, measure: bool,
) -> float:  # fmt: skip
    """Update one CBOW window, whose only input is the mean of the context words.

    The full gradient of the mean goes to each context word, as in word2vec.c. The arguments are those of
    `update_skip_gram` and `hidden` [2, width], which is overwritten: the mean after and before its update.
    """
    width = hidden.shape[1]
    for d in range(width):
        hidden[0, d] = 0
    for c in range(count):
        add_row(hidden, 0, inputs, rows[c])
    share = np.float32(1 / count)
    for d in range(width):
        hidden[0, d] *= share
        hidden[1, d] = hidden[0, d]
    for j in range(0, size, TILE_COLUMNS):
        _score_row(hidden, _FIRST_ROW, 0, targets, columns, j, scores)
    loss = _to_gradients(scores, 1, 1, labels, size, learning_rate, measure)
    for j in range(0, size, TILE_COLUMNS):
        _update_row(hidden, _FIRST_ROW, 0, targets, columns, j, scores)
    for d in range(width):
        hidden[1, d] = hidden[0, d] - hidden[1, d]
    for c in range(count):
        add_row(inputs, rows[c], hidden, 1)
    return loss


@compiled
def _to_gradients(
    scores: Floats,
    rows: int,
    padded_rows: int,
    labels: Floats,
    columns: int,
    learning_rate: np.float32,
    measure: bool,
) -> float:
    """Replace scores by learning_rate * (label - sigmoid(score)), or 0 for padding; returns the loss if measured."""
    loss = 0.0
    if measure:
        for r in range(rows):
            for c in range(columns):
                signed = scores[r, c] if labels[c] > 0 else -scores[r, c]
                loss += np.log1p(np.exp(-max(min(signed, np.float32(30)), np.float32(-30))))
    for r in range(rows):
        for c in range(columns):
            scores[r, c] = learning_rate * (labels[c] - _sigmoid(scores[r, c]))
    padded_columns = -(-columns // TILE_COLUMNS) * TILE_COLUMNS
    for r in range(padded_rows):
        for c in range(columns if r < rows else 0, padded_columns):
            scores[r, c] = 0
    return loss


@inlined
def _sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + exp(-x)) to 1e-5, by a continued fraction of tanh that the compiler can vectorize."""
    half = min(max(np.float32(0.5) * x, np.float32(-4.5)), np.float32(4.5))
    square = half * half
    numerator = half * (np.float32(135135) + square * (np.float32(17325) + square * (np.float32(378) + square)))
    denominator = np.float32(135135) + square * (
        np.float32(62370) + square * (np.float32(3150) + square * np.float32(28))
    )
    return np.float32(0.5) + np.float32(0.5) * numerator / denominator
