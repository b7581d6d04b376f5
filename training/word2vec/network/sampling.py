"""Subsampling of frequent words, and the distribution of negative samples."""

import numpy as np
from numpy.typing import NDArray

_UINT32_RANGE = 2.0**32


def keep_thresholds(counts: NDArray[np.int64], sample: float) -> NDArray[np.uint32]:
    """Thresholds for subsampling frequent words (Mikolov et al. 2013b, section 2.3, with word2vec.c's formula).

    A word of frequency f is kept with probability (sqrt(f / sample) + 1) * sample / f, which is when a random 32-bit
    number is at most the word's threshold.

    Args:
        counts: [V], occurrences of each word.
        sample: threshold frequency; 0 keeps every word.

    Returns:
        [V], thresholds.
    """
    if sample == 0:
        return np.full(len(counts), 0xFFFFFFFF, np.uint32)
    frequency = counts / counts.sum()
    probability = (np.sqrt(frequency / sample) + 1) * sample / frequency
    return _to_uint32(probability)


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Tables of Walker's alias method, which samples any discrete distribution in constant time (Vose 1991).

    To sample, draw a word uniformly; return it if a random 32-bit number is below its threshold, else its alias.

    Args:
        weights: [V], positive, of any sum.

    Returns:
        Thresholds [V] and aliases [V].
    """
    words = len(weights)
    share = weights * (words / weights.sum())
    alias = np.arange(words, dtype=np.int32)
    probability = np.ones(words)
    small = np.flatnonzero(share < 1).tolist()
    large = np.flatnonzero(share >= 1).tolist()
    remaining = share.tolist()
    while small and large:
        below, above = small.pop(), large[-1]
        probability[below], alias[below] = remaining[below], above
        remaining[above] -= 1 - remaining[below]
        if remaining[above] < 1:
            small.append(large.pop())
    return _to_uint32(probability), alias


def _to_uint32(probability: NDArray[np.float64]) -> NDArray[np.uint32]:
    return np.minimum(probability * _UINT32_RANGE, _UINT32_RANGE - 1).astype(np.uint32)
