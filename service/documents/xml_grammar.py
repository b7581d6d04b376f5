"""What the elements of an XML format are for its paragraphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum

from service.documents.items import Item


class Role(Enum):
    """What an element is in its paragraph, or outside of any."""

    PARAGRAPH = "paragraph"
    FORMAT = "format"
    """Words of one format: `w:r`, `text:span`."""
    TEXT = "text"
    """Holds the text of a FORMAT, where that has other content too: `w:t`."""
    PROPERTIES = "properties"
    """Belongs to the start of the element that it is the first child of: `w:pPr`."""
    CONTAINER = "container"
    """Holds words and formats: a hyperlink."""
    BREAK = "break"
    CHARACTERS = "characters"
    """Stands for characters: `w:noBreakHyphen`."""
    IGNORED = "ignored"
    """Says something of the text as it was, such as where its pages end."""
    OBJECT = "object"
    """All else; paragraphs in it are translated."""
    SKIPPED = "skipped"
    """An object in which nothing is translated."""


_WITH_WORDS = (Role.PARAGRAPH, Role.FORMAT, Role.CONTAINER)


class Grammar(ABC):
    """What the elements of a format mean."""

    prefixes: Mapping[str, str]
    """The prefix of each of its namespaces in the names of elements."""
    has_text_elements: bool
    """Whether text counts only in elements whose role is TEXT."""

    @abstractmethod
    def role(self, name: str, attributes: Mapping[str, str], parent: Role) -> Role:
        """The role of an element."""

    @abstractmethod
    def characters(self, name: str, attributes: Mapping[str, str]) -> str:
        """The characters that an element whose role is CHARACTERS stands for."""

    @abstractmethod
    def write_text(self, text: str, tag: str, *, at_start: bool) -> str:
        """A text as XML.

        Args:
            text: the text.
            tag: the name of the element around it as the file has it, with its prefix: `w:r` or `text:p`.
            at_start: whether it is the first one of its paragraph.
        """

    def read_text(self, text: str, detail: str) -> str:
        """Text as the format reads it; `detail` is that of its TEXT element."""
        return text

    def style_key(self, markup: bytes) -> bytes:
        """What words of one format have in common, of the tags before them."""
        return markup

    def detail(self, name: str, attributes: Mapping[str, str]) -> str:
        """What `finish` has to know of an object, and `read_text` of a TEXT element."""
        return ""

    def is_code(self, markup: bytes) -> bool:
        """Whether the words after these tags and properties, of a paragraph or format, are code."""
        return False

    def finish(self, items: list[Item], content: bytes) -> list[Item]:
        """The items of a paragraph as they are translated; called for one paragraph after the other."""
        return items
