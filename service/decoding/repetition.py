"""Repetition blocking: stops hypotheses that would repeat a short block of tokens without end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK_LENGTHS = np.arange(1, 9)
"""Lengths, in tokens, of the blocks that are watched."""

_MAX_REPEATS = 3
"""How many times a block may occur consecutively."""


@dataclass
class RepetitionGuard:
    """Tracks, for N x W hypotheses, which tokens would complete a fourth consecutive copy of a block of 1 to 8 tokens.

    A block of b tokens repeats as long as every new token equals the one b positions before it, so it is enough to
    count those matches for each b.
    """

    recent: NDArray[np.int32]
    """[N, W, 8]: the last 8 tokens, newest first; -1 before the hypothesis has that many."""
    match_counts: NDArray[np.int64]
    """[N, W, 8]: for each block length b, how many of the latest consecutive tokens equal the one b before them."""

    @classmethod
    def start(cls, sentences: int, width: int) -> RepetitionGuard:
        """The guard of empty hypotheses, `width` for each sentence."""
        shape = (sentences, width, len(_BLOCK_LENGTHS))
        return cls(np.full(shape, -1, np.int32), np.zeros(shape, np.int64))

    def select(self, indices: NDArray[np.int64]) -> RepetitionGuard:
        """The guard of the sentences at these indices."""
        return RepetitionGuard(self.recent[indices], self.match_counts[indices])

    def join(self, other: RepetitionGuard) -> RepetitionGuard:
        """The guard of these sentences followed by the other's."""
        return RepetitionGuard(
            np.concatenate([self.recent, other.recent]), np.concatenate([self.match_counts, other.match_counts])
        )

    def blocked(self, candidates: NDArray[np.int32]) -> NDArray[np.bool_] | None:
        """Which candidates [N, W, k] would repeat a block too often, as a mask [N, W, k]; None if no one would."""
        at_limit = self.match_counts >= _MAX_REPEATS * _BLOCK_LENGTHS - 1
        if not at_limit.any():
            return None
        repeats = candidates[:, :, :, None] == self.recent[:, :, None]
        mask: NDArray[np.bool_] = (repeats & at_limit[:, :, None]).any(3)
        return mask

    def advance(self, parents: NDArray[np.int64] | None, tokens: NDArray[np.int32]) -> None:
        """Extend hypothesis `parents[n, w]` of each sentence by `tokens[n, w]`; both [N, W]. None: each by its own."""
        recent, counts = self.recent, self.match_counts
        if parents is not None:
            recent = np.take_along_axis(recent, parents[:, :, None], 1)
            counts = np.take_along_axis(counts, parents[:, :, None], 1)
        self.match_counts = np.where(tokens[:, :, None] == recent, counts + 1, 0)
        self.recent = np.concatenate([tokens[:, :, None], recent[:, :, :-1]], axis=2)
