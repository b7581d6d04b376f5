"""Which language a text is in: how likely each language makes its words, and the n-grams of their characters."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

ORDER = 4
"""Characters of the longest n-grams."""
BLANK = "_"
"""Stands for the blank before and after a word, in a profile's n-grams."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u00b4`"), "'")
_READ = 4000
"""Characters of a text that are looked at: a few lines decide."""

# In nats. A word that is not listed is spelt. An n-gram that is not in the profile costs this, and its ending is looked
# up; of text in the language itself a character costs about 1.9, of text in another one 3.5 and more.
_UNLISTED = -2.0
_BACK_OFF = -2.0
_STRANGE = -12.0
# "None of these languages": every letter is as likely as one in 27, and this is how likely it is before any is read.
_NONE = -math.log(27)
_NONE_BEFORE = -4.0
_KEPT, _LONG = 20_000, 40
"""So many words' scores are kept, of words that are no longer than this."""


class Detected(NamedTuple):
    """A language a text may be in."""

    language: str
    """ISO 639-1."""
    confidence: float
    """0 to 100."""


_LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
    grams: dict[_LogProbability, str] = Field(min_length=1)
    """Log-probabilities of the last character after those before it, and the n-grams that have it, between blanks."""
    words: dict[_LogProbability, str]
    """The same of frequent words."""


class Profile:
    """How likely one language makes a word. Safe for several threads.

    Args:
        language: ISO 639-1.
        grams: log-probability of the last character of each n-gram after those before it.
        frequent: log-probability of the most frequent words.
    """

    def __init__(self, language: str, grams: Mapping[str, float], frequent: Mapping[str, float]) -> None:
        self.language = language
        self._grams = dict(grams)
        self._words = dict(frequent)
        self._remembered = lru_cache(_KEPT)(self._score_of)

    @classmethod
    def read(cls, content: bytes) -> Profile:
        """The profile that `write` wrote.

        Raises:
            ValueError: it is none; says why.
        """
        try:
            found = _File.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise ValueError(f"no profile of a language: {place}: {first['msg']}") from error
        grams = _apart(found.grams)
        if any(not 1 <= len(gram) <= ORDER for gram in grams):
            raise ValueError(f"no profile of a language: grams: one is not of 1 to {ORDER} characters")
        return cls(found.language, grams, _apart(found.words))

    def write(self) -> bytes:
        """A file of it: JSON, what has one probability together."""
        found = _File(language=self.language, grams=_together(self._grams), words=_together(self._words))
        return found.model_dump_json().encode()

    def score(self, words: Sequence[str]) -> float:
        """The log-probability of words, each by itself."""
        return math.fsum(self._score_of(word) if len(word) > _LONG else self._remembered(word) for word in words)

    def _score_of(self, word: str) -> float:
        spelt = f"{BLANK}{word}{BLANK}"
        steps = math.fsum(self._step(spelt[max(0, end - ORDER) : end]) for end in range(2, len(spelt) + 1))
        return max(steps + _UNLISTED, self._words.get(word, -math.inf))

    def _step(self, gram: str) -> float:
        for skipped in range(len(gram)):
            found = self._grams.get(gram[skipped:])
            if found is not None:
                return found + skipped * _BACK_OFF
        return _STRANGE + len(gram) * _BACK_OFF


def _together(scores: Mapping[str, float]) -> dict[float, str]:
    found: dict[float, list[str]] = {}
    for text, value in scores.items():
        found.setdefault(value, []).append(text)
    return {value: " ".join(sorted(found[value])) for value in sorted(found, reverse=True)}


def _apart(scores: Mapping[float, str]) -> dict[str, float]:
    return {text: value for value, together in scores.items() for text in together.split(" ")}


def words(text: str) -> list[str]:
    """The words of a text as profiles count them: lower-cased, letters only."""
    return _WORD.findall(unicodedata.normalize("NFC", text).translate(_APOSTROPHES).lower())


def detect(text: str, profiles: Sequence[Profile]) -> list[Detected]:
    """The languages of the profiles, most likely first; confidence 0 for all where the text has no letters.

    What a language lacks to 100 goes to the others and to "none of these".
    """
    by_language = {profile.language: profile for profile in reversed(profiles)}
    known = [by_language[language] for language in dict.fromkeys(profile.language for profile in profiles)]
    found = words(text[:_READ])
    if not found:
        return [Detected(profile.language, 0.0) for profile in known]
    scores = [profile.score(found) for profile in known]
    none = _NONE_BEFORE + _NONE * sum(len(word) + 1 for word in found)
    best = max(*scores, none) if scores else none
    total = math.fsum(math.exp(score - best) for score in (*scores, none))
    detected = [
        (score, Detected(profile.language, round(100 * math.exp(score - best) / total, 2)))
        for profile, score in zip(known, scores, strict=True)
    ]
    return [one for _, one in sorted(detected, key=lambda pair: -pair[0])]
