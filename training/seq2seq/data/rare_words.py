"""Typed placeholders for the numbers, dates, codes and names of sentences, in training as in serving.

Luong et al. 2015, "Addressing the rare word problem in neural machine translation", section 3. What is a rare word, and
what it becomes in the target language, is decided in `service.tasks.translation.text.rare_words`.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.tasks.translation.subwords import UNKNOWN, Subwords
from service.tasks.translation.text import RareWords, SegmentedText
from service.tasks.translation.text.placeholders import ProtectedText
from service.tasks.translation.text.rare_words import PLACEHOLDER_TYPES, align, find_rare_words
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.numerals import written_out

_WRITTEN_OUT_SHARE = 0.3
"""Factor on the share of the pairs in which placeholders stand for numbers and days that are written in words."""
_WORD = re.compile(r"\w+")


class _Replaced(NamedTuple):
    """Adjacent rare words that one placeholder stands for."""

    start: int
    end: int
    kind: str
    """Type of the placeholder."""
    text: str
    """What it becomes in the translation."""


_Aligned = tuple[_Replaced, _Replaced]
"""The same rare words in a sentence and in its translation."""


class RareWordAugmenter:
    """Replaces the rare words that both sides of a pair have by typed placeholders.

    Args:
        rare_words: finds them in the source language.
        source: the subwords of the source language, with typed placeholders.
        target: the subwords of the target language, with typed placeholders.
    """

    def __init__(self, rare_words: RareWords, source: Subwords, target: Subwords) -> None:
        self._rare_words = rare_words
        self._subwords = source, target
        self._written_out = written_out(*rare_words.languages)
        self._known: dict[tuple[Pair, bool], Pair | None] = {}

    def replace(self, pair: Pair, *, written_out: bool = False) -> Pair | None:
        """The pair with placeholders; None if its sides have no rare word in common.

        Args:
            pair: a sentence and its translation.
            written_out: whether placeholders stand for numbers and days that are written in words too.
        """
        key = pair, written_out
        if key not in self._known:
            aligned = sorted([*self._rare(pair), *(self._words(pair) if written_out else ())])
            sides = ([both[number] for both in _merge_aligned(pair, aligned)] for number in range(2))
            self._known[key] = Pair(*map(_with_placeholders, pair, sides, self._subwords)) if aligned else None
        return self._known[key]

    def sample(self, pairs: Sequence[Pair], share: float, generator: np.random.Generator) -> dict[int, Pair]:
        """The pairs with placeholders, about this share of those that have rare words, by the index of the pair."""
        drawn = generator.random(len(pairs))
        written_out = generator.random(len(pairs)) < _WRITTEN_OUT_SHARE
        replaced = {
            index: self.replace(pairs[index], written_out=bool(written_out[index]))
            for index in np.nonzero(drawn < share)[0].tolist()
        }
        return {index: pair for index, pair in replaced.items() if pair is not None}

    def _words(self, pair: Pair) -> list[_Aligned]:
        """Numbers and days in words that occur once on both sides."""
        source, target = ({match[0]: match for match in _WORD.finditer(text)} for text in pair)
        sides = [_WORD.findall(text) for text in pair]
        return [
            (_Replaced(*source[word].span(), kind, ""), _Replaced(*target[translation].span(), kind, ""))
            for word, (kind, translation) in self._written_out.items()
            if sides[0].count(word) == 1 == sides[1].count(translation)
        ]

    def _rare(self, pair: Pair) -> list[_Aligned]:
        """The rare words of the source that the target has too."""
        rare_words = self._rare_words
        spans = find_rare_words(pair.source, rare_words.source, rare_words.target, rare_words.names)
        typed = [span for span in spans if span.kind in PLACEHOLDER_TYPES]
        aligned = align(pair.source, typed, pair.target, rare_words.languages) if typed else []
        kinds = [PLACEHOLDER_TYPES[span.kind] for span, _ in aligned]
        return [
            (_Replaced(span.start, span.end, kind, ""), _Replaced(begin, end, kind, ""))
            for (span, (begin, end)), kind in zip(aligned, kinds, strict=True)
        ]


def prepare(text: str, rare_words: RareWords, subwords: Subwords) -> SegmentedText:
    """A sentence as one segment, with placeholders for its rare words.

    Args:
        text: a sentence, cleaned.
        rare_words: finds them.
        subwords: the subwords of its language, with typed placeholders.
    """
    replaced = _merge_adjacent(text, _replaceable(text, rare_words))
    ids = subwords.encode(_with_placeholders(text, replaced, subwords))
    typed = subwords.placeholder_ids - {UNKNOWN}
    positions = [position for position, id_ in enumerate(ids) if id_ in typed]
    result = SegmentedText(segments=[ids], separators=["", ""], uses_placeholders=True)
    if replaced:
        result.protected[0] = [
            ProtectedText(
                one.text,
                follows_word=text[max(0, one.start - 1) : one.start].isalnum(),
                placeholder=subwords.placeholder(one.kind),
                position=position,
            )
            for one, position in zip(replaced, positions, strict=True)
        ]
    return result


def _replaceable(text: str, rare_words: RareWords) -> list[_Replaced]:
    spans = find_rare_words(text, rare_words.source, rare_words.target, rare_words.names)
    return [
        _Replaced(span.start, span.end, PLACEHOLDER_TYPES[span.kind], rare_words.target_text(text, span))
        for span in spans
        if span.kind in PLACEHOLDER_TYPES
    ]


def _merge_adjacent(text: str, replaced: Sequence[_Replaced]) -> list[_Replaced]:
    """One placeholder for words that only spaces separate, as the server has it."""
    merged: list[_Replaced] = []
    for one in replaced:
        last = merged[-1] if merged else None
        if last and not text[last.end : one.start].strip():
            words = last.text + text[last.end : one.start] + one.text
            merged[-1] = last._replace(end=one.end, text=words)
        else:
            merged.append(one)
    return merged


def _merge_aligned(pair: Pair, aligned: Sequence[_Aligned]) -> list[_Aligned]:
    """The rare words of both sides, in the order of the source; those that are adjacent on both sides are merged."""
    merged: list[_Aligned] = []
    for both in aligned:
        if merged and all(
            last.end <= one.start and not text[last.end : one.start].strip()
            for text, last, one in zip(pair, merged[-1], both, strict=True)
        ):
            source, target = merged[-1]
            merged[-1] = source._replace(end=both[0].end), target._replace(end=both[1].end)
        else:
            merged.append(both)
    return merged


def _with_placeholders(text: str, replaced: Sequence[_Replaced], subwords: Subwords) -> str:
    for one in sorted(replaced, reverse=True):
        text = text[: one.start] + subwords.placeholder(one.kind) + text[one.end :]
    return text
