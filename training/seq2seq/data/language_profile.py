"""Language profiles: frequent words and character n-grams, from which the server detects the language of a text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from service.tasks.translation.language_detection import ORDER, WORD_BOUNDARY, Profile, words

MAX_NGRAMS = 7_500
MAX_WORDS = 3_000
"""The most frequent n-grams and words are kept: a file of under 60 kB."""

_FREQUENCY_EXPONENT = 0.75
"""A word's n-grams are weighted by its frequency to this power, so that rare words count too."""
_QUANTUM = 0.25
"""Log-probabilities are rounded to multiples of this."""


def language_profile(language: str, texts: Iterable[str]) -> Profile:
    """The profile of a language, from texts in it.

    Args:
        language: ISO 639-1.
        texts: sentences of the training set.

    Raises:
        ValueError: the texts have no letters.
    """
    frequencies = Counter(word for text in texts for word in words(text))
    if not frequencies:
        raise ValueError(f"no words in the texts of {language!r}: a profile needs some")
    ngrams: Counter[str] = Counter()
    contexts: Counter[str] = Counter()
    for word, frequency in sorted(frequencies.items()):
        bounded, weight = f"{WORD_BOUNDARY}{word}{WORD_BOUNDARY}", frequency**_FREQUENCY_EXPONENT
        # The last character of an n-gram is the predicted one: from the first letter to the boundary after the word.
        for end in range(2, len(bounded) + 1):
            for start in range(max(0, end - ORDER), end):
                ngrams[bounded[start:end]] += weight
                contexts[bounded[start : end - 1]] += weight
    kept = sorted(ngrams, key=lambda ngram: (len(ngram) > 1, -ngrams[ngram], ngram))[:MAX_NGRAMS]
    total = frequencies.total()
    frequent = sorted(frequencies, key=lambda word: (-frequencies[word], word))[:MAX_WORDS]
    return Profile(
        language,
        {ngram: _rounded(math.log(ngrams[ngram] / contexts[ngram[:-1]])) for ngram in kept},
        {word: _rounded(math.log(frequencies[word] / total)) for word in frequent},
    )


def _rounded(value: float) -> float:
    return min(0.0, round(value / _QUANTUM) * _QUANTUM)
