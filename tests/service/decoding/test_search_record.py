"""The record of a beam search: every hypothesis, its parent, its score."""

import numpy as np
import pytest

from service.decoding import SearchRecord, SearchSettings, search
from service.decoding.graph_io import END
from service.decoding.search_record import RECORDED_STEPS
from tests.support.decoder_graphs import RandomModel, sources


def _path(record: SearchRecord, number: int | None) -> list[int]:
    """The tokens on the way to a hypothesis."""
    flat = [hypothesis for step in record.steps for hypothesis in step]
    tokens: list[int] = []
    while number is not None:
        tokens.append(flat[number].token)
        number = flat[number].parent
    return tokens[::-1]


def _step_of(record: SearchRecord) -> list[int]:
    return [step for step, hypotheses in enumerate(record.steps) for _ in hypotheses]


@pytest.mark.parametrize("beam_size", [1, 3, 6])
def test_every_hypothesis_is_one_of_the_model(beam_size: int) -> None:
    model, sentences = RandomModel(3, end=1.0), sources(10, seed=1)
    settings = SearchSettings(beam_size=beam_size, max_length_factor=1, max_length_extra=4, is_recorded=True)
    for source, hypotheses in zip(sentences, search(*model.graphs(), sentences, settings), strict=True):
        record = hypotheses[0].record
        assert record is not None
        flat, steps = [one for step in record.steps for one in step], _step_of(record)
        for number, one in enumerate(flat):
            path = _path(record, number)
            assert len(path) == steps[number] + 1, "a parent is of the step before"
            expected = sum(model.log_probs(source, path[:index])[token] for index, token in enumerate(path))
            assert one.log_prob == pytest.approx(float(expected), abs=1e-4)
        for step in record.steps:
            going_on = [one.log_prob for one in step if one.token != END]
            assert len(going_on) <= beam_size
            assert going_on == sorted(going_on, reverse=True)
        best = _path(record, record.best)
        assert tuple(token for token in best if token != END) == hypotheses[0].tokens
        assert all(other.record is None for other in hypotheses[1:])


def test_sentences_that_join_and_leave_keep_their_own_records() -> None:
    model, sentences = RandomModel(7, end=1.0), sources(12, seed=3)
    settings = SearchSettings(beam_size=4, is_recorded=True)
    alone = [search(*model.graphs(), [source], settings)[0][0].record for source in sentences]
    together = [best[0].record for best in search(*model.graphs(), sentences, settings, max_hypotheses=16)]
    for one, other in zip(alone, together, strict=True):
        assert one is not None
        assert other is not None
        assert one.best == other.best
        assert [[h[:2] for h in step] for step in one.steps] == [[h[:2] for h in step] for step in other.steps]


def test_it_ends_after_so_many_steps() -> None:
    settings = SearchSettings(beam_size=2, max_length_factor=0, max_length_extra=RECORDED_STEPS + 9, is_recorded=True)
    ((best,),) = search(*RandomModel(6, end=-99.0).graphs(), sources(1, seed=2), settings)
    assert best.record is not None
    assert len(best.record.steps) == RECORDED_STEPS
    assert best.record.best is None
    assert len(best.tokens) > RECORDED_STEPS


def test_nothing_is_recorded_unless_it_is_asked_for() -> None:
    ((best,),) = search(*RandomModel(1).graphs(), sources(1), SearchSettings(beam_size=3))
    assert best.record is None
    assert np.isfinite(best.score)
