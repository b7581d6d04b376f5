"""Finds the paragraphs in the events of an XML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from service.documents.document import DocumentLimits, SegmentCollector
from service.documents.inline import InlineText
from service.documents.items import Item, ItemKind
from service.documents.xml_grammar import Grammar, Role
from service.errors import DocumentTooLarge

_ELEMENT_NAME = re.compile(rb"<([^\s/>]+)")
_MAX_FORMAT = 2**16
"""Bytes of the tags and properties of words."""
_WITH_WORDS = (Role.PARAGRAPH, Role.FORMAT, Role.CONTAINER)


class Style(NamedTuple):
    """A format of words."""

    before: bytes
    """The tags and properties before them."""
    after: bytes
    tag: str
    """The name of its innermost element, as the file has it."""
    is_code: bool = False


@dataclass(slots=True)
class _Frame:
    """An element that is open."""

    name: str
    role: Role
    start: int
    stop: int
    """The end of its start tag, or of its properties."""
    skipped: bool
    """Whether nothing in it is translated."""
    detail: str = ""
    style: int | None = None
    """Of a FORMAT or CONTAINER, the number of its format, if `has_style`."""
    has_style: bool = False
    """Whether there was something in it, so that its format is known."""
    items: list[Item] = field(default_factory=list)
    """Of the paragraph that it is or is in."""
    texts: list[str] = field(default_factory=list)
    """Of a TEXT or OBJECT, what is directly in it."""
    has_content: bool = False


class Paragraph(NamedTuple):
    """`content[start:stop]`, the inside of a paragraph after its properties."""

    start: int
    stop: int
    tag: str
    text: InlineText


class ParagraphScanner:
    """Finds the paragraphs in the events of a file."""

    def __init__(self, content: bytes, grammar: Grammar, collector: SegmentCollector, limits: DocumentLimits) -> None:
        self.paragraphs: list[Paragraph] = []
        self.styles: list[Style] = []
        self._content, self._grammar, self._collector = content, grammar, collector
        self._most = limits.max_segment_characters
        self._style_numbers: dict[bytes, int] = {}
        self._frames = [_Frame("", Role.OBJECT, 0, 0, skipped=False)]

    def start(self, name: str, attributes: Mapping[str, str], start: int, stop: int) -> None:
        """Implements `XmlHandler`."""
        self._collector.count_element()
        parent = self._frames[-1]
        if parent.role is Role.TEXT:
            parent.role = Role.OBJECT  # No schema has elements in text; so all of it stays.
        role = self._grammar.role(name, attributes, parent.role)
        skipped = parent.skipped or role is Role.SKIPPED
        if role is Role.PARAGRAPH and not skipped:
            self._frames.append(_Frame(name, role, start, stop, skipped=False))
            return
        if parent.role not in _WITH_WORDS:
            role = Role.SKIPPED if skipped else Role.OBJECT
        frame = _Frame(name, role, start, stop, skipped, items=parent.items)
        if role is Role.PROPERTIES and parent.has_content:
            frame.role = Role.OBJECT
        elif role in (Role.OBJECT, Role.SKIPPED, Role.BREAK, Role.TEXT):
            frame.detail = self._grammar.detail(name, attributes)
        elif role is Role.CHARACTERS:
            frame.detail = self._grammar.characters(name, attributes)
        elif role is Role.CONTAINER:
            self._add(Item(ItemKind.OPEN, None, "", start, stop, name))
        if role is not Role.PROPERTIES:
            parent.has_content = True
        self._frames.append(frame)

    def end(self, name: str, start: int, stop: int) -> None:
        """Implements `XmlHandler`."""
        frame = self._frames.pop()
        parent = self._frames[-1]
        if frame.role is Role.PARAGRAPH:
            self._end_paragraph(frame, start)
            if parent.role in _WITH_WORDS:
                self._add(Item(ItemKind.OBJECT, self._style(), "", frame.start, stop, name))
            return
        if parent.role not in _WITH_WORDS:
            return
        if frame.role is Role.PROPERTIES:
            parent.stop = stop
            if parent.role is Role.CONTAINER and parent.items and parent.items[-1].kind is ItemKind.OPEN:
                opening = parent.items[-1]
                parent.items[-1] = replace(opening, stop=stop)
        elif frame.role in (Role.OBJECT, Role.SKIPPED):
            text = "".join(frame.texts)
            kind = ItemKind.CODE if text.strip() else ItemKind.OBJECT
            self._add(Item(kind, self._style(), text, frame.start, stop, name, frame.detail))
        elif frame.role is Role.BREAK:
            self._add(Item(ItemKind.BREAK, self._style(), "", frame.start, stop, name, frame.detail))
        elif frame.role is Role.TEXT:
            text = self._grammar.read_text("".join(frame.texts), frame.detail)
            self._add_words(text, frame.start, stop, name)
        elif frame.role is Role.CHARACTERS:
            self._add_words(frame.detail, frame.start, stop, name)
        elif frame.role is Role.CONTAINER:
            self._add(Item(ItemKind.CLOSE, None, "", start, stop, name))

    def text(self, text: str, start: int, stop: int) -> None:
        """Implements `XmlHandler`."""
        frame = self._frames[-1]
        if frame.role is Role.TEXT:
            frame.texts.append(text)
        elif not self._grammar.has_text_elements and frame.role in _WITH_WORDS:
            frame.has_content = True
            self._add_words(self._grammar.read_text(text, ""), start, stop)
        elif not self._grammar.has_text_elements and frame.role is Role.OBJECT:
            frame.texts.append(text)  # A field, which takes the place of a word.

    def piece(self) -> None:
        """Implements `XmlHandler`."""
        self._collector.count_piece()

    def other(self, start: int, stop: int) -> None:
        """Implements `XmlHandler`."""
        frame = self._frames[-1]
        if frame.role in _WITH_WORDS:
            self._add(Item(ItemKind.OBJECT, self._style(), "", start, stop))

    def _add(self, item: Item) -> None:
        frame = self._frames[-1]
        self._collector.count_parts(1)
        if item.style is not None and not (frame.items and frame.items[-1].style == item.style):
            self._collector.count_format(len(self.styles[item.style].before))
        frame.items.append(item)

    def _add_words(self, text: str, start: int, stop: int, name: str = "") -> None:
        style = self._style()
        is_code = style is not None and self.styles[style].is_code
        self._add(Item(ItemKind.CODE if is_code else ItemKind.TEXT, style, text, start, stop, name))

    def _end_paragraph(self, frame: _Frame, stop: int) -> None:
        items = self._grammar.finish(frame.items, self._content)
        if self._grammar.is_code(self._content[frame.start : frame.stop]):
            items = []
        text = InlineText(items, self._collector, self._most)
        if text.has_segments:
            self.paragraphs.append(Paragraph(frame.stop, stop, self._tag(frame.start), text))
        else:
            self._collector.count_parts(-len(frame.items))

    def _style(self) -> int | None:
        """The number of the format of words at this place; None if they have none."""
        inner: list[_Frame] = []
        for frame in reversed(self._frames):
            if frame.role is Role.PARAGRAPH or frame.has_style:
                break
            inner.append(frame)
        number = frame.style
        for own in reversed(inner):
            number = own.style = self._style_number(own, number) if own.role is Role.FORMAT else number
            own.has_style = True
        return number

    def _style_number(self, frame: _Frame, enclosing: int | None) -> int:
        outer = self.styles[enclosing] if enclosing is not None else Style(b"", b"", "")
        before, tag = outer.before + self._content[frame.start : frame.stop], self._tag(frame.start)
        if len(before) > _MAX_FORMAT:
            raise DocumentTooLarge(f"has words with a format of more than {_MAX_FORMAT} bytes; save it again")
        self._collector.count_format(len(before))
        key = self._grammar.style_key(before)
        if key not in self._style_numbers:
            self._style_numbers[key] = len(self.styles)
            self.styles.append(Style(before, f"</{tag}>".encode() + outer.after, tag, self._grammar.is_code(before)))
        return self._style_numbers[key]

    def _tag(self, start: int) -> str:
        match = _ELEMENT_NAME.match(self._content, start)
        assert match
        return match[1].decode()
