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

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]
GraphFunction = Callable[[Tensors], Mapping[str, NDArray[Any]]]
"""Runs a graph: input tensors by name -> output tensors by name."""

PAD, UNKNOWN, BEGIN, END = range(4)
"""Special token ids, the same in every vocabulary."""

ENCODER, STEP = "encoder", "step"
"""Names of the graphs in the manifest; their files are `encoder.onnx` and `step.onnx`."""

SOURCE, LENGTHS = "source", "lengths"
MEMORY, KEYS, STATE = "memory", "keys", "state"
TOKENS, K = "tokens", "k"
LOG_PROBS, CANDIDATES, NEXT_STATE, ATTENTION = "log_probs", "candidates", "next_state", "attention"
