"""Greedy search gives what a beam search with a beam of 1 gives, bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from service.decoding import SearchSettings
from service.decoding.base import Hypothesis, Search
from service.decoding.beam_search import BeamSearch
from service.decoding.graph_io import END
from service.decoding.greedy_search import GreedySearch

CANDIDATES = 4
PIECES = 9


def same(one: list[Hypothesis], other: list[Hypothesis]) -> None:
    """Raise unless both are the same to the last bit."""
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert (left.tokens, left.score, left.has_end) == (right.tokens, right.score, right.has_end)
        for name in ("attention", "coverage"):
            ours, theirs = getattr(left, name), getattr(right, name)
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)


def drawn(random: np.random.Generator, count: int, faulty: float) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and candidates [N, 1, k] as a graph returns them; some are NaN or minus infinity."""
    scores = -np.sort(random.exponential(1, (count, 1, CANDIDATES))).astype(np.float32)
    scores[random.random(scores.shape) < faulty] = np.nan
    scores[random.random(scores.shape) < faulty] = -np.inf
    pieces = np.array([random.permutation(np.arange(END, PIECES))[:CANDIDATES] for _ in range(count)], np.int32)
    return scores, pieces[:, None]


@pytest.mark.parametrize("has_attention", [True, False])
@pytest.mark.parametrize(
    ("seed", "faulty", "repeats"), [(0, 0.0, False), (1, 0.3, False), (2, 0.9, False), (3, 0, True)]
)
def test_it_is_a_beam_search_of_one_hypothesis(seed: int, faulty: float, repeats: bool, has_attention: bool) -> None:
    random = np.random.default_rng(seed)
    searches: list[Search] = []
    total = 0
    for _ in range(60):
        count = int(random.integers(1, 4))
        lengths = random.integers(2, 12, count).tolist()
        penalty = SearchSettings(beam_size=1, length_penalty=0.7, coverage_penalty=0.2, max_length_factor=1.5)
        settings = [
            dataclasses.replace(penalty, max_length_extra=int(extra)) for extra in random.integers(0, 30, count)
        ]
        wants = (random.random(count) < 0.5).tolist() if has_attention else [False] * count
        pair = [cls(lengths, settings, wants, has_attention=has_attention) for cls in (BeamSearch, GreedySearch)]
        searches = [one.join(other) for one, other in zip(searches, pair, strict=True)] if searches else pair  # type: ignore[arg-type]
        for _ in range(3):
            count = len(searches[0])
            scores, pieces = drawn(random, count, faulty)
            if repeats:  # the same token would come without end
                pieces = np.tile(np.arange(END + 1, END + 1 + CANDIDATES, dtype=np.int32), (count, 1, 1))
            attention = random.random((count, 1, int(random.integers(11, 14)))).astype(np.float32)
            steps = [search.advance(scores.copy(), pieces, attention if has_attention else None) for search in searches]
            np.testing.assert_array_equal(steps[0].done, steps[1].done)
            np.testing.assert_array_equal(steps[0].parents, steps[1].parents)
            np.testing.assert_array_equal(*(search.target_lengths for search in searches))
            done = np.nonzero(steps[0].done)[0].tolist()
            for index in done:
                same(searches[0].hypotheses(index), searches[1].hypotheses(index))
            total += len(done)
            going = np.nonzero(~steps[0].done)[0]
            np.testing.assert_array_equal(steps[0].tokens[going], steps[1].tokens[going])
            searches = [search.select(going) for search in searches]
            if not len(going):
                searches = []
                break
    assert total > 50
