"""Protected spans: the parts of a text that must come through translation unchanged."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence

from service.tasks.translation.subwords import SPECIAL_CHARACTERS, Subwords
from service.tasks.translation.text.spans import JOINERS, Span, SpanKind

_SPELLINGS = {
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033",
    "'": "\u2018\u2019\u201a\u201b\u2032`\u00b4\u02bc",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "...": "\u2026",
    "ß": "\u1e9e",
    **SPECIAL_CHARACTERS,
}
"""Characters, and those that can be folded to them."""
_FOLDED_PUNCTUATION = {variant: plain for plain, variants in _SPELLINGS.items() for variant in variants}

_RARE_QUOTES = {"en": "\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a", "de": "\u00ab\u00bb\u2039\u203a\u201a\u2018"}
"""Quotation marks that sentences to train on have seldom, by language: translators lose the words beside them."""


class ProtectedSpans:
    """Answers questions about the spans of a text by their positions.

    Args:
        spans: the result of `find_spans`, in reading order.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self._line_breaks = [span for span in spans if span.kind is SpanKind.LINE_BREAK]
        self._spans = [span for span in spans if span.kind is not SpanKind.LINE_BREAK] if self._line_breaks else spans
        self._starts = [span.start for span in self._spans]
        self._line_break_starts = [span.start for span in self._line_breaks]

    def within(self, start: int, stop: int) -> Sequence[Span]:
        """The protected spans that start in `text[start:stop]`, with an empty one at its end."""
        high = bisect_left(self._starts, stop)
        while high < len(self._spans) and self._spans[high].end == stop:
            high += 1
        return self._spans[bisect_left(self._starts, start) : high]

    def line_breaks(self, start: int, stop: int) -> Sequence[Span]:
        """The line breaks in `text[start:stop]` that are outside protected spans."""
        starts = self._line_break_starts
        return self._line_breaks[bisect_left(starts, start) : bisect_left(starts, stop)]

    def is_inside(self, *positions: int) -> bool:
        """Whether splitting the text at one of the positions would split a protected span."""
        for position in positions:
            count = bisect_left(self._starts, position)
            if count and self._spans[count - 1].end > position:
                return True
        return False


def find_folds(unknown: set[str], subwords: Subwords) -> dict[str, str]:
    """Known spellings of characters that are not in the vocabulary: e for é, " for “, fi for ﬁ."""
    folds = {}
    for character in unknown - JOINERS:
        if unicodedata.category(character) == "So" and character not in _FOLDED_PUNCTUATION:
            continue  # A trade mark is no TM.
        if unicodedata.decomposition(character).startswith(("<super>", "<sub>")):
            continue  # A square meter is no m2.
        decomposed = unicodedata.normalize("NFKD", character)
        plain = _FOLDED_PUNCTUATION.get(character) or "".join(
            part for part in decomposed if not unicodedata.combining(part)
        )
        if (
            plain != character
            and not subwords.unknown_characters(plain)
            and (plain or unicodedata.combining(character))
        ):
            folds[character] = plain
    return folds


def find_quote_folds(text: str, language: str, subwords: Subwords) -> dict[str, str]:
    """The rare quotation marks of a text, which are read as `"`."""
    if subwords.unknown_characters('"'):
        return {}
    return {quote: '"' for quote in _RARE_QUOTES.get(language, "") if quote in text}
