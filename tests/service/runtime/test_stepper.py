"""The stepper runs sentences of many requests together, in turn, and leaves nobody waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np
import pytest

from service.decoding import Hypothesis, SearchSettings, StepLoop
from service.decoding.graph_io import (
    CANDIDATES,
    END,
    LENGTHS,
    LOG_PROBS,
    NEXT_STATE,
    SOURCE,
    STATE,
    TOKENS,
    K,
)
from service.errors import DeadlineExceeded, ModelFailure, NotReady
from service.runtime.session import Tensors
from service.runtime.stepper import HYPOTHESES, JOBS, Job, Stepper
from tests.support.event_loop import run_async

NEVER = float("inf")
GREEDY = SearchSettings(beam_size=1)
VOCABULARY, SEEN = 20, 16
BAD_SOURCE, BAD_STEP = 18, 19
"""Ids with which the encoder and a step fail."""


class Copier:
    """Graphs without attention that copy the source, note what they ran, and can be held.

    The state is the position and the source.
    """

    def __init__(self) -> None:
        self.encoded: list[int] = []
        self.steps: list[int] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def encode(self, feeds: Tensors) -> Tensors:
        source = feeds[SOURCE]
        assert feeds[LENGTHS].dtype == np.int32
        self.encoded.append(len(source))
        if (source == BAD_SOURCE).any():
            raise RuntimeError("the encoder cannot")
        state = np.full((len(source), SEEN + 1), END, np.float32)
        state[:, 0] = 0
        state[:, 1 : source.shape[1] + 1] = np.where(source, source, END)
        return {STATE: state}

    def step(self, feeds: Tensors) -> Tensors:
        self.entered.set()
        assert self.go_on.wait(10)
        state = feeds[STATE]
        sentences, width, _ = state.shape
        self.steps.append(sentences)
        assert feeds[TOKENS].shape == (sentences, width)
        if (state == BAD_STEP).any():
            raise RuntimeError("the step cannot")
        position = state[..., :1].astype(np.int64) + 1
        target = np.take_along_axis(state, position, axis=2).astype(np.int64)
        # The other candidates follow in order, each less likely.
        count = min(int(feeds[K][0]), VOCABULARY - END)
        others = (target - END + np.arange(count)) % (VOCABULARY - END) + END
        moved = state.copy()
        moved[..., 0] += 1
        log_probs = np.broadcast_to(-1.0 - np.arange(count, dtype=np.float32), others.shape)
        return {LOG_PROBS: log_probs, CANDIDATES: others.astype(np.int32), NEXT_STATE: moved}


@pytest.fixture
def model() -> Copier:
    return Copier()


def make_stepper(model: Copier, **options: Any) -> Stepper:
    options = {"max_hypotheses": 8} | options
    return Stepper(lambda: StepLoop(model.encode, model.step), **options)


def jobs(*sentences: list[int], settings: SearchSettings = GREEDY) -> Tensors:
    array = np.empty(len(sentences), object)
    for index, sentence in enumerate(sentences):
        array[index] = Job(sentence, settings)
    return {JOBS: array}


def tokens(answer: Any) -> list[list[int]]:
    """The best tokens of each sentence of an answer."""
    answers: list[list[Hypothesis]] = answer.outputs[HYPOTHESES].tolist()
    return [list(hypotheses[0].tokens) for hypotheses in answers]


async def _hold(model: Copier, stepper: Stepper) -> asyncio.Future[Any]:
    """Hold the model in a first step of a sentence of four tokens."""
    model.go_on.clear()
    model.entered.clear()
    first = stepper.submit(jobs([4, 5, 6, 7]), NEVER)
    assert await asyncio.to_thread(model.entered.wait, 10)
    return first


def test_sentences_are_decoded(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model)
        answer = await stepper.submit(jobs([4, 5, 6], [7], [8, 9]), NEVER)
        assert tokens(answer) == [[4, 5, 6], [7], [8, 9]]
        assert model.encoded == [3]
        assert model.steps == [3, 3, 2, 1]
        assert answer.queue >= 0
        assert answer.infer > 0
        stepper.close()

    run_async(main())


def test_beams_of_unlike_width_and_their_alternatives(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=100)
        first = await _hold(model, stepper)
        beam = SearchSettings(beam_size=4, n_best=2, length_penalty=0.0)
        futures = stepper.submit(jobs([4, 5], settings=beam), NEVER), stepper.submit(jobs([6]), NEVER)
        model.go_on.set()
        both = await asyncio.gather(*futures)
        await first
        assert [tokens(answer) for answer in both] == [[[4, 5]], [[6]]]
        (hypotheses,) = both[0].outputs[HYPOTHESES].tolist()
        assert len(hypotheses) == 2
        assert model.encoded == [1, 2], "one run takes all that join"
        stepper.close()

    run_async(main())


def test_who_comes_later_joins_between_steps(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model)
        first = await _hold(model, stepper)
        others = [stepper.submit(jobs([8, 9]), NEVER), stepper.submit(jobs([10]), NEVER)]
        assert stepper.depth == 2
        model.go_on.set()
        assert [tokens(answer) for answer in await asyncio.gather(first, *others)] == [[[4, 5, 6, 7]], [[8, 9]], [[10]]]
        assert model.steps == [1, 3, 3, 2, 1]
        stepper.close()

    run_async(main())


def test_a_long_text_leaves_room_for_short_ones(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=3)
        first = await _hold(model, stepper)
        order: list[str] = []
        long = stepper.submit(jobs(*[[4, 5]] * 30), NEVER)
        short = stepper.submit(jobs([6]), NEVER)
        for name, future in {"long": long, "short": short}.items():
            future.add_done_callback(lambda done, name=name: order.append(name))
        model.go_on.set()
        answers = await asyncio.gather(first, long, short)
        assert order == ["short", "long"]
        assert tokens(answers[1]) == [[4, 5]] * 30
        assert max(model.steps) == 3
        assert len(model.steps) < 40
        stepper.close()

    run_async(main())


def test_a_beam_beyond_the_limit_runs_alone(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=2)
        beam = SearchSettings(beam_size=5)
        answers = await asyncio.gather(
            stepper.submit(jobs([4], [5], settings=beam), NEVER), stepper.submit(jobs([6]), NEVER)
        )
        assert [tokens(answer) for answer in answers] == [[[4], [5]], [[6]]]
        assert max(model.steps) == 1
        stepper.close()

    run_async(main())


def test_only_the_guilty_request_fails(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=100)
        first = await _hold(model, stepper)
        futures = [
            stepper.submit(jobs([8]), NEVER),
            stepper.submit(jobs([9, BAD_STEP], [9]), NEVER),
            stepper.submit(jobs([9], [BAD_SOURCE]), NEVER),
            stepper.submit(jobs([10, 11]), NEVER),
        ]
        model.go_on.set()
        outcomes = await asyncio.gather(first, *futures, return_exceptions=True)
        assert [type(outcome) for outcome in (outcomes[2], outcomes[3])] == [ModelFailure, ModelFailure]
        assert str(outcomes[2]) == "the model failed"
        assert [tokens(outcome) for outcome in (outcomes[0], outcomes[1], outcomes[4])] == [
            [[4, 5, 6, 7]],
            [[8]],
            [[10, 11]],
        ]
        assert tokens(await stepper.submit(jobs([12]), NEVER)) == [[12]], "it goes on"
        stepper.close()

    run_async(main())


def test_a_fault_of_the_loop_completes_its_waiters(model: Copier, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        stepper = make_stepper(model)
        first = await _hold(model, stepper)
        second = stepper.submit(jobs([8]), NEVER)
        monkeypatch.setattr(StepLoop, "step", lambda self: 1 / 0)
        model.go_on.set()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert ModelFailure in map(type, outcomes)
        assert all(isinstance(outcome, ModelFailure) or tokens(outcome) == [[4, 5, 6, 7]] for outcome in outcomes)
        monkeypatch.undo()
        assert tokens(await stepper.submit(jobs([9]), NEVER)) == [[9]]
        stepper.close()

    run_async(main())


def test_deadlines_are_kept_between_steps_and_before_the_first(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=1)
        first = await _hold(model, stepper)
        late = stepper.submit(jobs([8]), time.perf_counter() + 0.01)
        await asyncio.sleep(0.03)
        model.go_on.set()
        with pytest.raises(DeadlineExceeded, match="deadline passed"):
            await late
        assert tokens(await first) == [[4, 5, 6, 7]]
        model.go_on.clear()
        model.entered.clear()
        deadline = time.perf_counter() + 0.3  # enough to begin with on a busy machine too
        running = stepper.submit(jobs([4] * 9), deadline)
        assert await asyncio.to_thread(model.entered.wait, 10)
        await asyncio.sleep(max(0, deadline - time.perf_counter()) + 0.02)
        before = len(model.steps)
        model.go_on.set()
        with pytest.raises(DeadlineExceeded):
            await running
        assert len(model.steps) <= before + 1
        stepper.close()

    run_async(main())


def test_who_left_is_decoded_no_further(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=2)
        model.go_on.clear()
        cancelled = stepper.submit(jobs([4] * 9, [5] * 9, [6] * 9), NEVER)
        assert await asyncio.to_thread(model.entered.wait, 10)
        other = stepper.submit(jobs([8]), NEVER)
        cancelled.cancel()
        await asyncio.sleep(0)
        model.go_on.set()
        assert tokens(await other) == [[8]]
        assert len(model.steps) == 3, "one step that was under way, two of the other's"
        assert stepper.depth == 0
        stepper.close()

    run_async(main())


def test_tokens_come_as_they_are_made(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model)
        model.go_on.clear()
        streamed: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        future = stepper.submit(jobs([4, 5], [6]), NEVER, on_token=lambda *token: streamed.put_nowait(token))
        silent = stepper.submit(jobs([7]), NEVER)
        assert await asyncio.to_thread(model.entered.wait, 10)
        assert streamed.empty()
        model.go_on.set()
        answers = await asyncio.gather(future, silent)
        assert tokens(answers[0]) == [[4, 5], [6]]
        assert [streamed.get_nowait() for _ in range(streamed.qsize())] == [(0, 4), (1, 6), (0, 5), (1, END), (0, END)]
        stepper.close()

    run_async(main())


def test_what_is_counted(model: Copier) -> None:
    async def main() -> None:
        executions: list[int] = []
        depths: list[int] = []
        stepper = make_stepper(model, max_hypotheses=2, on_execution=executions.append, on_depth=depths.append)
        await stepper.submit(jobs([4], [5], [6, 7]), NEVER)
        assert executions == [2, 2, 1, 1, 1]
        assert depths[0] == 1
        assert depths[-1] == 0
        stepper.close()

    run_async(main())


def test_a_closed_stepper_tells_who_waits(model: Copier) -> None:
    async def main() -> None:
        stepper = make_stepper(model, max_hypotheses=1)
        first = await _hold(model, stepper)
        second = stepper.submit(jobs([8]), NEVER)
        stepper.close()
        model.go_on.set()
        for future in (first, second, stepper.submit(jobs([9]), NEVER)):
            with pytest.raises(NotReady, match="unloaded"):
                await future

    run_async(main())


def test_nobody_to_tell_is_no_fault(model: Copier) -> None:
    stepper = make_stepper(model)

    async def main() -> None:
        stepper.submit(jobs([4] * 9), NEVER)
        model.go_on.clear()
        assert await asyncio.to_thread(model.entered.wait, 10)

    asyncio.run(main())
    model.go_on.set()

    async def later() -> None:
        assert tokens(await stepper.submit(jobs([5]), NEVER)) == [[5]]

    run_async(later())
    stepper.close()
