"""The weights of words in the mean of a text's vectors."""

import numpy as np
from numpy.typing import NDArray

_SMOOTHING = 1e-3
"""The constant a of a / (a + p), as in the paper."""


def word_weights(
    words: int, counts: NDArray[np.int64] | None, source_rows: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """The weight a / (a + p) of each word in the mean of a text's vectors (Arora, Liang, Ma 2017, section 3).

    Args:
        words: V.
        counts: occurrences of the source's words; if unknown, p follows Zipf's law, 1 / (rank + 2.7).
        source_rows: [V], the row of the source of each word; None for all rows in order.

    Returns:
        [V].
    """
    if counts is None:
        zipf = 1 / (np.arange(1, words + 1) + 2.7)
        frequencies = zipf / zipf.sum()
    else:
        frequencies = (counts if source_rows is None else counts[source_rows]) / counts.sum()
    weights: NDArray[np.float32] = (_SMOOTHING / (_SMOOTHING + frequencies)).astype(np.float32)
    return weights
