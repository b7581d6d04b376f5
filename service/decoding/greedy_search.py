"""Greedy search over many sentences at once: a beam search of one hypothesis without what only several need.

Its answers are those of `BeamSearch` with a beam of 1, bit for bit: a sentence has one hypothesis, which ends with END
or at the longest target. So there is nothing to rank, and no penalty can change which hypothesis it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.decoding.beam_search import BeamSearch, BeamStep, Hypothesis
from service.decoding.graph_io import END
from service.decoding.repetition import RepetitionGuard
from service.decoding.search_settings import SearchSettings


@dataclass(eq=False, slots=True)
class _Decoded:
    source_length: int
    """Source tokens, END included."""
    attention: list[NDArray[np.float32]] | None
    """[S] per step; None if attention was not requested."""
    tokens: list[int] = field(default_factory=list)
    result: Hypothesis | None = None


class GreedySearch(BeamSearch):
    """Greedy search of N sentences; nothing of the state of `BeamSearch` is there.

    Args:
        lengths: N source lengths, END included.
        settings: one per sentence; their beam size is 1.
        wants_attention: per sentence, whether its hypothesis is returned with attention weights.
        has_attention: whether the model has attention, whose sum for each source token is kept.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        settings: Sequence[SearchSettings],
        wants_attention: Sequence[bool] | None = None,
        *,
        has_attention: bool = True,
    ) -> None:
        self.width, count = 1, len(lengths)
        requested = wants_attention or [False] * count
        self._decoded = [
            _Decoded(length, [] if wants else None) for length, wants in zip(lengths, requested, strict=True)
        ]
        self._scores = np.zeros(count)
        self._lengths = np.zeros(count, np.int64)
        self._max_lengths = np.array(
            [one.max_target_length(length - 1) for one, length in zip(settings, lengths, strict=True)], np.int64
        )
        self._coverage = np.zeros((count, max(lengths) if has_attention else 0), np.float32)
        self._repetition = RepetitionGuard.start(count, 1)

    def __len__(self) -> int:
        return len(self._decoded)

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """[N]: target tokens of each sentence so far."""
        return self._lengths

    def select(self, indices: NDArray[np.int64]) -> GreedySearch:
        """The search of the sentences at these indices."""
        selected = GreedySearch.__new__(GreedySearch)
        selected.width = 1
        selected._decoded = [self._decoded[index] for index in indices.tolist()]
        selected._scores, selected._lengths = self._scores[indices], self._lengths[indices]
        selected._max_lengths, selected._coverage = self._max_lengths[indices], self._coverage[indices]
        selected._repetition = self._repetition.select(indices)
        return selected

    def join(self, other: BeamSearch) -> GreedySearch:
        """The search of these sentences followed by the other's."""
        assert isinstance(other, GreedySearch)
        joined = GreedySearch.__new__(GreedySearch)
        joined.width = 1
        joined._decoded = self._decoded + other._decoded
        joined._scores = np.concatenate([self._scores, other._scores])
        joined._lengths = np.concatenate([self._lengths, other._lengths])
        joined._max_lengths = np.concatenate([self._max_lengths, other._max_lengths])
        first, second = self._coverage, other._coverage
        coverage = np.zeros((len(joined._decoded), max(first.shape[1], second.shape[1])), np.float32)
        coverage[: len(first), : first.shape[1]] = first
        coverage[len(first) :, : second.shape[1]] = second
        joined._coverage = coverage
        joined._repetition = self._repetition.join(other._repetition)
        return joined

    def advance(
        self,
        log_probs_NWk: NDArray[np.float32],  # noqa: N803
        candidates_NWk: NDArray[np.int32],  # noqa: N803
        attention_NWS: NDArray[np.float32] | None = None,  # noqa: N803
    ) -> BeamStep:
        """Extend every sentence by one token; the arguments are those of `BeamSearch.advance`."""
        everyone = np.arange(len(self))
        scores = self._scores[:, None] + log_probs_NWk[:, 0]
        scores[np.isnan(scores)] = -np.inf
        blocked = self._repetition.blocked(candidates_NWk)
        if blocked is not None:
            scores[blocked[:, 0]] = -np.inf
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
        return BeamStep(np.zeros((len(self), 1), np.int64), tokens[:, None], ended | ~alive | at_max_length)

    def hypotheses(self, index: int) -> list[Hypothesis]:
        """The hypothesis of one sentence that is done; none if the graph returned no finite number."""
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
