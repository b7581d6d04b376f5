"""The step loop: sentences come, go and fail without the others noticing."""

from collections.abc import Hashable

import numpy as np
import pytest

from service.decoding import Finished, SearchSettings, StepLoop, search
from service.decoding.graph_io import KEYS, LENGTHS, LOG_PROBS, MEMORY, SOURCE, STATE, TOKENS, K, Tensors
from tests.support.decoder_graphs import MadeModel, sources

SETTINGS = SearchSettings(beam_size=3, n_best=2, coverage_penalty=0.1)


def run_out(loop: StepLoop) -> dict[Hashable, Finished]:
    """Step until no sentence is left."""
    found = {}
    while loop.active:
        found |= {one.ticket: one for one in loop.step()}
    return found


def alone(model: MadeModel, source: list[int], settings: SearchSettings) -> list[tuple[tuple[int, ...], float]]:
    """What is found for one sentence by itself."""
    (found,) = search(*model.graphs(), [source], settings, wants_attention=True)
    return [(one.tokens, pytest.approx(one.score, abs=1e-5)) for one in found]


@pytest.mark.parametrize("attention", [True, False])
def test_sentences_that_join_on_the_way_get_the_answers_they_get_alone(attention: bool) -> None:
    model, given = MadeModel(1, attention=attention), sources(40, seed=1)
    settings = [
        SETTINGS,
        SearchSettings(beam_size=1),
        SearchSettings(beam_size=3, length_penalty=0.2, max_length_extra=4),
    ]
    loop, found, random = StepLoop(*model.graphs()), {}, np.random.default_rng(0)
    waiting = list(range(len(given)))
    while waiting or loop.active:
        some = [waiting.pop() for _ in range(min(len(waiting), int(random.integers(0, 4))))]
        each = [settings[place % 3] for place in some]
        loop.add([given[place] for place in some], each, some, [place % 2 == 0 for place in some])
        found |= {one.ticket: one for one in loop.step()}
    for place, source in enumerate(given):
        hypotheses = found[place].hypotheses
        assert [(one.tokens, one.score) for one in hypotheses] == alone(model, source, settings[place % 3])
        if attention and place % 2 == 0:
            assert hypotheses[0].attention is not None
            assert hypotheses[0].attention.shape[1] == len(source) + 1
        else:
            assert hypotheses[0].attention is None


def test_every_beam_size_is_one_run_and_finished_sentences_leave_it() -> None:
    model = MadeModel(2)
    loop = StepLoop(*model.graphs())
    loop.add(sources(5), [SearchSettings(beam_size=width) for width in (1, 4, 1, 4, 4)], range(5))
    assert model.runs == [("encode", 5, max(map(len, sources(5))) + 1)]
    assert (loop.active, loop.rows, sorted(loop.tickets)) == (5, 2 * 1 + 3 * 4, [0, 1, 2, 3, 4])
    loop.step()
    assert sorted(model.runs[1:]) == [("step", 2, 1), ("step", 3, 4)]
    left = {one.ticket for one in loop.step()}
    while not left:
        left = {one.ticket for one in loop.step()}
    before = len(model.runs)
    loop.step()
    assert sum(count for _, count, _ in model.runs[before:]) == 5 - len(left)


def test_the_step_is_fed_what_its_graph_takes() -> None:
    seen: list[Tensors] = []
    model = MadeModel()
    loop = StepLoop(model.encode, lambda feeds: seen.append(feeds) or model.step(feeds))
    loop.add([[4, 5], [6]], SETTINGS, "ab")
    loop.step()
    assert set(seen[0]) == {TOKENS, STATE, KEYS, MEMORY, LENGTHS, K}
    assert seen[0][TOKENS].dtype == np.int32
    assert seen[0][TOKENS].tolist() == [[2, 2, 2]] * 2
    assert seen[0][LENGTHS].tolist() == [3, 2]
    assert seen[0][K].tolist() == [6]
    assert all(array.flags.c_contiguous for array in seen[0].values())


def test_the_encoder_is_fed_padded_sentences_with_their_end() -> None:
    seen: list[Tensors] = []
    model = MadeModel()
    loop = StepLoop(lambda feeds: seen.append(feeds) or model.encode(feeds), model.step)
    loop.add([[4, 5], [], [6]], SETTINGS, "abc")
    assert seen[0][SOURCE].tolist() == [[4, 5, 3], [3, 0, 0], [6, 3, 0]]
    assert seen[0][LENGTHS].tolist() == [3, 1, 2]
    assert {array.dtype for array in seen[0].values()} == {np.dtype(np.int32)}


