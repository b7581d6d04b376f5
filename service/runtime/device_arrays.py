"""Arrays that stay in a device's memory between the runs of graphs, and what a search does with them.

Lectern depends on no library that computes on devices but onnxruntime, so the operations are tiny graphs too, run by
the same execution provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.runtime.onnx_model import FLOAT, INT64, Node, model

_END = np.iinfo(np.int64).max

TAKE = model(
    [
        Node("Gather", ["array", "indices"], "rows", "axis", 0),
        Node("Slice", ["rows", "start", "end", "axis"], "result"),
    ],
    {"array": FLOAT, "indices": INT64, "start": INT64, "end": INT64, "axis": INT64},
    "result",
)
"""Rows along the first axis, cut at the second."""

REORDER = model(
    [Node("Reshape", ["array", "shape"], "rows"), Node("Gather", ["rows", "indices"], "result", "axis", 0)],
    {"array": FLOAT, "shape": INT64, "indices": INT64},
    "result",
)
"""Rows of the first two axes together."""

APPEND = model(
    [
        Node("Pad", ["first", "first_pads"], "first_padded"),
        Node("Pad", ["second", "second_pads"], "second_padded"),
        Node("Concat", ["first_padded", "second_padded"], "result", "axis", 0),
    ],
    {"first": FLOAT, "first_pads": INT64, "second": FLOAT, "second_pads": INT64},
    "result",
)
"""Two arrays one after the other along the first axis, padded with zeros at the end of the others."""


class Device(NamedTuple):
    """A device by onnxruntime's name of its kind, and its number."""

    kind: str
    number: int


class DeviceArray:
    """A float32 array in a device's memory. Operations return new arrays there; nothing is changed in place.

    Args:
        value: the `OrtValue`.
        operations: what computes with it.
    """

    __slots__ = ("_operations", "shape", "value")

    def __init__(self, value: Any, operations: DeviceOperations) -> None:
        self.value = value
        self.shape: tuple[int, ...] = tuple(value.shape())
        self._operations = operations

    def take(self, indices: NDArray[np.int64], size: int | None = None) -> DeviceArray:
        """The rows at `indices`, which may have any shape, along the first axis; the second is cut at `size`."""
        end = np.array([_END if size is None else size], np.int64)
        start, axis = np.zeros(1, np.int64), np.ones(1, np.int64)
        return self._operations.run(
            "take", {"array": self, "indices": indices, "start": start, "end": end, "axis": axis}
        )

    def reorder(self, parents: NDArray[np.int64]) -> DeviceArray:
        """Of an array [N, W, Z], the rows [N, W, Z] at `parents` [N, W] within each of the N."""
        first = np.arange(len(parents))[:, None] * self.shape[1]
        shape = np.array([-1, self.shape[-1]], np.int64)
        return self._operations.run("reorder", {"array": self, "shape": shape, "indices": first + parents})

    def append(self, other: DeviceArray, size: int) -> DeviceArray:
        """This array and another, [N, S, D] each, as [N + M, size, D]; padded with zeros."""

        def pads(array: DeviceArray) -> NDArray[np.int64]:
            zeros = np.zeros(2 * len(array.shape), np.int64)
            zeros[len(array.shape) + 1] = size - array.shape[1]
            return zeros

        return self._operations.run(
            "append", {"first": self, "first_pads": pads(self), "second": other, "second_pads": pads(other)}
        )

    def numpy(self) -> NDArray[np.float32]:
        """A copy in the process's memory."""
        array: NDArray[np.float32] = self.value.numpy()
        return array


class DeviceOperations:
    """The operations of `DeviceArray` on one device.

    Args:
        open_model: opens an onnxruntime session of a model in memory, on the provider of the device.
        device: where the arrays are.
    """

    def __init__(self, open_model: Callable[[bytes], Any], device: Device) -> None:
        self._sessions = {name: open_model(content) for name, content in _MODELS.items()}
        self.device = device

    def run(self, name: str, feeds: Mapping[str, DeviceArray | NDArray[Any]]) -> DeviceArray:
        """Run one of the operations."""
        session = self._sessions[name]
        binding = bind(session, feeds)
        binding.bind_output("result", self.device.kind, self.device.number)
        session.run_with_iobinding(binding)
        return DeviceArray(binding.get_outputs()[0], self)


_MODELS = {"take": TAKE, "reorder": REORDER, "append": APPEND}


def bind(session: Any, feeds: Mapping[str, DeviceArray | NDArray[Any]]) -> Any:
    """An `IOBinding` of a session with these inputs; arrays that are on the device stay where they are."""
    binding = session.io_binding()
    for name, value in feeds.items():
        if isinstance(value, DeviceArray):
            binding.bind_ortvalue_input(name, value.value)
        else:
            binding.bind_cpu_input(name, np.ascontiguousarray(value))
    return binding
