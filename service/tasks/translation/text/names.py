"""Names in a sentence: capitalized words that a translator has not seen whole, and would spell anew.

In languages that capitalize nouns the words around a capitalized word and its spelling decide as well, unless a list of
the words that were seen in training is at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.exonyms import exonyms
from service.tasks.translation.text.truecasing import NO_TRUECASING, Truecaser, capitalizes_nouns

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:\u2026\n])[\s\"'\u201c\u201e\u201d\u00ab\u00bb(\[*\u2022\u2013-]*\Z")
_NEIGHBORHOOD = 24
"""Characters before a word in which the end of the sentence before is searched."""
# fmt: off
_TITLES = {
    "en": frozenset(["Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Professor", "Sir", "Madam", "Captain", "President"]),
    "de": frozenset(["Herr", "Herrn", "Frau", "Dr", "Prof", "Professor", "Fräulein", "Familie", "Präsident"]),
}
_NOUN_ENDINGS = (
    "ung", "ungen", "heit", "heiten", "keit", "keiten", "schaft", "schaften", "tion", "tionen", "ismus", "ität",
    "täten", "chen", "lein", "nis", "nisse", "nissen", "tum", "ling", "linge", "lingen", "ment", "mente", "enz", "anz",
)
_DETERMINERS = frozenset([
    "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "eines", "kein", "keine",
    "keinen", "keinem", "keiner", "keines", "im", "am", "zum", "zur", "vom", "beim", "ins", "ans", "aufs", "fürs",
    "viel", "viele", "vielen", "mehr", "wenig", "wenige", "etwas", "alle", "allen", "aller", "welche", "welcher",
    "welches", "welchen", "welchem", "manche", "einige", "mehrere", "zwei", "drei", "vier", "fünf", "sechs", "zehn",
    "als", "ohne", "mit", "haben", "hat", "und", "oder",
])
# fmt: on
_DETERMINER_STEMS = re.compile(r"(?:mein|dein|sein|ihr|unser|eu(?:e)?r|dies|jen|jed|solch)(?:e|en|em|er|es)?")
_ADJECTIVE_ENDING = re.compile(r"\w{2,}(?:e|en|em|er|es)")


class NameList(BaseModel):
    """What training has learned about words; a file of the bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    translations: dict[str, str] = Field(default={})
    """Names of the source language with their names in the target language; the same if it has no other."""
    known_words: frozenset[str] = Field(default=frozenset())
    """Capitalized words of the source language that the model translates itself, though they are of several pieces."""

    @classmethod
    def read(cls, content: bytes) -> NameList:
        """Parse the contents of a file that `write` made.

        Raises:
            ValueError: it is not such a file; says why.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ValueError(f"no list of names: {error.errors()[0]['msg']}") from error

    def write(self) -> bytes:
        """The contents of a file: JSON in alphabetical order."""
        content = {
            "translations": dict(sorted(self.translations.items())),
            "known_words": sorted(self.known_words),
        }
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


NO_NAMES = NameList()
"""For models without a list of names."""


class Name(NamedTuple):
    """A name at `text[start:end]`."""

    start: int
    end: int
    translation: str
    """The name in the target language; its own spelling if no other is known."""


class NameFinder:
    """Finds the names of a text that are to be copied.

    Args:
        language: of the text.
        target: the language to translate into.
        subwords: the subwords of the text's language; a word that is one piece is known.
        truecaser: the truecaser of the text's language.
        names: what training has learned.
    """

    def __init__(
        self,
        language: str,
        target: str,
        subwords: Subwords,
        truecaser: Truecaser = NO_TRUECASING,
        names: NameList = NO_NAMES,
    ) -> None:
        self._subwords, self._truecaser, self._known_words = subwords, truecaser, names.known_words
        self._translations = {**exonyms(language, target), **names.translations}
        self._titles = _TITLES.get(language, frozenset())
        self._capitalizes_nouns = capitalizes_nouns(language)

    def find(self, text: str, start: int, stop: int) -> Iterator[Name]:
        """The names in `text[start:stop]`, in reading order; adjacent ones are found one by one."""
        previous = ""
        previous_end, follows_name = start, False
        for match in _WORD.finditer(text, start, stop):
            word = match[0]
            adjacent = text[previous_end : match.start()]
            follows_name = follows_name and adjacent == " "
            after_title = previous in self._titles and adjacent in (" ", ". ")
            if word[0].isupper():
                stem, translation = self._split_possessive(word)
                if translation is None and self._is_unknown(text, match.start(), stem, previous, adjacent):
                    translation = stem
                if translation is None and (after_title or follows_name) and self._may_follow_name(stem):
                    translation = stem
                follows_name = translation is not None
                if translation is not None:
                    yield Name(match.start(), match.start() + len(stem), translation)
            else:
                follows_name = False
            previous, previous_end = word, match.end()

    def _split_possessive(self, word: str) -> tuple[str, str | None]:
        """The word without 's, and its translation by the list of names if the model does not know it whole."""
        stem = re.sub(r"['\u2019]s?\Z", "", word)
        translation = self._translations.get(stem)
        return stem, None if translation is None or self._is_piece(stem) else translation

    def _is_piece(self, word: str) -> bool:
        return len(self._subwords.encode(word)) == 1

    def _may_follow_name(self, word: str) -> bool:
        return len(word) > 1 and word not in self._titles and word[1:].islower()

    def _is_unknown(self, text: str, position: int, word: str, previous: str, adjacent: str) -> bool:
        """Whether a capitalized word is a name or acronym that the model has not seen whole."""
        if len(word) == 1 or word in self._known_words or self._is_piece(word):
            return False
        lower = word.lower()
        if lower in self._truecaser.lowercase_words or self._is_piece(lower):
            return False
        if any(self._is_known_part(part) for part in re.split(r"['\u2019-]", word) if part != word):
            return False
        if not self._capitalizes_nouns or self._known_words:
            return True
        starts = bool(_SENTENCE_START.search(text, max(0, position - _NEIGHBORHOOD), position))
        return not self._may_be_noun(word, "" if starts else previous, adjacent)

    def _is_known_part(self, word: str) -> bool:
        return bool(word) and (word.lower() in self._truecaser.lowercase_words or self._is_piece(word.lower()))

    def _may_be_noun(self, word: str, previous: str, adjacent: str) -> bool:
        """Whether a capitalized word of a language that capitalizes nouns may be a common noun."""
        if word.lower().endswith(_NOUN_ENDINGS):
            return True
        before = previous.lower() if adjacent == " " else ""
        return bool(
            before in _DETERMINERS or _DETERMINER_STEMS.fullmatch(before) or _ADJECTIVE_ENDING.fullmatch(before)
        )
