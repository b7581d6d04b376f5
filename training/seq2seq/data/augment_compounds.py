"""Augmentation with compound sentences: two pairs joined by a coordinating conjunction, as in "I came, and he left."

Corpora of short sentences teach a translator little about long ones. Joined pairs need no reordering in the languages
below, as both clauses are main clauses. (Concatenation of pairs: Kondo et al. 2021, section 3.)
"""

import re
from collections.abc import Sequence

import numpy as np

from training.common.errors import ConfigError
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.truecasing import lowercase_words

CONJUNCTIONS: dict[str, tuple[str, ...]] = {
    "en": (", and ", " and ", ", but ", "; "),
    "de": (" und ", " und ", ", aber ", "; "),
    "fr": (" et ", " et ", ", mais ", " ; "),
    "es": (" y ", " y ", ", pero ", "; "),
    "it": (" e ", " e ", ", ma ", "; "),
    "nl": (" en ", " en ", ", maar ", "; "),
    "pt": (" e ", " e ", ", mas ", "; "),
}
"""The same conjunctions in each language (ISO 639-1), in the same order."""

_CLAUSE = re.compile(r"[^.!?\u2026\"\u201c\u201d\u201e\u00ab\u00bb:;]+\.")
_MAX_WORDS = 16
"""Words of a side of each pair; what is joined has twice as many at most."""
_ALWAYS, _EVER, _ANY = 0.95, 0.05, -1.0
"""Shares of lower case within sentences. Between the first two a word has both forms, as German "sie" and "Sie"."""


class CompoundAugmenter:
    """Joins pairs of declarative sentences.

    Args:
        pairs: the training pairs; they show which words are capitalized within sentences, and are what is joined on.
        languages: source and target, ISO 639-1.

    Raises:
        ConfigError: a language is not in `CONJUNCTIONS`.
    """

    def __init__(self, pairs: Sequence[Pair], languages: tuple[str, str]) -> None:
        missing = [language for language in languages if language not in CONJUNCTIONS]
        if missing:
            raise ConfigError(
                f"--compounds has no conjunctions of {' and '.join(missing)}, only of {', '.join(CONJUNCTIONS)}; "
                "leave it out"
            )
        self._conjunctions = [CONJUNCTIONS[language] for language in languages]
        sides = [[pair[side] for pair in pairs] for side in range(2)]
        self._lowercase = [lowercase_words(side, _ALWAYS) for side in sides]
        self._capitalized = [lowercase_words(side, _ANY) - lowercase_words(side, _EVER) for side in sides]
        self._second_clauses = [pair for pair in pairs if self._is_clause(pair) and self._joinable(pair)]

    def join(self, first: Pair, second: Pair, conjunction: int) -> Pair:
        """Both pairs as one; `conjunction` is an index into the languages' `CONJUNCTIONS`."""
        sides = []
        for side, words in enumerate(self._conjunctions):
            text = second[side]
            if self._first_word(text) in self._lowercase[side]:
                text = text[:1].lower() + text[1:]
            sides.append(first[side].removesuffix(".") + words[conjunction] + text)
        return Pair(*sides)

    def sample(self, pairs: Sequence[Pair], share: float, generator: np.random.Generator) -> dict[int, Pair]:
        """About this share of the pairs, as far as they are clauses, with another one joined on, by index."""
        if not self._second_clauses:
            return {}
        chosen = np.nonzero(generator.random(len(pairs)) < share)[0].tolist()
        joined = {}
        for index in chosen:
            if self._is_clause(pairs[index]):
                second = self._second_clauses[generator.integers(len(self._second_clauses))]
                joined[index] = self.join(pairs[index], second, int(generator.integers(len(self._conjunctions[0]))))
        return joined

    @staticmethod
    def _is_clause(pair: Pair) -> bool:
        return all(_CLAUSE.fullmatch(text) and len(text.split()) <= _MAX_WORDS for text in pair)

    def _joinable(self, pair: Pair) -> bool:
        """Whether it is known how both first words are written within a sentence."""
        return all(
            self._first_word(text) in lowercase or self._first_word(text) in capitalized
            for text, lowercase, capitalized in zip(pair, self._lowercase, self._capitalized, strict=True)
        )

    @staticmethod
    def _first_word(text: str) -> str:
        return text.split()[0].lower().rstrip(",;:.")
