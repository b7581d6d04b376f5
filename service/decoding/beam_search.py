"""Beam search over many sentences at once: extends hypotheses, collects the finished ones, decides when to stop.

Finished hypotheses are ranked by eq. 14 of Wu et al. 2016, section 7 (length normalization and coverage penalty).
All sentences of one search have the same beam size; everything else, such as the position, the penalties and the
longest target, is per sentence. So sentences can join a running search (`join`) and leave it (`select`) without
affecting the results of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.decoding.beam_state import BeamState
from service.decoding.graph_io import END
from service.decoding.repetition import RepetitionGuard
from service.decoding.search_record import RECORDED_STEPS, EndedHypothesis, SearchRecord, make_record
from service.decoding.search_settings import SearchSettings

SPARE_CANDIDATES = 3
"""Candidates needed per hypothesis beyond the beam size: END, and two that repetition blocking may remove."""

_MIN_COVERAGE = 1e-6


class Hypothesis(NamedTuple):
    """A translation as target tokens."""

    tokens: tuple[int, ...]
    """T target tokens, without END."""
    score: float
    """Mean log-probability per token, END included."""
    attention: NDArray[np.float32] | None
    """[T + 1, S]: attention weights of each token and of END; [T, S] if the target was truncated at its longest."""
    coverage: NDArray[np.float32] | None = None
    """[S]: the attention that each source token and END received in all; None if the model has no attention."""
    record: SearchRecord | None = None
    """The whole search, of the best hypothesis if that was asked for."""
    has_end: bool = True
    """Whether END follows the tokens; otherwise it was truncated at the longest target."""


class BeamStep(NamedTuple):
    """The hypotheses after one step of N sentences with W hypotheses each."""

    parents: NDArray[np.int64]
    """[N, W]: index of the previous hypothesis that each one extends."""
    tokens: NDArray[np.int32]
    """[N, W]: the token it is extended by."""
    done: NDArray[np.bool_]
    """[N]: whether the search of the sentence is over."""


class _Ended(NamedTuple):
    """A hypothesis that is not extended further."""

    has_end: bool
    """Whether it ended with END; otherwise it was truncated at the longest target."""
    normalized_score: float
    """Score by eq. 14, by which hypotheses are ranked."""
    log_prob: float
    length: int
    """Target tokens without END."""
    slot: int
    """Index of the hypothesis in the beam at its last token."""
    coverage: NDArray[np.float32] | None
    """[S]: summed attention per source token; None without attention."""


@dataclass
class _Sentence:
    settings: SearchSettings
    source_length: int
    """Source tokens, END included."""
    attention: list[NDArray[np.float32]] | None
    """[W, S] per step; None if attention was not requested."""
    scores: list[NDArray[np.float64]] | None
    """[W] per step: log-probability of each hypothesis; None unless the search is recorded."""
    ended: list[_Ended] = field(default_factory=list)

    def score_to_beat(self) -> float:
        """Score of the n-th best hypothesis with END, which another must beat; -inf while there are fewer than n."""
        scores = sorted((one.normalized_score for one in self.ended if one.has_end), reverse=True)
        return scores[self.settings.n_best - 1] if len(scores) >= self.settings.n_best else -np.inf


class BeamSearch:
    """Beam search of N sentences with `width` hypotheses each.

    Args:
        lengths: N source lengths, END included.
        settings: one per sentence, all with the same beam size.
        wants_attention: per sentence, whether its hypotheses are returned with attention weights; default: none.
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
        self.width = settings[0].beam_size
        requested = wants_attention or [False] * len(lengths)
        self._sentences = [
            _Sentence(one, length, [] if wants else None, [] if one.is_recorded else None)
            for one, length, wants in zip(settings, lengths, requested, strict=True)
        ]
        max_lengths = [one.max_target_length(length - 1) for one, length in zip(settings, lengths, strict=True)]
        count, shape = len(lengths), (len(lengths), max(max_lengths), self.width)
        positions = np.arange(max(lengths) if has_attention else 0)
        padding = (positions >= np.array(lengths)[:, None])[:, None].repeat(self.width, 1)
        scores = np.full((count, self.width), -np.inf)
        scores[:, 0] = 0
        self._state = BeamState(
            scores=scores,
            lengths=np.zeros(count, np.int64),
            max_lengths=np.array(max_lengths, np.int64),
            alpha=np.array([one.length_penalty for one in settings]),
            beta=np.array([one.coverage_penalty for one in settings]),
            score_to_beat=np.full(count, -np.inf),
            tokens=np.zeros(shape, np.int32),
            parents=np.zeros(shape, np.int64),
            coverage=padding.astype(np.float32),
        )
        self._repetition = RepetitionGuard.start(count, self.width)
        self._is_recorded = any(one.is_recorded for one in settings)
        """Whether any of the sentences is."""

    def __len__(self) -> int:
        return len(self._sentences)

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """[N]: target tokens of each sentence so far."""
        return self._state.lengths

    def select(self, indices: NDArray[np.int64]) -> BeamSearch:
        """The search of the sentences at these indices."""
        selected = BeamSearch.__new__(BeamSearch)
        selected.width = self.width
        selected._sentences = [self._sentences[index] for index in indices.tolist()]
        selected._state, selected._repetition = self._state.select(indices), self._repetition.select(indices)
        selected._is_recorded = self._is_recorded
        return selected

    def join(self, other: BeamSearch) -> BeamSearch:
        """The search of these sentences followed by the other's, which has the same width."""
        joined = BeamSearch.__new__(BeamSearch)
        joined.width = self.width
        joined._sentences = self._sentences + other._sentences
        joined._state = self._state.join(other._state)
        joined._repetition = self._repetition.join(other._repetition)
        joined._is_recorded = self._is_recorded or other._is_recorded
        return joined

    def advance(
        self,
        log_probs_NWk: NDArray[np.float32],  # noqa: N803
        candidates_NWk: NDArray[np.int32],  # noqa: N803
        attention_NWS: NDArray[np.float32] | None = None,  # noqa: N803
    ) -> BeamStep:
        """Extend every sentence by one token.

        Args:
            log_probs_NWk: of the k best next tokens of each hypothesis; k is `width` + `SPARE_CANDIDATES`, or the size
                of the vocabulary if that is smaller.
            candidates_NWk: ids of those tokens.
            attention_NWS: attention weights of this step, if the model has attention.
        """
        state, width = self._state, self.width
        count, _, k = log_probs_NWk.shape
        scores = state.scores[:, :, None] + log_probs_NWk
        scores[np.isnan(scores)] = -np.inf
        blocked = self._repetition.blocked(candidates_NWk)
        if blocked is not None:
            scores[blocked] = -np.inf
        flat = scores.reshape(count, -1)
        order = (-flat).argsort(axis=1, kind="stable")[:, : 2 * width]
        values, tokens = _take(flat, order), _take(candidates_NWk.reshape(count, -1), order)
        is_end = tokens == END
        self._record_attention(attention_NWS)
        self._collect_ended(values[:, :width], order[:, :width] // k, is_end[:, :width], attention_NWS)
        continuing = is_end.argsort(axis=1, kind="stable")[:, :width]
        new_scores = np.where(_take(is_end, continuing), -np.inf, _take(values, continuing))
        order = _take(order, continuing)
        step = BeamStep(order // k, _take(tokens, continuing).astype(np.int32), np.zeros(count, bool))
        return step._replace(done=self._extend(step, new_scores, attention_NWS))

    def hypotheses(self, index: int) -> list[Hypothesis]:
        """The n best hypotheses of one sentence, best first; empty if the graph returned no finite number."""
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
            sentence.ended.append(_Ended(True, score, log_prob, int(state.lengths[index]), slot, coverage))
            state.score_to_beat[index] = sentence.score_to_beat()

    def _extend(
        self, step: BeamStep, scores: NDArray[np.float64], attention: NDArray[np.float32] | None
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
        if self._is_recorded:
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
                sentence.ended.append(_Ended(False, log_prob / normalizer, log_prob, length, slot, coverage))

    def _trace_back(self, index: int, ended: _Ended) -> Hypothesis:
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

    def _record(self, index: int, best: _Ended) -> SearchRecord:
        """The record of the search of one sentence."""
        state, sentence = self._state, self._sentences[index]
        assert sentence.scores is not None
        ended = [one for one in sentence.ended if one.has_end or one is best]
        return make_record(
            state.tokens[index],
            state.parents[index],
            sentence.scores,
            [EndedHypothesis(one.length, one.slot, one.log_prob, one.has_end, one is best) for one in ended],
        )


def _length_normalizer(lengths: NDArray[np.int64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """lp(Y) of eq. 14."""
    value: NDArray[np.float64] = ((5.0 + lengths) / 6.0) ** alpha
    return value


def _take(values: NDArray[Any], indices: NDArray[np.int64]) -> NDArray[Any]:
    return np.take_along_axis(values, indices, 1)
