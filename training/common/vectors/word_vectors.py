"""Words with their vectors in memory, and the files in which a run keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.files import atomic_writer, write_text
from training.common.vectors.subword_vectors import SubwordVectors, load_subwords, save_subwords

MATRIX, VOCABULARY = "vectors.npy", "vocabulary.tsv"


@dataclass(frozen=True, kw_only=True, eq=False)
class WordVectors:
    """A vocabulary of V words, most frequent first, with a vector of D components for each."""

    words: list[str]
    matrix: NDArray[np.float32]
    """[V, D]: row i belongs to `words[i]`."""
    counts: NDArray[np.int64] | None = None
    """[V]: the number of occurrences of each word in the corpus; None where unknown."""
    subwords: SubwordVectors | None = None
    """The vectors of n-grams, from which other words get vectors; None where there are none."""

    def __post_init__(self) -> None:
        assert self.matrix.ndim == 2
        assert self.matrix.dtype == np.float32
        assert len(self.words) == len(self.matrix)
        assert self.counts is None or self.counts.shape == (len(self.words),)
        assert self.subwords is None or self.subwords.dimensions == self.matrix.shape[1]

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dimensions(self) -> int:
        """Number of components of a vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def compose(self, word: str) -> NDArray[np.float32] | None:
        """The vector [D] of a word that is not in the vocabulary, composed of its n-grams; None if it cannot be.

        It is lower-cased first where all words of the vocabulary are.
        """
        if self.subwords is None:
            return None
        return self.subwords.compose(word.lower() if self._is_lower else word)

    @cached_property
    def _is_lower(self) -> bool:
        return all(word == word.lower() for word in self.words)

    def first(self, count: int) -> "WordVectors":
        """The `count` most frequent words; the matrix is a view."""
        counts = None if self.counts is None else self.counts[:count]
        return replace(self, words=self.words[:count], matrix=self.matrix[:count], counts=counts)

    def unit(self) -> NDArray[np.float32]:
        """The vectors scaled to norm 1, [V, D]; a zero vector stays zero."""
        norms = np.linalg.norm(self.matrix, axis=1, keepdims=True)
        rows: NDArray[np.float32] = self.matrix / np.maximum(norms, np.finfo(np.float32).tiny)
        return rows


def save_vectors(vectors: WordVectors, folder: Path) -> None:
    """Write `vectors.npy` (fp32 [V, D]) and `vocabulary.tsv` (word, tab, count; most frequent first) into `folder`.

    Vectors of n-grams go into files of their own, see `save_subwords`. Each file is written atomically.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if vectors.subwords is not None:
        save_subwords(vectors.subwords, folder)
    with atomic_writer(folder / MATRIX) as stream:
        np.save(stream, vectors.matrix)
    write_text(folder / VOCABULARY, _vocabulary_text(vectors.words, vectors.counts))


def load_vectors(folder: Path) -> WordVectors:
    """Read what `save_vectors` wrote.

    Raises:
        DatasetError: a file is missing or damaged, or the two do not belong together.
    """
    words, counts = _read_vocabulary(folder / VOCABULARY)
    path = folder / MATRIX
    try:
        matrix = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DatasetError(f"{folder}: holds no vectors ({MATRIX} is missing)") from error
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path}: is damaged ({error}); write the vectors again") from error
    if matrix.ndim != 2 or matrix.dtype != np.float32 or len(matrix) != len(words):
        raise DatasetError(
            f"{path}: holds {matrix.dtype} {list(matrix.shape)}, not float32 with a row for each of the "
            f"{len(words):,} words of {VOCABULARY}; write the vectors again"
        )
    subwords = load_subwords(folder, matrix.shape[1])
    return WordVectors(words=words, matrix=matrix, counts=counts, subwords=subwords)


def _vocabulary_text(words: Sequence[str], counts: NDArray[np.int64] | None) -> str:
    if counts is None:
        return "".join(f"{word}\n" for word in words)
    return "".join(f"{word}\t{count}\n" for word, count in zip(words, counts.tolist(), strict=True))


def _read_vocabulary(path: Path) -> tuple[list[str], NDArray[np.int64] | None]:
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except FileNotFoundError as error:
        raise DatasetError(f"{path.parent}: holds no vectors ({VOCABULARY} is missing)") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 (byte {error.start}); write the vectors again") from error
    if lines.pop():
        raise DatasetError(f"{path}: ends in the middle of line {len(lines) + 1}; write the vectors again")
    if not lines:
        raise DatasetError(f"{path}: is empty; write the vectors again")
    counted = "\t" in lines[0]
    words, counts = [], np.zeros(len(lines), np.int64)
    for row, line in enumerate(lines):
        word, tab, count = line.partition("\t")
        if bool(tab) != counted or (counted and not (count.isascii() and count.isdigit())):
            raise DatasetError(f"{path}:{row + 1}: is {line!r}, not a word, a tab and a count")
        words.append(word)
        counts[row] = int(count or 0)
    return words, counts if counted else None
