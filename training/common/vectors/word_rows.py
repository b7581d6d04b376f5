"""Words as means of vectors: a word's own and those of its character n-grams (Bojanowski et al. 2017).

The matrix of input vectors has V rows for the words and after them a row for each bucket of n-grams. A word's vector is
the mean of its rows; the gradient of the mean goes in full to each of them, as in fastText.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.text import CharacterNgrams
from training.common.vectors.subword_vectors import BucketMatrix, SubwordVectors

_BLOCK_ROWS = 1 << 18
"""Rows of the matrix that are gathered at a time: 100 MB of 100 dimensions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WordRows:
    """The rows of the input matrix that each of V words is the mean of."""

    ngrams: CharacterNgrams
    offsets: NDArray[np.int64]
    """[V + 1]: word i has the rows `rows[offsets[i] : offsets[i + 1]]`."""
    rows: NDArray[np.int32]
    """[total]: the word's own row first, then `first_bucket` + bucket of each n-gram."""
    first_bucket: int
    """Row of the first bucket: V, unless these are some words of a larger matrix."""

    def __len__(self) -> int:
        """V."""
        return len(self.offsets) - 1

    @property
    def matrix_rows(self) -> int:
        """Rows of the input matrix."""
        return self.first_bucket + self.ngrams.buckets

    @property
    def most_rows(self) -> int:
        """The largest number of rows of a word."""
        return int(np.diff(self.offsets).max(initial=1))

    def compose(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors of all words.

        Args:
            matrix: [V + buckets, D], the input vectors.

        Returns:
            [V, D].
        """
        vectors = np.empty((len(self), matrix.shape[1]), np.float32)
        start = 0
        while start < len(self):
            end = int(np.searchsorted(self.offsets, self.offsets[start] + _BLOCK_ROWS, side="right")) - 1
            end = min(max(end, start + 1), len(self))
            offsets = self.offsets[start : end + 1]
            sums = np.add.reduceat(matrix[self.rows[offsets[0] : offsets[-1]]], offsets[:-1] - offsets[0], axis=0)
            vectors[start:end] = sums / np.diff(offsets)[:, None]
            start = end
        return vectors

    def subword_vectors(self, matrix: NDArray[np.float32]) -> SubwordVectors:
        """The vectors of the buckets.

        Those that no word has keep their random initial values in training; here they are zero, so that an unknown word
        is the mean of what was trained.

        Args:
            matrix: [V + buckets, D], the input vectors.
        """
        trained = np.unique(self.rows)
        trained = trained[trained >= self.first_bucket]
        buckets = np.zeros((self.ngrams.buckets, matrix.shape[1]), np.float32)
        buckets[trained - self.first_bucket] = matrix[trained]
        return SubwordVectors(ngrams=self.ngrams, table=BucketMatrix(buckets), dimensions=matrix.shape[1])


def word_rows(
    words: Sequence[str], ngrams: CharacterNgrams, *, first_row: int = 0, first_bucket: int | None = None
) -> WordRows:
    """The rows of each word of a vocabulary, or of a part of one.

    Args:
        words: the words.
        ngrams: their n-grams.
        first_row: row of the first of them.
        first_bucket: row of the first bucket; None: these are all words, and the buckets follow them.
    """
    first_bucket = len(words) if first_bucket is None else first_bucket
    counts = np.empty(len(words), np.int64)
    rows: list[NDArray[np.int32]] = []
    for index, word in enumerate(words):
        buckets = ngrams.buckets_of(word)
        counts[index] = 1 + len(buckets)
        rows.append(np.array([first_row + index, *(first_bucket + bucket for bucket in buckets)], np.int32))
    offsets = np.concatenate([[0], counts.cumsum()])
    return WordRows(ngrams=ngrams, offsets=offsets, rows=np.concatenate(rows), first_bucket=first_bucket)
