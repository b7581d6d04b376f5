"""Greedy search over many sentences at once: a beam search of one hypothesis without what only several need.

Its answers are those of `BeamSearch` with a beam of 1, bit for bit: a sentence has one hypothesis, which ends with END
or at the longest target. So there is nothing to rank, and no penalty can change which hypothesis it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.decoding.base import Hypothesis, Search, SearchStep
from service.decoding.graph_io import END
from service.decoding.search_settings import SearchSettings


@dataclass(eq=False, slots=True)
class _Decoded:
    source_length: int
    """Source tokens, END included."""
    attention: list[NDArray[np.float32]] | None
    """[S] per step; None if attention was not requested."""
    tokens: list[int] = field(default_factory=list)
    result: Hypothesis | None = None


class GreedySearch(Search):
    """Greedy search of N sentences, whose beam size is 1."""

    def _start(
        self,
        lengths: NDArray[np.int64],
        settings: Sequence[SearchSettings],
        wants_attention: Sequence[bool],
        max_lengths: NDArray[np.int64],
        attended: int,
    ) -> None:
        count = len(lengths)
        self._decoded = [
            _Decoded(length, [] if wants else None)
            for length, wants in zip(lengths.tolist(), wants_attention, strict=True)
        ]
        self._scores, self._lengths, self._max_lengths = np.zeros(count), np.zeros(count, np.int64), max_lengths
        self._coverage = np.zeros((count, attended), np.float32)

    def __len__(self) -> int:
        return len(self._decoded)

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        return self._lengths

    def select(self, indices: NDArray[np.int64]) -> Self:
        selected = super().select(indices)
        selected._decoded = [self._decoded[index] for index in indices.tolist()]
        selected._scores, selected._lengths = self._scores[indices], self._lengths[indices]
        selected._max_lengths, selected._coverage = self._max_lengths[indices], self._coverage[indices]
        return selected

    def join(self, other: Self) -> Self:
        joined = super().join(other)
        joined._decoded = self._decoded + other._decoded
        joined._scores = np.concatenate([self._scores, other._scores])
        joined._lengths = np.concatenate([self._lengths, other._lengths])
        joined._max_lengths = np.concatenate([self._max_lengths, other._max_lengths])
        first, second = self._coverage, other._coverage
        coverage = np.zeros((len(joined._decoded), max(first.shape[1], second.shape[1])), np.float32)
        coverage[: len(first), : first.shape[1]] = first
        coverage[len(first) :, : second.shape[1]] = second
        joined._coverage = coverage
        return joined

    def advance(
        self,
        log_probs_NWk: NDArray[np.float32],  # noqa: N803
        candidates_NWk: NDArray[np.int32],  # noqa: N803
        attention_NWS: NDArray[np.float32] | None = None,  # noqa: N803
    ) -> SearchStep:
        everyone = np.arange(len(self))
        scores = self._total_log_probs(self._scores[:, None], log_probs_NWk, candidates_NWk)[:, 0]
        candidates = candidates_NWk[:, 0]
        best = scores.argmax(1)
        values, tokens = scores[everyone, best], candidates[everyone, best]
        covered = self._covered(attention_NWS)
        alive = values > -np.inf
        ended = (tokens == END) & alive
        self._record_attention(attention_NWS)
        for index in np.nonzero(ended)[0].tolist():
            self._finish(index, float(values[index]), covered, has_end=True)
        for index in np.nonzero(~alive)[0].tolist():  # no candidate is left: what there was is the answer
            self._finish(index, float(self._scores[index]), self._coverage, has_end=False)
        for sentence, token in zip(self._decoded, tokens.tolist(), strict=True):
            if sentence.result is None:
                sentence.tokens.append(token)
        self._scores, self._coverage = values, covered
        self._lengths = self._lengths + 1
        at_max_length = self._lengths >= self._max_lengths
        for index in np.nonzero(at_max_length & alive & ~ended)[0].tolist():
            self._finish(index, float(values[index]), covered, has_end=False)
        self._repetition.advance(None, tokens[:, None])
        return SearchStep(np.zeros((len(self), 1), np.int64), tokens[:, None], ended | ~alive | at_max_length)

    def hypotheses(self, index: int) -> list[Hypothesis]:
        result = self._decoded[index].result
        return [] if result is None else [result]

    def _covered(self, attention: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """The sum of the attention with that of this step."""
        size = self._coverage.shape[1]
        if attention is None or not size:
            return self._coverage
        covered = self._coverage.copy()
        covered[:, : attention.shape[2]] += attention[:, 0, :size]
        return covered

    def _record_attention(self, attention: NDArray[np.float32] | None) -> None:
        if attention is None:
            return
        for index, sentence in enumerate(self._decoded):
            if sentence.attention is not None:
                sentence.attention.append(attention[index, 0, : sentence.source_length].copy())

    def _finish(self, index: int, log_prob: float, coverage: NDArray[np.float32], *, has_end: bool) -> None:
        """Store a sentence's hypothesis, unless it has neither END nor a token."""
        sentence = self._decoded[index]
        steps = len(sentence.tokens) + has_end
        if not steps or log_prob == -np.inf:
            return
        attention = sentence.attention[:steps] if sentence.attention else []
        sentence.result = Hypothesis(
            tuple(sentence.tokens),
            log_prob / steps,
            np.stack(attention) if attention else None,
            coverage[index, : sentence.source_length].copy() if coverage.shape[1] else None,
            has_end=has_end,
        )
