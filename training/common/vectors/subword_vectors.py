"""Vectors of character n-grams, from which unknown words get vectors (fastText, Bojanowski et al. 2017)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.text import CharacterNgrams
from training.common.errors import DatasetError
from training.common.files import atomic_writer, write_json

BUCKETS, NGRAMS = "buckets.npy", "ngrams.json"


class BucketTable(Protocol):
    """The vectors of buckets, wherever they are stored."""

    def rows(self, buckets: list[int] | slice) -> NDArray[np.float32]:
        """The vectors of some buckets, [n, D]."""


class BucketMatrix:
    """Vectors of buckets as a float32 matrix [buckets, D], in memory or memory-mapped."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._matrix = matrix

    def rows(self, buckets: list[int] | slice) -> NDArray[np.float32]:
        """See `BucketTable`."""
        rows: NDArray[np.float32] = np.asarray(self._matrix[buckets])
        return rows


@dataclass(frozen=True, kw_only=True, eq=False)
class SubwordVectors:
    """The vectors of the buckets into which n-grams are hashed."""

    ngrams: CharacterNgrams
    table: BucketTable
    """Has a vector for each bucket: zero for one that no word of the training had."""
    dimensions: int
    """Components of a vector, D."""
    unit: bool = False
    """Whether the vectors of the known words have norm 1, so that those of unknown ones must have it too."""

    def compose(self, word: str) -> NDArray[np.float32] | None:
        """The mean of the vectors of a word's n-grams, [D]; None if it has none, or only such that are zero.

        A word of the vocabulary has a vector of its own besides; this is for all others.
        """
        buckets = self.ngrams.buckets_of(word)
        if not buckets:
            return None
        vector: NDArray[np.float32] = self.table.rows(buckets).mean(axis=0, dtype=np.float32)
        norm = float(np.linalg.norm(vector))
        if not norm:
            return None
        return vector / np.float32(norm) if self.unit else vector


def save_subwords(subwords: SubwordVectors, folder: Path) -> None:
    """Write `buckets.npy` (fp32 [buckets, D]) and `ngrams.json`, the lengths of the n-grams, into `folder`."""
    with atomic_writer(folder / BUCKETS) as stream:
        np.save(stream, subwords.table.rows(slice(None)))
    write_json(folder / NGRAMS, asdict(subwords.ngrams))


def load_subwords(folder: Path, dimensions: int) -> SubwordVectors | None:
    """Read what `save_subwords` wrote, memory-mapped; None if there is nothing.

    Args:
        folder: the run.
        dimensions: components of the word vectors beside it.

    Raises:
        DatasetError: a file is missing or damaged, or the files do not belong together.
    """
    path = folder / BUCKETS
    if not (folder / NGRAMS).exists():
        return None
    try:
        ngrams = CharacterNgrams(**json.loads((folder / NGRAMS).read_text(encoding="utf-8")))
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DatasetError(f"{folder}: {NGRAMS} or {BUCKETS} is missing or damaged ({error}); train again") from error
    if matrix.dtype != np.float32 or matrix.shape != (ngrams.buckets, dimensions):
        raise DatasetError(
            f"{path}: holds {matrix.dtype} {list(matrix.shape)}, not float32 [{ngrams.buckets}, {dimensions}]; "
            "train again"
        )
    return SubwordVectors(ngrams=ngrams, table=BucketMatrix(matrix), dimensions=dimensions)
