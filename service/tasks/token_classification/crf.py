"""From emissions to tags with probabilities: Viterbi and forward-backward of a linear-chain CRF, in numpy.

Lafferty, McCallum and Pereira 2001; in Lample et al. 2016 section 2.2. Everywhere:

* emissions_BTK: a score of each of K tags for each token; what lies beyond a sentence's length is never read.
* lengths_B: tokens of each sentence, at most T.
* transitions: [K+2, K], rows 0..K-1 from tag -> to tag, row K to begin with a tag, row K+1 to end with it; an entry of
  `FORBIDDEN` or less is never taken while there is another way. None: no CRF, each token's softmax alone.

All is float64 inside. Neither batch mates nor padding change an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORBIDDEN = -1e4

_NEVER = -1e12
"""What a forbidden transition costs here: more than emissions can outweigh."""

_LEAST_STEP, _LEAST_MASS = 1e-200, 1e-90
"""Below these, what underflowed could have mattered, and the sentence is done again with logarithms."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """The best tags of a batch, with what the CRF says of them."""

    tags: NDArray[np.int32]
    """[B, T]; 0 beyond a sentence's length."""
    scores: NDArray[np.float32]
    """[B, T]: the marginal probability of each tag; 0 beyond the length."""
    continuations: NDArray[np.float32]
    """[B, T]: the probability of each tag given the one before it."""

    def span_score(self, sentence: int, start: int, end: int) -> float:
        """The probability under the CRF that the tokens [start, end) have the tags they were given."""
        rest = self.continuations[sentence, start + 1 : end]
        return float(self.scores[sentence, start] * rest.prod(dtype=np.float64))


