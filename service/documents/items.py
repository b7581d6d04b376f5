"""The parts of a paragraph of an XML document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import groupby


class ItemKind(Enum):
    """What a part of a paragraph is."""

    TEXT = "text"
    OBJECT = "object"
    """What is no text, and keeps its position among the words: an image, a note, a bookmark."""
    CODE = "code"
    """A text that is not translated, and takes the place of a word."""
    BREAK = "break"
    """A line break or a tab."""
    OPEN = "open"
    """The start of a container of text, such as a hyperlink."""
    CLOSE = "close"


@dataclass(slots=True, frozen=True)
class Item:
    """A part of a paragraph.

    Args:
        kind: what it is.
        style: the format of its words; None for the plain format, and outside of formats.
        text: its text, only of TEXT and CODE.
        start: where it starts in the file.
        stop: where it ends in the file.
        name: the name of its element.
        detail: what the format of the document has to know of it.
        children: what is written for it if it stands for several parts, such as those of a field.
    """

    kind: ItemKind
    style: int | None = None
    text: str = ""
    start: int = 0
    stop: int = 0
    name: str = ""
    detail: str = ""
    children: tuple[Item, ...] = ()


def merged(items: Iterable[Item]) -> Iterator[Item]:
    """The items with adjacent texts of one style joined."""
    for (kind, style), group in groupby(items, key=lambda item: (item.kind, item.style)):
        if kind is ItemKind.TEXT:
            yield Item(kind, style, "".join(item.text for item in group))
        else:
            yield from group
