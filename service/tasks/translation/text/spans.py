"""The typed spans of a text: one scan finds everything in it that is not ordinary words and spaces.

Sentence splitting, placeholders and tag transfer work on this list and do not search the text again. Markup is found
before, by `html.find_markup`; `find_spans` searches the text around it:

1. addresses (URLs, e-mail), entities, and strings too long to be words;
2. format specifiers, handles, dates, times, codes and numbers, if placeholders can stand for them;
3. words with letters that are not in the vocabulary, and symbols that are not, such as emoji;
4. line breaks;
5. names, if placeholders can stand for them, in what is left.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from service.tasks.translation.text.format_specifiers import (
    ESCAPED_LINE_BREAK,
    FORMAT_SPECIFIER,
    may_have_format_specifiers,
)
from service.tasks.translation.text.number_patterns import may_have_numbers, number_pattern
from service.text.lines import BREAKS

Range = tuple[int, int]
"""Start and end of a part of a text."""


class SpanKind(Enum):
    """The kinds of spans."""

    START_TAG = "start tag"
    END_TAG = "end tag"
    EMPTY_TAG = "empty tag"
    """The tag of a void element such as <br>, or one that closes itself: <b/>."""
    COMMENT = "comment"
    """A comment, declaration, processing instruction or CDATA section."""
    VERBATIM = "verbatim element"
    """An element that is never translated, such as <code>, from its start tag to its end tag."""
    STRUCTURE = "structure"
    """A block of code, the border of a cell, the frame of a message with branches: see `structure`."""
    ENTITY = "entity"
    URL = "URL"
    EMAIL = "e-mail address"
    LONG_WORD = "long word"
    NUMBER = "number"
    """With its currency sign or unit."""
    DATE = "date"
    TIME = "time"
    CODE = "code"
    """Letters and digits that belong together: a phone number, version, flight or file name."""
    NAME = "name"
    """A name that the model has not seen whole."""
    HANDLE = "handle"
    """A handle or a hash tag."""
    FORMAT_SPECIFIER = "format specifier"
    STRETCHED_WORD = "stretched word"
    """A word with the same letters four times in a row: `soooo`, `hahahaha`."""
    UNKNOWN_WORD = "unknown word"
    """A word with a letter that is not in the vocabulary."""
    UNKNOWN_SYMBOL = "unknown symbol"
    """A character that is not in the vocabulary, and is no letter or digit."""
    LINE_BREAK = "line break"
    """With the white space after it."""


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]`, of one kind. Spans do not overlap; only the closing tag of an accelerator is empty."""

    start: int
    end: int
    kind: SpanKind
    name: str = ""
    """Of tags and verbatim elements, the element in lower case; of names, the name in the target language."""


# Without the punctuation after them.
_URL = r"(?i:(?<![a-z\d+.-])[a-z][a-z\d+.-]{1,15}://|www\.)(?:[^\s<>\"()]|\([^\s<>\"()]*\))*(?:[\w/]|\([^\s<>\"()]*\))"
_EMAIL = r"(?<![\w.+%-])(?:mailto:)?[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
ADDRESS = rf"{_URL}|{_EMAIL}"
"""Matches a URL or an e-mail address."""
_ALWAYS = (
    r"(?P<ENTITY>&(?:[A-Za-z]{2,16}|#\d{1,6});)"
    rf"|(?P<URL>{_URL})|(?P<EMAIL>{_EMAIL})"
    # No word of an alphabet with spaces between its words (Latin, Greek, Cyrillic) is as long as this.
    r"|(?P<LONG_WORD>(?<![0-9A-Za-z_\xaa-\u052f])[0-9A-Za-z_\xaa-\u052f]{100,})"
)
_WITH_PLACEHOLDERS = (
    r"|(?P<HANDLE>(?<![\w}])[@#](?=\d*[A-Za-z])\w+)"
    r"|(?P<FORMULA>(?<!\w)[A-Z][A-Za-z]{0,20}[\u2080-\u2089]\w{0,40})"  # H₂O
    r"|(?P<STRETCHED_WORD>(?<!\w)(?=[^\W\d_]{0,80}?(?P<repeated>[^\W\d_]{1,3})(?P=repeated){3})[^\W\d_]{1,99}(?!\w))"
)
_LINE_BREAK = rf"|(?P<LINE_BREAK>(?:[{BREAKS}]|{ESCAPED_LINE_BREAK})\s*)"
_ACCENTS = "\u0300-\u036f"
JOINERS = frozenset("\u200c\u200d") | {chr(code) for code in range(0xFE00, 0xFE10)}
"""Joiners and variation selectors: invisible parts of emoji, which are never separated from them."""


