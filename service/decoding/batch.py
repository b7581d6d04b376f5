"""The batch of sentences that are decoded together because they have the same beam size."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.decoding.arrays import append, take
from service.decoding.base import Search
from service.decoding.beam_search import SPARE_CANDIDATES
from service.decoding.graph_io import BEGIN, KEYS, LENGTHS, MEMORY, STATE, TOKENS, Array, K, Tensors


@dataclass
class Batch:
    """N sentences with W hypotheses each.

    The encoder's memory is the large part. When sentences join or leave only their own rows of it are copied.
    """

    search: Search
    tickets: list[Hashable]
    """Identifies each sentence to the caller."""
    tokens: NDArray[np.int32]
    """[N, W]: last token of each hypothesis."""
    state: Array
    """[N, W, Z]: decoder state; it and the memory may be on a device."""
    lengths: NDArray[np.int32]
    """[N]: source tokens, END included."""
    memory: Tensors
    """`memory` and `keys` by name, [capacity >= N, >= S, ...]; empty for models without attention."""

    @classmethod
    def start(
        cls,
        search: Search,
        tickets: list[Hashable],
        indices: list[int],
        lengths: NDArray[np.int32],
        encoded: Mapping[str, Array],
    ) -> Batch:
        """The batch of some of the sentences that the encoder was run on, before their first token.

        Args:
            search: the search of these sentences.
            tickets: the tickets of these sentences.
            indices: positions of these sentences in the encoder's batch.
            lengths: source lengths of the encoder's whole batch.
            encoded: the encoder's outputs.
        """
        longest = int(lengths[indices].max())
        return cls(
            search=search,
            tickets=tickets,
            tokens=np.full((len(indices), search.width), BEGIN, np.int32),
            state=take(encoded[STATE], np.repeat(np.array(indices)[:, None], search.width, axis=1)),
            lengths=lengths[indices],
            memory={name: take(encoded[name], indices, longest) for name in (KEYS, MEMORY) if name in encoded},
        )

    def __len__(self) -> int:
        return len(self.tickets)

    def step_inputs(self) -> Tensors:
        """The inputs of the step graph."""
        inputs: Tensors = {
            TOKENS: self.tokens,
            STATE: self.state,
            K: np.array([self.search.width + SPARE_CANDIDATES], np.int64),
        }
        if self.memory:
            for name, array in self.memory.items():
                # On a device it has no more rows than sentences.
                inputs[name] = array[: len(self)] if isinstance(array, np.ndarray) else array
            inputs[LENGTHS] = self.lengths
        return inputs

    def select(self, indices: Sequence[int]) -> Batch:
        """A copy that holds the sentences at these indices."""
        memory = {name: take(array, indices) for name, array in self.memory.items()}
        selected = Batch(self.search, self.tickets, self.tokens, self.state, self.lengths, memory)
        selected._keep(indices)
        return selected

    def remove(self, done: NDArray[np.bool_]) -> None:
        """Remove the sentences where `done` [N] is true; the last ones move into the gaps."""
        count = len(self) - int(done.sum())
        movable = [index for index in range(count, len(self)) if not done[index]]
        indices = [index if not done[index] else movable.pop() for index in range(count)]
        for array in self.memory.values():
            for target, origin in enumerate(indices if isinstance(array, np.ndarray) else ()):
                if target != origin:
                    array[target] = array[origin]
        self._keep(indices)
        longest = int(self.lengths.max(initial=0))
        for name, array in self.memory.items():
            size = longest if 2 * longest <= array.shape[1] else None  # a long sentence left: much less padding does
            if not isinstance(array, np.ndarray):
                self.memory[name] = take(array, indices, size)
            elif size is not None:
                self.memory[name] = np.ascontiguousarray(array[:count, :size])

    def join(self, other: Batch) -> Batch:
        """Append another batch's sentences to this one, padding the memory to the longest source."""
        count, longest = len(self), int(max(self.lengths.max(), other.lengths.max()))
        for name, array in self.memory.items():
            added = other.memory[name]
            if not isinstance(array, np.ndarray):
                self.memory[name] = array.append(added, max(array.shape[1], added.shape[1]))
                continue
            own = self.memory[name] = _with_capacity(array, count, count + len(other), longest)
            # Sentences that left the other batch may have left it more rows, and more padding, than it needs.
            size = min(own.shape[1], added.shape[1])
            own[count : count + len(other), :size] = added[: len(other), :size]
        self.search = self.search.join(other.search)
        self.tickets = self.tickets + other.tickets
        self.tokens = np.concatenate([self.tokens, other.tokens])
        self.state = append(self.state, other.state)
        self.lengths = np.concatenate([self.lengths, other.lengths])
        return self

    def _keep(self, indices: Sequence[int]) -> None:
        """Keep these sentences, in this order, in everything but the memory."""
        kept = np.array(indices, np.int64)
        self.search = self.search.select(kept)
        self.tickets = [self.tickets[index] for index in indices]
        self.tokens, self.state, self.lengths = self.tokens[kept], take(self.state, kept), self.lengths[kept]


def _with_capacity(array: NDArray[Any], count: int, sentences: int, length: int) -> NDArray[Any]:
    """The array [N, S, D] grown to hold this many sentences of this length; its first `count` rows are kept."""
    capacity, size = max(sentences, len(array)), max(length, array.shape[1])
    if (capacity, size) == array.shape[:2]:
        return array
    grown = np.zeros((max(capacity, 2 * count), size, array.shape[2]), array.dtype)
    grown[:count, : array.shape[1]] = array[:count]
    return grown
