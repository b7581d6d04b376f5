"""The time of an ordinary request, measured at warm-up: what runs in the event loop depends on it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

from service.serving.inline import runs_inline
from service.serving.warm_up import warm_up
from service.tasks import Predictor


def _predictor(*seconds: float, works: bool = False) -> tuple[Predictor[Any], list[float]]:
    """A predictor whose runs wait, or work, for so long, and the runs so far; further runs take no time."""
    runs: list[float] = []

    def infer(tensors: object) -> None:
        duration = seconds[len(runs)] if len(runs) < len(seconds) else 0.0
        runs.append(duration)
        end = time.thread_time() + duration
        if not works:
            time.sleep(duration)
        while works and time.thread_time() < end:
            pass

    scheduling = SimpleNamespace(warm_up=dict)
    return cast(Predictor[Any], SimpleNamespace(scheduling=scheduling, infer=infer)), runs


def test_a_run_that_had_to_wait_does_not_make_a_model_slow() -> None:
    predictor, _ = _predictor(0.0, 0.1, 0.0, 0.06)
    assert runs_inline("auto", warm_up(predictor), threshold_seconds=0.03)


def test_slow_runs_are_few() -> None:
    predictor, runs = _predictor(*[0.03] * 10, works=True)
    assert warm_up(predictor) >= 0.03
    assert len(runs) == 1 + 2
    predictor, runs = _predictor(*[0.2] * 10)
    assert warm_up(predictor) >= 0.2
    assert len(runs) == 1 + 3