class FindsNames(Protocol):
    """Finds the names in a part of a text."""

    def find(self, text: str, start: int, stop: int) -> Iterator[tuple[int, int, str]]:
        """The start, the end and the translation of each name in `text[start:stop]`, in reading order."""


def find_spans(
    text: str,
    markup: Sequence[Span],
    unknown: set[str],
    folds: Collection[str] = (),
    *,
    languages: tuple[str, str] | None = None,
    names: FindsNames | None = None,
    line_breaks: bool = True,
) -> list[Span]:
    """All spans of a text, in reading order.

    Args:
        text: any text.
        markup: its markup, from `html.find_markup`.
        unknown: its characters that are not in the vocabulary.
        folds: those of them that can be folded to known characters, so that they are no reason for a span.
        languages: of the text and of its translation, if placeholders can stand for spans within a sentence. Otherwise
            numbers, names, handles and format specifiers are no spans, because they would split their sentences.
        names: finds names, if placeholders can stand for them.
        line_breaks: whether line breaks are spans.
    """
    pattern = _pattern(
        unknown,
        folds,
        languages=languages,
        numbers=may_have_numbers(text),
        specifiers=may_have_format_specifiers(text),
        line_breaks=line_breaks,
    )
    spans: list[Span] = []
    position = 0
    for tag in markup:
        if position < tag.start:
            spans += _matches(pattern, text, position, tag.start)
        spans.append(tag)
        position = tag.end
    spans += _matches(pattern, text, position, len(text))
    return _with_names(text, spans, names) if names else spans


def in_reading_order(spans: Iterable[Span]) -> list[Span]:
    """The spans, sorted; an empty one is before one that starts where it stands."""
    return sorted(spans, key=lambda span: (span.start, span.end))


class Positioned(Protocol):
    """Anything with a place in a text."""

    @property
    def start(self) -> int:
        """Where it starts."""

    @property
    def end(self) -> int:
        """Where it ends."""


def gaps_between(start: int, stop: int, spans: Iterable[Positioned]) -> Iterator[Range]:
    """The parts of `text[start:stop]` before, between and after the spans in it: one more than there are spans.

    Args:
        start: the start of the part of the text.
        stop: the end of the part of the text.
        spans: the spans in it, in reading order.
    """
    edges = [start, *(edge for span in spans for edge in (span.start, span.end)), stop]
    return zip(edges[::2], edges[1::2], strict=True)


def _matches(pattern: re.Pattern[str], text: str, start: int, stop: int) -> Iterator[Span]:
    for match in pattern.finditer(text, start, stop):
        assert match.lastgroup is not None
        kind = SpanKind.CODE if match.lastgroup in ("EXACT", "FORMULA") else SpanKind[match.lastgroup]
        yield Span(match.start(), match.end(), kind)


def _with_names(text: str, spans: Sequence[Span], names: FindsNames) -> list[Span]:
    """The spans and the names between them."""
    result: list[Span] = []
    for (start, stop), span in zip(gaps_between(0, len(text), spans), [*spans, None], strict=True):
        result += (Span(begin, end, SpanKind.NAME, name) for begin, end, name in names.find(text, start, stop))
        if span:
            result.append(span)
    return result


def _pattern(
    unknown: set[str],
    folds: Collection[str],
    *,
    languages: tuple[str, str] | None,
    numbers: bool,
    specifiers: bool,
    line_breaks: bool,
) -> re.Pattern[str]:
    pattern = _ALWAYS
    if languages:
        if specifiers:
            others = "" if line_breaks else f"|{ESCAPED_LINE_BREAK}"
            pattern += f"|(?P<FORMAT_SPECIFIER>{FORMAT_SPECIFIER}{others})"
        pattern += _WITH_PLACEHOLDERS
        if numbers:
            pattern += f"|{number_pattern(*languages)}"
    if line_breaks:
        pattern += _LINE_BREAK
    if unknown:
        pattern += _unknown_pattern(unknown, folds)
    return re.compile(pattern)


def _unknown_pattern(unknown: set[str], folds: Collection[str]) -> str:
    unfolded = sorted(unknown.difference(folds))
    letters = "".join(map(re.escape, filter(str.isalnum, unfolded)))
    symbols = "".join(re.escape(symbol) for symbol in unfolded if not symbol.isalnum())
    pattern = ""
    if letters:
        marks = "".join(sorted(mark for mark in unknown - JOINERS if unicodedata.category(mark) in ("Mc", "Mn")))
        part = rf"[\w{_ACCENTS}{marks}]"
        pattern += rf"|(?P<UNKNOWN_WORD>(?<!{part}){part}*[{letters}]{part}*)"
    if symbols:
        pattern += f"|(?P<UNKNOWN_SYMBOL>[{symbols}])"  # one at a time: the next character may begin something longer
    return pattern
