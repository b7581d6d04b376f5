"""The closest known spellings of a word that is not known."""

from __future__ import annotations

import time
from collections import defaultdict

from rapidfuzz import process
from rapidfuzz.distance import OSA

from service.tasks.word_vectors.vocabulary import Vocabulary

SUGGESTIONS = 5
"""Most spellings that are proposed."""
SECONDS = 0.010
"""Longest search; what is not found by then is left out."""

_FREQUENT = 50_000
"""How many of the most frequent words are compared."""
_LONGEST = 64
"""Characters; nothing longer is a misspelt word."""


class Spelling:
    """Proposes words for a misspelt one.

    Args:
        vocabulary: the words there are.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._by_length: defaultdict[int, list[str]] = defaultdict(list)
        for word in vocabulary.most_frequent(_FREQUENT):
            self._by_length[len(word)].append(word)

    def closest(self, word: str) -> list[str]:
        """At most `SUGGESTIONS` words: first the word in other cases, then by edit distance, frequent ones first.

        The distance counts insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
        """
        deadline = time.perf_counter() + SECONDS
        if not word or len(word) > _LONGEST:
            return []
        cases = list(dict.fromkeys((word.lower(), word.capitalize(), word.upper(), word.title())))
        found = [case for case, number in zip(cases, self._vocabulary.find(cases), strict=True) if number >= 0]
        near: list[tuple[float, str]] = []
        # Two slips, but not in words of three letters, which would turn into any other.
        furthest = 2 if len(word) > 3 else 1
        for change in sorted(range(-furthest, furthest + 1), key=abs):
            if time.perf_counter() > deadline:
                break
            words = self._by_length.get(len(word) + change, ())
            matches = process.extract(
                word, words, scorer=OSA.distance, processor=None, score_cutoff=furthest, limit=SUGGESTIONS
            )
            near += [(distance, match) for match, distance, _ in matches]
        found += [match for _, match in sorted(near, key=lambda entry: entry[0])]
        return list(dict.fromkeys(found))[:SUGGESTIONS]