def decode(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> Decoded:
    """The best tags, their marginals, and what the probabilities of spans are made of."""
    chain = _chain(emissions_BTK, lengths_B, transitions)
    tags = _best(chain)
    found, next_given = _probabilities(chain, tags)
    assert next_given is not None
    unpack, longest = chain.steps.unpack, emissions_BTK.shape[1]
    return Decoded(
        unpack(tags, longest, np.int32),
        unpack(_taken(found, tags), longest, np.float32),
        unpack(next_given, longest, np.float32),
    )


def viterbi(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> NDArray[np.int32]:
    """The best tags [B, T]; of equally good ones the lowest, from the last token on; 0 beyond the length."""
    chain = _chain(emissions_BTK, lengths_B, transitions)
    return chain.steps.unpack(_best(chain), emissions_BTK.shape[1], np.int32)


def marginals(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """The probability of each tag at each token [B, T, K]; 0 beyond the length."""
    chain = _chain(emissions_BTK, lengths_B, transitions)
    return chain.steps.unpack(_probabilities(chain)[0], emissions_BTK.shape[1], np.float32)


def span_scores(decoded: Decoded, spans: Sequence[Sequence[tuple[int, int]]]) -> list[list[float]]:
    """`Decoded.span_score` of the spans [start, end) of each sentence."""
    return [[decoded.span_score(sentence, start, end) for start, end in found] for sentence, found in enumerate(spans)]


@dataclass(frozen=True, eq=False)
class _Steps:
    """Where the N tokens of a batch are when they are packed: step by step through time, without padding.

    A step has the sentences that are that long, the longest first, so that what goes on is the beginning of the step
    before: column c of step t is token `bounds[t] + c`.
    """

    order: NDArray[np.int64]
    """[B]: which sentence is in which column."""
    lengths: NDArray[np.int64]
    """[B]: tokens by column, descending."""
    bounds: list[int]
    """[T+1]: where the steps begin and end."""
    times: NDArray[np.int64]
    """[N]: the step of each token."""
    columns: NDArray[np.int64]
    """[N]: its column."""

    @classmethod
    def of(cls, lengths: NDArray[np.integer[Any]]) -> _Steps:
        """The steps of sentences of these lengths."""
        order = np.argsort(-lengths.astype(np.int64), kind="stable")
        ordered = lengths.astype(np.int64)[order]
        longest = int(ordered.max(initial=0))
        counts = np.searchsorted(-ordered, -np.arange(longest), side="left")
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        times = np.repeat(np.arange(longest), counts)
        columns = np.arange(len(times)) - bounds[times]
        return cls(order, ordered, bounds.tolist(), times, columns)

    @property
    def some(self) -> int:
        """Sentences that have a token at all."""
        return self.bounds[1] if len(self.bounds) > 1 else 0

    def token(self, times: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which tokens are at these steps and columns."""
        return np.asarray(self.bounds)[times] + columns

    def last(self) -> NDArray[np.int64]:
        """The last token of every sentence that has one, by column."""
        columns = np.arange(self.some)
        return self.token(self.lengths[: self.some] - 1, columns)

    def mirrored(self) -> NDArray[np.int64]:
        """[N]: the token as far from the sentence's end as this one is from its beginning."""
        return self.token(self.lengths[self.columns] - 1 - self.times, self.columns)

    def previous(self) -> NDArray[np.int64]:
        """The token before each of those after the first step."""
        return self.token(self.times[self.some :] - 1, self.columns[self.some :])

    def pack(self, values: NDArray[Any]) -> NDArray[Any]:
        """[B, T, …] as [N, …]."""
        found: NDArray[Any] = values[self.order[self.columns], self.times]
        return found

    def unpack(self, values: NDArray[Any], longest: int, dtype: type[np.generic]) -> NDArray[Any]:
        """[N, …] as [B, T, …], 0 beyond the length."""
        found = np.zeros((len(self.order), longest, *values.shape[1:]), dtype)
        found[self.order[self.columns], self.times] = values
        return found


@dataclass(frozen=True, eq=False)
class _Chain:
    """A packed batch."""

    steps: _Steps
    emissions: NDArray[np.float64]
    """[N, K]."""
    transitions: NDArray[np.float64] | None
    """[K+2, K] with `_NEVER` where forbidden."""


def _chain(
    emissions: NDArray[np.float32], lengths: NDArray[np.integer[Any]], transitions: NDArray[np.float32] | None
) -> _Chain:
    size = emissions.shape[2]
    if transitions is not None and transitions.shape != (size + 2, size):
        raise ValueError(f"transitions are {transitions.shape}; for {size} tags they must be {(size + 2, size)}")
    steps = _Steps.of(lengths)
    packed = steps.pack(emissions).astype(np.float64)
    if transitions is None:
        return _Chain(steps, packed, None)
    return _Chain(steps, packed, np.where(transitions <= FORBIDDEN, _NEVER, transitions.astype(np.float64)))


def _best(chain: _Chain) -> NDArray[np.int64]:
    """Viterbi: tags [N]. Back pointers are found again on the way back, for the tags on the way only."""
    if chain.transitions is None:
        found: NDArray[np.int64] = chain.emissions.argmax(1)
        return found
    bounds, some = chain.steps.bounds, chain.steps.some
    ways_on, start, end = chain.transitions[:-2], chain.transitions[-2], chain.transitions[-1]
    scores = chain.emissions.T.copy()  # [K, N]: the longest loops are innermost
    scores[:, :some] += start[:, None]
    for before, at, after in zip(bounds, bounds[1:], bounds[2:], strict=False):
        ways = scores[:, None, before : before + after - at] + ways_on[:, :, None]
        scores[:, at:after] += np.maximum.reduce(ways, 0)
    back, into = np.ascontiguousarray(scores.T), np.ascontiguousarray(ways_on.T)
    final = (back[chain.steps.last()] + end).argmax(1)
    tags = np.empty(len(back), np.int64)
    going = 0  # sentences that have a token in the step after
    for at, after in reversed(list(pairwise(bounds))):
        tags[at + going : after] = final[going : after - at]
        if going:
            tags[at : at + going] = (back[at : at + going] + into[tags[after : after + going]]).argmax(1)
        going = after - at
    return tags


def _probabilities(
    chain: _Chain, tags: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Marginals [N, K] and, of `tags` [N], the probability of each given the one before it (0 at the first)."""
    if chain.transitions is None:
        found = _exp(chain.emissions, 1)
        found /= found.sum(1, keepdims=True)
        return found, None if tags is None else _taken(found, tags)
    before, onward, lost = _messages(chain)
    with np.errstate(divide="ignore", invalid="ignore"):  # of sentences that are done again
        found = before * onward
        found /= found.sum(1, keepdims=True)
        next_given = None if tags is None else _next_given(chain, _exp(chain.transitions[:-2]), onward, tags)
    if lost.any():
        tokens = lost[chain.steps.columns]
        again = _Chain(_Steps.of(chain.steps.lengths[lost]), chain.emissions[tokens], chain.transitions)
        found[tokens], exact = _with_logarithms(again, None if tags is None else tags[tokens])
        if next_given is not None:
            next_given[tokens] = exact
    return found, next_given


def _messages(chain: _Chain) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """What each token is told from the left, and of itself and from the right together, [N, K]; which [B] are lost.

    Forward and backward are one loop: backward is forward through the reversed sentence. A step is divided by its sum,
    which cancels in every probability. A sentence is lost where so much underflowed that it could matter.
    """
    assert chain.transitions is not None
    mirrored = chain.steps.mirrored()
    both = np.empty((2, *chain.emissions.shape))
    both[0] = _exp(chain.emissions, 1)
    both[1] = both[0, mirrored]
    ways_on = _exp(chain.transitions[:-2])
    matrices, told, sums = np.stack([ways_on, ways_on.T]), np.empty_like(both), np.empty((*both.shape[:2], 1))
    told[:, : chain.steps.some] = _exp(chain.transitions[-2:], 1)[:, None]
    state = both[:, :0]
    with np.errstate(divide="ignore", invalid="ignore"):
        for at, after in pairwise(chain.steps.bounds):
            if at:
                np.matmul(state[:, : after - at], matrices, out=told[:, at:after])
            state = told[:, at:after] * both[:, at:after]
            state /= np.add.reduce(state, axis=2, out=sums[:, at:after], keepdims=True)
        before, onward = told[0], told[1, mirrored]
        onward *= both[0]
        mass = np.einsum("nk,nk->n", before, onward) / sums[0, :, 0]
    kept = (mass >= _LEAST_MASS) & (sums[..., 0] >= _LEAST_STEP).all(0)
    lost = np.zeros(len(chain.steps.order), bool)
    lost[chain.steps.columns[~kept]] = True
    return before, onward, lost


def _next_given(
    chain: _Chain, ways_on: NDArray[np.float64], onward: NDArray[np.float64], tags: NDArray[np.int64]
) -> NDArray[np.float64]:
    found, first = np.zeros(len(tags)), chain.steps.some
    ways = ways_on[tags[chain.steps.previous()]] * onward[first:]
    found[first:] = _taken(ways, tags[first:]) / ways.sum(1)
    return found


def _with_logarithms(
    chain: _Chain, tags: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """`_probabilities`, slower, of emissions or transitions so far apart that their exponentials vanish."""
    assert chain.transitions is not None
    ways_on, start, end = chain.transitions[:-2], chain.transitions[-2], chain.transitions[-1]
    bounds, some = chain.steps.bounds, chain.steps.some
    told, onward = np.empty_like(chain.emissions), chain.emissions + end
    told[:some] = start
    for before, at, after in zip(bounds, bounds[1:], bounds[2:], strict=False):
        going = slice(before, before + after - at)
        told[at:after] = _log_sum((told[going] + chain.emissions[going])[:, :, None] + ways_on, 1)
    for before, at, after in reversed(list(zip(bounds, bounds[1:], bounds[2:], strict=False))):
        going = slice(before, before + after - at)
        onward[going] = chain.emissions[going] + _log_sum(onward[at:after, None, :] + ways_on, 2)
    found = _exp(told + onward, 1)
    found /= found.sum(1, keepdims=True)
    if tags is None:
        return found, None
    next_given = np.zeros(len(tags))
    ways = _exp(ways_on[tags[chain.steps.previous()]] + onward[some:], 1)
    next_given[some:] = _taken(ways, tags[some:]) / ways.sum(1)
    return found, next_given


def _exp(values: NDArray[np.float64], axis: int | None = None) -> NDArray[np.float64]:
    """Exponentials whose largest is 1."""
    shifted: NDArray[np.float64] = values - values.max(axis, keepdims=True, initial=-np.inf)
    return np.exp(shifted, out=shifted)


def _log_sum(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    highest = values.max(axis, keepdims=True)
    summed: NDArray[np.float64] = np.log(np.exp(values - highest).sum(axis)) + highest.squeeze(axis)
    return summed


def _taken(values: NDArray[np.float64], tags: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of values [N, K] those of the tags [N]."""
    taken: NDArray[np.float64] = values[np.arange(len(tags)), tags]
    return taken
