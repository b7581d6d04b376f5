"""Case-insensitive vocabulary look-ups for the evaluations."""

from collections.abc import Iterable, Sequence

import numpy as np


class FoldedVocabulary:
    """A vocabulary in which words that differ only in case are one entry, represented by the first of them.

    Args:
        words: [V], most frequent first.
        fold: whether to ignore case.
    """

    def __init__(self, words: Sequence[str], *, fold: bool = True) -> None:
        self._fold = fold
        self._rows: dict[str, int] = {}
        self.canonical_rows = np.array(
            [self._rows.setdefault(self._key(word), row) for row, word in enumerate(words)], np.int64
        )
        """[V]: the first row with the same word, for each row."""

    def rows(self, words: Iterable[str]) -> list[int] | None:
        """The rows of `words`; None if one of them is not in the vocabulary."""
        rows = [self._rows.get(self._key(word)) for word in words]
        known = [row for row in rows if row is not None]
        return known if len(known) == len(rows) else None

    def _key(self, word: str) -> str:
        return word.casefold() if self._fold else word
