"""The interface of a translator's two ONNX graphs: tensor names, shapes, datatypes and special token ids.

N sentences, W hypotheses per sentence, S source tokens (longest sentence), a decoder state of Z numbers. Floats are
FP32, ids and lengths INT32.

    encoder.onnx  source [N, S] (END after the last token, then PAD), lengths [N] (END included)
               -> memory [N, S, D], keys [N, S, A], state [N, Z]
    step.onnx     tokens [N, W], state [N, W, Z], keys, memory, lengths, k INT64 [1]
               -> log_probs [N, W, k], candidates [N, W, k] (best first), next_state [N, W, Z], attention [N, W, S]

A model without attention has no `memory`, `keys` and `attention`, and its step takes no `lengths`. The step returns at
most as many candidates as the vocabulary has tokens. PAD and BEGIN always have log-probability -inf; UNKNOWN has it
too unless the model was trained to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray


class DeviceArray(Protocol):
    """A float32 array in a device's memory; `service.runtime.device_arrays` has the class."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""

    def take(self, indices: NDArray[np.int64], size: int | None = None) -> Any:
        """The rows at `indices`, which may have any shape; the second axis is cut at `size`."""

    def reorder(self, parents: NDArray[np.int64]) -> Any:
        """Of an array [N, W, Z], the rows at `parents` [N, W] within each of the N."""

    def append(self, other: Any, size: int) -> Any:
        """This array [N, S, D] and another [M, T, D] as [N + M, size, D]."""


Array: TypeAlias = "NDArray[Any] | DeviceArray"
"""What only passes from graph to graph (`memory`, `keys` and the state) may be on a device; all else is numpy's."""

Tensors = dict[str, Any]
"""`Array`s by tensor name."""
GraphFunction = Callable[[Tensors], Mapping[str, Any]]
"""Runs a graph: input tensors by name -> output tensors by name."""

PAD, UNKNOWN, BEGIN, END = range(4)
"""Special token ids, the same in every vocabulary."""

ENCODER, STEP = "encoder", "step"
"""Names of the graphs in the manifest; their files are `encoder.onnx` and `step.onnx`."""

SOURCE, LENGTHS = "source", "lengths"
MEMORY, KEYS, STATE = "memory", "keys", "state"
TOKENS, K = "tokens", "k"
LOG_PROBS, CANDIDATES, NEXT_STATE, ATTENTION = "log_probs", "candidates", "next_state", "attention"

ON_DEVICE = {ENCODER: (MEMORY, KEYS, STATE), STEP: (NEXT_STATE,)}
"""The outputs of each graph that only graphs read: they may stay on a device."""
