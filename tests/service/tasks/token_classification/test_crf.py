"""Decoding of a linear-chain CRF against the enumeration of all paths."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.tasks.token_classification.crf import FORBIDDEN, Decoded, decode, marginals, viterbi


def random_problem(seed: int, batch: int, time: int, size: int, scale: float = 2.0) -> tuple[Any, Any, Any]:
    """Random emissions, lengths (at least one equal to `time`) and transitions, some of them forbidden."""
    random = np.random.default_rng(seed)
    emissions = random.normal(0, scale, (batch, time, size)).astype(np.float32)
    lengths = random.integers(1, time + 1, batch)
    lengths[0] = time
    transitions = random.normal(0, 1, (size + 2, size)).astype(np.float32)
    forbidden = random.random((size + 2, size)) < 0.2
    forbidden[:, 0] = False  # the first tag is always allowed, so a path exists
    forbidden[0, :] = False
    transitions[forbidden] = FORBIDDEN
    return emissions, lengths, transitions


def enumerate_paths(
    emissions: NDArray[Any], transitions: NDArray[Any]
) -> tuple[tuple[int, ...], NDArray[Any], dict[Any, float]]:
    """The best path of one sentence [T, K], its marginals [T, K], and the probability of every path."""
    time, size = emissions.shape
    scores = {}
    for path in product(range(size), repeat=time):
        total = float(transitions[size, path[0]]) + float(transitions[size + 1, path[-1]])
        total += sum(float(emissions[t, tag]) for t, tag in enumerate(path))
        total += sum(float(transitions[left, right]) for left, right in pairwise(path))
        scores[path] = total
    highest = max(scores.values())
    weights = {path: np.exp(score - highest) for path, score in scores.items()}
    partition = sum(weights.values())
    probabilities = np.zeros((time, size))
    for path, weight in weights.items():
        probabilities[np.arange(time), path] += weight / partition
    best = max(scores, key=lambda path: scores[path])
    return best, probabilities, {path: weight / partition for path, weight in weights.items()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("time", [1, 5])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_against_every_path(seed: int, batch: int, time: int, size: int) -> None:
    emissions, lengths, transitions = random_problem(seed, batch, time, size)
    decoded = decode(emissions, lengths, transitions)
    probabilities = marginals(emissions, lengths, transitions)
    for row, length in enumerate(lengths):
        best, expected, paths = enumerate_paths(emissions[row, :length], transitions)
        assert tuple(decoded.tags[row, :length]) == best
        np.testing.assert_allclose(probabilities[row, :length], expected, atol=1e-6)
        np.testing.assert_allclose(decoded.scores[row, :length], expected[np.arange(length), best], atol=1e-6)
        assert not decoded.tags[row, length:].any()
        assert not decoded.scores[row, length:].any()
        assert not probabilities[row, length:].any()
        for start in range(length):
            for end in range(start + 1, length + 1):
                span = sum(p for path, p in paths.items() if path[start:end] == best[start:end])
                assert decoded.span_score(row, start, end) == pytest.approx(span, abs=1e-6)


def test_viterbi_and_marginals_agree_with_decode() -> None:
    emissions, lengths, transitions = random_problem(7, 9, 12, 6)
    decoded = decode(emissions, lengths, transitions)
    np.testing.assert_array_equal(decoded.tags, viterbi(emissions, lengths, transitions))
    chosen = np.take_along_axis(marginals(emissions, lengths, transitions), decoded.tags[..., None], 2)[..., 0]
    inside = np.arange(12) < lengths[:, None]
    np.testing.assert_array_equal(decoded.scores[inside], chosen[inside])


@pytest.mark.parametrize("crf", [True, False])
def test_padding_changes_no_bit_and_batch_mates_no_answer(crf: bool) -> None:
    emissions, lengths, transitions = random_problem(3, 8, 20, 17)
    transitions = transitions if crf else None
    together = decode(emissions, lengths, transitions)
    padded = np.full((8, 31, 17), 1e30, np.float32)
    padded[:, :20] = emissions
    wider = decode(padded, lengths, transitions)
    for field in ("tags", "scores", "continuations"):
        np.testing.assert_array_equal(getattr(wider, field)[:, :20], getattr(together, field))
    for row, length in enumerate(lengths):
        alone = decode(emissions[row : row + 1, :length], lengths[row : row + 1], transitions)
        np.testing.assert_array_equal(alone.tags[0], together.tags[row, :length])
        np.testing.assert_allclose(alone.scores[0], together.scores[row, :length], rtol=1e-6, atol=1e-12)


def test_without_transitions_it_is_a_softmax() -> None:
    emissions = np.log(np.array([[[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]], np.float32))
    decoded = decode(emissions, np.array([2]), None)
    assert decoded.tags.tolist() == [[1, 0]]
    np.testing.assert_allclose(decoded.scores, [[0.5, 0.6]], rtol=1e-6)
    assert decoded.span_score(0, 0, 2) == pytest.approx(0.3)
    np.testing.assert_allclose(marginals(emissions, np.array([2]), None), np.exp(emissions), rtol=1e-6)
    assert viterbi(emissions, np.array([1]), None).tolist() == [[1, 0]]


def test_ties_go_to_the_lowest_tag() -> None:
    emissions, lengths = np.zeros((2, 3, 4), np.float32), np.array([3, 1])
    for transitions in (np.zeros((6, 4), np.float32), None):
        assert viterbi(emissions, lengths, transitions).tolist() == [[0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(decode(emissions, lengths, np.zeros((6, 4), np.float32)).scores[0], 0.25)


def test_the_only_allowed_path_is_taken() -> None:
    """However strongly the emissions favor another."""
    transitions = np.full((5, 3), FORBIDDEN, np.float32)
    transitions[3, 2] = transitions[2, 0] = transitions[0, 1] = transitions[4, 1] = 0
    for high in (0.0, 50.0, 1e5, 1e9):
        emissions = np.zeros((1, 3, 3), np.float32)
        emissions[:, :, 2] = -high
        decoded = decode(emissions, np.array([3]), transitions)
        assert decoded.tags.tolist() == [[2, 0, 1]], high
        np.testing.assert_allclose(decoded.scores, 1, rtol=1e-6)
        assert decoded.span_score(0, 0, 3) == pytest.approx(1)


def test_without_an_allowed_path_there_is_still_an_answer() -> None:
    emissions, lengths, _ = random_problem(1, 2, 4, 3)
    decoded = decode(emissions, lengths, np.full((5, 3), FORBIDDEN, np.float32))
    np.testing.assert_array_equal(decoded.tags[0], emissions[0].argmax(1))
    assert np.isfinite(decoded.scores).all()


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e7])
def test_large_emissions(scale: float) -> None:
    emissions, lengths, transitions = random_problem(5, 4, 5, 3, scale)
    scores = np.where(transitions <= FORBIDDEN, -1e12, transitions)
    decoded = decode(emissions, lengths, transitions)
    for row, length in enumerate(lengths):
        best, expected, _ = enumerate_paths(emissions[row, :length], scores)
        assert tuple(decoded.tags[row, :length]) == best
        np.testing.assert_allclose(decoded.scores[row, :length], expected[np.arange(length), best], atol=1e-6)
    assert (decoded.scores <= 1).all()


def test_a_long_confident_sentence() -> None:
    """A thousand tokens, the path forced against emissions that underflow together, not one by one."""
    emissions = np.zeros((2, 1000, 2), np.float32)
    emissions[:, :, 0] = -30
    transitions = np.array([[0, FORBIDDEN], [FORBIDDEN, 0], [0, 0], [0, FORBIDDEN]], np.float32)
    decoded = decode(emissions, np.array([1000, 3]), transitions)
    assert not decoded.tags.any()
    np.testing.assert_allclose(decoded.scores[0], 1)
    np.testing.assert_allclose(decoded.scores[1], [1, 1, 1, *[0] * 997])


def test_log_space_agrees_with_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    emissions, lengths, transitions = random_problem(11, 6, 15, 5)
    fast = decode(emissions, lengths, transitions)
    all_fast = marginals(emissions, lengths, transitions)
    monkeypatch.setattr("service.tasks.token_classification.crf._MIN_MASS", np.inf)
    slow = decode(emissions, lengths, transitions)
    np.testing.assert_array_equal(slow.tags, fast.tags)
    np.testing.assert_allclose(slow.scores, fast.scores, rtol=1e-6)
    np.testing.assert_allclose(slow.continuations, fast.continuations, rtol=1e-6)
    np.testing.assert_allclose(marginals(emissions, lengths, transitions), all_fast, rtol=1e-6, atol=1e-12)


def test_many_labels_are_computed_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    emissions, lengths, transitions = random_problem(12, 7, 9, 4)
    monkeypatch.setattr("service.tasks.token_classification.crf._MIN_MASS", np.inf)  # log space, too
    at_once = decode(emissions, lengths, transitions)
    for sentences in (1, 3):
        monkeypatch.setattr("service.tasks.token_classification.crf._MAX_SCORES", sentences * 16)
        in_parts = decode(emissions, lengths, transitions)
        np.testing.assert_array_equal(in_parts.tags, at_once.tags)
        np.testing.assert_allclose(in_parts.scores, at_once.scores, rtol=1e-12)
        np.testing.assert_allclose(in_parts.continuations, at_once.continuations, rtol=1e-12)


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 4, 3), (2, 0, 3), (2, 3, 3)])
def test_nothing_to_decode(crf: bool, shape: tuple[int, int, int]) -> None:
    transitions = np.zeros((5, 3), np.float32) if crf else None
    lengths = np.zeros(shape[0], np.int32)
    decoded: Decoded = decode(np.zeros(shape, np.float32), lengths, transitions)
    assert decoded.tags.shape == decoded.scores.shape == shape[:2]
    assert not decoded.scores.any()


def test_types() -> None:
    emissions, lengths, transitions = random_problem(2, 2, 3, 4)
    decoded = decode(emissions, lengths.astype(np.int32), transitions)
    assert (decoded.tags.dtype, decoded.scores.dtype) == (np.int32, np.float32)
    with pytest.raises(ValueError, match="for 4 tags they must be"):
        decode(emissions, lengths, transitions[:-1])
