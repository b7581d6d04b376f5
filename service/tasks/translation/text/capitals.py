"""Words in capitals: a text in capitals is read as a sentence, and a word in capitals for emphasis as a word.

Abbreviations stay as they are. What is one, no rule knows for sure: a few letters that are neither a known word in
lower case nor a piece of the vocabulary with a capital are taken for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.truecasing import Truecaser

_WORD = re.compile(r"\w+(?:['\u2019\u02bc]\w+)*")
_APOSTROPHE = re.compile(r"['\u2019\u02bc]")
_ROMAN_NUMERAL = re.compile(r"(?=[IVXLC]{2})C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_KEYWORDS = frozenset(
    ("aids", "delete", "enter", "escape", "false", "get", "head", "none", "null", "post", "return", "true")
)
"""Names of keys, constants and methods, which are in capitals though they are words."""

# A text in capitals may be an abbreviation below this many letters:
_MIN_TEXT_LETTERS = 8
"""In several words."""
_MIN_WORD_LETTERS = 7
"""In a single word that is not known."""
_MIN_KNOWN_WORD_LETTERS = 4
"""In a single word that is known."""
_MAX_SHORT_WORD_LETTERS, _MAX_ABBREVIATION_LETTERS = 4, 5
"""Up to so many letters, a word that is not known is an abbreviation: unless it is one piece with a capital; or fewer
pieces than in capitals."""


@dataclass(frozen=True)
class CapitalsReader:
    """Reads words in capitals of one language."""

    truecaser: Truecaser
    """Knows the words in lower case."""
    subwords: Subwords
    """The vocabulary."""
    language: str
    """ISO 639-1."""

    def is_all_caps(self, text: str) -> bool:
        """Whether a text is written in capitals: more than an abbreviation or two, or with known words."""
        if not _is_upper(text):
            return False
        words, letters = [match[0] for match in _WORD.finditer(text)], sum(map(str.isalpha, text))
        if " " not in text:
            return len(words) == 1 and words[0].isalpha() and self._is_word(words[0])
        # THE END, NO ENTRY; but neither THE FBI nor U.S. NATO
        known = [word for word in words if self._is_lowercase(word.lower())]
        may_be_words = all(word in known or len(word) >= _MIN_KNOWN_WORD_LETTERS for word in words)
        return letters >= _MIN_TEXT_LETTERS or (may_be_words and any(len(word) > 1 for word in known))

    def sentence_case(self, text: str) -> str:
        """A text in capitals as a sentence."""
        lowered = _WORD.sub(lambda match: self._within_sentence(match[0]), text)
        return lowered[:1].upper() + lowered[1:]

    def without_emphasis(self, text: str) -> str:
        """A text with its only word in capitals as others are; unchanged if it may be a name, a key or a constant."""
        words = list(_WORD.finditer(text))
        in_capitals = [index for index, word in enumerate(words) if len(word[0]) > 1 and _is_upper(word[0])]
        if len(words) < 2 or len(in_capitals) != 1:
            return text
        index = in_capitals[0]
        word, lower = words[index], words[index][0].lower()
        if lower in _KEYWORDS or not self.is_all_caps(word[0]):
            return text
        if index and _may_be_name(before := words[index - 1][0]) and not self._is_lowercase(before.lower()):
            return text
        if not index and lower not in self.truecaser.sentence_starters:
            return text
        cased = self._within_sentence(word[0])
        return text[: word.start()] + (cased if index else cased.capitalize()) + text[word.end() :]

    def _is_word(self, word: str) -> bool:
        """Whether a word in capitals is no abbreviation."""
        if self._is_lowercase(word.lower()):
            return len(word) >= _MIN_KNOWN_WORD_LETTERS
        is_piece = len(word) >= _MIN_KNOWN_WORD_LETTERS and self._pieces(word.capitalize()) == 1 < self._pieces(word)
        return is_piece or len(word) >= _MIN_WORD_LETTERS

    def _within_sentence(self, word: str) -> str:
        """A word of a text in capitals: in lower case if it is known so, or else with a capital, as a name or noun."""
        lower = _APOSTROPHE.sub("'", word).lower()
        if not self.truecaser.lowercase_words or self._is_lowercase(lower):
            return lower
        if self.language == "de" and "ss" in lower:
            sharp = lower.replace("ss", "ß")
            if self._is_lowercase(sharp):
                return sharp
            if self._pieces(sharp.capitalize()) < self._pieces(lower.capitalize()):
                lower = sharp
        return word if self._is_abbreviation(_APOSTROPHE.split(word)[0]) else lower.capitalize()

    def _is_abbreviation(self, word: str) -> bool:
        """Whether a word in capitals that is no known lower-case word is rather an abbreviation or a Roman numeral."""
        if _ROMAN_NUMERAL.fullmatch(word):
            return True
        pieces = self._pieces(word.capitalize())
        if len(word) <= _MAX_SHORT_WORD_LETTERS:
            return len(word) > 1 < pieces
        return len(word) <= _MAX_ABBREVIATION_LETTERS and pieces >= self._pieces(word)

    def _is_lowercase(self, word: str) -> bool:
        return word in self.truecaser.lowercase_words

    def _pieces(self, word: str) -> int:
        return len(self.subwords.encode(word))


def _is_upper(text: str) -> bool:
    return text.replace("ß", "").isupper()


def _may_be_name(word: str) -> bool:
    return word[0].isupper()
