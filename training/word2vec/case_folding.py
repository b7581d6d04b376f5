"""Looking words up without regard to case, as evaluations do."""

from collections.abc import Iterable, Sequence

import numpy as np


class FoldedWords:
    """The rows of a vocabulary; words that differ in case only are one word, of which the first row is meant."""

    def __init__(self, words: Sequence[str], *, fold: bool = True) -> None:
        self._fold = fold
        self._rows: dict[str, int] = {}
        self.groups = np.array(
            [self._rows.setdefault(self._key(word), row) for row, word in enumerate(words)], np.int64
        )
        """[V]: for each row the first row with the same word."""

    def find(self, words: Iterable[str]) -> list[int] | None:
        """The rows of all `words`; None where one of them is unknown."""
        rows = [self._rows.get(self._key(word)) for word in words]
        known = [row for row in rows if row is not None]
        return known if len(known) == len(rows) else None

    def _key(self, word: str) -> str:
        return word.casefold() if self._fold else word
