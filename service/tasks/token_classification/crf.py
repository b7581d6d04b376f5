"""Viterbi decoding and forward-backward marginals of a linear-chain CRF, in numpy.

Lafferty, McCallum and Pereira 2001; Lample et al. 2016, section 2.2. Arguments throughout:

* emissions_BTK: the score of each of K tags at each token; entries beyond a sentence's length are never read.
* lengths_B: tokens of each sentence, at most T.
* transitions: [K+2, K]. Rows 0..K-1: from tag to tag; row K: starting with a tag; row K+1: ending with it. An entry of
  `FORBIDDEN` or less is only taken if no other path is left. None: no CRF, an independent softmax at each token.

Computed in float64. Neither the other sentences of a batch nor padding change an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.tasks.token_classification.packed_layout import PackedLayout

FORBIDDEN = -1e4

_FORBIDDEN_SCORE = -1e12
"""Score of a forbidden transition in the computation: more than emissions can outweigh."""

_STEPS_PER_SCALING = 8
"""The messages are divided by their sums once in so many time steps, in which they hardly ever shrink too far."""

_MIN_STEP_SUM, _MIN_MASS = 1e-200, 1e-90
"""Below these, an underflow could have mattered, and the sentence is recomputed in log space."""

_MAX_SCORES = 1 << 22
"""Scores [K, K] of several sentences that are computed at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """The best tags of a batch and their probabilities under the CRF."""

    tags: NDArray[np.int32]
    """[B, T]; 0 beyond a sentence's length."""
    scores: NDArray[np.float32]
    """[B, T]: the marginal probability of each tag; 0 beyond the length."""
    continuations: NDArray[np.float32] | None
    """[B, T]: the probability of each tag given the previous token's tag; None if they were not asked for."""

    def span_score(self, sentence: int, start: int, end: int) -> float:
        """The probability under the CRF that the tokens [start, end) all have their decoded tags."""
        assert self.continuations is not None
        rest = self.continuations[sentence, start + 1 : end]
        return float(self.scores[sentence, start] * rest.prod(dtype=np.float64))


def decode(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
    *,
    with_continuations: bool = True,
) -> Decoded:
    """The best tags with their marginal probabilities and, for the scores of spans, their conditional ones."""
    batch = _pack(emissions_BTK, lengths_B, transitions)
    tags = _viterbi(batch)
    probabilities, continuations = _forward_backward(batch, tags if with_continuations else None)
    unpack, longest = batch.layout.unpack, emissions_BTK.shape[1]
    return Decoded(
        unpack(tags, longest, np.int32),
        unpack(_select(probabilities, tags), longest, np.float32),
        None if continuations is None else unpack(continuations, longest, np.float32),
    )


