"""One live version: admission, deadlines, pieces, cancellation, and the counts of it all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import DeadlineExceeded, InvalidRequest, NotReady, OutOfMemory, Saturated
from service.observability import Timings
from service.runtime.session import OnnxSession, Tensors
from service.serving.inline import INLINE_THRESHOLD_SECONDS, runs_inline
from service.serving.served_model import ServedModel
from service.tasks.image_classification.request import ClassifyRequest
from tests.support.classifier_bundles import template, write_classifier
from tests.support.event_loop import run_async
from tests.support.local_models import LocalModels
from tests.support.server import Gate

Serve = Callable[..., ServedModel]


@pytest.fixture
def served_with(tmp_path: Path, make_registry: Callable[..., LocalModels]) -> Serve:
    """Makes the live digits model with some settings."""
    write_classifier(tmp_path)

    def make(**settings: Any) -> ServedModel:
        registry = make_registry(tmp_path, **settings)
        registry.load_all()
        return registry.find(name="digits")

    return make


def _request(*digits: int) -> ClassifyRequest:
    return ClassifyRequest(pixels=[template(digit).tolist() for digit in digits])


async def _labels(served: ServedModel, *digits: int, timeout: float | None = None) -> list[str]:
    answer = await served.predict(_request(*digits), Timings(), timeout)
    return [result["predictions"][0]["label"] for result in answer["results"]]


def _samples(served: ServedModel, name: str) -> dict[str, float]:
    return {
        labels.get("outcome") or labels.get("stage") or "": value
        for sample, labels, value in served._recorder._metrics.samples()
        if sample == name
    }


@pytest.mark.parametrize(
    ("setting", "seconds", "inline"),
    [
        ("always", 10.0, True),
        ("never", 1e-6, False),
        ("auto", INLINE_THRESHOLD_SECONDS / 2, True),
        ("auto", INLINE_THRESHOLD_SECONDS * 2, False),
    ],
)
def test_where_a_model_runs(setting: str, seconds: float, inline: bool) -> None:
    assert runs_inline(setting, seconds) is inline


def test_the_setting_decides_and_the_warm_up_is_measured(served_with: Serve) -> None:
    assert served_with(inline="always").inline
    served = served_with(inline="never")
    assert not served.inline
    assert 0 < served.warm_up_seconds < 1


def test_what_is_quick_runs_in_the_event_loop(served_with: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = served_with(inline="never")
    threads: list[threading.Thread] = []
    run = OnnxSession.run

    def recording_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        threads.append(threading.current_thread())
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", recording_run)

    async def main() -> None:
        assert await _labels(served, 1) == ["1"]
        monkeypatch.setattr(served.predictor.scheduling, "is_quick", lambda tensors: True)
        assert await _labels(served, 2) == ["2"]
        assert [thread is threading.main_thread() for thread in threads] == [False, True]
        assert _samples(served, "lectern_executions_total")[""] == 2

    run_async(main())


def test_a_request_that_blocks_is_worked_on_in_a_thread(served_with: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = served_with(inline="always")
    threads: list[threading.Thread] = []
    for name in ("preprocess_with_checks", "postprocess"):
        work = getattr(served.predictor, name)

        def recording(*arguments: Any, work: Callable[..., Any] = work) -> Any:
            threads.append(threading.current_thread())
            return work(*arguments)

        monkeypatch.setattr(served.predictor, name, recording)

    async def main() -> None:
        for is_slow in (True, False):
            threads.clear()
            monkeypatch.setattr(served.predictor.scheduling, "is_slow", lambda request, is_slow=is_slow: is_slow)
            assert await _labels(served, 3) == ["3"]
            assert [thread is not threading.main_thread() for thread in threads] == [is_slow, is_slow]

    run_async(main())


@pytest.mark.parametrize("inline", ["always", "never"])
def test_more_images_than_a_batch_are_handled_in_pieces(served_with: Serve, inline: str) -> None:
    served = served_with(inline=inline, max_batch_size=4)

    async def main() -> None:
        digits = [index % 10 for index in range(11)]
        assert await _labels(served, *digits) == list(map(str, digits))
        assert _samples(served, "lectern_executions_total")[""] == 3
        assert _samples(served, "lectern_inferences_total")[""] == 11

    run_async(main())


@pytest.mark.parametrize("inline", ["always", "never"])
def test_pieces_keep_to_the_budget_of_what_their_rows_cost(
    served_with: Serve, monkeypatch: pytest.MonkeyPatch, inline: str
) -> None:
    served = served_with(inline=inline, max_batch_size=10)
    costs = [3, 3, 4, 1, 9, 1, 25, 2]
    monkeypatch.setattr(served.predictor.scheduling, "costs", lambda tensors: np.array(costs[: len(tensors["image"])]))
    rows: list[int] = []
    infer = served.predictor.infer

    def recording_infer(tensors: Tensors) -> Tensors:
        rows.append(len(tensors["image"]))
        return infer(tensors)

    monkeypatch.setattr(served._lane._batcher, "_infer", recording_infer)

    async def main() -> None:
        digits = list(range(8))
        assert await _labels(served, *digits) == list(map(str, digits))
        assert rows == [3, 2, 1, 1, 1]

    run_async(main())


def test_the_pieces_of_a_large_request_let_others_between(served_with: Serve, gate: Gate) -> None:
    served = served_with(inline="never", max_batch_size=2)

    async def main() -> None:
        gate.shut()
        large = asyncio.create_task(_labels(served, *[1] * 20))
        await gate.wait_entered()
        small = asyncio.create_task(_labels(served, 2))
        await asyncio.sleep(0)
        gate.open()
        assert await small == ["2"]
        assert not large.done()
        assert await large == ["1"] * 20

    run_async(main())


def test_a_piece_that_fails_fails_its_request_alone(served_with: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = served_with(inline="never", max_batch_size=2)
    run = OnnxSession.run

    def failing_run(self: OnnxSession, feeds: Tensors) -> Tensors:
        if (feeds["image"][:, 0, 22, 10] == 1).any():  # a 9
            raise MemoryError
        return run(self, feeds)

    monkeypatch.setattr(OnnxSession, "run", failing_run)

    async def main() -> None:
        bad = asyncio.create_task(_labels(served, 1, 2, 9, 4, 5))
        good = asyncio.create_task(_labels(served, 3, 4, 5))
        assert await good == ["3", "4", "5"]
        with pytest.raises(OutOfMemory):
            await bad
        assert _samples(served, "lectern_requests_total") == {"success": 1, "failed": 1}

    run_async(main())


def test_beyond_the_limit_requests_are_refused_with_a_time_to_retry(served_with: Serve, gate: Gate) -> None:
    served = served_with(inline="never", max_queue_size=2)

    async def main() -> None:
        gate.shut()
        first = asyncio.create_task(_labels(served, 1))
        await gate.wait_entered()
        second = asyncio.create_task(_labels(served, 2))
        await asyncio.sleep(0)
        with pytest.raises(Saturated, match="model 'digits' has 2 requests in flight") as caught:
            await _labels(served, 3)
        assert caught.value.retry_after >= 1
        gate.open()
        assert await first == ["1"]
        assert await second == ["2"]
        assert await _labels(served, 3) == ["3"]
        assert _samples(served, "lectern_requests_total") == {"success": 3, "saturated": 1}

    run_async(main())


def test_a_deadline_is_told_while_the_model_runs_and_later_requests_are_served(served_with: Serve, gate: Gate) -> None:
    served = served_with(inline="never")

    async def main() -> None:
        gate.shut()
        with pytest.raises(DeadlineExceeded, match="deadline passed before the answer"):
            await _labels(served, 1, timeout=0.2)
        gate.open()
        assert await _labels(served, 2) == ["2"]
        assert _samples(served, "lectern_requests_total") == {"success": 1, "deadline": 1}

    run_async(main())


def test_the_setting_bounds_the_deadline_that_a_request_asks_for(served_with: Serve, gate: Gate) -> None:
    served = served_with(inline="never", deadline_seconds=0.01)

    async def main() -> None:
        gate.shut()
        with pytest.raises(DeadlineExceeded):
            await _labels(served, 1, timeout=3600)
        gate.open()

    run_async(main())


def test_a_request_whose_time_is_up_before_it_begins_does_not_run(served_with: Serve) -> None:
    served = served_with(inline="always")
    before = _samples(served, "lectern_executions_total")[""]

    async def main() -> None:
        with pytest.raises(DeadlineExceeded):
            await _labels(served, 1, timeout=0)

    run_async(main())
    assert _samples(served, "lectern_executions_total")[""] == before


def test_a_cancelled_request_leaves_the_queue_and_the_count(served_with: Serve, gate: Gate) -> None:
    served = served_with(inline="never")

    async def main() -> None:
        gate.shut()
        running = asyncio.create_task(_labels(served, 1))
        await gate.wait_entered()
        waiting = asyncio.create_task(_labels(served, 2))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.open()
        assert await running == ["1"]
        assert _samples(served, "lectern_requests_total") == {"success": 1, "cancelled": 1}
        assert _samples(served, "lectern_inferences_total")[""] == 1
        await asyncio.wait_for(served.close(), 5)

    run_async(main())


def test_the_queue_depth_is_zero_again_whatever_happened(
    served_with: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = served_with(inline="never")

    async def main() -> None:
        gate.shut()
        running = asyncio.create_task(_labels(served, 1))
        await gate.wait_entered()
        waiting = [asyncio.create_task(_labels(served, 2)) for _ in range(3)]
        await asyncio.sleep(0)
        assert _samples(served, "lectern_queue_depth")[""] == 3
        for task in waiting:
            task.cancel()
        gate.open()
        await running
        await asyncio.wait(waiting)
        assert _samples(served, "lectern_queue_depth")[""] == 0

    run_async(main())


def test_stages_are_timed(served_with: Serve) -> None:
    served = served_with()

    async def main() -> None:
        timings = Timings()
        await served.predict(_request(1), timings)
        assert list(timings.stages) == ["preprocess", "queue", "infer", "postprocess"]
        assert sum(timings.stages.values()) <= timings.total
        counts = _samples(served, "lectern_stage_seconds_count")
        assert counts == dict.fromkeys(("queue", "preprocess", "infer", "postprocess", "total"), 1)

    run_async(main())


def test_an_invalid_request_is_counted_as_such_and_does_not_run(served_with: Serve) -> None:
    served = served_with()

    async def main() -> None:
        with pytest.raises(InvalidRequest):
            await served.predict(ClassifyRequest(pixels=[[0.5]]), Timings())
        assert _samples(served, "lectern_requests_total") == {"success": 0, "invalid": 1}
        assert _samples(served, "lectern_inferences_total")[""] == 0

    run_async(main())


def test_tensors_run_as_they_are(served_with: Serve) -> None:
    served = served_with(max_batch_size=4)
    images = np.stack([template(digit)[None] for digit in range(4)])

    async def main() -> None:
        best = await served.infer({"image": images}, lambda outputs: outputs["probabilities"].argmax(1), Timings())
        assert best.tolist() == [0, 1, 2, 3]
        limit = r"the limit is 4 \(LECTERN_MAX_BATCH_SIZE\)"
        with pytest.raises(InvalidRequest, match=f"inputs: a batch of 8, {limit}; send several requests"):
            await served.infer({"image": np.tile(images, (2, 1, 1, 1))}, lambda outputs: None, Timings())
        bad = images.copy()
        bad[1, 0, 0, 0] = np.nan
        with pytest.raises(InvalidRequest, match="image: holds NaN or infinity"):
            await served.infer({"image": bad}, lambda outputs: None, Timings())

    run_async(main())


def test_after_closing_a_model_with_a_thread_refuses(served_with: Serve) -> None:
    served = served_with(inline="never")

    async def main() -> None:
        await served.close()
        with pytest.raises(NotReady, match="the model was unloaded"):
            await _labels(served, 1)

    run_async(main())
