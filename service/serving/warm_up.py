"""The warm-up of a model: its first runs, and how fast they say that it is."""

from __future__ import annotations

import statistics
import time
from typing import Any

from service.bundle.files import BundleError, first_line
from service.tasks import Predictor

_WARM_UP_RUNS = 9
"""Most runs that are timed at warm-up."""
_WARM_UP_SECONDS = 0.05
"""Processor time after which no further run is timed: a run that only waited for a busy machine says nothing."""
_MOST_SECONDS = 0.5
"""Time after which none is timed in any case, as on a device that works while the processor waits."""


def warm_up(predictor: Predictor[Any]) -> float:
    """Run an ordinary request a few times, fewer if it takes long; the median time of one, in seconds."""
    tensors = predictor.scheduling.warm_up()
    try:
        predictor.infer(tensors)
    except Exception as error:  # Whatever the graph does, it is the bundle that is wrong.
        raise BundleError(
            f"{predictor.bundle.path}: the model fails on an ordinary input: {first_line(error)}"
        ) from error
    times: list[float] = []
    begun = time.thread_time()
    while len(times) < _WARM_UP_RUNS and time.thread_time() - begun < _WARM_UP_SECONDS and sum(times) < _MOST_SECONDS:
        started = time.perf_counter()
        predictor.infer(tensors)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def seconds_per_unit(predictor: Predictor[Any], warm_up_seconds: float) -> float:
    """Seconds of a unit of RUN at warm-up."""
    scheduling = predictor.scheduling
    return max(warm_up_seconds, 1e-6) / scheduling.run_work(scheduling.warm_up()).units
