"""Batches of a model's own samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.bundle.files import Bundle
from service.serving.sample_batches import largest_batch, repeated, row_count, sample_rows
from service.tasks import Predictor
from tests.support.classifier_bundles import write_classifier
from tests.support.predictors import open_predictor
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words


@pytest.mark.parametrize("write", [write_classifier, write_tagger, write_translator, write_words])
def test_the_samples_of_every_task_make_a_batch(tmp_path: Path, write: Callable[[Path], Bundle]) -> None:
    predictor = open_predictor(Predictor, write(tmp_path))
    rows = sample_rows(predictor)
    batch = largest_batch(predictor, rows)
    costs = predictor.scheduling.costs(batch)
    cost = len(next(iter(batch.values()))) if costs is None else int(costs.sum())
    assert predictor.scheduling.budget / 2 < cost <= predictor.scheduling.budget
    assert all(isinstance(array, np.ndarray) for array in predictor.infer(batch).values())


@pytest.mark.parametrize("size", [1, 3, 7])
def test_rows_are_repeated_in_order(size: int) -> None:
    rows = {"a": np.arange(3), "b": np.arange(6).reshape(3, 2)}
    batch = repeated(rows, size)
    assert row_count(batch) == size
    assert batch["a"].tolist() == [0, 1, 2, 0, 1, 2, 0][:size]
    assert batch["b"][:, 0].tolist() == [0, 2, 4, 0, 2, 4, 0][:size]
