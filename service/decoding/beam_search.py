"""Beam search of many sentences at once: what follows each hypothesis, which are finished, when to stop.

Wu et al. 2016, section 7: finished hypotheses are ordered by eq. 14, with its length normalisation and its coverage
penalty. All sentences of a search have as many hypotheses; each has its own position, settings and longest target, so
that sentences can join others half-way (`join`) and leave them (`select`). Neither changes what is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.decoding.beam_state import Rows
from service.decoding.graph_io import END
from service.decoding.repetition import Repetition

SPARE_CANDIDATES = 3
"""Candidates of each hypothesis that are needed beyond the beam's width: END, and two that repetition may refuse."""

_LEAST_COVERAGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How a sentence is searched for.

    Raises:
        ValueError: fewer than one hypothesis, or more answers than hypotheses.
    """

    beam_size: int = 5
    """Hypotheses at a time; 1 is greedy."""
    n_best: int = 1
    """Answers, at most the beam's size."""
    length_penalty: float = 1.0
    """alpha of eq. 14; 0 prefers short answers."""
    coverage_penalty: float = 0.0
    """beta of eq. 14: against source pieces that nothing attended to."""
    max_length_factor: float = 2.0
    """A target has at most so many times the pieces of its source …"""
    max_length_extra: int = 10
    """… and so many more."""

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ValueError(f"beam_size is {self.beam_size}; it must be at least 1")
        if not 1 <= self.n_best <= self.beam_size:
            raise ValueError(f"n_best is {self.n_best}; it must be from 1 to beam_size, {self.beam_size}")

    def longest(self, source: int) -> int:
        """Pieces of the longest target of a source of so many pieces, END not counted."""
        return max(1, int(self.max_length_factor * source) + self.max_length_extra)


class Hypothesis(NamedTuple):
    """A translation in pieces."""

    tokens: tuple[int, ...]
    """Without END."""
    score: float
    """Mean log-probability of a piece, END included."""
    attention: NDArray[np.float32] | None
    """[T + 1, S], a row for each token and one for END (which is missing where the target was cut at its longest)."""


class Advanced(NamedTuple):
    """What follows the N x W hypotheses of before."""

    parents: NDArray[np.int64]
    """[N, W]: which hypothesis each goes on from."""
    tokens: NDArray[np.int32]
    """[N, W]: by which piece."""
    done: NDArray[np.bool_]
    """[N]: sentences whose answers are found."""


class _Found(NamedTuple):
    """A finished hypothesis: where its pieces are, and what it is worth."""

    ended: bool
    """With END; else it was cut."""
    value: float
    """Eq. 14."""
    total: float
    made: int
    row: int


@dataclass
class _Sentence:
    settings: SearchSettings
    length: int
    """Source pieces, END included."""
    attention: list[NDArray[np.float32]] | None
    """[W, S] of each step, where it is asked for."""
    found: list[_Found] = field(default_factory=list)

    def worst(self) -> float:
        """What the last of the answers is worth, of those with END."""
        values = sorted((one.value for one in self.found if one.ended), reverse=True)
        return values[self.settings.n_best - 1] if len(values) >= self.settings.n_best else -np.inf


