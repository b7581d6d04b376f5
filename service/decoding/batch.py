"""The sentences of one beam size that are run together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.decoding.beam_search import SPARE_CANDIDATES, BeamSearch
from service.decoding.graph_io import BEGIN, KEYS, LENGTHS, MEMORY, STATE, TOKENS, K, Tensors


@dataclass
class Group:
    """Sentences of one beam size, N x W hypotheses. Who comes and who goes is copied, not the others' memory."""

    search: BeamSearch
    tickets: list[Hashable]
    tokens: NDArray[np.int32]
    """[N, W]: the last piece of each hypothesis."""
    state: NDArray[np.float32]
    """[N, W, Z]."""
    lengths: NDArray[np.int32]
    memory: Tensors
    """[N or more, S or more, …] by name; empty without attention."""

    @classmethod
    def fresh(
        cls,
        search: BeamSearch,
        tickets: list[Hashable],
        places: list[int],
        lengths: NDArray[np.int32],
        encoded: Mapping[str, NDArray[Any]],
    ) -> Group:
        """The sentences at these places of what the encoder gave, before their first piece."""
        longest = int(lengths[places].max())
        return cls(
            search=search,
            tickets=tickets,
            tokens=np.full((len(places), search.width), BEGIN, np.int32),
            state=np.repeat(encoded[STATE][places, None], search.width, axis=1),
            lengths=lengths[places],
            memory={name: encoded[name][places, :longest] for name in (KEYS, MEMORY) if name in encoded},
        )

    def __len__(self) -> int:
        return len(self.tickets)

    def feeds(self) -> Tensors:
        """What the step takes."""
        feeds: Tensors = {TOKENS: self.tokens, STATE: self.state, K: _candidates(self.search.width)}
        if self.memory:
            feeds |= {name: array[: len(self)] for name, array in self.memory.items()}
            feeds[LENGTHS] = self.lengths
        return feeds

    def select(self, places: Sequence[int]) -> Group:
        """Some of the sentences, by themselves."""
        memory = {name: array[places] for name, array in self.memory.items()}
        chosen = Group(self.search, self.tickets, self.tokens, self.state, self.lengths, memory)
        chosen._keep(places)
        return chosen

    def leave(self, done: NDArray[np.bool_]) -> None:
        """Let the sentences go that are done; the last ones take their places."""
        left = len(self) - int(done.sum())
        last = [place for place in range(left, len(self)) if not done[place]]
        places = [place if not done[place] else last.pop() for place in range(left)]
        for array in self.memory.values():
            for place, other in enumerate(places):
                if place != other:
                    array[place] = array[other]
        self._keep(places)
        longest = int(self.lengths.max(initial=0))
        for name, array in self.memory.items():
            if 2 * longest <= array.shape[1]:  # a long one left: the others need not be padded like it
                self.memory[name] = np.ascontiguousarray(array[:left, :longest])

    def join(self, other: Group) -> Group:
        """These sentences and others, padded alike."""
        count, longest = len(self), int(max(self.lengths.max(), other.lengths.max()))
        for name, array in self.memory.items():
            self.memory[name] = _with_room(array, count, count + len(other), longest)
            self.memory[name][count : count + len(other), : other.memory[name].shape[1]] = other.memory[name]
        self.search = self.search.join(other.search)
        self.tickets = self.tickets + other.tickets
        self.tokens = np.concatenate([self.tokens, other.tokens])
        self.state = np.concatenate([self.state, other.state])
        self.lengths = np.concatenate([self.lengths, other.lengths])
        return self

    def _keep(self, places: Sequence[int]) -> None:
        """Of all but the memory."""
        chosen = np.array(places, np.int64)
        self.search = self.search.select(chosen)
        self.tickets = [self.tickets[place] for place in places]
        self.tokens, self.state, self.lengths = self.tokens[chosen], self.state[chosen], self.lengths[chosen]


def _candidates(width: int) -> NDArray[np.int64]:
    return np.array([width + SPARE_CANDIDATES], np.int64)


def _with_room(array: NDArray[Any], count: int, wanted: int, longest: int) -> NDArray[Any]:
    """[N, S, D] of which `count` sentences are taken, with room for so many and for so long ones."""
    room, size = max(wanted, len(array)), max(longest, array.shape[1])
    if (room, size) == array.shape[:2]:
        return array
    found = np.zeros((max(room, 2 * count), size, array.shape[2]), array.dtype)
    found[:count, : array.shape[1]] = array[:count]
    return found