def test_tokens_are_told_as_they_come() -> None:
    model, given = MadeModel(3), sources(20, seed=3)
    told: dict[Hashable, list[int]] = {place: [] for place in range(40)}
    loop = StepLoop(*model.graphs(), on_token=lambda ticket, token: told[ticket].append(token))
    loop.add(given, SearchSettings(beam_size=1, max_length_extra=4), range(20))
    loop.add(given, SETTINGS, range(20, 40))
    found = run_out(loop)
    for place in range(20):
        assert tuple(told[place]) == found[place].hypotheses[0].tokens
    assert not any(told[place] for place in range(20, 40))


def test_a_dropped_sentence_is_gone_and_the_others_are_not() -> None:
    model, given = MadeModel(4), sources(6, seed=4)
    loop = StepLoop(*model.graphs())
    loop.add(given, SETTINGS, ["a", "b", "a", "c", "d", "d"])
    loop.step()
    loop.drop("a")
    loop.drop("nobody")
    assert sorted(map(str, loop.tickets)) == ["b", "c", "d", "d"]
    found = run_out(loop)
    assert [(one.tokens, one.score) for one in found["b"].hypotheses] == alone(model, given[1], SETTINGS)
    loop.add(given[:1], SETTINGS, "e")
    loop.drop("e")
    assert (loop.active, loop.rows, loop.step()) == (0, 0, [])


def test_a_sentence_that_cannot_be_run_fails_alone() -> None:
    model, given = MadeModel(5), sources(8, seed=5)
    settings = SearchSettings(beam_size=1, max_length_extra=5)
    expected = [best[0].tokens for best in search(*model.graphs(), given, settings)]
    # The last piece of a target that was cut is never fed.
    fed = [set(one[: settings.longest(len(source)) - 1]) for one, source in zip(expected, given, strict=True)]
    bad = min(set.union(*fed), key=lambda piece: abs(sum(piece in pieces for pieces in fed) - 4))

    def step(feeds: Tensors) -> Tensors:
        if bad in feeds[TOKENS]:
            raise RuntimeError("bad luck")
        return model.step(feeds)

    loop = StepLoop(model.encode, step)
    loop.add(given, settings, range(8))
    found = run_out(loop)
    failed = {place for place, pieces in enumerate(fed) if bad in pieces}
    assert 0 < len(failed) < 8
    assert {place for place, one in found.items() if one.error is not None} == failed
    for place in set(range(8)) - failed:
        assert found[place].hypotheses[0].tokens == expected[place]


def test_where_the_encoder_fails_no_sentence_is_in() -> None:
    def encode(feeds: Tensors) -> Tensors:
        raise RuntimeError("no memory")

    loop = StepLoop(encode, MadeModel().step)
    with pytest.raises(RuntimeError, match="no memory"):
        loop.add(sources(3), SETTINGS, range(3))
    assert loop.active == 0


def test_answers_that_are_no_numbers_are_an_error_of_that_sentence() -> None:
    model = MadeModel(6)

    def step(feeds: Tensors) -> Tensors:
        found = dict(model.step(feeds))
        found[LOG_PROBS][0] = np.nan
        return found

    loop = StepLoop(model.encode, step)
    loop.add(sources(3, seed=6), SETTINGS, range(3))
    first, *_ = loop.step()
    assert first.ticket == 0
    assert isinstance(first.error, ValueError)
    assert loop.active == 2
    with pytest.raises(ValueError, match="not numbers"):
        search(model.encode, step, sources(3, seed=6), SETTINGS)


def test_no_sentences_are_nothing_to_do() -> None:
    loop = StepLoop(*MadeModel().graphs())
    loop.add([], SETTINGS, [])
    assert loop.step() == []
    assert search(*MadeModel().graphs(), [], SETTINGS) == []


def test_a_search_keeps_to_its_rows() -> None:
    model, given = MadeModel(7), sources(50, seed=7)
    found = search(*model.graphs(), given, SETTINGS, rows=12)
    assert max(count * width for graph, count, width in model.runs if graph == "step") <= 12
    assert [[one.tokens for one in best] for best in found] == [
        [one.tokens for one in best] for best in search(*model.graphs(), given, SETTINGS)
    ]
