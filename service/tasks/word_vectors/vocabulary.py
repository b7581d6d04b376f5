"""Memory-mapped vocabulary: words to row ids and back."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.files import BundleError

_CHUNK = 1 << 16
"""Words that are decoded at a time when a vocabulary is opened, to limit memory."""


class Vocabulary:
    """The words of `vocabulary.txt`: one per line, UTF-8, most frequent first; a word's row id is its line index.

    Worker processes share the file, which is memory-mapped. No Python objects are kept per word, only 20 bytes: the end
    of its line, its hash in sorted order, and the row id that belongs to the hash.

    Args:
        path: the file.
        size: expected number of words; None accepts any.

    Raises:
        BundleError: no words, not UTF-8, an empty line, a duplicate, or another number of words than expected.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        self._text = _map(path)
        self._ends = self._find_ends()
        if size is not None and len(self) != size:
            raise BundleError(f"{path}: holds {len(self)} words, the table has {size} rows; export the model again")
        hashes = np.fromiter(self._hashes(), np.int64, len(self))
        self._sorted_ids = np.argsort(hashes, kind="stable").astype(np.int32)
        self._sorted_hashes = hashes[self._sorted_ids]
        self._check_unique()

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, word: str) -> bool:
        return bool(self.find([word])[0] >= 0)

    def find(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Look up the row ids of words, [n]; -1 for unknown words."""
        ids = np.full(len(words), -1, np.int64)
        if not words:
            return ids
        # A Python string may hold a lone surrogate, which UTF-8 cannot encode.
        encoded = [word.encode("utf-8", "surrogatepass") for word in words]
        hashes = np.fromiter(map(hash, encoded), np.int64, len(words))
        positions = np.searchsorted(self._sorted_hashes, hashes)
        positions = np.minimum(positions, len(self) - 1)
        hits = np.flatnonzero(self._sorted_hashes[positions] == hashes)
        candidates = self._sorted_ids[positions[hits]]
        starts, ends = self._starts(candidates), self._ends[candidates]
        spans = zip(hits.tolist(), candidates.tolist(), starts.tolist(), ends.tolist(), strict=True)
        for index, candidate, start, end in spans:
            is_equal = self._text[start:end] == encoded[index]
            ids[index] = candidate if is_equal else self._resolve_collision(encoded[index], int(positions[index]))
        return ids

    def word(self, row: int) -> str:
        """The word of a row id."""
        return self._bytes(row).decode()

    def words(self, rows: NDArray[np.int64]) -> list[str]:
        """The words of row ids [n]."""
        spans = zip(self._starts(rows).tolist(), self._ends[rows].tolist(), strict=True)
        return [self._text[start:end].decode() for start, end in spans]

    def most_frequent(self, count: int) -> list[str]:
        """The `count` most frequent words, or all if there are fewer."""
        if count <= 0:
            return []
        last = min(count, len(self)) - 1
        return self._text[: int(self._ends[last])].decode().split("\n")

    def _resolve_collision(self, word: bytes, position: int) -> int:
        """Row id of a word among the words that share its hash, the first of which is at `position`; -1 for none."""
        target = self._sorted_hashes[position]
        while position < len(self._sorted_hashes) and self._sorted_hashes[position] == target:
            row = int(self._sorted_ids[position])
            if self._bytes(row) == word:
                return row
            position += 1
        return -1

    def _bytes(self, row: int) -> bytes:
        """The UTF-8 bytes of a word."""
        start = int(self._ends[row - 1]) + 1 if row else 0
        return self._text[start : int(self._ends[row])]

    def _starts(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Byte offsets of the first characters of words [n]."""
        return np.where(rows > 0, self._ends[rows - 1] + 1, 0)

    def _find_ends(self) -> NDArray[np.int64]:
        """Byte offsets of the ends of all lines, [words]."""
        ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n"))
        if not len(ends) or ends[-1] != len(self._text) - 1:
            ends = np.append(ends, len(self._text))
        empty = np.flatnonzero(np.diff(ends, prepend=-1) == 1)
        if len(empty):
            raise BundleError(f"{self._path}:{empty[0] + 1}: is empty; every line holds one word")
        return ends

    def _hashes(self) -> Iterator[int]:
        """Hash the words in order, and check that they are UTF-8."""
        for first in range(0, len(self), _CHUNK):
            start = int(self._ends[first - 1]) + 1 if first else 0
            lines = self._text[start : int(self._ends[min(first + _CHUNK, len(self)) - 1])]
            try:
                lines.decode()
            except UnicodeDecodeError as error:
                line = first + lines.count(b"\n", 0, error.start) + 1
                raise BundleError(f"{self._path}:{line}: is not UTF-8") from error
            yield from map(hash, lines.split(b"\n"))

    def _check_unique(self) -> None:
        """Raise BundleError if a word occurs twice."""
        hashes = self._sorted_hashes
        for position in np.flatnonzero(hashes[1:] == hashes[:-1]).tolist():
            # The sort is stable: equal hashes are in the order of their words.
            later = int(self._sorted_ids[position + 1])
            first = self._resolve_collision(self._bytes(later), int(np.searchsorted(hashes, hashes[position])))
            if first != later:
                raise BundleError(
                    f"{self._path}:{later + 1}: {self.word(later)!r} is there twice, first in line {first + 1}"
                )


def _map(path: Path) -> mmap.mmap:
    """Memory-map a file."""
    try:
        with path.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # an empty file cannot be mapped
        raise BundleError(f"{path}: holds no words; export the model again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
