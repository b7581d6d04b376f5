"""Look-up of the words of a request in the vocabulary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest, LimitExceeded
from service.limits import Limits
from service.tasks.word_vectors.preprocessing import WordVectorsPreprocessing
from service.tasks.word_vectors.resolved_words import ComposedWord, ResolvedWords
from service.tasks.word_vectors.spelling import SpellingSuggester
from service.tasks.word_vectors.subwords import SubwordTable
from service.tasks.word_vectors.vocabulary import Vocabulary
from service.text import normalize_word

FieldPath = Callable[[int], str]
"""Path of an item in the request by its index, such as `words[3]`, for error messages."""

_MAX_QUOTED = 64
"""Characters of a word that an error message quotes."""
_SMALL_WORDS, _SMALL_COMPOSED_WORDS = 100, 25
"""Words that are looked up, or composed, in about a millisecond."""


class Lookup:
    """Looks up words of requests in one model's vocabulary.

    Args:
        model: name of the model, for error messages.
        vocabulary: the model's words.
        weights: weight of each word in the mean of a text's vectors, float32 [words].
        preprocessing: how words and texts are normalized and tokenized.
        limits: limits of one request.
        subwords: composes words that are not in the vocabulary; None leaves them unknown.
    """

    def __init__(
        self,
        model: str,
        vocabulary: Vocabulary,
        weights: NDArray[np.float32],
        preprocessing: WordVectorsPreprocessing,
        limits: Limits,
        subwords: SubwordTable | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.weights = weights
        self.preprocessing = preprocessing
        self.limits = limits
        self._model = model
        self._subwords = subwords
        self._spelling = SpellingSuggester(vocabulary)

    def normalize(self, word: str) -> str:
        """Normalize a word to the spelling of the vocabulary."""
        return normalize_word(word, self.preprocessing.normalizer)

    @property
    def small_words(self) -> int:
        """Words per request that are looked up in the event loop; more go to a thread."""
        return _SMALL_WORDS if self._subwords is None else _SMALL_COMPOSED_WORDS

    @property
    def composes(self) -> bool:
        """Whether words that are not in the vocabulary may have vectors."""
        return self._subwords is not None

    def compose(self, word: str) -> NDArray[np.float32] | None:
        """The unit vector [D] of a normalized word that is not in the vocabulary; None if it cannot be composed."""
        return None if self._subwords is None else self._subwords.compose(word)

    def resolve(self, words: Sequence[str], field: FieldPath) -> ResolvedWords:
        """Look up words; those that are not in the vocabulary are composed of their n-grams, where the model has them.

        Args:
            words: the words as in the request.
            field: paths of the words in the request.

        Raises:
            InvalidRequest: a word is empty.
        """
        normalized = [self.normalize(word) for word in words]
        if "" in normalized:
            raise InvalidRequest("is empty; send a word", field(normalized.index("")))
        ids = self.vocabulary.find(normalized)
        if self._subwords is None or not (ids < 0).any():
            return ResolvedWords(ids, self.vocabulary)
        composed: list[ComposedWord] = []
        for word, positions in _positions(normalized, ids < 0).items():
            if (vector := self._subwords.compose(word)) is not None:
                ids[positions] = len(self.vocabulary) + len(composed)
                composed.append(ComposedWord(word, vector))
        return ResolvedWords(ids, self.vocabulary, composed)

    def require(self, words: Sequence[str], field: FieldPath) -> ResolvedWords:
        """Look up words that must all have a vector.

        Raises:
            InvalidRequest: a word is empty or unknown; the error names the first one, with similar known spellings.
        """
        resolved = self.resolve(words, field)
        unknown = resolved.ids < 0
        if unknown.any():
            index = int(np.argmax(unknown))
            raise InvalidRequest(self.describe_unknown(words[index]), field(index))
        return resolved

    def describe_unknown(self, word: str) -> str:
        """Error message for a word that is not in the vocabulary, with similar known spellings."""
        closest = self.closest(word)
        spellings = f"; closest known: {', '.join(closest)}" if closest else ""
        quoted = word if len(word) <= _MAX_QUOTED else f"{word[:_MAX_QUOTED]}…"
        return f"{quoted!r} is not in the vocabulary of model {self._model!r}{spellings}"

    def closest(self, word: str, deadline: float | None = None) -> list[str]:
        """Known spellings similar to a word; `deadline` as in `SpellingSuggester.closest`."""
        return self._spelling.closest(self.normalize(word), deadline)

    def check_count(self, count: int, what: str, field: str) -> None:
        """Check the length of a list of words, pairs or vectors against the limit.

        Raises:
            InvalidRequest: the list is too long.
        """
        if count > self.limits.max_words:
            raise LimitExceeded(
                f"{count} {what}, {self.limits.describe('max_words')}; send several requests",
                field,
            )

    def check_k(self, k: int, rows: int) -> None:
        """Check the number of neighbors, per query and of all `rows` queries together, against the limits.

        Raises:
            InvalidRequest: too many neighbors are requested.
        """
        if k > self.limits.max_neighbors:
            raise LimitExceeded(f"is {k}, {self.limits.describe('max_neighbors')}", "k")
        if k * rows > self.limits.max_total_neighbors:
            raise LimitExceeded(
                f"{rows} times {k} neighbors, {self.limits.describe('max_total_neighbors')}; send several requests",
                "k",
            )


def _positions(words: Sequence[str], chosen: NDArray[np.bool_]) -> dict[str, list[int]]:
    """The positions of each distinct one of the chosen words [n]."""
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for index in np.flatnonzero(chosen).tolist():
        positions[words[index]].append(index)
    return positions


def items_of(field: str) -> FieldPath:
    """Paths of the items of a list field."""
    return lambda index: f"{field}[{index}]"
