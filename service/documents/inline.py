"""A paragraph as one text: its formats become HTML tags, which the translation puts back around its own words.

A sentence is translated as a whole although its words have different formats, or an image or a note stands in it:

* The words of a format other than the paragraph's main one are in `<span id="1">`, those of a hyperlink and the like in
  `<a id="2">`, and code in `<code id="3">`.
* What is no text, such as the reference of a footnote, follows its word: that word is in a `<span>` of its own.
* Line breaks and tabs end a text, and so does an object after the end of a sentence. Objects at the start or end of a
  text are not in it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from service.documents.document import Segment, SegmentCollector
from service.documents.items import Item, ItemKind, merged
from service.documents.tagged_text import TaggedText, read_translation, tag_text
from service.documents.wrapping import cut

_SENTENCE_END = re.compile(r"[.!?\u2026\u3002][\"'\u201d\u2019)\]\u00bb]*+\s*+\Z")
_TAG_CHARACTERS = 32
"""About the length of a pair of tags."""
_MAX_ESCAPED = 5
"""Characters of the longest entity that `html.escape` writes."""


class _Part(NamedTuple):
    """A part of a paragraph that is one segment."""

    segment: int
    text: TaggedText


class InlineText:
    """The text of a paragraph.

    Args:
        items: its parts, in reading order; OPEN and CLOSE are balanced.
        collector: gets its segments.
        most: maximum number of characters of a segment, markup included.
    """

    def __init__(self, items: Sequence[Item], collector: SegmentCollector, most: int) -> None:
        self._parts: list[Item | _Part] = []
        for piece in _pieces(items, most):
            first, last = _edges(piece)
            self._parts += piece[:first]
            if first < last:
                text = tag_text(piece[first:last])
                self._parts.append(_Part(collector.add(Segment(text.html, is_html=True)), text))
            self._parts += piece[last:]

    @property
    def has_segments(self) -> bool:
        """Whether there is anything to translate."""
        return any(isinstance(part, _Part) for part in self._parts)

    def translated(self, sources: Sequence[Segment], translations: Sequence[str]) -> list[Item] | None:
        """The parts of the translated paragraph; None if nothing of it changed.

        Args:
            sources: all segments of the document.
            translations: their translations.
        """
        items: list[Item] = []
        changed = False
        for part in self._parts:
            if isinstance(part, Item):
                items.append(part)
            elif translations[part.segment] == sources[part.segment].text:
                items += part.text.items
            else:
                changed = True
                items += read_translation(translations[part.segment], part.text)
        return list(merged(_flattened(items))) if changed else None


def _flattened(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        yield from item.children or (item,)


def _pieces(items: Sequence[Item], most: int) -> Iterator[list[Item]]:
    """The items of each text; what separates texts is a piece of its own."""
    total = sum(len(item.text) * _MAX_ESCAPED + _TAG_CHARACTERS for item in items)
    separators = _separating_containers(items, all_of_them=total > most)
    piece: list[Item] = []
    length, depth, sentence_ended = 0, 0, False
    for index, item in enumerate(items):
        ends_text = item.kind is ItemKind.BREAK or index in separators
        if ends_text or (item.kind is ItemKind.OBJECT and sentence_ended and not depth):
            yield piece
            yield [item]
            piece, length, sentence_ended = [], 0, False
            continue
        if item.kind in (ItemKind.OPEN, ItemKind.CLOSE):
            depth += 1 if item.kind is ItemKind.OPEN else -1
        elif item.kind is not ItemKind.OBJECT and item.text.strip():
            sentence_ended = _SENTENCE_END.search(item.text) is not None
        for part in _cut(item, most) if total > most else (item,):
            size = len(html.escape(part.text, quote=False)) + _TAG_CHARACTERS
            if piece and total > most and length + size > most:
                yield piece
                piece, length = [], 0
            piece.append(part)
            length += size
    yield piece


def _cut(item: Item, most: int) -> Iterator[Item]:
    if item.kind is not ItemKind.TEXT:
        return iter((item,))
    return (replace(item, text=part) for part in cut(item.text, max(1, (most - _TAG_CHARACTERS) // _MAX_ESCAPED)))


def _separating_containers(items: Sequence[Item], *, all_of_them: bool) -> set[int]:
    """The indices of the tags of containers that cannot be in a segment, because a line break or tab is in them."""
    separators: set[int] = set()
    open_containers: list[int] = []
    last_break = -1
    for index, item in enumerate(items):
        if item.kind is ItemKind.BREAK:
            last_break = index
        elif item.kind is ItemKind.OPEN:
            open_containers.append(index)
        elif item.kind is ItemKind.CLOSE:
            start = open_containers.pop()
            if all_of_them or start < last_break:
                separators |= {start, index}
    return separators


def _edges(piece: Sequence[Item]) -> tuple[int, int]:
    """The range of the items from the first to the last with words; empty if there is no letter."""
    if not any(map(str.isalpha, "".join(item.text for item in piece if item.kind is ItemKind.TEXT))):
        return 0, 0
    first, last = 0, len(piece)
    while _is_edge(piece[first]):
        first += 1
    while _is_edge(piece[last - 1]):
        last -= 1
    return first, last


def _is_edge(item: Item) -> bool:
    return item.kind is ItemKind.OBJECT or (item.kind is ItemKind.TEXT and not item.text.strip())
