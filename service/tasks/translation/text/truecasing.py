"""Truecasing: gives words that are capitalized only because of their position the case they have within a sentence.

Headings are translated as if they were in the case of a running sentence.
"""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_LANGUAGES_WITH_CAPITALIZED_NOUNS = frozenset({"de", "lb"})
_WORD = re.compile(r"\w+")
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
