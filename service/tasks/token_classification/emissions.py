"""From sentences to emissions, by one graph or by two.

A tagger of one graph computes the features of all words anew in each run. One of two graphs has the words in a graph of
their own: a word's features depend on nothing but the word, so those of the words that have occurred are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from service.runtime.session import Session
from service.tasks.token_classification.features import EMISSIONS, FEATURES, LENGTHS, WordFeatures

Emissions = Callable[[Sequence[Sequence[str]]], NDArray[np.float32]]
"""The emissions [B, T, K] of sentences, none of them empty; undefined beyond a sentence's length."""

_MAX_TABLE_BYTES = 1 << 24
"""Kept features: about 59,000 words of the shipped taggers, whose texts and indices take about 6 MB more."""
_MAX_KEPT_LENGTH = 64
"""Longer words are hardly ever seen again."""
_FIRST_ROWS = 512
_PADDING = ""


class OneGraph:
    """The emissions by a graph that reads `features.Batch`."""

    def __init__(self, features: WordFeatures, session: Session) -> None:
        self._features = features
        self._session = session

    def __call__(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        emissions: NDArray[np.float32] = self._session.run(self._features.batch(sentences).feeds())[EMISSIONS]
        return emissions


class TwoGraphs:
    """The emissions by a graph that reads the features of words from a table.

    Args:
        table: the features.
        session: the graph from features [B, T, F] and lengths [B] to emissions.
    """

    def __init__(self, table: FeatureTable, session: Session) -> None:
        self._table = table
        self._session = session

    def __call__(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        lengths = np.fromiter(map(len, sentences), np.int32, len(sentences))
        features = self._table.features(sentences, lengths)
        emissions: NDArray[np.float32] = self._session.run({FEATURES: features, LENGTHS: lengths})[EMISSIONS]
        return emissions


class FeatureTable:
    """The features of the words that have occurred, up to a number of bytes; then it starts again.

    Args:
        session: the graph of words.
        features: makes its inputs.
        max_bytes: the most that is kept; the words of one call always fit.
    """

    def __init__(self, session: Session, features: WordFeatures, max_bytes: int = _MAX_TABLE_BYTES) -> None:
        self._session = session
        self._inputs = features
        self._size = session.graph.outputs[0].shape[-1]
        self._most_rows = max(1, max_bytes // self._size)
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._table = np.zeros((_FIRST_ROWS, self._size), np.uint8)
        self._rows = {_PADDING: 0}

    def __len__(self) -> int:
        """The number of words whose features are kept."""
        return len(self._rows) - 1

    def features(self, sentences: Sequence[Sequence[str]], lengths: NDArray[np.int32]) -> NDArray[np.uint8]:
        """The features [B, T, F] of the words of sentences of these lengths; 0 beyond the length."""
        words = list(chain.from_iterable(sentences))
        rows = np.zeros((len(sentences), int(lengths.max(initial=0))), np.intp)
        with self._lock:
            unkept: list[str] = []
            try:
                indices = [self._rows[word] for word in words]
            except KeyError:
                unkept = self._add(dict.fromkeys(words))
                indices = [self._rows[word] for word in words]
            rows[np.arange(rows.shape[1]) < lengths[:, None]] = indices
            features: NDArray[np.uint8] = self._table.take(rows, 0)
            for word in unkept:
                del self._rows[word]
        return features

    def _add(self, words: dict[str, None]) -> list[str]:
        """Add what is missing of the distinct words of a call; returns those to remove after it, which come last."""
        missing = [word for word in words if word not in self._rows]
        if len(self._rows) + len(missing) > self._most_rows:
            self._clear()
            missing = list(words)
        missing.sort(key=lambda word: len(word) > _MAX_KEPT_LENGTH)
        first = len(self._rows)
        last = first + len(missing)
        added = self._session.run(self._inputs.words(missing))[FEATURES]
        if last > len(self._table):
            grown = np.zeros((max(last, min(2 * len(self._table), self._most_rows)), self._size), np.uint8)
            grown[:first] = self._table[:first]
            self._table = grown
        self._table[first:last] = added
        self._rows.update(zip(missing, range(first, last), strict=True))
        return [word for word in missing if len(word) > _MAX_KEPT_LENGTH]
