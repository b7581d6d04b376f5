"""Labels, list marks, separators and smileys of short texts: they stay, and what is between them is translated alone.

Sentences to train on have few of them, so that a translator would drop them, and often the words beside them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from service.tasks.translation.subwords import SPECIAL_CHARACTERS
from service.tasks.translation.text.code import is_code
from service.tasks.translation.text.format_specifiers import FORMAT_SPECIFIER, may_have_format_specifiers
from service.tasks.translation.text.html import WORD_LIKE_ELEMENTS
from service.tasks.translation.text.spans import Range, Span, SpanKind, gaps_between, in_reading_order
from service.text.lines import BREAKS

_MAX_WORDS = 10
"""A longer line is not cut: it is a sentence."""
_MAX_LABEL_WORDS = 4
"""Words of the longest label that ends a line."""
_MASK = "_"
"""What is read for a character that nothing is searched in; a space is, for one of a tag."""
_LINE = re.compile(f"[^{BREAKS}]+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_PART = re.compile(r"[^\W\d]")
"""A letter, or what is masked."""
_SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u201c\u2019)\]\u00bb]*\s*\Z")
_GROUP = re.compile(
    r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\"[^\"]*\"|`[^`]*`|[\u201c\u201e][^\u201c\u201d\u201e]*[\u201c\u201d]"
)
"""Brackets and quotation marks with what is in them: nothing is cut there."""

_READ_AMPERSAND, _READ_LT, _READ_GT = SPECIAL_CHARACTERS.values()
_AMPERSAND, _LT, _GT = (f"[{character}{SPECIAL_CHARACTERS[character]}]" for character in "&<>")
_ARROWS = "\u00ab\u00bb\u2039\u203a\u2190-\u2193\u21d0-\u21d3\u25b2\u25b6\u25ba\u25bc\u25c0\u25c4"
_DASHES = "\u2013\u2014\\-"
_SIGNS = rf"{_ARROWS}{_DASHES}|/\\+=~*\u2022\u00b7\u2713\u2714\u2717\u2718"
_LIST_MARK = re.compile(
    r"\s*(?P<mark>(?:\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{2,4})\)|\[[ xX\d]{0,3}\])(?=\s)|\d{1,3}\.(?= [a-z]))"
)
"""The mark of a list item; a number with a full stop only before a small letter: others are found as sentences."""
_FURTHER_MARK = re.compile(r"(?<=\s)(?:\d{1,3}|[A-Za-z])\)(?=\s)")
_LEADING = re.compile(rf"\s*(?P<mark>[{_SIGNS}]{{1,3}}|{_AMPERSAND}|{_GT}{{1,2}})(?=\s+\S)")
_TRAILING = re.compile(rf"(?<=\S)\s+(?P<mark>[{_SIGNS}]{{1,3}}|{_LT}{{1,2}})\s*\Z")
_SEPARATOR = re.compile(rf"(?<=\s)(?:[{_DASHES}]|--|[/|\u00b7\u2022\u00bb\u203a\u2192]|{_GT}{{1,2}})(?=\s)")
_SMILEY = re.compile(
    rf"(?<![^\s.!?,])(?:[:;=8xX]['\u2019]?-?[()\[\]DPpOo3|/\\*]+|{_LT}3+|\^[_-]?\^)(?!\w)(?=[\s.!?,]|\Z)"
)
_LABEL = re.compile(r"\s*(?P<label>[^\W_][^:\uff1a.!?;,]{0,80}?)(?P<colon>\s{0,3}[:\uff1a])(?=\s|\Z)")
CLAUSE_WORDS = {
    "en": re.compile(
        r"(?i)\b(?:i|you|he|she|it|we|they|says?|said|asks?|asked|answered|replied|that|is|are|was|were)\b"
    ),
    "de": re.compile(r"(?i)\b(?:ich|du|er|sie|es|wir|ihr|sagt|sagte|fragte|antwortete|rief|dass|ist|sind|war|waren)\b"),
}
"""Words that make what is before a colon a clause of a sentence, by language."""
_COMMA = re.compile(r"(?<=\w),(?=\s(?!\s*(?:and|or|und|oder)\b))")
_BETWEEN_ITEMS = re.compile(r",? (?:and|or) |, ?")
_DETERMINERS = frozenset(("a", "an", "my", "your", "his", "her", "our", "their", "some"))
_NO_THINGS = frozenset((
    "bye", "go", "ha", "hello", "hey", "hi", "maybe", "no", "oh", "ok", "okay", "please", "sir", "sorry", "thanks",
    "wait", "well", "yes",
))  # fmt: skip
"""Words of a sentence without a verb: not what an enumeration lists."""
_MIN_ITEMS, _MAX_ITEM_WORDS = 3, 3
_CODE_TAG = re.compile(rf"(?<!%){_READ_LT}/?[A-Za-z][^{_READ_AMPERSAND}{_READ_LT}{_READ_GT}\n]{{0,200}}{_READ_GT}")
"""A tag that HTML shows."""
_SPECIFIER = re.compile(FORMAT_SPECIFIER)
_STYLE = re.compile(r"\{\\[^{}\n]{1,100}\}")


def add_short_texts(text: str, markup: Sequence[Span], language: str, *, is_html: bool) -> list[Span]:
    """The markup of a text with what its short lines are cut at, in reading order.

    * Everywhere: smileys at the start or end of a line or sentence; tags that HTML shows, `&lt;b&gt;`; the codes of
      subtitles, `{\\an8}`.
    * In lines of at most ten words: list marks (`a)`, `[x]`), the colon of a label (`Name:`) and, unless the line is a
      sentence, dashes, slashes and arrows between words and at either end, and the commas of an enumeration.

    Args:
        text: any text.
        markup: its other markup, in reading order.
        language: its language; tells the label before a colon from a clause.
        is_html: whether line breaks are ordinary spaces, so that only block elements separate lines.
    """
    spans = [Span(*match.span(), SpanKind.FORMAT_SPECIFIER) for match in _CODE_TAG.finditer(text)] if is_html else []
    spans += [Span(*match.span(), SpanKind.STRUCTURE) for match in _STYLE.finditer(text)]
    markup = merge_spans(text, markup, spans)
    masked = _masked(text, markup)
    cuts = [
        Span(begin, end, SpanKind.STRUCTURE)
        for start, stop in _lines(text, markup, is_html=is_html)
        for begin, end in _cuts(masked[start:stop], start, language)
    ]
    return merge_spans(text, markup, cuts)


def merge_spans(text: str, markup: Sequence[Span], spans: Iterable[Span]) -> list[Span]:
    """The markup and the spans in reading order, without those spans that are not between markup."""
    remaining = in_reading_order(spans)
    if not remaining:
        return list(markup)
    gaps = [gap for gap in gaps_between(0, len(text), markup) if gap[0] < gap[1]]
    own, index = [], 0
    for span in remaining:
        while index < len(gaps) and gaps[index][1] <= span.start:
            index += 1
        if index < len(gaps) and gaps[index][0] <= span.start and span.end <= gaps[index][1]:
            own.append(span)
    return in_reading_order([*markup, *own])


def _masked(text: str, markup: Sequence[Span]) -> str:
    """The text, with spaces for its tags and `_` for what nothing is searched in; as long as the text."""
    parts: list[str] = []
    for (start, stop), span in zip(gaps_between(0, len(text), markup), [*markup, None], strict=True):
        part = text[start:stop]
        if may_have_format_specifiers(part):
            part = _SPECIFIER.sub(lambda match: _MASK * len(match.group()), part)
        parts.append(part)
        if span:
            is_tag = span.kind in (SpanKind.START_TAG, SpanKind.END_TAG, SpanKind.EMPTY_TAG, SpanKind.COMMENT)
            parts.append((" " if is_tag else _MASK) * (span.end - span.start))
    return "".join(parts)


def _lines(text: str, markup: Sequence[Span], *, is_html: bool) -> Iterator[Range]:
    """The lines of a text, or what is between the block elements of HTML."""
    blocks = [span for span in markup if not _is_inline(span)]
    for start, stop in gaps_between(0, len(text), blocks):
        if is_html:
            yield start, stop
        else:
            yield from (match.span() for match in _LINE.finditer(text, start, stop))


def _is_inline(span: Span) -> bool:
    if span.kind is SpanKind.FORMAT_SPECIFIER:
        return True
    return span.name in WORD_LIKE_ELEMENTS and span.kind is not SpanKind.EMPTY_TAG


def _cuts(line: str, offset: int, language: str) -> Iterator[Range]:
    """What a line is cut at, in reading order; `offset` is that of the line in the text."""
    words = _WORD.findall(line)
    if not words or is_code(line):
        return
    ranges = list(_smileys(line))
    if len(words) <= _MAX_WORDS:
        ranges += _short_cuts(_without(line, ranges), language)
    yield from ((offset + start, offset + end) for start, end in sorted(ranges))


def _smileys(line: str) -> Iterator[Range]:
    """The smileys that are beside the start or the end of a sentence."""
    for match in _SMILEY.finditer(line):
        before, after = line[: match.start()].rstrip(), line[match.end() :].strip(" .!?,")
        if not before or before[-1] in ".!?\u2026" or not after or after[0].isupper():
            yield match.span()


def _short_cuts(line: str, language: str) -> Iterator[Range]:
    """List mark, signs at either end, colon of a label and separators of a line without smileys."""
    marks = [match.span("mark") for pattern in (_LIST_MARK, _LEADING) if (match := pattern.match(line))]
    if marks and line[marks[0][1] - 1] == ")":
        marks += [match.span() for match in _FURTHER_MARK.finditer(line, marks[0][1])]
    marks += [match.span("mark") for match in _TRAILING.finditer(line)]
    yield from marks
    is_sentence = _SENTENCE_END.search(line) is not None
    line = _GROUP.sub(lambda match: _MASK * len(match.group()), _without(line, marks))
    if colon := _label_colon(line, language, is_sentence=is_sentence):
        yield colon
        line = _without(line, [colon])
    if not is_sentence and _is_enumeration(line[colon[1] :] if colon else line, language):
        yield from (match.span() for match in _COMMA.finditer(line))
    separators = [match.span() for match in _SEPARATOR.finditer(line)]
    # A dash of two hyphens is cut at in sentences too: translators take it for a number.
    if not is_sentence or any(end - start == len("--") and line[start] == "-" for start, end in separators):
        for index, (start, end) in enumerate(separators):
            low = separators[index - 1][1] if index else 0
            high = separators[index + 1][0] if index + 1 < len(separators) else len(line)
            if _PART.search(line, low, start) and _PART.search(line, end, high):
                yield start, end


def _is_enumeration(line: str, language: str) -> bool:
    """Whether an English line lists three things and more: words alone, or each with its article or possessive.

    Of things that are not alike, `a big, round, red ball`, the words may belong together. German lines are not cut:
    capitals tell the network there what is a thing.
    """
    if language != "en" or not _COMMA.search(line):
        return False
    items = [item.split(" ") for item in _BETWEEN_ITEMS.split(" ".join(line.split()))]
    are_alike = all(len(item) == 1 for item in items) or all(
        1 < len(item) <= _MAX_ITEM_WORDS and item[0].lower() in _DETERMINERS for item in items
    )
    words = [word.lower() for item in items for word in item if word.lower() not in _DETERMINERS]
    are_things = (
        all(map(_WORD.fullmatch, words)) and len(set(words)) == len(words) and not _NO_THINGS.intersection(words)
    )
    return len(items) >= _MIN_ITEMS and are_alike and are_things


def _label_colon(line: str, language: str, *, is_sentence: bool) -> Range | None:
    """The colon after a label, with the space before it; None if there is no label."""
    match = _LABEL.match(line)
    if not match:
        return None
    words = _WORD.findall(match["label"])
    if not 1 <= len(words) <= _MAX_LABEL_WORDS:
        return None
    if not line[match.end() :].strip():
        return match.span("colon")
    clause_word = CLAUSE_WORDS.get(language)
    is_clause = clause_word is not None and clause_word.search(match["label"]) is not None
    most = 1 if is_sentence else _MAX_LABEL_WORDS
    return None if is_clause or len(words) > most else match.span("colon")


def _without(line: str, ranges: Iterable[Range]) -> str:
    """The line with spaces for some of its parts."""
    for start, end in ranges:
        line = line[:start] + " " * (end - start) + line[end:]
    return line
