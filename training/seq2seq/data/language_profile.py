"""The profile of a language: the words and n-grams of characters by which the server knows texts in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from service.tasks.translation.language_detection import ORDER, WORD_BOUNDARY, Profile, words

GRAMS = 7_500
WORDS = 3_000
"""The most frequent n-grams and words that are kept: a file of under 60 kB."""

_TYPES = 0.75
"""A word counts by its frequency to this power: rare words make a language as well."""
_STEP = 0.25
"""Log-probabilities are rounded to this."""


def language_profile(language: str, texts: Iterable[str]) -> Profile:
    """The profile of a language, made of texts in it.

    Args:
        language: ISO 639-1.
        texts: sentences of the training set.

    Raises:
        ValueError: the texts have no letters.
    """
    frequencies = Counter(word for text in texts for word in words(text))
    if not frequencies:
        raise ValueError(f"no words in the texts of {language!r}: a profile needs some")
    grams: Counter[str] = Counter()
    contexts: Counter[str] = Counter()
    for word, frequency in sorted(frequencies.items()):
        spelt, weight = f"{WORD_BOUNDARY}{word}{WORD_BOUNDARY}", frequency**_TYPES
        # The last character is what is predicted: from the first letter to the blank after the word.
        for end in range(2, len(spelt) + 1):
            for start in range(max(0, end - ORDER), end):
                grams[spelt[start:end]] += weight
                contexts[spelt[start : end - 1]] += weight
    kept = sorted(grams, key=lambda gram: (len(gram) > 1, -grams[gram], gram))[:GRAMS]
    total = frequencies.total()
    frequent = sorted(frequencies, key=lambda word: (-frequencies[word], word))[:WORDS]
    return Profile(
        language,
        {gram: _rounded(math.log(grams[gram] / contexts[gram[:-1]])) for gram in kept},
        {word: _rounded(math.log(frequencies[word] / total)) for word in frequent},
    )


def _rounded(value: float) -> float:
    return min(0.0, round(value / _STEP) * _STEP)
