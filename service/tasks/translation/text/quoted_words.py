"""Quoted words in a sentence: the title, label or word that it names, `Press "OK"`, `the word "moist"`.

Sentences to train on hardly have them, and a translator that reads them invents others: `"Oh"`, `"Doist"`. They are
copied like names. Speech is translated: `"No!" he cried.`, `She said "I love you" and left.`
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.tasks.translation.text.format_specifiers import FORMAT_SPECIFIER, may_have_format_specifiers
from service.tasks.translation.text.short_texts import CLAUSE_WORDS, merge_spans
from service.tasks.translation.text.spans import Range, Span, SpanKind

_MAX_WORDS = 6
_MAX_WORDS_IN_ANY_CASE = 3
"""More words, up to `_MAX_WORDS`, are a title or a message if they start with a capital: `"The Lord of the Rings"`."""
_MIN_CLAUSE_WORDS = 3
_LETTER = r"[^\W\d_]"
_WORD = rf"(?:{_LETTER}{{1,3}}\.(?= )|[\w+#](?:[\w'\u2019.&+/#-]{{0,40}}[\w+#])?)"
"""A word, a number, or both: `OK`, `e.g`, `Ctrl+C`, `R&D`, `C++`; an abbreviation before a space: `Mr.`."""
_WORDS = rf"(?={_LETTER}){_WORD}(?: {_WORD}){{0,{_MAX_WORDS - 1}}}"
_DOUBLE = '"\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a'
_QUOTED = re.compile(
    rf"(?<![^\s(/>\u2013\u2014-])(?:[{_DOUBLE}](?P<double>{_WORDS})(?P<mark>[.!?]?)[{_DOUBLE}]"
    rf"|['\u2018\u201a](?=\w\w)(?P<single>{_WORDS})['\u2018\u2019])(?![\w\[\]{{}}=])"
)
_SINGLE = "'\u2018\u2019\u201a"
_WHOLE_QUOTATION = re.compile(
    rf"\s*(?:(?P<double>[{_DOUBLE}])(?=[^{_DOUBLE}]*{_LETTER})[^{_DOUBLE}]+(?P<double_end>[{_DOUBLE}])"
    rf"|(?P<single>[{_SINGLE}])(?=\w)[^{_SINGLE}{_DOUBLE}]+(?P<single_end>[{_SINGLE}]))[.!?\u2026]*\s*"
)
_QUOTE = re.compile(rf"[{_DOUBLE}'\u2018\u201a]")
_SPECIFIER = re.compile(FORMAT_SPECIFIER)
_SENTENCE_END = re.compile(r"[.!?\u2026\n]")
_TEXT_OR_SENTENCE_END = re.compile(r"\s*(?:\Z|\n|[^\W\d_a-z\u00df-\u00ff])")
_SPEECH = re.compile(rf",\s*{_LETTER}")
"""What follows speech at the start of a sentence: `\u201eJa\u201c, sagte sie.`"""
_NEIGHBORHOOD = 300
"""Characters on either side in which the words of the sentence are searched."""
_QUOTES = {"en": ('"', '"'), "de": ("\u201e", "\u201c")}
"""Quotation marks, by language."""


def add_quoted_words(text: str, markup: Sequence[Span], languages: tuple[str, str]) -> list[Span]:
    """The markup of a text and its quoted words, as names in the quotation marks of the target language.

    Args:
        text: any text.
        markup: its markup, in reading order.
        languages: of the text and of its translation.
    """
    if not _QUOTE.search(text):
        return list(markup)
    quoted = list(_quoted_words(text, *languages))
    if quoted and may_have_format_specifiers(text):
        specifiers = [match.span() for match in _SPECIFIER.finditer(text)]
        quoted = [span for span in quoted if not _is_within(span, specifiers)]
    return merge_spans(text, markup, quoted)


class WholeQuotation(NamedTuple):
    """A text that is one quotation: `"Save"`."""

    opening: Span
    closing: Span
    marks: tuple[str, str]
    """The quotation marks of the translation."""


def find_whole_quotation(text: str, target: str) -> WholeQuotation | None:
    """The quotation marks around a whole text, if it has no others; they are no part of what is translated.

    Args:
        text: any text.
        target: language of the translation.
    """
    match = _WHOLE_QUOTATION.fullmatch(text)
    if not match:
        return None
    kind = "double" if match["double"] else "single"
    first, last = match.start(kind), match.start(f"{kind}_end")
    return WholeQuotation(
        Span(first, first + 1, SpanKind.STRUCTURE),
        Span(last, last + 1, SpanKind.STRUCTURE),
        _QUOTES.get(target, (text[first], text[last])),
    )


def _is_within(span: Span, ranges: Sequence[Range]) -> bool:
    """Whether a span is within one of the ranges, which are in reading order: `{user['name']}`."""
    before = bisect_left(ranges, (span.start, span.start))
    return before > 0 and ranges[before - 1][1] >= span.end


def _quoted_words(text: str, source: str, target: str) -> Iterator[Span]:
    # Without all quoted words, once for all of them: a text may hold thousands.
    others = _QUOTED.sub(_blank, text)
    for match in _QUOTED.finditer(text):
        if _is_part_of_sentence(match, others) and not _is_speech(match, source):
            yield Span(match.start(), match.end(), SpanKind.NAME, _written(match, target))


def _blank(quoted: re.Match[str]) -> str:
    """Spaces for quoted words, and the mark that may end a sentence."""
    return (quoted["mark"] or "").rjust(len(quoted[0]) - 1) + " "


def _is_part_of_sentence(quoted: re.Match[str], others: str) -> bool:
    """Whether quoted words are a part of a sentence with other words, of which `others` has only those."""
    start, end = quoted.span()
    before = _SENTENCE_END.split(others[max(0, start - _NEIGHBORHOOD) : start])[-1]
    if quoted["mark"]:
        return before.rstrip()[-1:].isalpha()
    if not before.strip() and _SPEECH.match(quoted.string, end):
        return False
    after = _SENTENCE_END.split(others[end : end + _NEIGHBORHOOD], maxsplit=1)[0]
    return any(map(str.isalpha, before + after))


def _is_speech(quoted: re.Match[str], language: str) -> bool:
    """Whether quoted words, of a sentence with others, are a clause, or so many that they may be one."""
    words = _words(quoted)
    count = words.count(" ") + 1
    if count > _MAX_WORDS_IN_ANY_CASE and not words[0].isupper():
        return True
    clause_word = CLAUSE_WORDS.get(language)
    return count >= _MIN_CLAUSE_WORDS and clause_word is not None and clause_word.search(words) is not None


def _written(quoted: re.Match[str], target: str) -> str:
    """Quoted words as they are written in the translation: `"Itch."` at the end of a sentence is `"Itch".`"""
    if target not in _QUOTES:
        return quoted[0]
    words, mark = _words(quoted), quoted["mark"] or ""
    before, after = _QUOTES[target]
    if mark == "." and _TEXT_OR_SENTENCE_END.match(quoted.string, quoted.end()):
        return f"{before}{words}{after}."
    return f"{before}{words}{mark}{after}"


def _words(quoted: re.Match[str]) -> str:
    return quoted["double"] or quoted["single"]
