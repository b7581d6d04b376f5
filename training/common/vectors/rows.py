"""Blocks of rows of a vector file, and the checks that each row must pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError

BLOCK_BYTES = 4 << 20
"""Bytes of a file that are in memory at a time."""

MAX_WORD_BYTES = 4096
"""Maximum length of a word; a longer one means that the file has another format than expected."""

MAX_DIMENSIONS = 65_536

MAX_LISTED_FAULTS = 10
"""Unusable rows that an error or a report lists."""

SPECIAL_TOKENS = frozenset({"<s>", "</s>", "<pad>", "<unk>", "[pad]", "[unk]"})
"""Symbols of training programs, in any case. They are no words: a row of zeros for one of them is no fault."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Consecutive rows of a file: n words and their vectors [n, D]."""

    words: list[str]
    rows: NDArray[np.float32]


class RowChecks:
    """Checks rows, and records those that cannot be used.

    Args:
        path: the file, for the messages.
        skip_bad: whether such rows are left out; if not, `raise_faults` raises for them.
    """

    def __init__(self, path: Path, *, skip_bad: bool) -> None:
        self.path = path
        self.skip_bad = skip_bad
        self.skipped = 0
        self.faults: list[str] = []
        """The first unusable rows, each with its location in the file and the reason."""
        self.empty_tokens: list[str] = []
        """Special tokens whose vectors are zero; they are left out."""
        self._seen: set[str] = set()

    def refuse(self, location: str, reason: str) -> None:
        """Record an unusable row.

        Args:
            location: `:12`, or `: row 12 (byte 3,456)`, to follow the file's path.
            reason: what is wrong.
        """
        self.skipped += 1
        if len(self.faults) < MAX_LISTED_FAULTS:
            self.faults.append(f"{self.path}{location}: {reason}")

    def raise_faults(self) -> None:
        """Raise DatasetError if rows were unusable and are not to be skipped; it lists the first ones."""
        if self.skip_bad or not self.faults:
            return
        remedy = "correct the file, or skip such rows with --skip-bad"
        if self.skipped > 1:
            remedy = f"these rows cannot be used, and there may be more; {remedy}"
        raise DatasetError("\n".join(self.faults) + ("; " if self.skipped == 1 else "\n") + remedy)

    def block(self, words: Sequence[bytes], rows: NDArray[np.float32], location: Callable[[int], str]) -> Block:
        """Return the usable rows.

        Args:
            words: as they stand in the file.
            rows: [n, D].
            location: gives the location of row i of these in the file.
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
                if finite[row] and word.lower() in SPECIAL_TOKENS:
                    self.empty_tokens.append(word)
                    continue
                reason = "is a zero vector" if finite[row] else "holds a number that is not finite"
                reason = f"the vector of {word!r} {reason}"
            if reason:
                self.refuse(location(row), reason)
                continue
            self._seen.add(word)
            kept.append(row)
            good.append(word)
        return Block(words=good, rows=rows if len(kept) == len(rows) else rows[kept])

    def _word(self, raw: bytes) -> tuple[str, str]:
        """Decode a word; the second value is what is wrong with it, empty for nothing."""
        try:
            word = raw.decode("utf-8")
        except UnicodeDecodeError:
            return "", f"the word {raw[:40]!r} is not UTF-8"
        if not word:
            return "", "the row has no word"
        if any(character in word for character in "\t\n\r"):
            return "", f"the word {word[:40]!r} holds a tab or the end of a line"
        return word, f"the word {word[:40]!r} stands in the file twice" if word in self._seen else ""
