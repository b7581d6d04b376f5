"""Names in a sentence: capitalized words that a translator has not seen whole, and would spell anew."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.exonyms import exonyms
from service.tasks.translation.text.first_names import first_names
from service.tasks.translation.text.name_classifier import name_classifier
from service.tasks.translation.text.number_patterns import MONTHS
from service.tasks.translation.text.truecasing import NO_TRUECASING, Truecaser, capitalizes_nouns

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_POSSESSIVE, _PARTS = re.compile(r"['\u2019]s?\Z"), re.compile(r"['\u2019-]")
_NEIGHBORHOOD = 40
"""Characters on either side of a word in which its neighbors are searched."""
_MIN_NAME_ODDS = 0.5
"""Log-odds of a word that may be a noun from which it is a name."""
# fmt: off
_TITLES = {
    "en": frozenset(["Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Professor", "Sir", "Madam", "Captain", "President"]),
    "de": frozenset(["Herr", "Herrn", "Frau", "Dr", "Prof", "Professor", "Fräulein", "Familie"]),
}
_NO_NAMES = {
    "en": frozenset([
        *MONTHS["en"], "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Christmas",
        "Easter", "Internet", "God", "Berlin", "Greek", "Greeks", "Dutch", "Swiss", "Czech", "Arab", "Arabs", "Turk",
        "Turks", "Dane", "Danes", "Swede", "Swedes", "Pole", "Poles", "Finn", "Finns", "Thai", "Iraqi",
    ]),
    "de": frozenset([
        *MONTHS["de"], "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonnabend", "Sonntag",
        "Euro", "Dollar", "Cent", "Franken", "Pfund", "Weihnachten", "Ostern", "Internet", "Gott", "Doktor",
        "Berlin",
    ]),
}
"""Words of several pieces that are capitalized like names, and are translated."""
_NO_NAME_ENDINGS = {"en": ("ish", "ese", "ian", "ians", "ean", "eans", "ism", "ist", "ists", "ic", "day", "days")}
"""Of nationalities, religions and feasts."""
_WORD_ENDINGS = {
    "en": ("s", "ed", "ing", "ly", "ion", "ment", "ness", "ful", "able", "ible", "ity", "ct", "less", "ate"),
}
"""Of words that are no names, if a capital at the start of a sentence says nothing."""
# fmt: on


class NameList(BaseModel):
    """What training has learned about capitalized words; a file of the bundle."""

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
        content = {"translations": dict(sorted(self.translations.items())), "known_words": sorted(self.known_words)}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


NO_NAME_LIST = NameList()
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
        truecaser: the truecaser of the text's language; its lower-case words are no names.
        frequent_words: words, in lower case, that training has seen so often that the model translates them.
        names: what training has learned.
    """

    def __init__(
        self,
        language: str,
        target: str,
        subwords: Subwords,
        truecaser: Truecaser = NO_TRUECASING,
        frequent_words: Collection[str] = (),
        names: NameList = NO_NAME_LIST,
    ) -> None:
        self._language, self._target = language, target
        self._subwords, self._lowercase_words, self._frequent = subwords, truecaser.lowercase_words, frequent_words
        listed_exonyms = exonyms(language, target)
        # The list is surer than a model that has read a name a few times.
        self._known_words = names.known_words.difference(listed_exonyms)
        self._no_names = _NO_NAMES.get(language, frozenset()) | _TITLES.get(language, frozenset())
        self._translations = {**dict.fromkeys(first_names(), ""), **listed_exonyms, **names.translations}
        several = sorted((name for name in self._translations if " " in name), key=len, reverse=True)
        self._several_words = (
            re.compile(rf"(?<!\w)(?=[A-Z])(?:{'|'.join(map(re.escape, several))})(?!\w)") if several else None
        )
        self._titles = _TITLES.get(language, frozenset())
        self._no_name_endings = _NO_NAME_ENDINGS.get(language, ())
        self._word_endings = _WORD_ENDINGS.get(language, ())
        self._classifier = name_classifier(language)

    def find(self, text: str, start: int, stop: int) -> Iterator[Name]:
        """The names in `text[start:stop]`, in reading order; adjacent ones are found one by one."""
        if self._several_words:
            for match in self._several_words.finditer(text, start, stop):
                if any(not self._is_piece(word) for word in match[0].split()):
                    yield from self._single_words(text, start, match.start())
                    yield Name(match.start(), match.end(), self._translations[match[0]])
                    start = match.end()
        yield from self._single_words(text, start, stop)

    def _single_words(self, text: str, start: int, stop: int) -> Iterator[Name]:
        previous, previous_end, follows_name = "", start, False
        for match in _WORD.finditer(text, start, stop):
            word = match[0]
            gap = text[previous_end : match.start()]
            name = None
            if word[0].isupper():
                after_title = previous in self._titles and gap in (" ", ". ")
                name = self._name(text, match, after_title=after_title, after_name=follows_name and gap == " ")
            if name:
                yield name
            previous, previous_end, follows_name = word, match.end(), name is not None

    def _name(self, text: str, match: re.Match[str], *, after_title: bool, after_name: bool) -> Name | None:
        """The capitalized word as a name, if it is one."""
        word, start = match[0], match.start()
        if _is_in_capitals(text, match):
            translation = self._listed(word.capitalize())
            return None if translation is None else Name(start, match.end(), translation.upper())
        stem = _POSSESSIVE.sub("", word)
        translation = self._listed(stem)
        if translation is None and self._language == "de" and word.endswith("s"):
            translation = self._listed(word[:-1])
            if translation is not None:
                return Name(start, match.end(), self._genitive(text, match, translation))
        if translation is None:
            follows = after_title or (after_name and not self._is_noun(text, start, stem))
            if stem in self._no_names or len(stem) == 1 or (stem in self._known_words and not after_title):
                return None
            if not (follows and stem[1:].islower()) and not self._is_unknown(text, start, stem):
                return None
        translation = translation or stem
        if stem != word and self._target == "de":
            return Name(start, match.end(), translation + ("\u2019" if translation[-1] in "sßxz" else "s"))
        return Name(start, start + len(stem), translation)

    def _listed(self, word: str) -> str | None:
        """What the lists say that a name is in the target language; None if the model knows it, or they do not."""
        translation = self._translations.get(word)
        if translation is None or self._is_piece(word) or word in self._known_words or word in self._no_names:
            return None
        if word.lower() in self._frequent and word not in first_names():
            return None
        return translation or word

    def _genitive(self, text: str, match: re.Match[str], translation: str) -> str:
        """A German genitive in the target language: Peters Auto, die Hauptstadt Kenias."""
        if self._target != "en":
            return match[0]
        owned = re.match(r" (?:[a-zäöüß]+ )?[A-ZÄÖÜ]", text[match.end() : match.end() + 40])
        return f"{translation}'s" if owned else f"of {translation}"

    def _is_piece(self, word: str) -> bool:
        return len(self._subwords.encode(word)) == 1

    def _is_unknown(self, text: str, start: int, word: str) -> bool:
        """Whether a capitalized word that is in no list is a name, or an acronym, that the model has not seen whole."""
        lower = word.lower()
        if self._is_piece(word) or lower in self._frequent or word.endswith(self._no_name_endings):
            return False
        if any(self._is_lowercase_word(part) for part in (lower, *_PARTS.split(lower))):
            return False
        if word.endswith(self._word_endings) and _starts_sentence(text, start):
            return False
        if self._classifier is None:
            return not capitalizes_nouns(self._language)
        return self._classifier.score(text, start, start + len(word)) > _MIN_NAME_ODDS

    def _is_noun(self, text: str, start: int, word: str) -> bool:
        """Whether a word after a name is more likely a noun: Ich gebe Peter Geld."""
        if self._classifier is None:
            return False
        return self._is_piece(word) or self._classifier.score(text, start, start + len(word)) < -_MIN_NAME_ODDS

    def _is_lowercase_word(self, word: str) -> bool:
        return bool(word) and (word in self._lowercase_words or self._is_piece(word))


def _starts_sentence(text: str, start: int) -> bool:
    before = text[max(0, start - _NEIGHBORHOOD) : start].rstrip(" \"'(\u201c\u201d\u2018-")
    return not before or before[-1] in ".!?:\u2026\n"


def _is_in_capitals(text: str, match: re.Match[str]) -> bool:
    """Whether a word and one beside it are in capitals, so that capitals do not make it a name."""
    if len(match[0]) == 1 or not match[0].isupper():
        return False
    before = _WORD.findall(text, max(0, match.start() - _NEIGHBORHOOD), match.start())[-1:]
    after = _WORD.findall(text, match.end(), match.end() + _NEIGHBORHOOD)[:1]
    return any(len(word) > 1 and word.isupper() for word in before + after)
