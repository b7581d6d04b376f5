"""What chance does in word2vec: which words of the text are left out, and which stand in as negatives."""

import numpy as np
from numpy.typing import NDArray

_RANGE = 2.0**32


def keep_limits(counts: NDArray[np.int64], sample: float) -> NDArray[np.uint32]:
    """Subsampling of frequent words (Mikolov et al. 2013b, section 2.3, with word2vec.c's formula).

    A word of frequency f stays with probability (sqrt(f / sample) + 1) * sample / f: where a random number of 32 bits
    is at most the word's limit. A `sample` of 0 keeps every word.

    Returns:
        [V] limits.
    """
    if sample == 0:
        return np.full(len(counts), 0xFFFFFFFF, np.uint32)
    frequency = counts / counts.sum()
    probability = (np.sqrt(frequency / sample) + 1) * sample / frequency
    return _as_limits(probability)


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Walker's alias method: draw from any distribution with two random numbers (Vose 1991).

    Choose a word evenly; it is the draw where a random number of 32 bits is below its threshold, else its alias is.

    Args:
        weights: [V], above 0.

    Returns:
        Thresholds [V] and aliases [V].
    """
    words = len(weights)
    share = weights * (words / weights.sum())
    alias = np.arange(words, dtype=np.int32)
    probability = np.ones(words)
    poor = np.flatnonzero(share < 1).tolist()
    rich = np.flatnonzero(share >= 1).tolist()
    left = share.tolist()
    while poor and rich:
        taker, giver = poor.pop(), rich[-1]
        probability[taker], alias[taker] = left[taker], giver
        left[giver] -= 1 - left[taker]
        if left[giver] < 1:
            poor.append(rich.pop())
    return _as_limits(probability), alias


def _as_limits(probability: NDArray[np.float64]) -> NDArray[np.uint32]:
    return np.minimum(probability * _RANGE, _RANGE - 1).astype(np.uint32)
