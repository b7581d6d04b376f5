"""From words as they are sent to rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest
from service.limits import Limits
from service.tasks.word_vectors.preprocessing import WordVectorsPreprocessing
from service.tasks.word_vectors.spelling import Spelling
from service.tasks.word_vectors.vocabulary import Vocabulary
from service.text import normalize_word

Field = Callable[[int], str]
"""The path of the item with a number: `words[3]`."""

_SHOWN = 64
"""Characters of a word that an error repeats."""


class Lookup:
    """The words of one model.

    Args:
        model: its name, for errors.
        vocabulary: its words.
        weights: float32 [words], the weight of each in the mean that is a text's vector.
        preprocessing: how words and texts are read.
        limits: what one request may ask for.
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
        self._spelling = Spelling(vocabulary)

    def normalise(self, word: str) -> str:
        """The word as the vocabulary would spell it."""
        return normalize_word(word, self.preprocessing.normaliser)

    def find(self, words: Sequence[str], field: Field) -> NDArray[np.int64]:
        """The rows of words, [n]; -1 for one that is not known.

        Args:
            words: as they were sent.
            field: how errors name each of them.

        Raises:
            InvalidRequest: a word is empty.
        """
        normalised = [self.normalise(word) for word in words]
        if "" in normalised:
            raise InvalidRequest("is empty; send a word", field(normalised.index("")))
        return self.vocabulary.find(normalised)

    def require(self, words: Sequence[str], field: Field) -> NDArray[np.int64]:
        """Like `find`, for words that must all be known.

        Raises:
            InvalidRequest: naming the first that is not, with the closest known spellings.
        """
        ids = self.find(words, field)
        if (ids < 0).any():
            index = int(np.argmax(ids < 0))
            raise InvalidRequest(self.unknown(words[index]), field(index))
        return ids

    def unknown(self, word: str) -> str:
        """The complaint about a word that is not known."""
        closest = self._spelling.closest(self.normalise(word))
        spellings = f"; closest known: {', '.join(closest)}" if closest else ""
        shown = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"
        return f"{shown!r} is not in the vocabulary of model {self._model!r}{spellings}"

    def check_count(self, count: int, what: str, field: str) -> None:
        """Raise InvalidRequest where a list is too long."""
        if count > self.limits.max_words:
            raise InvalidRequest(
                f"{count} {what}, {self.limits.describe('max_words')}; send several requests",
                field,
            )

    def check_k(self, k: int, rows: int) -> None:
        """Raise InvalidRequest where more neighbours are asked for than may be, each or of all `rows` together."""
        if k > self.limits.max_neighbors:
            raise InvalidRequest(f"is {k}, {self.limits.describe('max_neighbors')}", "k")
        if k * rows > self.limits.max_total_neighbors:
            raise InvalidRequest(
                f"{rows} times {k} neighbours, {self.limits.describe('max_total_neighbors')}; send several requests",
                "k",
            )


def items_of(field: str) -> Field:
    """Paths of the items of a list."""
    return lambda index: f"{field}[{index}]"
