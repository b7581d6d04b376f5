"""Spelling suggestions for unknown words."""

from __future__ import annotations

import time
from collections import defaultdict

from rapidfuzz import process
from rapidfuzz.distance import OSA

from service.tasks.word_vectors.vocabulary import Vocabulary

MAX_SUGGESTIONS = 5
"""Maximum number of suggestions."""
TIME_LIMIT_SECONDS = 0.010
"""Duration of a search; matches that would take longer are left out."""

_FREQUENT_WORDS = 50_000
"""Number of most frequent words that are compared."""
_MAX_WORD_LENGTH = 64
"""Characters of a misspelled word; there are no suggestions for longer ones."""


class SpellingSuggester:
    """Suggests known words for an unknown one.

    Args:
        vocabulary: the known words.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._by_length: defaultdict[int, list[str]] = defaultdict(list)
        for word in vocabulary.most_frequent(_FREQUENT_WORDS):
            self._by_length[len(word)].append(word)

    def closest(self, word: str, deadline: float | None = None) -> list[str]:
        """Find at most `MAX_SUGGESTIONS` words: first the word in other cases, then by edit distance and frequency.

        The distance is optimal string alignment: insertions, deletions, substitutions and transpositions of adjacent
        characters.

        Args:
            word: the unknown word, normalized.
            deadline: when to end, of `time.perf_counter`, for the words of one request together; None: after
                `TIME_LIMIT_SECONDS`.
        """
        if deadline is None:
            deadline = time.perf_counter() + TIME_LIMIT_SECONDS
        if not word or len(word) > _MAX_WORD_LENGTH or time.perf_counter() > deadline:
            return []
        cases = list(dict.fromkeys((word.lower(), word.capitalize(), word.upper(), word.title())))
        suggestions = [case for case, row in zip(cases, self._vocabulary.find(cases), strict=True) if row >= 0]
        candidates: list[tuple[float, str]] = []
        # Two edits turn a word of three letters into almost any other.
        max_distance = 2 if len(word) > 3 else 1
        for change in sorted(range(-max_distance, max_distance + 1), key=abs):
            if time.perf_counter() > deadline:
                break
            words = self._by_length.get(len(word) + change, ())
            matches = process.extract(
                word, words, scorer=OSA.distance, processor=None, score_cutoff=max_distance, limit=MAX_SUGGESTIONS
            )
            candidates += [(distance, match) for match, distance, _ in matches]
        suggestions += [match for _, match in sorted(candidates, key=lambda entry: entry[0])]
        return list(dict.fromkeys(suggestions))[:MAX_SUGGESTIONS]