class BeamSearch:
    """The search of N sentences, `width` hypotheses of each.

    Args:
        lengths: [N] pieces of each source, END included.
        settings: of each sentence; all with the same beam size.
        wants_attention: whether the answers come with it.
    """

    def __init__(
        self, lengths: Sequence[int], settings: Sequence[SearchSettings], wants_attention: Sequence[bool] | None = None
    ) -> None:
        self.width = settings[0].beam_size
        wanted = wants_attention or [False] * len(lengths)
        self._sentences = [
            _Sentence(one, length, [] if wants else None)
            for one, length, wants in zip(settings, lengths, wanted, strict=True)
        ]
        longest = np.array([one.longest(length - 1) for one, length in zip(settings, lengths, strict=True)], np.int64)
        count, shape = len(lengths), (len(lengths), int(longest.max()), self.width)
        beta = np.array([one.coverage_penalty for one in settings])
        places = np.arange(max(lengths) if beta.any() else 0)
        beyond = (places >= np.array(lengths)[:, None])[:, None].repeat(self.width, 1)
        scores = np.full((count, self.width), -np.inf)
        scores[:, 0] = 0
        self._rows = Rows(
            scores=scores,
            made=np.zeros(count, np.int64),
            longest=longest,
            alpha=np.array([one.length_penalty for one in settings]),
            beta=beta,
            worst=np.full(count, -np.inf),
            tokens=np.zeros(shape, np.int32),
            parents=np.zeros(shape, np.int64),
            coverage=beyond.astype(np.float64),
        )
        self._repetition = Repetition.of(count, self.width)

    def __len__(self) -> int:
        return len(self._sentences)

    @property
    def made(self) -> NDArray[np.int64]:
        """[N]: pieces of each sentence so far."""
        return self._rows.made

    def select(self, places: NDArray[np.int64]) -> BeamSearch:
        """The search of some of the sentences."""
        chosen = BeamSearch.__new__(BeamSearch)
        chosen.width = self.width
        chosen._sentences = [self._sentences[place] for place in places.tolist()]
        chosen._rows, chosen._repetition = self._rows.select(places), self._repetition.select(places)
        return chosen

    def join(self, other: BeamSearch) -> BeamSearch:
        """The search of these sentences and others, of the same width."""
        joined = BeamSearch.__new__(BeamSearch)
        joined.width = self.width
        joined._sentences = self._sentences + other._sentences
        joined._rows = self._rows.join(other._rows)
        joined._repetition = self._repetition.join(other._repetition)
        return joined

    def advance(
        self,
        log_probs_NWk: NDArray[np.float32],  # noqa: N803
        candidates_NWk: NDArray[np.int32],  # noqa: N803
        attention_NWS: NDArray[np.float32] | None = None,  # noqa: N803
    ) -> Advanced:
        """One piece further, by the best k candidates of every hypothesis: `width` + `SPARE_CANDIDATES`, or all."""
        rows, width = self._rows, self.width
        count, _, each = log_probs_NWk.shape
        offered = rows.scores[:, :, None] + log_probs_NWk
        offered[np.isnan(offered)] = -np.inf
        refused = self._repetition.refused(candidates_NWk)
        if refused is not None:
            offered[refused] = -np.inf
        flat = offered.reshape(count, -1)
        order = (-flat).argsort(axis=1, kind="stable")[:, : 2 * width]
        values, tokens = _taken(flat, order), _taken(candidates_NWk.reshape(count, -1), order)
        ended = tokens == END
        self._remember(attention_NWS)
        self._finish(values[:, :width], order[:, :width] // each, ended[:, :width], attention_NWS)
        on = ended.argsort(axis=1, kind="stable")[:, :width]
        scores = np.where(_taken(ended, on), -np.inf, _taken(values, on))
        order = _taken(order, on)
        chosen = Advanced(order // each, _taken(tokens, on).astype(np.int32), np.zeros(count, bool))
        done = self._go_on(chosen, scores, attention_NWS)
        return chosen._replace(done=done)

    def hypotheses(self, place: int) -> list[Hypothesis]:
        """The answers of one sentence, best first; none where the graph gave no finite number."""
        sentence = self._sentences[place]
        best = sorted(sentence.found, key=lambda one: (one.ended, one.value), reverse=True)
        return [self._traced(place, one) for one in best[: sentence.settings.n_best]]

    def _remember(self, attention: NDArray[np.float32] | None) -> None:
        for place, sentence in enumerate(self._sentences):
            if sentence.attention is not None and attention is not None:
                sentence.attention.append(attention[place, :, : sentence.length].copy())

    def _finish(
        self,
        values: NDArray[np.float64],
        parents: NDArray[np.int64],
        ended: NDArray[np.bool_],
        attention: NDArray[np.float32] | None,
    ) -> None:
        """Note the hypotheses whose END is among the best W of their sentence."""
        places, ranks = np.nonzero(ended & (values > -np.inf))
        if not len(places):
            return
        rows, origins, totals = self._rows, parents[places, ranks], values[places, ranks]
        worth = totals / _normaliser(rows.made[places] + 1, rows.alpha[places])
        if rows.coverage.shape[2] and attention is not None:
            size = attention.shape[2]
            covered = rows.coverage[places, origins]
            covered[:, :size] += attention[places, origins][:, : covered.shape[1]]
            worth += rows.beta[places] * np.log(covered.clip(_LEAST_COVERAGE, 1)).sum(1)
        for place, origin, total, value in zip(
            places.tolist(), origins.tolist(), totals.tolist(), worth.tolist(), strict=True
        ):
            sentence = self._sentences[place]
            sentence.found.append(_Found(True, value, total, int(rows.made[place]), origin))
            rows.worst[place] = sentence.worst()

    def _go_on(
        self, chosen: Advanced, scores: NDArray[np.float64], attention: NDArray[np.float32] | None
    ) -> NDArray[np.bool_]:
        """Take the W best that go on; returns which sentences [N] are done."""
        rows = self._rows
        alive = (scores > -np.inf).any(1)
        for place in np.nonzero(~alive)[0].tolist():
            if not self._sentences[place].found:
                self._cut(place, rows.scores[place])
        everyone = np.arange(len(self))
        rows.tokens[everyone, rows.made] = chosen.tokens
        rows.parents[everyone, rows.made] = chosen.parents
        rows.scores = scores
        rows.made += 1
        self._repetition.advance(chosen.parents, chosen.tokens)
        if rows.coverage.shape[2] and attention is not None:
            size = min(attention.shape[2], rows.coverage.shape[2])
            rows.coverage[:, :, :size] += attention[:, :, :size]
            rows.coverage = np.take_along_axis(rows.coverage, chosen.parents[:, :, None], 1)
        at_longest = rows.made >= rows.longest
        for place in np.nonzero(at_longest & alive)[0].tolist():
            self._cut(place, scores[place])
        # Log-probabilities only fall, so this is the most that a hypothesis can come to; coverage can only lower it.
        hope = scores.max(1) / _normaliser(rows.longest + 1, rows.alpha)
        enough = np.array([sum(one.ended for one in sentence.found) >= self.width for sentence in self._sentences])
        done: NDArray[np.bool_] = ~alive | at_longest | enough | (rows.worst >= hope)
        return done

    def _cut(self, place: int, scores: NDArray[np.float64]) -> None:
        """Note the hypotheses of a sentence as they are, without END."""
        rows, made = self._rows, int(self._rows.made[place])
        normaliser = float(_normaliser(rows.made[place], rows.alpha[place]))
        for row, total in enumerate(scores.tolist()):
            if total > -np.inf and made:
                self._sentences[place].found.append(_Found(False, total / normaliser, total, made, row))

    def _traced(self, place: int, found: _Found) -> Hypothesis:
        """Follow a finished hypothesis back to its beginning."""
        tokens, attention = [], []
        seen, row = self._sentences[place].attention or None, found.row
        if seen and found.ended:
            attention.append(seen[found.made][row])
        for step in reversed(range(found.made)):
            tokens.append(int(self._rows.tokens[place, step, row]))
            row = int(self._rows.parents[place, step, row])
            if seen:
                attention.append(seen[step][row])
        pieces = found.made + found.ended
        return Hypothesis(
            tuple(reversed(tokens)), found.total / pieces, np.stack(attention[::-1]) if attention else None
        )


def _normaliser(pieces: NDArray[np.int64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """lp(Y) of eq. 14."""
    value: NDArray[np.float64] = ((5.0 + pieces) / 6.0) ** alpha
    return value


def _taken(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    return np.take_along_axis(values, places, 1)
