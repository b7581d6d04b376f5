"""Interface between the requests of the word vector routes and the predictor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from service.errors import ModelFailure
from service.runtime.session import Tensors
from service.tasks.scheduling import RUN, Work
from service.tasks.word_vectors.lookup import Lookup, items_of
from service.tasks.word_vectors.resolved_words import ResolvedWords

NEIGHBORS = "neighbors"
"""Nearest rows: object array [N] of (scores [k], row ids [k]), as every request has its own k."""

SMALL_NEIGHBORS = 1_000
"""Neighbors per request that are formatted in the event loop; more go to a thread."""

LOOKUP, PROJECTION, EMBEDDING_TEXTS = "look-up", "projection", "embedding"
"""The kinds of work of requests that search nothing: in words, words, and characters."""
NEIGHBORS_PER_ROW = 50
"""Finding and formatting so many neighbors is as much work as comparing one more row with the table."""
SEARCH_ROWS, _WORD_ROWS = 20, 1 / 200
"""The work of a search beside its rows: reading the table, and finding a word in the vocabulary, each take as long as
comparing so many rows with the table once it is read."""
REQUEST_WORDS = 100
"""The work of a request that searches nothing, beside its words."""
_MOST_NEIGHBORS = 100_000
"""The most that `max_neighbors` may be set to."""


class WordsRequest(ABC):
    """One request of a route; it keeps the state that `finish` needs.

    `prepare` returns one of three kinds of tensors, and the batcher joins requests of the same kind: `ids` [N] of rows
    to look up, `vectors` [N, D], or `sums` [N] (`WeightedSum`). With `k` [N] the nearest rows are searched as well.
    """

    @abstractmethod
    def is_large(self, lookup: Lookup) -> bool:
        """Whether `prepare` or `finish` may block the event loop for more than a millisecond."""

    @abstractmethod
    def work(self) -> Work:
        """About the work of the request."""

    @abstractmethod
    def prepare(self, lookup: Lookup) -> Tensors:
        """Look up the words and return the tensors for `infer`.

        Raises:
            InvalidRequest: the request is invalid; the error names the field.
        """

    @abstractmethod
    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        """Return the fields of the answer from the outputs of `infer`."""


class WordListRequest(WordsRequest):
    """A request about `words`, each distinct one of which is looked up once.

    Args:
        words: the words.
    """

    kind: ClassVar[str]
    """The kind of its work."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._resolved: ResolvedWords
        self._indices: NDArray[np.int64]
        """Index of each known word's vector in `embeddings`."""

    def is_large(self, lookup: Lookup) -> bool:
        return len(self._words) > lookup.small_words

    def work(self) -> Work:
        return Work(REQUEST_WORDS + len(self._words), self.kind, len(self._words), "words")

    def prepare(self, lookup: Lookup) -> Tensors:
        lookup.check_count(len(self._words), "words", "words")
        self._resolved = lookup.resolve(self._words, items_of("words"))
        ids = self._resolved.ids
        distinct = np.unique(ids[ids >= 0])
        self._indices = np.searchsorted(distinct, ids)
        return self._resolved.tensors(distinct)


def search_work(rows: int, k: int, *, words: int = 0) -> Work:
    """The work of finding `k` neighbors of each of so many rows, which are sums of `words` words in all, or words."""
    # A k beyond its limit is refused when the request is checked: admission must not refuse it before.
    units = max(rows, 1) * (1 + min(k, _MOST_NEIGHBORS) / NEIGHBORS_PER_ROW)
    overhead = SEARCH_ROWS + _WORD_ROWS * max(words, rows)
    return Work(overhead + units, RUN, rows, "words or vectors", overhead)


def cosines(scores: NDArray[np.floating[Any]]) -> list[float]:
    """Round cosines [n] for the answer, and clip those that rounding errors left just outside -1 to 1.

    Raises:
        ModelFailure: one is not a number, which JSON does not have.
    """
    if not np.isfinite(scores).all():
        raise ModelFailure("the model's vectors hold NaN or infinity")
    rounded: list[float] = np.round(np.clip(scores.astype(np.float64), -1, 1), 6).tolist()
    return rounded
