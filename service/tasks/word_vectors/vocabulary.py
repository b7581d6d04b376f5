"""The words of a bundle, found by number and by spelling, in little memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle.files import BundleError

_CHUNK = 1 << 16
"""Words that are Python objects at one time while a vocabulary is opened."""


class Vocabulary:
    """The words of `vocabulary.txt`: one a line, UTF-8, most frequent first; the number of a word is its line's.

    No Python object is kept per word: the file is memory-mapped, so that worker processes share it, and beside it are
    20 bytes per word: where it begins, its hash in ascending order, and whose hash that is.

    Args:
        path: the file.
        size: how many words there must be; None takes as many as there are.

    Raises:
        BundleError: no words, not UTF-8, an empty line, a word that is there twice, or another number of words.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        self._text = _map(path)
        self._ends = self._find_ends()
        if size is not None and len(self) != size:
            raise BundleError(f"{path}: holds {len(self)} words, the table has {size} rows; export the model again")
        hashes = np.fromiter(self._hashes(), np.int64, len(self))
        self._order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._hash = hashes[self._order]
        self._check_unique()

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, word: str) -> bool:
        return bool(self.find([word])[0] >= 0)

    def find(self, words: Sequence[str]) -> NDArray[np.int64]:
        """The numbers of words, [n]; -1 for one that is not there."""
        found = np.full(len(words), -1, np.int64)
        if not words:
            return found
        # A lone surrogate can be in a Python string but in no file of UTF-8.
        encoded = [word.encode("utf-8", "surrogatepass") for word in words]
        hashes = np.fromiter(map(hash, encoded), np.int64, len(words))
        places = np.searchsorted(self._hash, hashes)
        places = np.minimum(places, len(self) - 1)
        hits = np.flatnonzero(self._hash[places] == hashes)
        numbers = self._order[places[hits]]
        starts, ends = self._starts(numbers), self._ends[numbers]
        spans = zip(hits.tolist(), numbers.tolist(), starts.tolist(), ends.tolist(), strict=True)
        for index, number, start, end in spans:
            same = self._text[start:end] == encoded[index]
            found[index] = number if same else self._same(encoded[index], int(places[index]))
        return found

    def word(self, number: int) -> str:
        """The word of a number."""
        return self._bytes(number).decode()

    def words(self, numbers: NDArray[np.int64]) -> list[str]:
        """The words of several numbers, [n]."""
        spans = zip(self._starts(numbers).tolist(), self._ends[numbers].tolist(), strict=True)
        return [self._text[start:end].decode() for start, end in spans]

    def most_frequent(self, count: int) -> list[str]:
        """The first `count` words."""
        if count <= 0:
            return []
        last = min(count, len(self)) - 1
        return self._text[: int(self._ends[last])].decode().split("\n")

    def _same(self, word: bytes, place: int) -> int:
        """The number of `word`, whose hash stands at `place` and, where others share it, after it."""
        wanted = self._hash[place]
        while place < len(self._hash) and self._hash[place] == wanted:
            number = int(self._order[place])
            if self._bytes(number) == word:
                return number
            place += 1
        return -1

    def _bytes(self, number: int) -> bytes:
        start = int(self._ends[number - 1]) + 1 if number else 0
        return self._text[start : int(self._ends[number])]

    def _starts(self, numbers: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        return np.where(numbers > 0, self._ends[numbers - 1] + 1, 0)

    def _find_ends(self) -> NDArray[np.int64]:
        """Where the lines end, [words]."""
        ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == ord("\n"))
        if not len(ends) or ends[-1] != len(self._text) - 1:
            ends = np.append(ends, len(self._text))
        empty = np.flatnonzero(np.diff(ends, prepend=-1) == 1)
        if len(empty):
            raise BundleError(f"{self._path}:{empty[0] + 1}: is empty; every line holds one word")
        return ends

    def _hashes(self) -> Iterator[int]:
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
        for place in np.flatnonzero(self._hash[1:] == self._hash[:-1]).tolist():
            # Equal hashes stand in the order of the words.
            later = int(self._order[place + 1])
            first = self._same(self._bytes(later), int(np.searchsorted(self._hash, self._hash[place])))
            if first != later:
                raise BundleError(
                    f"{self._path}:{later + 1}: {self.word(later)!r} is there twice, first in line {first + 1}"
                )


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # An empty file cannot be mapped.
        raise BundleError(f"{path}: holds no words; export the model again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
