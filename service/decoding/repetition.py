"""The guard against targets that repeat themselves for ever."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCKS = np.arange(1, 9)
"""Pieces of the blocks that are watched."""

_ALLOWED = 3
"""How often a block may stand in a row."""


@dataclass
class Repetition:
    """Which pieces would make a block of 1 to 8 pieces stand in a row for the fourth time; N x W hypotheses.

    A block of b pieces stands in a row again and again as long as each piece is the one b before it.
    """

    recent: NDArray[np.int32]
    """[N, W, 8]: the last pieces, newest first; -1: none yet."""
    runs: NDArray[np.int64]
    """[N, W, 8]: how many pieces on end are the one b before them."""

    @classmethod
    def of(cls, sentences: int, width: int) -> Repetition:
        """Of hypotheses that have no piece yet."""
        shape = (sentences, width, len(_BLOCKS))
        return cls(np.full(shape, -1, np.int32), np.zeros(shape, np.int64))

    def select(self, places: NDArray[np.int64]) -> Repetition:
        """Of some of the sentences."""
        return Repetition(self.recent[places], self.runs[places])

    def join(self, other: Repetition) -> Repetition:
        """Of these sentences and others."""
        return Repetition(np.concatenate([self.recent, other.recent]), np.concatenate([self.runs, other.runs]))

    def refused(self, candidates: NDArray[np.int32]) -> NDArray[np.bool_] | None:
        """[N, W, k]: which of the candidates; None: none."""
        full = self.runs >= _ALLOWED * _BLOCKS - 1
        if not full.any():
            return None
        again = candidates[:, :, :, None] == self.recent[:, :, None]
        found: NDArray[np.bool_] = (again & full[:, :, None]).any(3)
        return found

    def advance(self, parents: NDArray[np.int64], tokens: NDArray[np.int32]) -> None:
        """Each hypothesis [N, W] goes on from one of the former by a piece."""
        recent = np.take_along_axis(self.recent, parents[:, :, None], 1)
        runs = np.take_along_axis(self.runs, parents[:, :, None], 1)
        self.runs = np.where(tokens[:, :, None] == recent, runs + 1, 0)
        self.recent = np.concatenate([tokens[:, :, None], recent[:, :, :-1]], axis=2)
