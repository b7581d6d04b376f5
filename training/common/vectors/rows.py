"""What every reader of vector files shares: blocks of rows, and the checks that each row must pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError

BLOCK_BYTES = 4 << 20
"""How much of a file is in memory at a time."""

LONGEST_WORD = 4096
"""Bytes. A longer one means that a file is not what it says it is."""

MOST_DIMENSIONS = 65_536


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some rows of a file, in its order: n words and their vectors [n, D]."""

    words: list[str]
    rows: NDArray[np.float32]


class RowChecks:
    """Refuses rows that cannot be used, or leaves them out and counts them.

    Args:
        path: the file, for the messages.
        skip_bad: leave such rows out instead of raising.
    """

    def __init__(self, path: Path, *, skip_bad: bool) -> None:
        self.path = path
        self.skip_bad = skip_bad
        self.skipped = 0
        self._seen: set[str] = set()

    def refuse(self, place: str, reason: str) -> None:
        """Count a bad row at `place` (`:12`, or `: row 12 (byte 3,456)`), or raise DatasetError."""
        if not self.skip_bad:
            raise DatasetError(f"{self.path}{place}: {reason}; correct the file, or skip such rows with --skip-bad")
        self.skipped += 1

    def block(self, words: Sequence[bytes], rows: NDArray[np.float32], place: Callable[[int], str]) -> Block:
        """The rows that can be used.

        Args:
            words: as they stand in the file.
            rows: [n, D].
            place: where row i of these stands in the file.
        """
        # The sum of float32 numbers cannot overflow float64: it is finite where all of them are.
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(rows.sum(axis=1, dtype=np.float64))
            usable = finite & rows.any(axis=1)
        kept: list[int] = []
        good: list[str] = []
        for row, raw in enumerate(words):
            word, reason = self._word(raw)
            if not reason and not usable[row]:
                reason = "is a zero vector" if finite[row] else "holds a number that is not finite"
                reason = f"the vector of {word!r} {reason}"
            if reason:
                self.refuse(place(row), reason)
                continue
            self._seen.add(word)
            kept.append(row)
            good.append(word)
        return Block(words=good, rows=rows if len(kept) == len(rows) else rows[kept])

    def _word(self, raw: bytes) -> tuple[str, str]:
        """A word and what is wrong with it, if anything."""
        try:
            word = raw.decode("utf-8")
        except UnicodeDecodeError:
            return "", f"the word {raw[:40]!r} is not UTF-8"
        if not word:
            return "", "the row has no word"
        if any(mark in word for mark in "\t\n\r"):
            return "", f"the word {word[:40]!r} holds a tab or the end of a line"
        return word, f"the word {word!r} stands in the file twice" if word in self._seen else ""
