"""Beam search against exhaustive search, its settings and its repetition guard."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from service.decoding import BeamSearch, Hypothesis, SearchSettings, search
from service.decoding.graph_io import END
from service.decoding.repetition import RepetitionGuard
from tests.support.decoder_graphs import PIECES, RandomModel, sources


def total(model: RandomModel, source: Sequence[int], target: Sequence[int]) -> float:
    """The log-probability of a whole target."""
    pieces = [*target, END]
    return float(sum(model.log_probs(source, pieces[:index])[piece] for index, piece in enumerate(pieces)))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best_of_all_targets(alpha: float) -> None:
    model = RandomModel(3, end=2.0)
    settings = SearchSettings(beam_size=200, n_best=3, length_penalty=alpha, max_length_factor=0, max_length_extra=3)
    for source in sources(5):
        candidates = [
            (total(model, source, target) / ((6 + len(target)) / 6) ** alpha, target)
            for length in range(4)
            for target in itertools.product(range(4, PIECES), repeat=length)
        ]
        best = [target for _, target in sorted(candidates, reverse=True)[:3] if len(target) < 3]
        (hypotheses,) = search(*model.graphs(), [source], settings)
        ended = [hypothesis.tokens for hypothesis in hypotheses if len(hypothesis.tokens) < 3]
        assert ended[: len(best)] == best


def test_a_score_is_the_mean_log_probability_of_a_piece() -> None:
    model, sentences = RandomModel(1), sources(20, seed=1)
    settings = SearchSettings(beam_size=4, n_best=4, length_penalty=0.7, coverage_penalty=0.2)
    for source, hypotheses in zip(sentences, search(*model.graphs(), sentences, settings), strict=True):
        for hypothesis in hypotheses:
            if len(hypothesis.tokens) < settings.max_target_length(len(source)):
                assert hypothesis.score == pytest.approx(
                    total(model, source, hypothesis.tokens) / (len(hypothesis.tokens) + 1), abs=1e-5
                )


def test_hypotheses_are_distinct_and_in_order() -> None:
    model, sentences = RandomModel(2, end=3.0), sources(20, seed=2)
    for hypotheses in search(*model.graphs(), sentences, SearchSettings(beam_size=6, n_best=6, length_penalty=0)):
        totals = [hypothesis.score * (len(hypothesis.tokens) + 1) for hypothesis in hypotheses]
        assert len({hypothesis.tokens for hypothesis in hypotheses}) == len(hypotheses)
        assert totals == sorted(totals, reverse=True)


def test_a_higher_length_penalty_favors_longer_targets() -> None:
    model, sentences = RandomModel(4), sources(30, seed=3)
    lengths = [
        sum(
            len(hypotheses[0].tokens)
            for hypotheses in search(*model.graphs(), sentences, SearchSettings(length_penalty=alpha))
        )
        for alpha in (0.0, 1.0, 2.0)
    ]
    assert lengths[0] < lengths[1] < lengths[2]


def test_the_coverage_penalty_raises_coverage() -> None:
    model, sentences = RandomModel(4), sources(30, seed=3)

    def coverage(beta: float) -> float:
        results = search(
            *model.graphs(), sentences, SearchSettings(length_penalty=1, coverage_penalty=beta), wants_attention=True
        )
        return float(np.mean([_attention(best[0]).sum(0).clip(0, 1).mean() for best in results]))

    assert coverage(0.0) < coverage(0.5)


def _attention(hypothesis: Hypothesis) -> np.ndarray:
    assert hypothesis.attention is not None
    return hypothesis.attention


def test_attention_is_that_of_the_hypothesis() -> None:
    model, sentences = RandomModel(5), sources(20, seed=4)
    for source, hypotheses in zip(
        sentences, search(*model.graphs(), sentences, SearchSettings(), wants_attention=True), strict=True
    ):
        attention = _attention(hypotheses[0])
        assert attention.shape[1] == len(source) + 1
        assert len(attention) - len(hypotheses[0].tokens) in (0, 1)
        assert attention.argmax(1).tolist() == [index % (len(source) + 1) for index in range(len(attention))]


def test_no_attention_unless_requested_and_available() -> None:
    for model, wants in ((RandomModel(), False), (RandomModel(attention=False), True)):
        results = search(*model.graphs(), sources(3), SearchSettings(coverage_penalty=0.1), wants_attention=wants)
        assert all(hypothesis.attention is None for best in results for hypothesis in best)


def test_targets_keep_to_the_maximum_length() -> None:
    model, sentences = RandomModel(6, end=-9.0), sources(20, seed=5)
    settings = SearchSettings(beam_size=3, n_best=3, max_length_factor=1.5, max_length_extra=2)
    for source, hypotheses in zip(sentences, search(*model.graphs(), sentences, settings), strict=True):
        assert 1 <= max(len(hypothesis.tokens) for hypothesis in hypotheses) <= int(1.5 * len(source)) + 2


@pytest.mark.parametrize("width", [1, 4])
def test_no_block_is_repeated_four_times(width: int) -> None:
    model = RandomModel(7, end=-9.0)
    model.by_last[4, 5] = model.by_last[5, 6] = model.by_last[6, 4] = 9  # 4 5 6 4 5 6 …
    settings = SearchSettings(beam_size=width, max_length_extra=60)
    for hypotheses in search(*model.graphs(), sources(10, seed=6), settings):
        pieces = hypotheses[0].tokens
        assert len(pieces) > 40
        for size in range(1, 9):
            for start in range(len(pieces) - 4 * size + 1):
                assert pieces[start : start + size] * 4 != pieces[start : start + 4 * size]


def test_a_block_may_be_repeated_three_times() -> None:
    guard = RepetitionGuard.start(1, 1)
    parents, candidates = np.zeros((1, 1), np.int64), np.array([[[4, 5]]], np.int32)
    for piece in (4, 5, 4, 5, 4, 5):
        assert guard.blocked(candidates) is None
        guard.advance(parents, np.array([[piece]], np.int32))
    assert guard.blocked(candidates) is None  # 4 may begin another block
    guard.advance(parents, np.array([[4]], np.int32))
    refused = guard.blocked(candidates)
    assert refused is not None
    assert refused.tolist() == [[[False, True]]]


def test_log_probabilities_that_are_nan_end_the_search_without_a_hypothesis() -> None:
    beam = BeamSearch([3, 3], [SearchSettings(beam_size=2)] * 2)
    log_probs = np.log(np.full((2, 2, 5), 0.2, np.float32))
    log_probs[0] = np.nan
    candidates = np.tile(np.arange(3, 8, dtype=np.int32), (2, 2, 1))
    assert beam.advance(log_probs, candidates).done.tolist() == [True, False]
    assert beam.hypotheses(0) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_size": 0}, "beam_size is 0; it must be at least 1"),
        ({"beam_size": 2, "n_best": 3}, "n_best is 3; it must be from 1 to beam_size, 2"),
        ({"n_best": 0}, "n_best is 0"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchSettings(**settings)
