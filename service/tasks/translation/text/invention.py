"""Decides what is given back as it was, because its translation would be invented.

Before decoding, by the words of a segment: a translator makes up words for what is none. After it, by the translation:
its length, its repetitions, its score, and the attention that each source token received in all (a running sum of the
decoder, as in the coverage penalty of Wu et al. 2016, section 7).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from service.decoding import Hypothesis
from service.tasks.translation.subwords import PLACEHOLDER, SPACE_SYMBOL, TYPED_PLACEHOLDERS, Subwords
from service.tasks.translation.text.code import is_code

Reason = Literal["too_long", "repeats", "unattended", "no_letters", "language"]


class Kept(NamedTuple):
    """A part of a text that is given back as it was."""

    start: int
    end: int
    """Offsets of the part in the text as it was sent, in code points."""
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """When a translation counts as invented.

    Tuned on Tatoeba's 2,000 dev sentences and the 160 everyday dev sentences, from English to German and back, greedy.
    Each field names the least or largest value there; beside them about 60 texts that are no sentences were looked at.
    """

    max_length_factor: float = 3.0
    max_length_extra: int = 10
    """A translation has at most this factor times the letters and signs of its source plus so many. On dev: at most 2.6
    times; `Hi` may become `Guten Tag`, `No` may become `Auf keinen Fall`."""
    min_length_factor: float = 0.3
    min_length_letters: int = 12
    """One of fewer than this factor times its source lost most of it, if that has so many letters. On dev: 0.39."""
    min_repetitions: int = 4
    tokens_per_repetition: int = 12
    """A pair of tokens occurs so often, and once more for each so many tokens, only in a loop; dev: 3 times."""
    max_token_attention: float = 6.0
    """A source token that received more attention in all was translated again and again. On dev: 4.7."""
    unattended: float = 0.15
    """A source token that received less in all was not translated. On dev that is so for an article or a particle."""
    max_unattended_letters: int = 30
    """So many letters of words in a row without attention are a clause that is lost. On dev: 25."""
    max_end_attention: float = 0.65
    """A translation that attends to the end of the sentence this much is of no word. On dev: 0.56."""
    min_known_words: float = 0.5
    max_letters_per_piece: float = 2.2
    """Fewer known words than this, in subwords this short, are of another language or none. On dev: `NOTAUSGANG`."""
    min_score: float = -1.75
    min_known_words_of_low_score: float = 0.6
    """A translation with a lower score is a guess if fewer words of its source are known. On dev only `Passwort
    vergessen?`, which became `Have forgotten.`"""
    max_word_repetitions: int = 3
    """A word more often in a row is no sentence. On dev: 2."""


THRESHOLDS = Thresholds()

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_SINGLE_LETTERS = {"en": frozenset({"i"})}
"""Letters that are a word that can stand alone, by language."""
_FORMULA = re.compile(r"[=^]")
_MAX_VARIABLE = 3
_MAX_CERTAIN_TOKENS, _MIN_CERTAIN_WORDS = 40, 0.75
"""A stream waits for the end of segments that are longer, or of which fewer words are known. What it has sent it cannot
take back, so it judges these alone."""
_MAX_UNCERTAIN_WORDS = 3
"""A stream also waits for so few words beside a placeholder, if they are no sentence: nothing of them may be left."""
_MIN_SAME_WORDS = 3
"""A segment of nothing but so many times the same word is no sentence: `la la la`."""
_MIN_WORD_LIST = 1_000
_SYMBOLS = re.compile("[" + PLACEHOLDER + "".join(TYPED_PLACEHOLDERS.values()) + "]")


class InventionGuard:
    """Says of segments and translations of one model whether they are kept.

    Args:
        language: the source language.
        source: subwords of the source language.
        target: subwords of the target language.
        known_words: words of the source language in lower case; if there are only few, unknown words prove nothing.
        thresholds: when a translation counts as invented.
    """

    def __init__(
        self,
        language: str,
        source: Subwords,
        target: Subwords,
        known_words: Collection[str] = (),
        thresholds: Thresholds = THRESHOLDS,
    ) -> None:
        self._language, self._source, self._target = language, source, target
        self._known_words = known_words if len(known_words) >= _MIN_WORD_LIST else None
        self._thresholds = thresholds

    def before(self, words: str, ids: Sequence[int], written: str) -> Reason | None:
        """Why a segment is not translated at all; None if it is.

        Args:
            words: the words that are read, with placeholders.
            ids: their token ids.
            written: the text of the segment as it stands, without what is protected.
        """
        lowercase_words = _words_of(words)
        if all(len(word) == 1 for word in lowercase_words):
            alone = _SINGLE_LETTERS.get(self._language, frozenset())
            if not (len(set(lowercase_words)) == 1 and alone.issuperset(lowercase_words)):
                return "no_letters"
        if _FORMULA.search(written) and all(len(word) <= _MAX_VARIABLE for word in lowercase_words):
            return "no_letters"
        longest_run = _longest_run(lowercase_words)
        is_one_word = longest_run == len(lowercase_words) >= _MIN_SAME_WORDS
        if longest_run > self._thresholds.max_word_repetitions or is_one_word:
            return "repeats"
        if is_code(written):
            return "language"
        known = self._known_share(lowercase_words)
        is_split = self._letters_per_piece(ids) < self._thresholds.max_letters_per_piece
        return "language" if is_split and known < self._thresholds.min_known_words else None

    def is_uncertain(self, words: str, ids: Sequence[int]) -> bool:
        """Whether the translation of a segment has to be seen whole before any of it is sent.

        Args:
            words: the words that are read, with placeholders.
            ids: their token ids.
        """
        lowercase_words = _words_of(words)
        is_sentence = len(lowercase_words) > _MAX_UNCERTAIN_WORDS or words.endswith((".", "!", "?"))
        is_short = not is_sentence and _SYMBOLS.search(words) is not None
        return is_short or len(ids) > _MAX_CERTAIN_TOKENS or self._known_share(lowercase_words) < _MIN_CERTAIN_WORDS

    def after(self, ids: Sequence[int], hypothesis: Hypothesis) -> Reason | None:
        """Why a segment is kept instead of its translation; None if it is translated.

        Args:
            ids: its token ids, without END.
            hypothesis: its translation.
        """
        limits = self._thresholds
        source, target = self._source.decode(ids), self._target.decode(hypothesis.tokens)
        if len(target) > limits.max_length_factor * len(source) + limits.max_length_extra:
            return "too_long"
        if self._is_loop(ids, hypothesis):
            return "repeats"
        letters = sum(map(str.isalpha, source))
        if letters and not any(map(str.isalpha, target)) and not self._has_more_placeholders(ids, hypothesis):
            return "unattended"
        if letters >= limits.min_length_letters and len(target) < limits.min_length_factor * len(source):
            return "unattended"
        if self._is_unattended(ids, hypothesis):
            return "unattended"
        is_unlikely = hypothesis.score < limits.min_score
        if is_unlikely and self._known_share(_words_of(source)) < limits.min_known_words_of_low_score:
            return "language"
        return None

    def _has_more_placeholders(self, ids: Sequence[int], hypothesis: Hypothesis) -> bool:
        """Whether a translation has more placeholders than its source; source words are put there."""
        source, target = self._source.placeholder_ids, self._target.placeholder_ids
        return sum(id_ in target for id_ in hypothesis.tokens) > sum(id_ in source for id_ in ids)

    def _is_loop(self, ids: Sequence[int], hypothesis: Hypothesis) -> bool:
        limits, tokens = self._thresholds, hypothesis.tokens
        repetitions = _most_common_pair(tokens, self._target)
        if repetitions >= max(limits.min_repetitions, len(tokens) / limits.tokens_per_repetition):
            return repetitions > _most_common_pair(ids, self._source) + 1
        coverage = hypothesis.coverage
        return coverage is not None and float(coverage[:-1].max(initial=0)) > limits.max_token_attention

    def _is_unattended(self, ids: Sequence[int], hypothesis: Hypothesis) -> bool:
        coverage, limits = hypothesis.coverage, self._thresholds
        if coverage is None:
            return False
        if coverage[-1] > limits.max_end_attention * coverage.sum():
            return True
        letters = longest = 0
        for id_, attention in zip(ids, coverage.tolist(), strict=False):
            own = 0 if id_ in self._source.placeholder_ids else sum(map(str.isalpha, self._source.piece(id_)))
            if own:
                letters = letters + own if attention < limits.unattended else 0
                longest = max(longest, letters)
        return longest >= limits.max_unattended_letters

    def _known_share(self, words: Sequence[str]) -> float:
        """The share of words that are in the list of words or a piece of their own; 1 without words."""
        if not words or self._known_words is None:
            return 1.0
        return sum(map(self.is_known, words)) / len(words)

    def is_known(self, word: str) -> bool:
        """Whether a word, in lower case, is in the list of words or a piece of its own."""
        return word in (self._known_words or ()) or any(
            len(self._source.encode(spelling)) == 1 for spelling in (word, word.capitalize())
        )

    def _letters_per_piece(self, ids: Sequence[int]) -> float:
        pieces = [self._source.piece(id_) for id_ in ids if id_ not in self._source.placeholder_ids]
        letters = [sum(map(str.isalpha, piece)) for piece in pieces]
        return sum(letters) / max(1, sum(map(bool, letters)))


def _words_of(text: str) -> list[str]:
    """The words of a text with placeholders, in lower case."""
    return _WORD.findall(_SYMBOLS.sub(" ", text).lower())


def _longest_run(words: Sequence[str]) -> int:
    """How often the same word stands in a row at most."""
    longest = run = 0
    for index, word in enumerate(words):
        run = run + 1 if index and word == words[index - 1] else 1
        longest = max(longest, run)
    return longest


def _most_common_pair(tokens: Sequence[int], subwords: Subwords) -> int:
    """How often the same two tokens follow each other; those without letters do not count."""
    pairs = Counter(pairwise(tokens))
    return max((count for pair, count in pairs.items() if any(_has_letter(id_, subwords) for id_ in pair)), default=0)


def _has_letter(id_: int, subwords: Subwords) -> bool:
    return id_ not in subwords.placeholder_ids and any(map(str.isalpha, subwords.piece(id_).strip(SPACE_SYMBOL)))
