"""Beam search over many sentences at once: extends hypotheses, collects the finished ones, decides when to stop.

Finished hypotheses are ranked by eq. 14 of Wu et al. 2016, section 7 (length normalization and coverage penalty).
All sentences of one search have the same beam size; everything else, such as the position, the penalties and the
longest target, is per sentence. So sentences can join a running search (`join`) and leave it (`select`) without
affecting the results of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from service.decoding.base import Hypothesis, Search, SearchStep
from service.decoding.beam_state import BeamState, EndedHypothesis
from service.decoding.graph_io import END
from service.decoding.search_record import RECORDED_STEPS, SearchRecord, make_record
from service.decoding.search_settings import SearchSettings

SPARE_CANDIDATES = 3
"""Candidates needed per hypothesis beyond the beam size: END, and two that repetition blocking may remove."""

_MIN_COVERAGE = 1e-6


@dataclass
class _Sentence:
    settings: SearchSettings
    source_length: int
    """Source tokens, END included."""
    attention: list[NDArray[np.float32]] | None
    """[W, S] per step; None if attention was not requested."""
    scores: list[NDArray[np.float64]] | None
    """[W] per step: log-probability of each hypothesis; None unless the search is recorded."""
    ended: list[EndedHypothesis] = field(default_factory=list)

    def score_to_beat(self) -> float:
        """Score of the n-th best hypothesis with END, which another must beat; -inf while there are fewer than n."""
        scores = sorted((one.normalized_score for one in self.ended if one.has_end), reverse=True)
        return scores[self.settings.n_best - 1] if len(scores) >= self.settings.n_best else -np.inf


class BeamSearch(Search):
    """Beam search of N sentences with `width` hypotheses each."""

    def _start(
        self,
        lengths: NDArray[np.int64],
        settings: Sequence[SearchSettings],
        wants_attention: Sequence[bool],
        max_lengths: NDArray[np.int64],
        attended: int,
    ) -> None:
        self._sentences = [
            _Sentence(one, length, [] if wants else None, [] if one.is_recorded else None)
            for one, length, wants in zip(settings, lengths.tolist(), wants_attention, strict=True)
        ]
        count, shape = len(lengths), (len(lengths), int(max_lengths.max()), self.width)
        padding = (np.arange(attended) >= lengths[:, None])[:, None].repeat(self.width, 1)
        scores = np.full((count, self.width), -np.inf)
        scores[:, 0] = 0
        self._state = BeamState(
            scores=scores,
            lengths=np.zeros(count, np.int64),
            max_lengths=max_lengths,
            alpha=np.array([one.length_penalty for one in settings]),
            beta=np.array([one.coverage_penalty for one in settings]),
            score_to_beat=np.full(count, -np.inf),
            tokens=np.zeros(shape, np.int32),
            parents=np.zeros(shape, np.int64),
            coverage=padding.astype(np.float32),
        )

    def __len__(self) -> int:
        return len(self._sentences)

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        return self._state.lengths

    def select(self, indices: NDArray[np.int64]) -> Self:
        selected = super().select(indices)
        selected._sentences = [self._sentences[index] for index in indices.tolist()]
        selected._state = self._state.select(indices)
        return selected

    def join(self, other: Self) -> Self:
        joined = super().join(other)
        joined._sentences = self._sentences + other._sentences
        joined._state = self._state.join(other._state)
        return joined

    def advance(
        self,
        log_probs_NWk: NDArray[np.float32],  # noqa: N803
        candidates_NWk: NDArray[np.int32],  # noqa: N803
        attention_NWS: NDArray[np.float32] | None = None,  # noqa: N803
    ) -> SearchStep:
        state, width = self._state, self.width
        count, _, k = log_probs_NWk.shape
        flat = self._total_log_probs(state.scores, log_probs_NWk, candidates_NWk).reshape(count, -1)
        order = (-flat).argsort(axis=1, kind="stable")[:, : 2 * width]
        values, tokens = _take(flat, order), _take(candidates_NWk.reshape(count, -1), order)
        is_end = tokens == END
        self._record_attention(attention_NWS)
        self._collect_ended(values[:, :width], order[:, :width] // k, is_end[:, :width], attention_NWS)
        continuing = is_end.argsort(axis=1, kind="stable")[:, :width]
        new_scores = np.where(_take(is_end, continuing), -np.inf, _take(values, continuing))
        order = _take(order, continuing)
        step = SearchStep(order // k, _take(tokens, continuing).astype(np.int32), np.zeros(count, bool))
        return step._replace(done=self._extend(step, new_scores, attention_NWS))

    def hypotheses(self, index: int) -> list[Hypothesis]:
        sentence = self._sentences[index]
        ranked = sorted(sentence.ended, key=lambda one: (one.has_end, one.normalized_score), reverse=True)
        hypotheses = [self._trace_back(index, ended) for ended in ranked[: sentence.settings.n_best]]
        if hypotheses and sentence.scores is not None:
            hypotheses[0] = hypotheses[0]._replace(record=self._record(index, ranked[0]))
        return hypotheses

    def _record_attention(self, attention: NDArray[np.float32] | None) -> None:
        for index, sentence in enumerate(self._sentences):
            if sentence.attention is not None and attention is not None:
                sentence.attention.append(attention[index, :, : sentence.source_length].copy())

    def _collect_ended(
        self,
        values: NDArray[np.float64],
        parents: NDArray[np.int64],
        is_end: NDArray[np.bool_],
        attention: NDArray[np.float32] | None,
    ) -> None:
        """Store the hypotheses that END completes, if it is among the W best continuations of their sentence."""
        indices, ranks = np.nonzero(is_end & (values > -np.inf))
        if not len(indices):
            return
        state, slots, log_probs = self._state, parents[indices, ranks], values[indices, ranks]
        normalized = log_probs / _length_normalizer(state.lengths[indices] + 1, state.alpha[indices])
        covered = None
        if state.coverage.shape[2] and attention is not None:
            size = attention.shape[2]
            covered = state.coverage[indices, slots]
            covered[:, :size] += attention[indices, slots][:, : covered.shape[1]]
            if state.beta.any():
                normalized += state.beta[indices] * np.log(covered.clip(_MIN_COVERAGE, 1)).sum(1)
        for row, (index, slot, log_prob, score) in enumerate(
            zip(indices.tolist(), slots.tolist(), log_probs.tolist(), normalized.tolist(), strict=True)
        ):
            sentence = self._sentences[index]
            coverage = None if covered is None else covered[row, : sentence.source_length]
            sentence.ended.append(EndedHypothesis(True, score, log_prob, int(state.lengths[index]), slot, coverage))
            state.score_to_beat[index] = sentence.score_to_beat()

    def _extend(
        self, step: SearchStep, scores: NDArray[np.float64], attention: NDArray[np.float32] | None
    ) -> NDArray[np.bool_]:
        """Replace the hypotheses by the W best that continue; returns which sentences [N] are done."""
        state = self._state
        alive = (scores > -np.inf).any(1)
        for index in np.nonzero(~alive)[0].tolist():
            if not self._sentences[index].ended:
                self._truncate(index, state.scores[index])
        everyone = np.arange(len(self))
        state.tokens[everyone, state.lengths] = step.tokens
        state.parents[everyone, state.lengths] = step.parents
        state.scores = scores
        state.lengths += 1
        for index, sentence in enumerate(self._sentences):
            if sentence.scores is not None and len(sentence.scores) < RECORDED_STEPS:
                sentence.scores.append(scores[index].copy())
        self._repetition.advance(step.parents, step.tokens)
        if state.coverage.shape[2] and attention is not None:
            size = min(attention.shape[2], state.coverage.shape[2])
            state.coverage[:, :, :size] += attention[:, :, :size]
            state.coverage = np.take_along_axis(state.coverage, step.parents[:, :, None], 1)
        at_max_length = state.lengths >= state.max_lengths
        for index in np.nonzero(at_max_length & alive)[0].tolist():
            self._truncate(index, scores[index])
        # Log-probabilities only fall, so no continuation can score higher than this; coverage can only lower it.
        upper_bound = scores.max(1) / _length_normalizer(state.max_lengths + 1, state.alpha)
        enough = np.array([sum(one.has_end for one in sentence.ended) >= self.width for sentence in self._sentences])
        done: NDArray[np.bool_] = ~alive | at_max_length | enough | (state.score_to_beat >= upper_bound)
        return done

    def _truncate(self, index: int, scores: NDArray[np.float64]) -> None:
        """Store the current hypotheses of a sentence without END."""
        state, length = self._state, int(self._state.lengths[index])
        normalizer = float(_length_normalizer(state.lengths[index], state.alpha[index]))
        sentence = self._sentences[index]
        for slot, log_prob in enumerate(scores.tolist()):
            if log_prob > -np.inf and length:
                coverage = state.coverage[index, slot, : sentence.source_length].copy() if state.coverage.size else None
                sentence.ended.append(EndedHypothesis(False, log_prob / normalizer, log_prob, length, slot, coverage))

    def _trace_back(self, index: int, ended: EndedHypothesis) -> Hypothesis:
        """Follow the parents of a hypothesis back to its first token."""
        tokens, attention = [], []
        recorded, slot = self._sentences[index].attention or None, ended.slot
        if recorded and ended.has_end:
            attention.append(recorded[ended.length][slot])
        for step in reversed(range(ended.length)):
            tokens.append(int(self._state.tokens[index, step, slot]))
            slot = int(self._state.parents[index, step, slot])
            if recorded:
                attention.append(recorded[step][slot])
        return Hypothesis(
            tuple(reversed(tokens)),
            ended.log_prob / (ended.length + ended.has_end),
            np.stack(attention[::-1]) if attention else None,
            ended.coverage,
            has_end=ended.has_end,
        )

    def _record(self, index: int, best: EndedHypothesis) -> SearchRecord:
        """The record of the search of one sentence."""
        state, sentence = self._state, self._sentences[index]
        assert sentence.scores is not None
        return make_record(state.tokens[index], state.parents[index], sentence.scores, sentence.ended, best)


def _length_normalizer(lengths: NDArray[np.int64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """lp(Y) of eq. 14."""
    value: NDArray[np.float64] = ((5.0 + lengths) / 6.0) ** alpha
    return value


def _take(values: NDArray[Any], indices: NDArray[np.int64]) -> NDArray[Any]:
    return np.take_along_axis(values, indices, 1)
