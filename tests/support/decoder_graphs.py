"""A random language model as encoder and step functions: the next token depends on the source and the last token."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.decoding.graph_io import (
    ATTENTION,
    CANDIDATES,
    END,
    KEYS,
    LENGTHS,
    LOG_PROBS,
    MEMORY,
    NEXT_STATE,
    SOURCE,
    STATE,
    TOKENS,
    GraphFunction,
    K,
    Tensors,
)

PIECES = 12


class RandomModel:
    """Log-probabilities from random tables.

    Args:
        seed: of the tables.
        attention: whether the model has attention.
        end: added to the logits of END.
    """

    def __init__(self, seed: int = 0, *, attention: bool = True, end: float = 1.0) -> None:
        draw = np.random.default_rng(seed)
        self.by_source = draw.normal(size=(PIECES, PIECES)) * 2
        self.by_last = draw.normal(size=(PIECES, PIECES)) * 2
        self.by_last[:, END] += end
        self.attention = attention
        self.runs: list[tuple[str, int, int]] = []
        """Runs so far: graph, number of sentences, and hypotheses per sentence (step) or longest source (encode)."""

    def log_probs(self, source: Sequence[int], target: Sequence[int]) -> NDArray[np.float64]:
        """Log-probabilities [V] of the token after this target; -inf for PAD, UNKNOWN and BEGIN."""
        scores = self.by_source[[*source, END]].mean(0) + self.by_last[target[-1] if target else 2]
        scores[:3] = -np.inf
        log_probs: NDArray[np.float64] = scores - np.log(np.exp(scores).sum())
        return log_probs

    def encode(self, feeds: Tensors) -> Tensors:
        """The encoder. The state is the mean of the source tokens' rows, then the number of target tokens so far."""
        source, lengths = feeds[SOURCE], feeds[LENGTHS]
        self.runs.append(("encode", *source.shape))
        means = [self.by_source[row[:length]].mean(0) for row, length in zip(source, lengths, strict=True)]
        outputs: dict[str, NDArray[Any]] = {STATE: np.pad(np.array(means, np.float32), ((0, 0), (0, 1)))}
        if self.attention:
            memory = source[:, :, None].astype(np.float32)
            outputs |= {MEMORY: memory, KEYS: memory.copy()}
        return outputs

    def step(self, feeds: Tensors) -> Tensors:
        """The step. The target token at position t attends to the source token at position t."""
        tokens, state = feeds[TOKENS], feeds[STATE]
        self.runs.append(("step", *tokens.shape))
        scores = state[..., :-1] + self.by_last[tokens]
        scores[..., :3] = -np.inf
        log_probs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        best = np.argsort(-log_probs, axis=-1, kind="stable")[..., : int(feeds[K][0])]
        after = state.copy()
        after[..., -1] += 1
        outputs: dict[str, NDArray[Any]] = {
            LOG_PROBS: np.take_along_axis(log_probs, best, -1).astype(np.float32),
            CANDIDATES: best.astype(np.int32),
            NEXT_STATE: after,
        }
        if self.attention:
            positions = state[..., -1].astype(int) % feeds[LENGTHS][:, None]
            outputs[ATTENTION] = np.eye(feeds[KEYS].shape[1], dtype=np.float32)[positions]
        return outputs

    def graphs(self) -> tuple[GraphFunction, GraphFunction]:
        """The encoder and the step."""
        return self.encode, self.step


def sources(count: int, seed: int = 0, longest: int = 8) -> list[list[int]]:
    """Random sentences of 0 to `longest` tokens."""
    draw = np.random.default_rng(seed)
    return [draw.integers(4, PIECES, size=draw.integers(0, longest + 1)).tolist() for _ in range(count)]
