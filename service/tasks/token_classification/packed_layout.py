"""Packed layout of a batch of sentences: all tokens of the first time step, then all of the second, without padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PackedLayout:
    """Positions of the N tokens of a batch when packed time step by time step, without padding.

    A step holds the sentences that are at least that long, the longest first, so that the sentences of a step are a
    prefix of those of the step before: column c of step t is token `bounds[t] + c`.
    """

    order: NDArray[np.int64]
    """[B]: the sentence of each column."""
    lengths: NDArray[np.int64]
    """[B]: tokens by column, descending."""
    bounds: list[int]
    """[T+1]: where the steps start and end."""
    times: NDArray[np.int64]
    """[N]: the step of each token."""
    columns: NDArray[np.int64]
    """[N]: the column of each token."""

    @classmethod
    def of(cls, lengths: NDArray[np.integer[Any]]) -> PackedLayout:
        """The layout of sentences of these lengths."""
        order = np.argsort(-lengths.astype(np.int64), kind="stable")
        ordered = lengths.astype(np.int64)[order]
        longest = int(ordered.max(initial=0))
        counts = np.searchsorted(-ordered, -np.arange(longest), side="left")
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        times = np.repeat(np.arange(longest), counts)
        columns = np.arange(len(times)) - bounds[times]
        return cls(order, ordered, bounds.tolist(), times, columns)

    @property
    def nonempty(self) -> int:
        """The number of sentences with at least one token."""
        return self.bounds[1] if len(self.bounds) > 1 else 0

    def token(self, times: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tokens at these steps and columns."""
        return np.asarray(self.bounds)[times] + columns

    def last(self) -> NDArray[np.int64]:
        """The last token of every non-empty sentence, by column."""
        columns = np.arange(self.nonempty)
        return self.token(self.lengths[: self.nonempty] - 1, columns)

    def mirrored(self) -> NDArray[np.int64]:
        """[N]: for each token, the token at the same distance from the other end of its sentence."""
        return self.token(self.lengths[self.columns] - 1 - self.times, self.columns)

    def previous(self) -> NDArray[np.int64]:
        """For each token after the first step, the token before it in its sentence."""
        return self.token(self.times[self.nonempty :] - 1, self.columns[self.nonempty :])

    def pack(self, values: NDArray[Any]) -> NDArray[Any]:
        """[B, T, …] as [N, …]."""
        packed: NDArray[Any] = values[self.order[self.columns], self.times]
        return packed

    def unpack(self, values: NDArray[Any], longest: int, dtype: type[np.generic]) -> NDArray[Any]:
        """[N, …] as [B, T, …], 0 beyond the length."""
        padded = np.zeros((len(self.order), longest, *values.shape[1:]), dtype)
        padded[self.order[self.columns], self.times] = values
        return padded
