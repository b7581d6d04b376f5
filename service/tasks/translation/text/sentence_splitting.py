"""Splits a text into sentences, and at line breaks unless a line was only wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.tasks.translation.text.protected_spans import ProtectedSpans
from service.tasks.translation.text.spans import Range
from service.text import Lines, sentence_spans

_CLOSED = re.compile(r"(?P<end>[.!?\u2026][\"'\u201c\u201d\u2019)\]\u00bb]*)(?:</[A-Za-z][^<>]{0,80}>)+(?=\s+\S)")
"""The end of a sentence before closing tags."""
_TAG = re.compile(r"<[^<>]*>")
_CONTEXT = 200
"""Characters before and after closing tags by which it is decided whether a sentence ends there."""
_BULLET = re.compile(r"(?:[-\u2013\u2014*\u2022\u00b7>#+]{1,6}\s+)+")
"""List bullets and quote marks at the start of a line."""


def split_sentences(text: str, language: str, protected: ProtectedSpans, *, is_html: bool) -> Iterator[Range]:
    """The spans of the sentences, without the bullets before them.

    Args:
        text: the whole text.
        language: selects the rules, see `service.text.sentence_spans`.
        protected: no sentence ends inside one of these spans.
        is_html: whether line breaks are ordinary spaces.
    """
    lines = Lines(text)
    sentences = _sentences(text, lines, language, protected)
    if _CLOSED.search(text):
        sentences = _split_after_tags(text, language, sentences, protected)
    for start, stop in sentences if is_html else _split_at_lines(text, lines, sentences, protected):
        bullet = _BULLET.match(text, start, stop) if lines.starts_line(start) else None
        yield bullet.end() if bullet else start, stop


def _sentences(text: str, lines: Lines, language: str, protected: ProtectedSpans) -> Iterator[Range]:
    """The sentences of the language, joined where one ends in a protected span."""
    joined_start: int | None = None
    spans = sentence_spans(text, language, lines)
    for index, (own_start, stop) in enumerate(spans):
        start = own_start if joined_start is None else joined_start
        if index + 1 < len(spans) and protected.is_inside(stop, spans[index + 1][0]):
            joined_start = start
            continue
        yield start, stop
        joined_start = None


def _split_after_tags(
    text: str, language: str, sentences: Iterator[Range], protected: ProtectedSpans
) -> Iterator[Range]:
    """The sentences, split after closing tags where they would be without tags: `<b>The dog.</b> The cat.`"""
    for start, stop in sentences:
        for match in _CLOSED.finditer(text, start, stop):
            if protected.is_inside(match.end("end")):
                continue
            before = _TAG.sub("", text[max(start, match.end("end") - _CONTEXT) : match.end("end")])
            after = _TAG.sub("", text[match.end() : min(stop, match.end() + _CONTEXT)]).lstrip()
            joined = f"{before} {after}"
            if any(end == len(before) for _, end in sentence_spans(joined, language, Lines(joined))):
                yield start, match.end()
                start = match.end() + len(text[match.end() : stop]) - len(text[match.end() : stop].lstrip())
        yield start, stop


def _split_at_lines(text: str, lines: Lines, sentences: Iterator[Range], protected: ProtectedSpans) -> Iterator[Range]:
    """The sentences, split where a line ends a sentence, and at escaped line breaks: nobody wraps a line with those."""
    for start, stop in sentences:
        line_starts = set(lines.sentence_starts(start, stop))
        for line_break in protected.line_breaks(start, stop):
            if line_break.end in line_starts or text[line_break.start] == "\\":
                yield start, line_break.start
                start = line_break.end
        yield start, stop
