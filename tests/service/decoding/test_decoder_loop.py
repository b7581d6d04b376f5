"""The decoder loop: sentences join, leave and fail without affecting the others."""

from collections.abc import Hashable

import numpy as np
import pytest

from service.decoding import Finished, SearchSettings, StepLoop, search
from service.decoding.decoder_loop import OnTicketToken
from service.decoding.graph_io import KEYS, LENGTHS, LOG_PROBS, MEMORY, SOURCE, STATE, TOKENS, K, Tensors
from tests.support.decoder_graphs import RandomModel, sources

SETTINGS = SearchSettings(beam_size=3, n_best=2, coverage_penalty=0.1)


def run_to_end(loop: StepLoop, on_token: OnTicketToken | None = None) -> dict[Hashable, Finished]:
    """Step until the loop is empty; returns the results by ticket."""
    results = {}
    while loop.active:
        results |= {result.ticket: result for result in loop.step(on_token)}
    return results


def alone(model: RandomModel, source: list[int], settings: SearchSettings) -> list[tuple[tuple[int, ...], float]]:
    """The hypotheses of one sentence that is searched alone."""
    (hypotheses,) = search(*model.graphs(), [source], settings, wants_attention=True)
    return [(hypothesis.tokens, pytest.approx(hypothesis.score, abs=1e-5)) for hypothesis in hypotheses]


@pytest.mark.parametrize("attention", [True, False])
def test_results_do_not_depend_on_when_sentences_join(attention: bool) -> None:
    model, sentences = RandomModel(1, attention=attention), sources(40, seed=1)
    settings = [
        SETTINGS,
        SearchSettings(beam_size=1),
        SearchSettings(beam_size=3, length_penalty=0.2, max_length_extra=4),
    ]
    loop, results, random = StepLoop(*model.graphs()), {}, np.random.default_rng(0)
    waiting = list(range(len(sentences)))
    while waiting or loop.active:
        joining = [waiting.pop() for _ in range(min(len(waiting), int(random.integers(0, 4))))]
        each = [settings[index % 3] for index in joining]
        loop.add([sentences[index] for index in joining], each, joining, [index % 2 == 0 for index in joining])
        results |= {result.ticket: result for result in loop.step()}
    for index, source in enumerate(sentences):
        hypotheses = results[index].hypotheses
        assert [(hypothesis.tokens, hypothesis.score) for hypothesis in hypotheses] == alone(
            model, source, settings[index % 3]
        )
        if attention and index % 2 == 0:
            assert hypotheses[0].attention is not None
            assert hypotheses[0].attention.shape[1] == len(source) + 1
        else:
            assert hypotheses[0].attention is None


def test_one_run_per_beam_size_without_finished_sentences() -> None:
    model = RandomModel(2)
    loop = StepLoop(*model.graphs())
    loop.add(sources(5), [SearchSettings(beam_size=width) for width in (1, 4, 1, 4, 4)], range(5))
    assert model.runs == [("encode", 5, max(map(len, sources(5))) + 1)]
    assert (loop.active, loop.active_hypotheses, sorted(loop.tickets)) == (5, 2 * 1 + 3 * 4, [0, 1, 2, 3, 4])
    loop.step()
    assert sorted(model.runs[1:]) == [("step", 2, 1), ("step", 3, 4)]
    finished = {result.ticket for result in loop.step()}
    while not finished:
        finished = {result.ticket for result in loop.step()}
    before = len(model.runs)
    loop.step()
    assert sum(count for _, count, _ in model.runs[before:]) == 5 - len(finished)


def test_the_inputs_of_the_step() -> None:
    seen: list[Tensors] = []
    model = RandomModel()
    loop = StepLoop(model.encode, lambda feeds: seen.append(feeds) or model.step(feeds))
    loop.add([[4, 5], [6]], SETTINGS, "ab")
    loop.step()
    assert set(seen[0]) == {TOKENS, STATE, KEYS, MEMORY, LENGTHS, K}
    assert seen[0][TOKENS].dtype == np.int32
    assert seen[0][TOKENS].tolist() == [[2, 2, 2]] * 2
    assert seen[0][LENGTHS].tolist() == [3, 2]
    assert seen[0][K].tolist() == [6]
    assert all(array.flags.c_contiguous for array in seen[0].values())


def test_the_inputs_of_the_encoder() -> None:
    seen: list[Tensors] = []
    model = RandomModel()
    loop = StepLoop(lambda feeds: seen.append(feeds) or model.encode(feeds), model.step)
    loop.add([[4, 5], [], [6]], SETTINGS, "abc")
    assert seen[0][SOURCE].tolist() == [[4, 5, 3], [3, 0, 0], [6, 3, 0]]
    assert seen[0][LENGTHS].tolist() == [3, 1, 2]
    assert {array.dtype for array in seen[0].values()} == {np.dtype(np.int32)}


