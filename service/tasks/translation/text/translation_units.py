"""What of a sentence is translated together.

Where the model was taught to copy (Luong et al. 2015, "Addressing the rare word problem", section 3.1), what is carried
over within a sentence has a sign that stands for it, `STAND_IN`, so that the sentence is translated as a whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from service.tasks.translation.text.html import MARKUP
from service.tasks.translation.text.tag_transfer import Span, Tags, begins_word, between, find_tags, pair_name

_BEFORE = re.compile(r"[\s,;:.!?)\]\u2026]*")
"""Stands before a passage where it goes on after something that is carried over."""
_NEAR = 4
"""Within so many characters is beside."""


class Passage(NamedTuple):
    """What is translated from `start` to before `stop` of a text: at most a sentence."""

    start: int
    stop: int
    tags: list[Tags]
    """Of its elements, in the order of their opening tags."""
    copied: list[Span]
    """What stand-ins stand for, in reading order."""


class _Kind(IntEnum):
    """What is carried over is, to the sentence that it stands in,"""

    SIGN = 1
    """such as an emoji, or several: no part of it where it begins or ends, or a capital begins after it;"""
    WORD = 2
    """a word of it: one with unknown letters, an address, code;"""
    MARKUP = 3
    """no part of it, but for the tags of its elements."""


class _Item(NamedTuple):
    start: int
    stop: int
    kind: _Kind


def find_passages(
    text: str, found: Sequence[Span], start: int, stop: int, *, elements: bool, copies: bool
) -> Iterator[Passage]:
    """Where what is translated of a sentence begins and ends.

    Args:
        text: the sentence is `text[start:stop]`.
        found: what is carried over of it, in reading order.
        start: of the sentence.
        stop: of the sentence.
        elements: whether elements such as <b> are part of a sentence; else their tags part it.
        copies: whether what can be is copied; else it parts the sentence.
    """
    items = _items(text, found) if copies else [_Item(*span, _Kind.MARKUP) for span in found]
    items = [item._replace(kind=_Kind.MARKUP) if _ends_sentence(text, item) else item for item in items]
    markup = [(item.start, item.stop) for item in items if item.kind is _Kind.MARKUP]
    copied = [item for item in items if item.kind is not _Kind.MARKUP]
    tags = find_tags(text, markup, start, stop) if elements else []
    kept = {span for pair in tags for span in pair}
    yield from _passages(text, between(start, stop, [span for span in markup if span not in kept]), tags, copied)


def without_tags(text: str, passage: Passage) -> Iterator[Passage]:
    """A passage, parted at the tags of its elements."""
    spans = [span for pair in passage.tags for span in pair]
    copied = [_Item(*span, _Kind.WORD) for span in passage.copied]
    yield from _passages(text, between(passage.start, passage.stop, spans), [], copied)


def _passages(text: str, parts: Iterator[Span], tags: Sequence[Tags], copied: Sequence[_Item]) -> Iterator[Passage]:
    """What of each of these parts is translated, with the tags and the copied items in it."""
    tags_begin, items_begin = [pair.opening[0] for pair in tags], [item.start for item in copied]
    for start, stop in parts:
        own = slice(bisect_left(items_begin, start), bisect_left(items_begin, stop))
        start, stop, items = _without_signs_around(text, start, stop, copied[own])
        spans = _joined(text, items)
        if not any(_has_letter(text, *gap) for gap in between(start, stop, spans)):
            continue
        before = _BEFORE.match(text, start, stop)
        start = before.end() if before else start
        stop = start + len(text[start:stop].rstrip())
        own = slice(bisect_left(tags_begin, start), bisect_left(tags_begin, stop))
        yield Passage(start, stop, list(tags[own]), spans)


def _items(text: str, found: Sequence[Span]) -> list[_Item]:
    """What is carried over: neighbours of one kind as one, and what is all that an element holds with its tags."""
    items: list[_Item] = []
    for span in found:
        item = _Item(*span, _kind(text, *span))
        if item.kind is _Kind.MARKUP:
            item = _with_all_in_it(text, items, item)
        if items and item.kind is items[-1].kind is not _Kind.MARKUP and _is_blank(text, items[-1].stop, item.start):
            item = items.pop()._replace(stop=item.stop)
        items.append(item)
    return items


def _kind(text: str, start: int, stop: int) -> _Kind:
    if text[start] == "<" and stop - start > 1:
        verbatim = not MARKUP.fullmatch(text, start, stop) and begins_word(text, start)
        return _Kind.WORD if verbatim else _Kind.MARKUP
    is_word = text[start] != "&" and any(map(str.isalnum, text[start:stop]))
    return _Kind.WORD if is_word else _Kind.SIGN


def _with_all_in_it(text: str, items: list[_Item], tag: _Item) -> _Item:
    """An element of which this tag is the last, in place of its `items`, where it holds nothing but what is copied."""
    name = pair_name(text, (tag.start, tag.stop), closing=True)
    first, end = len(items), tag.start
    while name and first and _is_blank(text, items[first - 1].stop, end):
        first -= 1
        start, stop, kind = items[first]
        if kind is _Kind.MARKUP:
            held = items[first + 1 :]
            if not held or pair_name(text, (start, stop), closing=False) != name:
                break
            del items[first:]
            return _Item(start, tag.stop, max(item.kind for item in held))
        end = start
    return tag


def _ends_sentence(text: str, item: _Item) -> bool:
    """Whether it is a sign after a small letter and before a capital: `Good morning ☀ How are you?`."""
    before, after = (
        text[max(0, item.start - _NEAR) : item.start].rstrip()[-1:],
        text[item.stop : item.stop + _NEAR].lstrip()[:1],
    )
    return item.kind is _Kind.SIGN and before.islower() and after.isupper()


def _without_signs_around(text: str, start: int, stop: int, items: Sequence[_Item]) -> tuple[int, int, Sequence[_Item]]:
    """The same without signs that no words stand before, or after."""
    low, high = 0, len(items)
    while low < high and items[low].kind is _Kind.SIGN and not _has_letter(text, start, items[low].start):
        start = items[low].stop
        low += 1
    while low < high and items[high - 1].kind is _Kind.SIGN and not _has_letter(text, items[high - 1].stop, stop):
        high -= 1
        stop = items[high].start
    return start, stop, items[low:high]


def _joined(text: str, items: Sequence[_Item]) -> list[Span]:
    """Their spans; those of neighbours are one."""
    spans: list[Span] = []
    for start, stop, _ in items:
        if spans and _is_blank(text, spans[-1][1], start):
            start = spans.pop()[0]
        spans.append((start, stop))
    return spans


def _has_letter(text: str, start: int, stop: int) -> bool:
    return any(map(str.isalpha, text[start:stop]))


def _is_blank(text: str, start: int, stop: int) -> bool:
    return not text[start:stop].strip()
