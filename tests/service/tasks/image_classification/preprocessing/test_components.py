"""Connected components, labeled in the frame around them: the same as in the whole mask."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.tasks.image_classification.preprocessing.components import label_components

Mask = NDArray[np.bool_]


def _masks() -> Iterator[Mask]:
    rng = np.random.default_rng(4)
    for _ in range(300):
        height, width = rng.integers(1, 40, 2)
        mask = np.zeros((height, width), np.bool_)
        top, left = rng.integers(0, height), rng.integers(0, width)
        part = mask[top : rng.integers(top, height) + 1, left : rng.integers(left, width) + 1]
        part[:] = rng.random(part.shape) < rng.choice((0.02, 0.2, 0.5, 0.9))
        yield mask


def test_labels_boxes_and_energy_are_those_of_the_whole_mask() -> None:
    rng = np.random.default_rng(5)
    counts = []
    for mask in _masks():
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        values = rng.random(mask.shape, np.float32)
        found = label_components(mask)
        counts.append(count)
        assert found.count == count
        for label in range(1, count):
            left, top, width, height, _ = stats[label].tolist()
            assert found.boxes[label].tolist() == [top, left, top + height, left + width]
            assert np.array_equal(found.select([label]), labels == label)
        expected = np.bincount(labels.ravel(), np.square(values).ravel(), count)
        assert np.array_equal(found.energy(values)[1:], expected[1:])
        assert found.energy(values)[0] == 0
        border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        assert np.array_equal(found.touch_border()[1:], np.isin(np.arange(1, count), border))
    assert min(counts) == 1
    assert max(counts) > 20


def test_selected_components() -> None:
    mask = np.eye(9, dtype=np.bool_)[:, ::-1] | (np.arange(9) == 0)
    mask[4] = False
    found = label_components(mask)
    every = np.ones(found.count, np.bool_)
    assert np.array_equal(found.select(every), mask)
    assert not found.select(~every).any()
    assert not found.select([]).any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5)])
def test_a_mask_of_nothing(shape: tuple[int, int]) -> None:
    found = label_components(np.zeros(shape, np.bool_))
    assert found.count == 1
    assert found.select([0]).shape == shape
    assert found.energy(np.ones(shape, np.float32)).tolist() == [0]
