"""Truecasing: gives words that are capitalized only because of their position the case they have within a sentence.

Headings and texts in all caps are translated as if they were in the case of a running sentence.
"""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_LANGUAGES_WITH_CAPITALIZED_NOUNS = frozenset({"de", "lb"})
_WORD = re.compile(r"\w+")
_WORD_WITH_APOSTROPHES = re.compile(r"\w+(?:'\w+)*")
_MIN_ALL_CAPS_LETTERS, _MIN_ALL_CAPS_WORD, _MIN_KNOWN_WORD = 8, 7, 4
"""Text in capitals may be an abbreviation below this many letters in several words, in a single word, or in a single
word that is known."""
_SENTENCE_END, _CLOSING_PUNCTUATION = frozenset(".!?\u2026"), "\"')]"


class Truecaser(BaseModel):
    """Case statistics of a language, collected in training; the bundle's file `capitals.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    lowercase_words: frozenset[str] = Field(default=frozenset(), alias="small")
    """Words, in lower case, that are capitalized only at the start of a sentence."""
    sentence_starters: frozenset[str] = Field(default=frozenset(), alias="begins")
    """Those of them that often start a sentence, so that the translator has seen them capitalized as well."""

    @classmethod
    def read(cls, content: bytes) -> Truecaser:
        """Parse the contents of a file that `write` made.

        Raises:
            ValueError: it is not such a file; says why.
        """
        try:
            return cls.model_validate_json(content, by_alias=True, by_name=False)
        except ValidationError as error:
            raise ValueError(f"no list of words: {error.errors()[0]['msg']}") from error

    def write(self) -> bytes:
        """The contents of a file: JSON, words in alphabetical order."""
        content = {"small": sorted(self.lowercase_words), "begins": sorted(self.sentence_starters)}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

    def is_all_caps(self, text: str) -> bool:
        """Whether a text is written in capitals: more than an abbreviation or two, or with known lower-case words."""
        if not text.replace("ß", "").isupper():
            return False
        words, letters = _WORD.findall(text), sum(map(str.isalpha, text))
        known = [word for word in words if word.lower() in self.lowercase_words]
        if " " in text:
            # THE END, NO ENTRY; but neither THE FBI nor U.S. NATO
            may_be_words = all(word in known or len(word) >= _MIN_KNOWN_WORD for word in words)
            return letters >= _MIN_ALL_CAPS_LETTERS or (may_be_words and any(len(word) > 1 for word in known))
        return len(words) == 1 and letters >= (_MIN_KNOWN_WORD if known else _MIN_ALL_CAPS_WORD)

    def sentence_case(self, text: str) -> str:
        """A text in capitals as a sentence."""
        lowered = _WORD_WITH_APOSTROPHES.sub(lambda word: self.word_case(word[0]), text)
        return lowered[:1].upper() + lowered[1:]

    def word_case(self, word: str) -> str:
        """A word in capitals as within a sentence: a lower-case word, or else with a capital, as a name or noun."""
        lower = word.lower()
        is_lowercase = not self.lowercase_words or lower in self.lowercase_words
        return lower if is_lowercase else lower.capitalize()

    def truecase(self, text: str, language: str) -> str:
        """A heading in the case it would have within a sentence; a text that ends like a sentence is unchanged.

        1. The first word is lowercased if it is a lower-case word, unless it often starts a sentence and other words
           follow: the translator knows `Good morning`.
        2. If every other word is capitalized and a lower-case word (so none can be a name), those are lowercased too,
           except in languages that capitalize nouns.
        """
        if not text[:1].isupper() or text.rstrip(_CLOSING_PUNCTUATION)[-1:] in _SENTENCE_END:
            return text
        first, *others = _WORD.finditer(text)
        if not self._is_lowercase_word(first[0]):
            return text
        selected = [] if others and first[0].lower() in self.sentence_starters else [first]
        if not capitalizes_nouns(language) and all(
            word[0][0].isupper() and self._is_lowercase_word(word[0]) for word in others
        ):
            selected += others
        characters = list(text)
        for word in selected:
            characters[word.start()] = characters[word.start()].lower()
        truecased = "".join(characters)
        # A few letters, such as İ, are two in lower case: then positions would no longer fit the text.
        return truecased if len(truecased) == len(text) else text

    def _is_lowercase_word(self, word: str) -> bool:
        """Whether a capitalized word is one of `lowercase_words`."""
        return word[1:] == word[1:].lower() and word.lower() in self.lowercase_words


NO_TRUECASING = Truecaser()
"""For languages without case statistics: changes nothing."""


def capitalizes_nouns(language: str) -> bool:
    """Whether the language writes nouns with a capital, so that a capitalized first word may be one."""
    return language in _LANGUAGES_WITH_CAPITALIZED_NOUNS
