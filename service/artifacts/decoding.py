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
    return Decoded(
        _by_sentence(chain, tags).astype(np.int32),
        _by_sentence(chain, _taken(found, tags)).astype(np.float32),
        _by_sentence(chain, next_given).astype(np.float32),
    )


def viterbi(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> NDArray[np.int32]:
    """The best tags [B, T]; of equally good ones the lowest, from the last token on; 0 beyond the length."""
    chain = _chain(emissions_BTK, lengths_B, transitions)
    return _by_sentence(chain, _best(chain)).astype(np.int32)


def marginals(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """The probability of each tag at each token [B, T, K]; 0 beyond the length."""
    chain = _chain(emissions_BTK, lengths_B, transitions)
    return _by_sentence(chain, _probabilities(chain)[0]).astype(np.float32)


def span_scores(decoded: Decoded, spans: Sequence[Sequence[tuple[int, int]]]) -> list[list[float]]:
    """`Decoded.span_score` of the spans [start, end) of each sentence."""
    return [[decoded.span_score(sentence, start, end) for start, end in found] for sentence, found in enumerate(spans)]


@dataclass(frozen=True, eq=False)
class _Chain:
    """A batch with time first, so that a step is one block of memory."""

    emissions: NDArray[np.float64]
    """[T, B, K]; 0 beyond the length."""
    inside: NDArray[np.bool_]
    """[T, B]: whether there is a token."""
    last: NDArray[np.int64]
    """[B]: the place of the last token."""
    transitions: NDArray[np.float64] | None
    """[K+2, K] with `_NEVER` where forbidden."""


def _chain(
    emissions: NDArray[np.float32], lengths: NDArray[np.integer[Any]], transitions: NDArray[np.float32] | None
) -> _Chain:
    _, time, size = emissions.shape
    if transitions is not None and transitions.shape != (size + 2, size):
        raise ValueError(f"transitions are {transitions.shape}; for {size} tags they must be {(size + 2, size)}")
    inside = np.arange(time)[:, None] < lengths
    kept = np.zeros((time, len(emissions), size))
    np.copyto(kept, emissions.transpose(1, 0, 2), where=inside[:, :, None])
    last = np.maximum(lengths.astype(np.int64) - 1, 0)
    if transitions is None:
        return _Chain(kept, inside, last, None)
    return _Chain(kept, inside, last, np.where(transitions <= FORBIDDEN, _NEVER, transitions.astype(np.float64)))


def _best(chain: _Chain) -> NDArray[np.int64]:
    """Viterbi: tags [T, B]. Back pointers are found again on the way back, for the tags on the way only."""
    if chain.transitions is None:
        found: NDArray[np.int64] = chain.emissions.argmax(2)
        return found
    time, batch, size = chain.emissions.shape
    tags = np.zeros((time, batch), np.int64)
    if not time:
        return tags
    steps, start, end = chain.transitions[:-2], chain.transitions[-2], chain.transitions[-1]
    scores = chain.emissions.transpose(0, 2, 1).copy()  # [T, K, B]: the longest loops are innermost
    scores[0] += start[:, None]
    wide, ways = np.repeat(steps[:, :, None], batch, 2), np.empty((size, size, batch))
    for before, at in pairwise(scores):
        np.add(before[:, None], wide, out=ways)
        at += np.maximum.reduce(ways, 0)
    back, into = np.ascontiguousarray(scores.transpose(0, 2, 1)), np.ascontiguousarray(steps.T)
    final = (back[chain.last, np.arange(batch)] + end).argmax(1)
    tag = tags[-1] = final
    for t in range(time - 2, -1, -1):
        tag = tags[t] = np.where(t < chain.last, (back[t] + into[tag]).argmax(1), final)
    return tags


def _probabilities(
    chain: _Chain, tags: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Marginals [T, B, K] and, of `tags` [T, B], the probability of each given the one before it (0 at the first)."""
    if chain.transitions is None:
        found = _exp(chain.emissions, 2)
        found /= found.sum(2, keepdims=True)
        return found, None if tags is None else _taken(found, tags)
    before, onward, lost = _messages(chain)
    with np.errstate(divide="ignore", invalid="ignore"):  # of sentences that are done again, and of padding
        found = before * onward
        found /= found.sum(2, keepdims=True)
        next_given = None if tags is None else _next_given(onward, _exp(chain.transitions[:-2]), tags)
    if lost.any():
        again = _Chain(chain.emissions[:, lost], chain.inside[:, lost], chain.last[lost], chain.transitions)
        found[:, lost], exact = _with_logarithms(again, None if tags is None else tags[:, lost])
        if next_given is not None:
            next_given[:, lost] = exact
    return found, next_given


def _messages(chain: _Chain) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """What each token is told from the left, and of itself and from the right together, [T, B, K]; which [B] are lost.

    Forward and backward are one loop: backward is forward through the reversed sentence. A step is divided by its sum,
    which cancels in every probability. A sentence is lost where so much underflowed that it could matter.
    """
    assert chain.transitions is not None
    time, batch, size = chain.emissions.shape
    there, sentences = np.arange(time)[:, None], np.arange(batch)
    mirrored = np.where(chain.inside, chain.last - there, there)
    both = np.empty((time, 2, batch, size))
    both[:, 0] = _exp(chain.emissions, 2)
    both[:, 1] = both[mirrored, 0, sentences]
    steps = _exp(chain.transitions[:-2])
    matrices, told, sums = np.stack([steps, steps.T]), np.empty_like(both), np.ones((time, 2, batch, 1))
    told[:1] = _exp(chain.transitions[-2:], 1)[:, None]
    state = np.empty((2, batch, size))
    with np.errstate(divide="ignore", invalid="ignore"):
        for t in range(time):
            if t:
                np.matmul(state, matrices, out=told[t])
            np.multiply(told[t], both[t], out=state)
            state /= np.add.reduce(state, axis=2, out=sums[t], keepdims=True)
        before, onward = told[:, 0], told[mirrored, 1, sentences]
        onward *= both[:, 0]
        mass = np.einsum("tbk,tbk->tb", before, onward) / sums[:, 0, :, 0]
    kept = (mass >= _LEAST_MASS) & (sums[..., 0] >= _LEAST_STEP).all(1)
    return before, onward, (~kept & chain.inside).any(0)


def _next_given(
    onward: NDArray[np.float64], steps: NDArray[np.float64], tags: NDArray[np.int64]
) -> NDArray[np.float64]:
    found = np.zeros(tags.shape)
    ways = steps[tags[:-1]] * onward[1:]
    found[1:] = _taken(ways, tags[1:]) / ways.sum(2)
    return found


def _with_logarithms(
    chain: _Chain, tags: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """`_probabilities`, slower, of emissions or transitions so far apart that their exponentials vanish."""
    assert chain.transitions is not None
    steps, start, end = chain.transitions[:-2], chain.transitions[-2], chain.transitions[-1]
    told, onward = np.empty_like(chain.emissions), np.empty_like(chain.emissions)
    told[:1] = start
    for t in range(1, len(told)):
        told[t] = _log_sum((told[t - 1] + chain.emissions[t - 1])[:, :, None] + steps, 1)
    for t in range(len(told) - 1, -1, -1):
        after = end if t == len(told) - 1 else _log_sum(onward[t + 1][:, None, :] + steps, 2)
        onward[t] = chain.emissions[t] + np.where((t < chain.last)[:, None], after, end)
    found = _exp(told + onward, 2)
    found /= found.sum(2, keepdims=True)
    if tags is None:
        return found, None
    next_given = np.zeros(tags.shape)
    ways = _exp(steps[tags[:-1]] + onward[1:], 2)
    next_given[1:] = _taken(ways, tags[1:]) / ways.sum(2)
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
    """Of values [T, B, K] those of the tags [T, B]."""
    taken: NDArray[np.float64] = np.take_along_axis(values, tags[:, :, None], 2)[:, :, 0]
    return taken


def _by_sentence(chain: _Chain, values: NDArray[Any]) -> NDArray[Any]:
    """[T, B, …] as [B, T, …], 0 beyond the length."""
    inside = chain.inside.reshape(chain.inside.shape + (1,) * (values.ndim - 2))
    return np.ascontiguousarray(np.where(inside, values, 0).swapaxes(0, 1))
