"""Beam search with the PyTorch network, by the step loop that serves, against an independent reference."""

from typing import Any

import numpy as np
import pytest
import torch

from service.decoding import Hypothesis, SearchSettings
from service.decoding import search as decode
from tests.support.reference_search import reference_search
from tests.support.translator_networks import KINDS, build_network, random_sources
from training.seq2seq.greedy import greedy
from training.seq2seq.network.model import Seq2Seq
from training.seq2seq.search import network_functions, search

pytestmark = pytest.mark.torch

_CPU = torch.device("cpu")


def build_exact_network(kind: str, **options: Any) -> Seq2Seq:
    """A network in double precision.

    Batches of other shapes sum in another order, which changes the last bits of a float32. A recurrent network with
    large random weights multiplies that from step to step, to 1e-5 and more where readouts are fed back.
    """
    return build_network(kind, **options).double()


def assert_equals_reference(
    results: list[list[Hypothesis]], network: Seq2Seq, sources: list[list[int]], settings: SearchSettings
) -> None:
    for source, hypotheses in zip(sources, results, strict=True):
        expected = reference_search(network, source, settings)
        assert [hypothesis.tokens for hypothesis in hypotheses] == [hypothesis.tokens for hypothesis in expected]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(
            [hypothesis.score for hypothesis in expected], abs=1e-6
        )
        for ours, theirs in zip(hypotheses, expected, strict=True):
            assert (ours.attention is None) == (theirs.attention is None)
            if ours.attention is not None and theirs.attention is not None:
                np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_equals_the_reference(kind: str) -> None:
    network, sources = build_exact_network(kind, spread=0.8), random_sources(30)
    settings = SearchSettings(beam_size=4, n_best=3)
    assert_equals_reference(search(network, sources, settings, wants_attention=True), network, sources, settings)


def test_sentences_that_join_others_half_way_equal_the_reference() -> None:
    network, sources = build_exact_network("bahdanau", spread=0.8), random_sources(30)
    settings = SearchSettings(beam_size=4, n_best=3)
    results = decode(*network_functions(network), sources, settings, wants_attention=True, max_hypotheses=20)
    assert_equals_reference(results, network, sources, settings)


@pytest.mark.parametrize(
    "settings",
    [
        SearchSettings(beam_size=1),
        SearchSettings(beam_size=2, n_best=2, length_penalty=0.0),
        SearchSettings(beam_size=5, n_best=5, coverage_penalty=0.3),
        SearchSettings(beam_size=12, n_best=4, length_penalty=1.6, coverage_penalty=0.1),
        SearchSettings(beam_size=3, max_length_factor=0.5, max_length_extra=2),
    ],
    ids=lambda settings: f"beam{settings.beam_size}",
)
@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_the_search_equals_the_reference_with_other_settings(settings: SearchSettings, spread: float) -> None:
    network, sources = build_exact_network("default", spread=spread, seed=3), random_sources(25, seed=1)
    assert_equals_reference(search(network, sources, settings, wants_attention=True), network, sources, settings)


def test_a_beam_of_one_is_greedy() -> None:
    network, sources = build_network("default", spread=0.4, seed=5), random_sources(40, seed=2)
    tokens = [best[0].tokens for best in search(network, sources, SearchSettings(beam_size=1))]
    likeliest = [tuple(pieces) for pieces in greedy(network, sources, _CPU)]
    same = [ours == theirs for ours, theirs in zip(tokens, likeliest, strict=True) if not _repeats_itself(theirs)]
    assert len(same) > 5
    assert all(same)


def _repeats_itself(pieces: tuple[int, ...]) -> bool:
    """Whether a block of pieces stands four times in a row: greedy in training has no guard."""
    return any(
        pieces[start : start + size] * 4 == pieces[start : start + 4 * size]
        for size in range(1, 9)
        for start in range(len(pieces) - 4 * size + 1)
    )


def test_a_wider_beam_finds_likelier_targets() -> None:
    network, sources = build_network("default", spread=0.5, seed=7), random_sources(40, seed=3)
    totals = []
    for width in (1, 8):
        results = search(network, sources, SearchSettings(beam_size=width, length_penalty=0))
        totals.append([best[0].score * (len(best[0].tokens) + 1) for best in results])
    assert np.mean(np.array(totals[1]) >= np.array(totals[0]) - 1e-6) > 0.9
    assert np.mean(totals[1]) > np.mean(totals[0])


def test_scores_are_those_of_the_network() -> None:
    network, sources = build_network("bahdanau", spread=0.4), random_sources(6, seed=4)
    results = search(network, sources, SearchSettings(beam_size=3), wants_attention=True)
    for source, best in zip(sources, results, strict=True):
        pieces = [*best[0].tokens, 3]
        attention = best[0].attention
        assert attention is not None
        if len(attention) == len(pieces):  # else it was cut
            scores = _teacher_forced(network, [*source, 3], pieces)
            assert best[0].score == pytest.approx(scores, abs=1e-5)
            np.testing.assert_allclose(attention.sum(1), 1, atol=1e-5)


@torch.inference_mode()
def _teacher_forced(network: torch.nn.Module, source: list[int], target: list[int]) -> float:
    readouts = network(torch.tensor([source]), torch.tensor([len(source)]), torch.tensor([[2, *target[:-1]]]))
    scores = network.output(readouts)
    scores[..., :3] = -torch.inf
    log_probs = scores.log_softmax(2)[0]
    return float(log_probs[torch.arange(len(target)), torch.tensor(target)].mean())
