"""Language detection: a Naive Bayes classifier over words, each modeled by its frequency or its character n-grams."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache, partial
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

ORDER = 4
"""Length, in characters, of the longest n-grams."""
WORD_BOUNDARY = "_"
"""Marks the start and the end of a word in n-grams."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u00b4`"), "'")
MAX_CHARACTERS = 1000
"""Characters of a text that are examined; a few lines are enough."""

# Log-probabilities in nats. A word that is not among the frequent ones is spelled by n-grams. For an n-gram that is not
# in the profile its next shorter ending is used, at the cost of a back-off. In text of the profile's own language a
# character costs about 1.9, in text of another language 3.5 and more.
_UNLISTED_WORD = -2.0
_BACK_OFF = -2.0
_UNKNOWN_CHARACTER = -12.0
# "None of these languages": 27 equally likely letters, and the prior of this case.
_NONE_PER_LETTER = -math.log(27)
_NONE_PRIOR = -4.0
_CACHED_WORDS, _MAX_CACHED_LENGTH = 20_000, 40
"""Number of words whose scores are cached, and the longest word that is."""


class Detected(NamedTuple):
    """A language that a text may be in."""

    language: str
    """ISO 639-1."""
    confidence: float
    """0 to 100."""


_LogProbability = Annotated[float, Field(le=0, allow_inf_nan=False)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
    grams: dict[_LogProbability, str] = Field(min_length=1)
    """By log-probability of its last character given those before it: the n-grams, separated by spaces."""
    words: dict[_LogProbability, str]
    """By log-probability: the frequent words, separated by spaces."""


class Profile:
    """A model of the words of one language. Thread-safe.

    Args:
        language: ISO 639-1.
        grams: log-probability of the last character of each n-gram given the characters before it.
        frequent: log-probability of the most frequent words.
    """

    def __init__(self, language: str, grams: Mapping[str, float], frequent: Mapping[str, float]) -> None:
        self.language = language
        self._grams = dict(grams)
        self._words = dict(frequent)
        # A cached bound method would refer back to the profile, and only a garbage collection could free the two.
        self._word_score = partial(_word_score, self._grams, self._words)
        self._cached_word_score = lru_cache(_CACHED_WORDS)(self._word_score)

    @classmethod
    def read(cls, content: bytes) -> Profile:
        """Parse the contents of a file that `write` made.

        Raises:
            ValueError: it is not such a file; says why.
        """
        try:
            file = _File.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            location = ".".join(map(str, first["loc"])) or "the file"
            raise ValueError(f"no profile of a language: {location}: {first['msg']}") from error
        grams = _ungroup(file.grams)
        if any(not 1 <= len(gram) <= ORDER for gram in grams):
            raise ValueError(f"no profile of a language: grams: one is not of 1 to {ORDER} characters")
        return cls(file.language, grams, _ungroup(file.words))

    def write(self) -> bytes:
        """The contents of a file: JSON, with n-grams and words grouped by probability."""
        file = _File(language=self.language, grams=_group(self._grams), words=_group(self._words))
        return file.model_dump_json().encode()

    @property
    def frequent_words(self) -> Collection[str]:
        """The most frequent words, in lower case."""
        return self._words.keys()

    def score(self, words: Sequence[str]) -> float:
        """The log-probability of independent words."""
        return math.fsum(
            self._word_score(word) if len(word) > _MAX_CACHED_LENGTH else self._cached_word_score(word)
            for word in words
        )


def _word_score(grams: Mapping[str, float], frequent: Mapping[str, float], word: str) -> float:
    bounded = f"{WORD_BOUNDARY}{word}{WORD_BOUNDARY}"
    ends = range(2, len(bounded) + 1)
    spelled = math.fsum(_gram_score(grams, bounded[max(0, end - ORDER) : end]) for end in ends)
    return max(spelled + _UNLISTED_WORD, frequent.get(word, -math.inf))


def _gram_score(grams: Mapping[str, float], gram: str) -> float:
    for skipped in range(len(gram)):
        score = grams.get(gram[skipped:])
        if score is not None:
            return score + skipped * _BACK_OFF
    return _UNKNOWN_CHARACTER + len(gram) * _BACK_OFF


def _group(scores: Mapping[str, float]) -> dict[float, str]:
    """Texts joined by spaces, by their score."""
    grouped: dict[float, list[str]] = {}
    for text, score in scores.items():
        grouped.setdefault(score, []).append(text)
    return {score: " ".join(sorted(grouped[score])) for score in sorted(grouped, reverse=True)}


def _ungroup(grouped: Mapping[float, str]) -> dict[str, float]:
    """The inverse of `_group`."""
    return {text: score for score, texts in grouped.items() for text in texts.split(" ")}


def words(text: str) -> list[str]:
    """The lower-cased words of a text, letters and apostrophes only, as profiles count them."""
    return _WORD.findall(unicodedata.normalize("NFC", text).translate(_APOSTROPHES).lower())


def detect(text: str, profiles: Sequence[Profile]) -> list[Detected]:
    """The languages of the profiles, most likely first.

    Confidences sum to 100 together with that of "none of these languages". They are all 0 for a text without letters.
    """
    in_text = words(text[:MAX_CHARACTERS])
    if not in_text:
        return [Detected(language, 0.0) for language in dict.fromkeys(profile.language for profile in profiles)]
    odds = log_odds(in_text, profiles)
    best = max((0.0, *odds.values()))
    total = math.fsum(math.exp(score - best) for score in (0.0, *odds.values()))
    return [
        Detected(language, round(100 * math.exp(score - best) / total, 2))
        for language, score in sorted(odds.items(), key=lambda entry: -entry[1])
    ]


def log_odds(in_text: Sequence[str], profiles: Sequence[Profile]) -> dict[str, float]:
    """Of each language the log-probability of words, less that of "none of these languages", in nats.

    Of several profiles of a language the first counts.
    """
    none = _NONE_PRIOR + _NONE_PER_LETTER * sum(len(word) + 1 for word in in_text)
    by_language = {profile.language: profile for profile in reversed(profiles)}
    order = dict.fromkeys(profile.language for profile in profiles)
    return {language: by_language[language].score(in_text) - none for language in order}