def test_tokens_of_greedy_sentences_are_reported_as_they_come() -> None:
    model, sentences = RandomModel(3), sources(20, seed=3)
    streamed: dict[Hashable, list[int]] = {index: [] for index in range(40)}
    loop = StepLoop(*model.graphs())
    loop.add(sentences, SearchSettings(beam_size=1, max_length_extra=4), range(20))
    loop.add(sentences, SETTINGS, range(20, 40))
    results = run_to_end(loop, lambda ticket, token: streamed[ticket].append(token))
    for index in range(20):
        assert tuple(streamed[index]) == results[index].hypotheses[0].tokens
    assert not any(streamed[index] for index in range(20, 40))


def test_dropping_a_ticket_leaves_the_other_sentences() -> None:
    model, sentences = RandomModel(4), sources(6, seed=4)
    loop = StepLoop(*model.graphs())
    loop.add(sentences, SETTINGS, ["a", "b", "a", "c", "d", "d"])
    loop.step()
    loop.drop("a")
    loop.drop("nobody")
    assert sorted(map(str, loop.tickets)) == ["b", "c", "d", "d"]
    results = run_to_end(loop)
    assert [(hypothesis.tokens, hypothesis.score) for hypothesis in results["b"].hypotheses] == alone(
        model, sentences[1], SETTINGS
    )
    loop.add(sentences[:1], SETTINGS, "e")
    loop.drop("e")
    assert (loop.active, loop.active_hypotheses, loop.step()) == (0, 0, [])


def test_a_sentence_that_cannot_be_run_fails_alone() -> None:
    model, sentences = RandomModel(5), sources(8, seed=5)
    settings = SearchSettings(beam_size=1, max_length_extra=5)
    expected = [best[0].tokens for best in search(*model.graphs(), sentences, settings)]
    # The last piece of a target that was truncated is never fed.
    fed = [
        set(target[: settings.max_target_length(len(source)) - 1])
        for target, source in zip(expected, sentences, strict=True)
    ]
    bad = min(set.union(*fed), key=lambda piece: abs(sum(piece in pieces for pieces in fed) - 4))

    def step(feeds: Tensors) -> Tensors:
        if bad in feeds[TOKENS]:
            raise RuntimeError("bad luck")
        return model.step(feeds)

    loop = StepLoop(model.encode, step)
    loop.add(sentences, settings, range(8))
    results = run_to_end(loop)
    failed = {index for index, pieces in enumerate(fed) if bad in pieces}
    assert 0 < len(failed) < 8
    assert {index for index, result in results.items() if result.error is not None} == failed
    for index in set(range(8)) - failed:
        assert results[index].hypotheses[0].tokens == expected[index]


def test_sentences_that_are_too_many_for_the_memory_are_run_in_halves() -> None:
    model, sentences = RandomModel(5), sources(8, seed=5)
    expected = [best[0].tokens for best in search(*model.graphs(), sentences, SETTINGS)]
    sizes = []

    def step(feeds: Tensors) -> Tensors:
        sizes.append(len(feeds[TOKENS]))
        if len(feeds[TOKENS]) > 2:
            raise RuntimeError("CUDA failure 2: out of memory")
        return model.step(feeds)

    loop = StepLoop(model.encode, step)
    loop.add(sentences, SETTINGS, range(8))
    results = run_to_end(loop)
    assert sizes[:7] == [8, 4, 2, 2, 4, 2, 2]
    assert [results[index].hypotheses[0].tokens for index in range(8)] == expected


def test_a_failing_encoder_adds_no_sentence() -> None:
    def encode(feeds: Tensors) -> Tensors:
        raise RuntimeError("no memory")

    loop = StepLoop(encode, RandomModel().step)
    with pytest.raises(RuntimeError, match="no memory"):
        loop.add(sources(3), SETTINGS, range(3))
    assert loop.active == 0


def test_log_probabilities_that_are_nan_fail_their_sentence() -> None:
    model = RandomModel(6)

    def step(feeds: Tensors) -> Tensors:
        outputs = dict(model.step(feeds))
        outputs[LOG_PROBS][0] = np.nan
        return outputs

    loop = StepLoop(model.encode, step)
    loop.add(sources(3, seed=6), SETTINGS, range(3))
    first, *_ = loop.step()
    assert first.ticket == 0
    assert isinstance(first.error, ValueError)
    assert loop.active == 2
    with pytest.raises(ValueError, match="not numbers"):
        search(model.encode, step, sources(3, seed=6), SETTINGS)


def test_an_empty_loop() -> None:
    loop = StepLoop(*RandomModel().graphs())
    loop.add([], SETTINGS, [])
    assert loop.step() == []
    assert search(*RandomModel().graphs(), [], SETTINGS) == []


def test_a_search_keeps_to_its_maximum_of_hypotheses() -> None:
    model, sentences = RandomModel(7), sources(50, seed=7)
    results = search(*model.graphs(), sentences, SETTINGS, max_hypotheses=12)
    assert max(count * width for graph, count, width in model.runs if graph == "step") <= 12
    assert [[hypothesis.tokens for hypothesis in best] for best in results] == [
        [hypothesis.tokens for hypothesis in best] for best in search(*model.graphs(), sentences, SETTINGS)
    ]