def viterbi(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> NDArray[np.int32]:
    """The best tags [B, T], 0 beyond the length. Ties go to the lowest tag, decided from the last token backwards."""
    batch = _pack(emissions_BTK, lengths_B, transitions)
    return batch.layout.unpack(_viterbi(batch), emissions_BTK.shape[1], np.int32)


def marginals(
    emissions_BTK: NDArray[np.float32],  # noqa: N803
    lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    transitions: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """The marginal probability of each tag at each token [B, T, K]; 0 beyond the length."""
    batch = _pack(emissions_BTK, lengths_B, transitions)
    return batch.layout.unpack(_forward_backward(batch)[0], emissions_BTK.shape[1], np.float32)


@dataclass(frozen=True, eq=False)
class _PackedBatch:
    """A batch in packed layout."""

    layout: PackedLayout
    emissions: NDArray[np.float64]
    """[N, K]."""
    transitions: NDArray[np.float64] | None
    """[K+2, K], forbidden ones at `_FORBIDDEN_SCORE`."""


def _pack(
    emissions: NDArray[np.float32], lengths: NDArray[np.integer[Any]], transitions: NDArray[np.float32] | None
) -> _PackedBatch:
    size = emissions.shape[2]
    if transitions is not None and transitions.shape != (size + 2, size):
        raise ValueError(f"transitions are {transitions.shape}; for {size} tags they must be {(size + 2, size)}")
    layout = PackedLayout.of(lengths)
    packed = layout.pack(emissions).astype(np.float64)
    if transitions is None:
        return _PackedBatch(layout, packed, None)
    scores = np.where(transitions <= FORBIDDEN, _FORBIDDEN_SCORE, transitions.astype(np.float64))
    return _PackedBatch(layout, packed, scores)


def _viterbi(batch: _PackedBatch) -> NDArray[np.int64]:
    """The best tags [N]. Back-pointers are not stored but recomputed while backtracking, along the best path only."""
    if batch.transitions is None:
        tags: NDArray[np.int64] = batch.emissions.argmax(1)
        return tags
    bounds, into, end = batch.layout.bounds, np.ascontiguousarray(batch.transitions[:-2].T), batch.transitions[-1]
    scores, last = _path_scores(batch), batch.layout.last()
    tags = np.empty(len(scores), np.int64)
    tags[last] = (scores[last] + end).argmax(1)
    for before, after in reversed(list(_steps(bounds))):
        tags[before] = (scores[before] + into.take(tags[after], 0)).argmax(1)
    return tags


def _path_scores(batch: _PackedBatch) -> NDArray[np.float64]:
    """The score of the best path up to and into each tag of each token [N, K]."""
    assert batch.transitions is not None
    bounds, nonempty = batch.layout.bounds, batch.layout.nonempty
    between = batch.transitions[:-2]
    size = len(between)
    scores = batch.emissions.copy()
    scores[:nonempty] += batch.transitions[-2]
    buffer = np.empty(min(nonempty * between.size, max(_MAX_SCORES, between.size)))
    for before, after in _parts(bounds, between.size):
        previous = scores[before]
        # [from, sentence, to]: for many sentences faster than any other order, as the first axis is reduced.
        paths = buffer[: len(previous) * between.size].reshape(size, len(previous), size)
        np.add(previous.T[:, :, None], between[:, None], out=paths)
        scores[after] += np.maximum.reduce(paths, 0)
    return scores


def _forward_backward(
    batch: _PackedBatch, tags: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Marginals [N, K] and, for `tags` [N], the probability of each given its predecessor's tag (0 at the first)."""
    if batch.transitions is None:
        probabilities = _exp(batch.emissions, 1)
        probabilities /= probabilities.sum(1, keepdims=True)
        return probabilities, None if tags is None else _select(probabilities, tags)
    alpha, beta, underflowed = _messages(batch)
    with np.errstate(divide="ignore", invalid="ignore"):  # in sentences that are recomputed below
        probabilities = alpha * beta
        probabilities /= probabilities.sum(1, keepdims=True)
        continuations = None if tags is None else _continuations(batch, _exp(batch.transitions[:-2]), beta, tags)
    if underflowed.any():
        tokens = underflowed[batch.layout.columns]
        again = _PackedBatch(
            PackedLayout.of(batch.layout.lengths[underflowed]), batch.emissions[tokens], batch.transitions
        )
        probabilities[tokens], exact = _forward_backward_log(again, None if tags is None else tags[tokens])
        if continuations is not None:
            continuations[tokens] = exact
    return probabilities, continuations


def _messages(batch: _PackedBatch) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Forward and backward messages, alpha and beta [N, K], and the sentences [B] whose messages underflowed.

    Alpha leaves out a token's own emission and beta includes it, so that alpha * beta is proportional to the marginals.
    Both are computed in one loop: backward is forward through the reversed sentence. What they are divided by cancels
    in every probability.
    """
    assert batch.transitions is not None
    mirrored = batch.layout.mirrored()
    emissions = np.empty((2, *batch.emissions.shape))
    emissions[0] = _exp(batch.emissions, 1)
    emissions[1] = emissions[0, mirrored]
    between = _exp(batch.transitions[:-2])
    matrices = np.stack([between, between.T])
    messages = np.empty_like(emissions)
    messages[:, : batch.layout.nonempty] = _exp(batch.transitions[-2:], 1)[:, None]
    state = emissions[:, :0]
    with np.errstate(divide="ignore", invalid="ignore"):
        for step, (begin, stop) in enumerate(pairwise(batch.layout.bounds)):
            message = messages[:, begin:stop]
            if begin:
                np.matmul(state[:, : stop - begin], matrices, out=message)
            state = message * emissions[:, begin:stop]
            if step % _STEPS_PER_SCALING == 0:
                state /= np.add.reduce(state, axis=2, keepdims=True)
        states = messages * emissions
        sums = states.sum(2, keepdims=True)
        alpha, beta = messages[0] / sums[0], (states[1] / sums[1])[mirrored]
        mass = np.einsum("nk,nk->n", alpha, beta)
    is_exact = (mass >= _MIN_MASS) & (sums[..., 0] >= _MIN_STEP_SUM).all(0)
    underflowed = np.zeros(len(batch.layout.order), bool)
    underflowed[batch.layout.columns[~is_exact]] = True
    return alpha, beta, underflowed


def _continuations(
    batch: _PackedBatch, between: NDArray[np.float64], beta: NDArray[np.float64], tags: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The probability [N] of each tag given the previous token's tag; 0 at the first token."""
    probabilities, first = np.zeros(len(tags)), batch.layout.nonempty
    weights = between[tags[batch.layout.previous()]] * beta[first:]
    probabilities[first:] = _select(weights, tags[first:]) / weights.sum(1)
    return probabilities


def _forward_backward_log(
    batch: _PackedBatch, tags: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """`_forward_backward` in log space: slower, but exact for scores so far apart that their exponentials vanish."""
    assert batch.transitions is not None
    between, start, end = batch.transitions[:-2], batch.transitions[-2], batch.transitions[-1]
    bounds, nonempty = batch.layout.bounds, batch.layout.nonempty
    alpha, beta = np.empty_like(batch.emissions), batch.emissions + end
    alpha[:nonempty] = start
    parts = list(_parts(bounds, between.size))
    for before, after in parts:
        alpha[after] = _log_sum_exp((alpha[before] + batch.emissions[before])[:, :, None] + between, 1)
    for before, after in reversed(parts):
        beta[before] = batch.emissions[before] + _log_sum_exp(beta[after, None, :] + between, 2)
    probabilities = _exp(alpha + beta, 1)
    probabilities /= probabilities.sum(1, keepdims=True)
    if tags is None:
        return probabilities, None
    continuations = np.zeros(len(tags))
    weights = _exp(between[tags[batch.layout.previous()]] + beta[nonempty:], 1)
    continuations[nonempty:] = _select(weights, tags[nonempty:]) / weights.sum(1)
    return probabilities, continuations


def _steps(bounds: list[int]) -> Iterator[tuple[slice, slice]]:
    """For each time step but the first its tokens, after those that come before them in their sentences."""
    for previous, begin, stop in zip(bounds, bounds[1:], bounds[2:], strict=False):
        yield slice(previous, previous + stop - begin), slice(begin, stop)


def _parts(bounds: list[int], size: int) -> Iterator[tuple[slice, slice]]:
    """`_steps` in parts of so few sentences that their arrays of `size` scores for each stay within `_MAX_SCORES`."""
    most = max(1, _MAX_SCORES // size)
    if len(bounds) < 2 or bounds[1] <= most:  # No step has more sentences than the first.
        return _steps(bounds)
    return (
        (
            slice(before.start + first, min(before.start + first + most, before.stop)),
            slice(after.start + first, min(after.start + first + most, after.stop)),
        )
        for before, after in _steps(bounds)
        for first in range(0, after.stop - after.start, most)
    )


def _exp(values: NDArray[np.float64], axis: int | None = None) -> NDArray[np.float64]:
    """Exponentials, scaled so that the largest is 1."""
    shifted: NDArray[np.float64] = values - values.max(axis, keepdims=True, initial=-np.inf)
    return np.exp(shifted, out=shifted)


def _log_sum_exp(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    highest = values.max(axis, keepdims=True)
    summed: NDArray[np.float64] = np.log(np.exp(values - highest).sum(axis)) + highest.squeeze(axis)
    return summed


def _select(values: NDArray[np.float64], tags: NDArray[np.int64]) -> NDArray[np.float64]:
    """The entries [N] of values [N, K] at the tags [N]."""
    selected: NDArray[np.float64] = values[np.arange(len(tags)), tags]
    return selected
