"""What a translator's graphs are called, what goes in and out of them, and the ids with a meaning of their own.

N sentences, W hypotheses of each, S source pieces at most, a state of Z numbers; FP32, ids and lengths INT32.

    encoder.onnx  source [N, S] (END last, then PAD), lengths [N]
               -> memory [N, S, D], keys [N, S, A], state [N, Z]
    step.onnx     tokens [N, W], state [N, W, Z], keys, memory, lengths, k INT64 [1]
               -> log_probs [N, W, k], candidates [N, W, k] (best first), next_state [N, W, Z], attention [N, W, S]

Without attention there are no memory, keys and attention, and the step takes no lengths. The step gives no more
candidates than the vocabulary has pieces; PAD and BEGIN have the log-probability -inf, and UNKNOWN but in models that
copy.
"""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]
Run = Callable[[Tensors], Mapping[str, NDArray[Any]]]
"""A graph: tensors by name in and out."""

PAD, UNKNOWN, BEGIN, END = range(4)
"""Ids of every vocabulary."""

ENCODER, STEP = "encoder", "step"
"""The graphs in the manifest; their files are `encoder.onnx` and `step.onnx`."""

SOURCE, LENGTHS = "source", "lengths"
MEMORY, KEYS, STATE = "memory", "keys", "state"
TOKENS, K = "tokens", "k"
LOG_PROBS, CANDIDATES, NEXT_STATE, ATTENTION = "log_probs", "candidates", "next_state", "attention"
