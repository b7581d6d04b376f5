"""What every route of word vectors is to the predictor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Tensors
from service.tasks.word_vectors.lookup import Lookup

SUMS = "sums"
"""Sums of rows, an object array [N] of (rows [m], their weights [m])."""

NEIGHBORS = "neighbors"
"""The nearest rows, an object array [N] of (scores [k], rows [k]): every request has its own k."""

LIGHT_WORDS = 100
"""What is looked up in the event loop."""
LIGHT_NEIGHBORS = 1_000
"""Neighbours that are written down in the event loop."""


class WordsRequest(ABC):
    """One request. It keeps what the stages after `prepare` need to know of it.

    `prepare` gives one of three kinds of tensors, and the batcher joins those that are alike: `ids` [N], whose rows
    are looked up; `vectors` [N, D]; `sums` [N]. With `k` [N] beside them the nearest rows are sought as well.
    """

    @abstractmethod
    def is_large(self, lookup: Lookup) -> bool:
        """Whether the other two may hold the event loop for long."""

    @abstractmethod
    def prepare(self, lookup: Lookup) -> Tensors:
        """Find the words.

        Raises:
            InvalidRequest: naming the field.
        """

    @abstractmethod
    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        """The fields of the answer."""


def cosines(scores: NDArray[np.floating[Any]]) -> list[float]:
    """Scores [n] as they are answered: rounding may have left some just outside -1 to 1."""
    rounded: list[float] = np.round(np.clip(scores.astype(np.float64), -1, 1), 6).tolist()
    return rounded
