"""A text of a paragraph as a segment with tags, and its translation as parts of a paragraph again."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from service.documents.entities import decode_entities
from service.documents.items import Item, ItemKind, merged

_TAG = re.compile(r"<(/?)(span|a|code)(?: id=\"(\d{1,9})\")?>")


@dataclass(slots=True)
class _Word:
    """A text with the objects beside its first and its last word."""

    item: Item
    before: list[Item] = field(default_factory=list)
    after: list[Item] = field(default_factory=list)
    has_space: bool = False
    """Whether there is a space before the objects after it, which is not in the text."""


@dataclass(frozen=True)
class _Tag:
    """What a tag of a segment stands for."""

    element: str
    style: int | None = None
    """For the words in it, if `has_style`."""
    has_style: bool = False
    opening: Sequence[Item] = ()
    """Written where the tag opens."""
    closing: Sequence[Item] = ()
    """Written where it closes."""


@dataclass(frozen=True)
class TaggedText:
    """A text of a paragraph with its formats as tags."""

    html: str
    items: Sequence[Item]
    """What it was made of."""
    style: int | None
    """Its main format."""
    tags: Sequence[_Tag]
    """By `id` - 1."""


def tag_text(items: Sequence[Item]) -> TaggedText:
    """The text of items, of which at least one has words."""
    style = _main_style(items)
    writer = _SegmentWriter(style)
    for one in _anchored(merged(items)):
        writer.write(one)
    return TaggedText("".join(writer.parts), items, style, writer.tags)


def _main_style(items: Sequence[Item]) -> int | None:
    """The format of most characters outside of containers, or of all if there are none."""
    outside: Counter[int | None] = Counter()
    inside: Counter[int | None] = Counter()
    depth = 0
    for item in items:
        if item.kind is ItemKind.TEXT and item.text.strip():
            (inside if depth else outside)[item.style] += len(item.text)
        depth += (item.kind is ItemKind.OPEN) - (item.kind is ItemKind.CLOSE)
    return (outside or inside).most_common(1)[0][0]


def _anchored(items: Iterable[Item]) -> list[Item | _Word]:
    """The texts with the objects beside them, and the other items; an object that is beside no text stays."""
    result: list[Item | _Word] = []
    waiting: list[Item] = []
    for item in items:
        if item.kind is ItemKind.OBJECT:
            waiting.append(item)
            continue
        word = _Word(item) if item.kind is ItemKind.TEXT else None
        if waiting:
            _attach(waiting, result, word)
            waiting = []
        result.append(word or item)
    if waiting:
        _attach(waiting, result, None)
    return result


def _attach(objects: list[Item], result: list[Item | _Word], following: _Word | None) -> None:
    """Attach objects to the word directly before or after them."""
    last = result[-1] if result else None
    preceding = last if isinstance(last, _Word) and last.item.text.strip() else None
    if following and not following.item.text.strip():
        following = None
    if preceding and not preceding.item.text[-1].isspace():
        preceding.after = objects
    elif following and not following.item.text[0].isspace():
        following.before = objects
    elif preceding:
        if following:
            preceding.has_space = True
            preceding.item = replace(preceding.item, text=preceding.item.text.rstrip())
        preceding.after = objects
    elif following:
        following.before = objects
    else:
        result += objects


class _SegmentWriter:
    """Writes a segment; `style` is its main format."""

    def __init__(self, style: int | None) -> None:
        self.parts: list[str] = []
        self.tags: list[_Tag] = []
        self._style = style
        self._open: list[int] = []
        """Indices of the tags that are open."""

    def write(self, one: Item | _Word) -> None:
        """Add a part of the paragraph."""
        if isinstance(one, _Word):
            self._write_word(one)
        elif one.kind in (ItemKind.CODE, ItemKind.OBJECT):
            self._start(_Tag("code", opening=[one]))
            self._add(one.text)
            self._end()
        elif one.kind is ItemKind.OPEN:
            self._start(_Tag("a", opening=[one]))
        else:
            number = self._open[-1]
            self.tags[number] = replace(self.tags[number], closing=[one])
            self._end()

    def _write_word(self, word: _Word) -> None:
        text = word.item.text
        content = text.strip()
        begin = text.index(content) if content else len(text)
        self._add(text[:begin])
        is_styled = bool(content) and word.item.style != self._style
        if is_styled:
            self._start(_Tag("span", word.item.style, has_style=True))
        self._write_content(word, content)
        if is_styled:
            self._end()
        self._add(text[begin + len(content) :])

    def _write_content(self, word: _Word, content: str) -> None:
        if not content:
            return
        first, last = content.split(maxsplit=1)[0], content.rsplit(maxsplit=1)[-1]
        last_start = len(content) - len(last)
        before = _Tag("span", opening=word.before)
        space = [Item(ItemKind.TEXT, word.item.style, " ")] if word.has_space else []
        after = _Tag("span", closing=[*space, *word.after])
        if word.before:
            self._start(before)
        if word.before and last_start:
            self._add(first)
            self._end()
        start = len(first) if word.before and last_start else 0
        self._add(content[start:last_start] if word.after else content[start:])
        if word.after:
            self._start(after)
            self._add(last)
            self._end()
        if word.before and not last_start:
            self._end()

    def _add(self, text: str) -> None:
        self.parts.append(html.escape(text, quote=False))

    def _start(self, tag: _Tag) -> None:
        self._open.append(len(self.tags))
        self.tags.append(tag)
        self.parts.append(f'<{tag.element} id="{len(self.tags)}">')

    def _end(self) -> None:
        self.parts.append(f"</{self.tags[self._open.pop()].element}>")


def read_translation(translation: str, source: TaggedText) -> list[Item]:
    """The items of a translated segment."""
    items: list[Item] = []
    style, end = source.style, 0
    open_tags: list[tuple[_Tag, int | None]] = []
    unseen = set(range(1, len(source.tags) + 1))
    for match in _TAG.finditer(translation):
        if not open_tags or open_tags[-1][0].element != "code":
            _add_text(items, translation[end : match.start()], style)
        end = match.end()
        if match[1]:
            if not open_tags or open_tags[-1][0].element != match[2]:
                return _without_tags(translation, source)
            tag, style = open_tags.pop()
            items += tag.closing
            continue
        number = int(match[3] or 0)
        if number not in unseen:
            return _without_tags(translation, source)
        unseen.remove(number)
        tag = source.tags[number - 1]
        items += tag.opening
        open_tags.append((tag, style))
        style = tag.style if tag.has_style else style
    _add_text(items, translation[end:], style)
    if open_tags or any(source.tags[number - 1].opening or source.tags[number - 1].closing for number in unseen):
        return _without_tags(translation, source)
    return items


def _add_text(items: list[Item], text: str, style: int | None) -> None:
    if text:
        items.append(Item(ItemKind.TEXT, style, decode_entities(text)))


def _without_tags(translation: str, source: TaggedText) -> list[Item]:
    """The items of a translation whose tags are not those of its segment: what is no text follows it."""
    text = decode_entities(_TAG.sub("", translation))
    return [Item(ItemKind.TEXT, source.style, text), *(item for item in source.items if item.kind is not ItemKind.TEXT)]
