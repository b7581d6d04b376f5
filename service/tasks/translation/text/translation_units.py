"""Translation units: the parts of a sentence that are translated together, at best the whole sentence.

If the model was trained to copy (Luong et al. 2015, "Addressing the rare word problem", section 3.1), a `PLACEHOLDER`
stands for each protected span within a sentence, so that the sentence need not be split there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import NamedTuple

from service.tasks.translation.text.asides import Aside
from service.tasks.translation.text.attached_signs import attach_signs, enclose
from service.tasks.translation.text.html import WORD_LIKE_ELEMENTS
from service.tasks.translation.text.spans import Range, Span, SpanKind, gaps_between, in_reading_order
from service.tasks.translation.text.tag_transfer import TagPair, find_tag_pairs, is_inline_tag

_LEADING_PUNCTUATION = re.compile(r"[\s,;:.!?)\]\u2026]*")
"""Not translated at the start of a unit that continues after a protected span."""
_TRAILING_BRACKETS = re.compile(r"(?<![\s(\[\u201e\u201a\u00ab])[\s(\[\u201e\u201a\u00ab]+\Z")
"""Not translated at the end of a unit: what they open is not in it."""
_ONE_OR_TWO_WORDS = re.compile(r"\s+[^\W\d_]+(?:\s+[^\W\d_]+)?\s*")
_NEIGHBORHOOD = 4
"""Characters in which the letters beside a symbol are searched, past spaces."""


class TranslationUnit(NamedTuple):
    """`text[start:stop]`, at most a sentence, which is translated as a whole."""

    start: int
    stop: int
    tags: list[TagPair]
    """Inline tags to transfer, in the order of the opening tags."""
    protected: list[Span]
    """Protected spans that placeholders stand for, in reading order."""
    asides: Sequence[Aside] = ()
    """Asides, which are translated on their own, in reading order."""


class _Role(IntEnum):
    """The role of a protected span in the sentence around it."""

    SYMBOL = 1
    """A symbol such as an emoji: not part of the sentence at its start or end, or before a capital letter, where
    the next sentence begins."""
    WORD = 2
    """A word of the sentence: one with unknown letters, an address, code."""
    MARKUP = 3
    """Not part of the sentence, which is split here, except for transferable inline tags."""


MARKUP = frozenset([SpanKind.START_TAG, SpanKind.END_TAG, SpanKind.EMPTY_TAG, SpanKind.COMMENT, SpanKind.STRUCTURE])
_SYMBOLS = frozenset([SpanKind.UNKNOWN_SYMBOL, SpanKind.ENTITY])


class _Item(NamedTuple):
    span: Span
    role: _Role


def find_units(
    text: str, spans: Sequence[Span], start: int, stop: int, *, inline_tags: bool, placeholders: bool
) -> Iterator[TranslationUnit]:
    """The translation units of a sentence.

    Args:
        text: the sentence is `text[start:stop]`.
        spans: its protected spans, in reading order.
        start: the start of the sentence.
        stop: the end of the sentence.
        inline_tags: whether inline tags can be transferred; otherwise they split the sentence.
        placeholders: whether placeholders can stand for protected spans; otherwise those split the sentence.
    """
    if not spans:
        yield from _units(text, [(start, stop)], [], [])
        return
    spans = attach_signs(text, spans, start, stop)
    items = (
        _with_quotes(text, _items(text, spans), start, stop)
        if placeholders
        else [_Item(span, _Role.MARKUP) for span in spans]
    )
    items = [item._replace(role=_Role.MARKUP) if _separates_sentences(text, item) else item for item in items]
    markup = [item.span for item in items if item.role is _Role.MARKUP]
    protected = [item for item in items if item.role is not _Role.MARKUP]
    tags = find_tag_pairs(text, markup, start, stop) if inline_tags else []
    transferred = {tag for pair in tags for tag in pair}
    splits = [span for span in markup if span not in transferred]
    yield from _units(text, gaps_between(start, stop, splits), tags, protected)


def split_at_tags(text: str, unit: TranslationUnit) -> Iterator[TranslationUnit]:
    """Split a unit at its inline tags."""
    tags = in_reading_order(tag for pair in unit.tags for tag in pair)
    protected = [_Item(span, _Role.WORD) for span in unit.protected]
    yield from _units(text, gaps_between(unit.start, unit.stop, tags), [], protected)


def _units(
    text: str, parts: Iterable[Range], tags: Sequence[TagPair], protected: Sequence[_Item]
) -> Iterator[TranslationUnit]:
    """The unit of each part that has words, with the tags and protected items in it."""
    tag_starts, item_starts = [pair.opening.start for pair in tags], [item.span.start for item in protected]
    for start, stop in parts:
        own = slice(bisect_left(item_starts, start), bisect_left(item_starts, stop))
        own_tags = tags[bisect_left(tag_starts, start) : bisect_left(tag_starts, stop)]
        # Nothing is taken off beyond a tag: one of a pair would be left.
        first_tag = min([pair.opening.start for pair in own_tags], default=stop)
        last_tag = max([pair.closing.end for pair in own_tags], default=start)
        start, stop, items = _strip_symbols(text, start, stop, protected[own], (first_tag, last_tag))
        if not own_tags and _is_counted(text, start, stop, items):
            start, items = items[0].span.end, []
        spans = _merge_adjacent(text, items)
        if not any(_has_letter(text, *gap) for gap in gaps_between(start, stop, spans)):
            continue
        punctuation = _LEADING_PUNCTUATION.match(text, start, min([first_tag, *(span.start for span in spans[:1])]))
        start = punctuation.end() if punctuation else start
        kept = max(start, last_tag)
        stop = kept + len(_TRAILING_BRACKETS.sub("", text[kept:stop]))
        yield TranslationUnit(start, stop, list(own_tags), spans)


def _items(text: str, spans: Sequence[Span]) -> list[_Item]:
    """The protected spans with their roles.

    Adjacent items of one role are merged, and so is an inline element that holds nothing but protected items.
    """
    items: list[_Item] = []
    for span in spans:
        item = _Item(span, _role(text, span))
        if item.role is _Role.MARKUP:
            item = _merge_element(text, items, item)
        if items and item.role is items[-1].role is not _Role.MARKUP:
            last = items[-1].span
            if _is_space(text, last.end, item.span.start) or _is_key_combination(text, last, item.span):
                items.pop()
                item = _Item(replace(last, end=item.span.end), item.role)
        items.append(item)
    return items


def _is_key_combination(text: str, before: Span, after: Span) -> bool:
    """Whether two verbatim elements are joined by a plus: `<kbd>Ctrl</kbd>+<kbd>C</kbd>`."""
    kinds = {before.kind, after.kind}
    return kinds == {SpanKind.VERBATIM} and text[before.end : after.start].strip() == "+"


def _role(text: str, span: Span) -> _Role:
    if span.kind in MARKUP:
        return _Role.MARKUP
    if span.kind is SpanKind.VERBATIM:
        return _Role.WORD if span.name in WORD_LIKE_ELEMENTS else _Role.MARKUP
    # Not a word: the format specifier `{}`, for example.
    is_word = span.kind not in _SYMBOLS and any(map(str.isalnum, text[span.start : span.end]))
    return _Role.WORD if is_word else _Role.SYMBOL


def _merge_element(text: str, items: list[_Item], tag: _Item) -> _Item:
    """If this tag closes an element that holds only protected items, remove those from `items` and return the element.

    Otherwise return the tag.
    """
    if not is_inline_tag(tag.span, SpanKind.END_TAG):
        return tag
    first, end = len(items), tag.span.start
    while first and _is_space(text, items[first - 1].span.end, end):
        first -= 1
        opening, role = items[first]
        if role is _Role.MARKUP:
            content = items[first + 1 :]
            if not content or not is_inline_tag(opening, SpanKind.START_TAG) or opening.name != tag.span.name:
                break
            del items[first:]
            element = Span(opening.start, tag.span.end, SpanKind.VERBATIM, opening.name)
            return _Item(element, max(item.role for item in content))
        end = opening.start
    return tag


def _with_quotes(text: str, items: Sequence[_Item], start: int, stop: int) -> list[_Item]:
    """The items of `text[start:stop]`; elements that hold only protected items are with what encloses them."""
    ends, starts = [start, *(item.span.end for item in items)], [*(item.span.start for item in items), stop]
    return [
        item._replace(span=enclose(text, item.span, (ends[index], starts[index + 1])))
        if item.span.kind is SpanKind.VERBATIM and item.role is not _Role.MARKUP
        else item
        for index, item in enumerate(items)
    ]


def _separates_sentences(text: str, item: _Item) -> bool:
    """Whether it is a symbol between a lower-case and an upper-case letter: `Good morning ☀ How are you?`."""
    if item.role is not _Role.SYMBOL:
        return False
    before = text[max(0, item.span.start - _NEIGHBORHOOD) : item.span.start].rstrip()[-1:]
    after = text[item.span.end : item.span.end + _NEIGHBORHOOD].lstrip()[:1]
    return before.islower() and after.isupper()


def _strip_symbols(
    text: str, start: int, stop: int, items: Sequence[_Item], tags: Range
) -> tuple[int, int, Sequence[_Item]]:
    """Shrink `text[start:stop]` and its items by the symbols before its first and after its last letter or tag.

    Args:
        text: any text.
        start: the start of the part of the text.
        stop: the end of the part of the text.
        items: the protected items in it.
        tags: the start of its first tag and the end of its last one.
    """
    first_tag, last_tag = tags
    low, high = 0, len(items)
    while low < high and items[low].role is _Role.SYMBOL:
        span = items[low].span
        if span.start > first_tag or _has_letter(text, start, span.start):
            break
        start = span.end
        low += 1
    while low < high and (items[high - 1].role is _Role.SYMBOL or _is_bracketed_end(text, items[high - 1].span, stop)):
        span = items[high - 1].span
        if span.end < last_tag or _has_letter(text, span.end, stop):
            break
        high -= 1
        stop = span.start
    return start, stop, items[low:high]


def _is_bracketed_end(text: str, span: Span, stop: int) -> bool:
    """Whether it is in brackets, all that is left, and not written anew: `Inbox (12)`."""
    is_bracketed = text[span.start] in "([" and text[span.end - 1] in ")]" and _is_space(text, span.end, stop)
    return is_bracketed and (span.kind is SpanKind.FORMAT_SPECIFIER or text[span.start + 1 : span.end - 1].isdecimal())


def _is_counted(text: str, start: int, stop: int, items: Sequence[_Item]) -> bool:
    """Whether a number or format specifier and one or two words after it are all, of which nothing would be left."""
    if len(items) != 1:
        return False
    span = items[0].span
    if _has_letter(text, start, span.start):
        return False
    is_count = span.kind is SpanKind.FORMAT_SPECIFIER or text[span.start : span.end].isdecimal()
    return is_count and _ONE_OR_TWO_WORDS.fullmatch(text, span.end, stop) is not None


def _merge_adjacent(text: str, items: Sequence[_Item]) -> list[Span]:
    """The spans of the items, with one span for items that only spaces separate."""
    spans: list[Span] = []
    for span, _ in items:
        if spans and _is_space(text, spans[-1].end, span.start):
            spans[-1] = replace(spans[-1], end=span.end)
        else:
            spans.append(span)
    return spans


def _has_letter(text: str, start: int, stop: int) -> bool:
    return any(map(str.isalpha, text[start:stop]))


def _is_space(text: str, start: int, stop: int) -> bool:
    return not text[start:stop].strip()
