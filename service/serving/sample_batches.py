"""Batches of a model's own samples, to measure its runs with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from service.runtime.batcher import split_by_cost
from service.runtime.session import Tensors
from service.tasks import Predictor


def sample_rows(predictor: Predictor[Any]) -> Tensors:
    """The rows of all samples that can be in one batch: those of the shape that most samples have."""
    groups: dict[tuple[Any, ...], list[Tensors]] = {}
    for tensors in _preprocessed(predictor):
        key = tuple((name, array.dtype.str, array.shape[1:]) for name, array in tensors.items())
        groups.setdefault(key, []).append(tensors)
    if not groups:
        return predictor.scheduling.warm_up()
    parts = max(groups.values(), key=len)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def repeated(rows: Tensors, size: int) -> Tensors:
    """The rows over and over, `size` of them."""
    times = -(-size // row_count(rows))
    return {name: np.concatenate([array] * times)[:size] for name, array in rows.items()}


def largest_batch(predictor: Predictor[Any], rows: Tensors) -> Tensors:
    """The rows over and over, as many as one run may have."""
    scheduling = predictor.scheduling
    costs = scheduling.costs(rows)
    costs = np.ones(row_count(rows), np.int64) if costs is None else costs
    times = -(-scheduling.budget // max(1, int(costs.sum())))
    _, size = next(split_by_cost(np.tile(costs, times), scheduling.budget))
    return repeated(rows, size)


def row_count(tensors: Tensors) -> int:
    """Rows of a batch; 0 of one without tensors."""
    return len(next(iter(tensors.values()), ()))


def _preprocessed(predictor: Predictor[Any]) -> Iterator[Tensors]:
    """What each sample gives the graph, where that is anything."""
    for sample in predictor.bundle.samples():
        body = predictor.routes[sample.route or next(iter(predictor.routes))].model_validate(sample.request)
        tensors = predictor.preprocess(predictor.parse(body))
        if row_count(tensors):
            yield tensors
