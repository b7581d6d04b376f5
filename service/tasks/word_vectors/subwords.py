"""Vectors of words that are not in the vocabulary, composed of those of their character n-grams (fastText)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.bundle.checks import load_array
from service.bundle.files import Bundle, BundleError
from service.errors import ModelFailure
from service.tasks.word_vectors.preprocessing import BUCKET_ZERO, WordVectorsPreprocessing
from service.text import CharacterNgrams

_MAX_WORD_LENGTH = 128
"""Characters of a word that is composed; a longer one has thousands of n-grams and is no word of any language."""


class SubwordTable:
    """The vectors of the buckets into which n-grams are hashed, memory-mapped.

    Args:
        ngrams: which n-grams a word has, and their buckets.
        codes: [buckets, D], uint8 or float16.
        scales: float32 [buckets, 1], for uint8.
        columns: float32 [1, D], for uint8: bucket i has the vector `(codes[i] - 128) * columns * scales[i]`.
    """

    def __init__(
        self,
        ngrams: CharacterNgrams,
        codes: NDArray[np.generic],
        scales: NDArray[np.float32] | None = None,
        columns: NDArray[np.float32] | None = None,
    ) -> None:
        self.ngrams = ngrams
        self._codes, self._scales, self._columns = codes, scales, columns

    def rows(self, buckets: list[int] | slice) -> NDArray[np.float32]:
        """The vectors of some buckets, [n, D]."""
        values: NDArray[np.float32] = self._codes[buckets].astype(np.float32)
        if self._scales is not None and self._columns is not None:
            values -= BUCKET_ZERO
            values *= self._columns
            values *= self._scales[buckets]
        return values

    def compose(self, word: str) -> NDArray[np.float32] | None:
        """The unit vector of a word that is not in the vocabulary, [D]: the mean of its n-grams' vectors, normalized.

        None if the word has no n-gram, none that training has seen, or more characters than words have.

        Raises:
            ModelFailure: the vectors hold NaN or infinity.
        """
        if len(word) > _MAX_WORD_LENGTH:
            return None
        buckets = self.ngrams.buckets_of(word)
        if not buckets:
            return None
        vector = self.rows(buckets).sum(axis=0)
        norm = np.linalg.norm(vector)
        # A mapped file is not read whole when it is opened, so its values are checked when they are used.
        if not np.isfinite(norm):
            raise ModelFailure("the model's vectors of n-grams hold NaN or infinity")
        return None if norm == 0 else (vector / norm).astype(np.float32)


def open_subwords(bundle: Bundle, preprocessing: WordVectorsPreprocessing) -> SubwordTable | None:
    """Open the vectors of n-grams of a bundle; None if it has none.

    Raises:
        BundleError: a file is missing, or not what the manifest says.
    """
    settings = preprocessing.subwords
    if settings is None:
        return None
    if (settings.scales is None) != (settings.columns is None):
        raise BundleError(f"{bundle.path}: subwords need 'scales' and 'columns' or neither; export the model again")
    dimensions, buckets = preprocessing.dimensions, settings.buckets
    scales = columns = None
    if settings.scales is not None and settings.columns is not None:
        scales = load_array(bundle.file(settings.scales), (buckets, 1), np.float32, mapped=True)
        columns = load_array(bundle.file(settings.columns), (1, dimensions), np.float32)
    dtype = np.float16 if scales is None else np.uint8
    codes = load_array(bundle.file(settings.file), (buckets, dimensions), dtype, mapped=True)
    return SubwordTable(settings.ngrams, codes, scales, columns)
