"""Arrays that stay on a device, played by the CPU: what is computed there is what numpy computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from service.runtime.device_arrays import APPEND, REORDER, TAKE, Device, DeviceArray, DeviceOperations


@pytest.fixture(scope="module")
def operations() -> DeviceOperations:
    def open_model(content: bytes) -> Any:
        return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    return DeviceOperations(open_model, Device("cpu", 0))


def _array(operations: DeviceOperations, *shape: int, seed: int = 0) -> tuple[np.ndarray, DeviceArray]:
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return array, DeviceArray(onnxruntime.OrtValue.ortvalue_from_numpy(array), operations)


@pytest.mark.parametrize(
    ("content", "operators"),
    [(TAKE, ["Gather", "Slice"]), (REORDER, ["Reshape", "Gather"]), (APPEND, ["Pad", "Pad", "Concat"])],
)
def test_the_models_are_onnx(content: bytes, operators: list[str]) -> None:
    model = onnx.load_model_from_string(content)
    assert [node.op_type for node in model.graph.node] == operators
    for node in model.graph.node:
        onnx.checker.check_node(node)


@pytest.mark.parametrize("indices", [[4, 0, 0], [], [[1, 1], [3, 2]]])
def test_rows(operations: DeviceOperations, indices: list[Any]) -> None:
    array, on_device = _array(operations, 5, 3, 4)
    chosen = np.array(indices, np.int64)
    np.testing.assert_array_equal(on_device.take(chosen).numpy(), array[chosen])


def test_rows_of_a_matrix(operations: DeviceOperations) -> None:
    array, on_device = _array(operations, 5, 4)
    chosen = np.array([[0, 0, 0], [3, 3, 3]], np.int64)
    np.testing.assert_array_equal(on_device.take(chosen).numpy(), array[chosen])


def test_rows_cut_at_a_size(operations: DeviceOperations) -> None:
    array, on_device = _array(operations, 5, 3, 4)
    taken = on_device.take(np.array([2, 1]), 2)
    assert taken.shape == (2, 2, 4)
    np.testing.assert_array_equal(taken.numpy(), array[[2, 1], :2])


def test_the_parents_of_hypotheses(operations: DeviceOperations) -> None:
    array, on_device = _array(operations, 5, 3, 4)
    parents = np.array([[0, 0, 0], [2, 1, 0], [0, 1, 2], [1, 1, 2], [2, 2, 2]])
    np.testing.assert_array_equal(on_device.reorder(parents).numpy(), array[np.arange(5)[:, None], parents])


def test_another_array_behind_it_padded_with_zeros(operations: DeviceOperations) -> None:
    first, on_device = _array(operations, 2, 3, 4)
    second, other = _array(operations, 3, 5, 4, seed=1)
    joined = on_device.append(other, 6)
    assert joined.shape == (5, 6, 4)
    expected = np.zeros((5, 6, 4), np.float32)
    expected[:2, :3], expected[2:, :5] = first, second
    np.testing.assert_array_equal(joined.numpy(), expected)


def test_an_array_is_not_changed_by_what_is_made_of_it(operations: DeviceOperations) -> None:
    array, on_device = _array(operations, 3, 2, 4)
    on_device.reorder(np.zeros((3, 2), np.int64)).append(on_device, 9).take(np.array([0]))
    np.testing.assert_array_equal(on_device.numpy(), array)
