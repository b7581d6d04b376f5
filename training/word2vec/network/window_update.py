"""One window of word2vec: scores, their gradients, and the update of both tables, in compiled code."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.word2vec.network.llvm_intrinsics import add_row, dots, step

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

TILE_ROWS, TILE_COLUMNS = 2, 6
"""A tile of skip-gram: twelve sums in registers; six targets are a word and its five negatives."""

_dots, _step = dots(TILE_ROWS, TILE_COLUMNS), step(TILE_ROWS, TILE_COLUMNS)
_dots_of_one, _step_of_one = dots(1, TILE_COLUMNS), step(1, TILE_COLUMNS)
_FIRST = np.zeros(1, np.int32)  # CBOW's input is the first row of `hidden`

compiled: Any = njit(nogil=True, fastmath=True)
inlined: Any = njit(nogil=True, fastmath=True, inline="always")


@compiled
def train_each(
    inputs: Floats, rows: Ints, count: int, targets: Floats, columns: Ints, labels: Floats, size: int, scores: Floats,
    learning_rate: np.float32, measure: bool,
) -> float:  # fmt: skip
    """Skip-gram: every input row by itself; the loss of the window."""
    padded = count
    while padded % TILE_ROWS:
        rows[padded] = len(inputs) - 1
        padded += 1
    for i in range(0, padded, TILE_ROWS):
        for j in range(0, size, TILE_COLUMNS):
            _dots(inputs, rows, i, targets, columns, j, scores)
    loss = _to_gradients(scores, count, padded, labels, size, learning_rate, measure)
    for i in range(0, padded, TILE_ROWS):
        for j in range(0, size, TILE_COLUMNS):
            _step(inputs, rows, i, targets, columns, j, scores)
    return loss


@compiled
def train_mean(
    inputs: Floats, rows: Ints, count: int, targets: Floats, columns: Ints, labels: Floats, size: int, hidden: Floats,
    scores: Floats, learning_rate: np.float32, measure: bool,
) -> float:  # fmt: skip
    """CBOW: the mean of the input rows; all of its error goes to each of them, as in word2vec.c. The loss."""
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
        _dots_of_one(hidden, _FIRST, 0, targets, columns, j, scores)
    loss = _to_gradients(scores, 1, 1, labels, size, learning_rate, measure)
    for j in range(0, size, TILE_COLUMNS):
        _step_of_one(hidden, _FIRST, 0, targets, columns, j, scores)
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
    """Turn scores into learning_rate * (label - sigmoid(score)), those of padding into 0; the loss, if asked for."""
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
    """1 / (1 + exp(-x)) to 1e-5: a continued fraction of tanh, which the compiler turns into vector instructions."""
    half = min(max(np.float32(0.5) * x, np.float32(-4.5)), np.float32(4.5))
    square = half * half
    over = half * (np.float32(135135) + square * (np.float32(17325) + square * (np.float32(378) + square)))
    under = np.float32(135135) + square * (np.float32(62370) + square * (np.float32(3150) + square * np.float32(28)))
    return np.float32(0.5) + np.float32(0.5) * over / under
