"""Look-up of the words of a request in the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest, LimitExceeded
from service.limits import Limits
from service.tasks.word_vectors.preprocessing import WordVectorsPreprocessing
from service.tasks.word_vectors.spelling import SpellingSuggester
from service.tasks.word_vectors.vocabulary import Vocabulary
from service.text import normalize_word

FieldPath = Callable[[int], str]
"""Path of an item in the request by its index, such as `words[3]`, for error messages."""

_MAX_QUOTED = 64
"""Characters of a word that an error message quotes."""


class Lookup:
    """Looks up words of requests in one model's vocabulary.

    Args:
        model: name of the model, for error messages.
        vocabulary: the model's words.
        weights: weight of each word in the mean of a text's vectors, float32 [words].
        preprocessing: how words and texts are normalized and tokenized.
        limits: limits of one request.
    """

    def __init__(
        self,
        model: str,
        vocabulary: Vocabulary,
        weights: NDArray[np.float32],
        preprocessing: WordVectorsPreprocessing,
        limits: Limits,
    ) -> None:
        self.vocabulary = vocabulary
        self.weights = weights
        self.preprocessing = preprocessing
        self.limits = limits
        self._model = model
        self._spelling = SpellingSuggester(vocabulary)

    def normalize(self, word: str) -> str:
        """Normalize a word to the spelling of the vocabulary."""
        return normalize_word(word, self.preprocessing.normalizer)

    def find(self, words: Sequence[str], field: FieldPath) -> NDArray[np.int64]:
        """Look up the row ids of words.

        Args:
            words: the words as in the request.
            field: paths of the words in the request.

        Returns:
            Row ids [n], -1 for unknown words.

        Raises:
            InvalidRequest: a word is empty.
        """
        normalized = [self.normalize(word) for word in words]
        if "" in normalized:
            raise InvalidRequest("is empty; send a word", field(normalized.index("")))
        return self.vocabulary.find(normalized)

    def require(self, words: Sequence[str], field: FieldPath) -> NDArray[np.int64]:
        """Look up the row ids of words that must all be known, [n].

        Raises:
            InvalidRequest: a word is empty or unknown; the error names the first one, with similar known spellings.
        """
        ids = self.find(words, field)
        if (ids < 0).any():
            index = int(np.argmax(ids < 0))
            raise InvalidRequest(self.describe_unknown(words[index]), field(index))
        return ids

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


def items_of(field: str) -> FieldPath:
    """Paths of the items of a list field."""
    return lambda index: f"{field}[{index}]"
