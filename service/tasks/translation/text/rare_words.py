"""Rare words: numbers, dates, names, codes and addresses, which placeholders stand for in training and in serving.

Luong, Sutskever, Le, Vinyals and Zaremba 2015, "Addressing the rare word problem in neural machine translation". A rare
word is put back into the translation in the notation of the target language, see `notation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service.tasks.translation.text.names import NameFinder
from service.tasks.translation.text.notation import render
from service.tasks.translation.text.spans import Range, Span, SpanKind, find_spans

PLACEHOLDER_TYPES: Mapping[SpanKind, str] = MappingProxyType({
    SpanKind.NUMBER: "number",
    SpanKind.TIME: "number",
    SpanKind.DATE: "date",
    SpanKind.NAME: "name",
    SpanKind.CODE: "name",
    SpanKind.HANDLE: "name",
    SpanKind.STRETCHED_WORD: "name",
    SpanKind.UNKNOWN_WORD: "name",
    SpanKind.URL: "name",
    SpanKind.EMAIL: "name",
})  # fmt: skip
"""The type of the placeholder for each kind of span; those of other kinds have none and are UNKNOWN."""


@dataclass(frozen=True)
class RareWords:
    """What of a text placeholders stand for, and what they become in the translation."""

    source: str
    """The language of the text, ISO 639-1."""
    target: str
    """The language of its translation."""
    names: NameFinder | None = None
    """Finds the names; None for none."""

    @property
    def languages(self) -> tuple[str, str]:
        """The languages of the text and of its translation."""
        return self.source, self.target

    def target_text(self, text: str, span: Span) -> str:
        """What a span of a text becomes in its translation."""
        return target_text(text, span, self.source, self.target)


LONG_NUMBERS = RareWords("", "")
"""Long numbers only, unchanged: what placeholders stood for when bundles did not yet say `rare_words`."""


def find_rare_words(text: str, source: str, target: str, names: NameFinder | None = None) -> list[Span]:
    """The spans of a sentence that placeholders stand for, in reading order. They do not overlap.

    Args:
        text: a sentence, or several, without markup.
        source: its language, ISO 639-1.
        target: the language of its translation.
        names: finds the names in it; None for none.
    """
    return find_spans(text, [], set(), languages=(source, target), names=names, line_breaks=False)


def target_text(text: str, span: Span, source: str, target: str) -> str:
    """What a span becomes in the translation: its exonym, or its text in the notation of the target language."""
    return span.name if span.kind is SpanKind.NAME else render(text, span, source, target)


def align(source: str, spans: Iterable[Span], target: str, languages: tuple[str, str]) -> list[tuple[Span, Range]]:
    """The spans of a sentence that its translation has too, each with where it is there; no two at the same place.

    Args:
        source: the sentence.
        spans: its rare words, from `find_rare_words`.
        target: its translation.
        languages: of the two.
    """
    aligned: list[tuple[Span, Range]] = []
    for span in spans:
        own = source[span.start : span.end]
        for written in dict.fromkeys((target_text(source, span, *languages), own, own.replace(",", ""))):
            pattern = rf"(?<![\w.,:/-]){re.escape(written)}(?!\w|[.,:/-]\w)"
            taken = {start for _, (start, _) in aligned}
            match = next((one for one in re.finditer(pattern, target) if one.start() not in taken), None)
            if match:
                aligned.append((span, match.span()))
                break
    return aligned
