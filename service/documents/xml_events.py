"""XML with the positions of its markup, so that all that is not changed can be copied byte for byte.

The standard library's expat is used directly, because no tree keeps what the file looked like: prefixes of namespaces,
the order of attributes, references to characters. Document type declarations are refused, so there are no entities that
could expand or read other files; defusedxml does the same to the same parser.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Protocol
from xml.parsers import expat

from service.documents.xml_names import NameReader, check_long_tags
from service.errors import MalformedDocument

_MAX_DEPTH = 256
_DECLARATION = re.compile(r"\s*+<\?xml\b[^>]*+(?<=\?)>")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class XmlHandler(Protocol):
    """What is done with the events of a file; `start` and `stop` are offsets in its bytes."""

    def start(self, name: str, attributes: Mapping[str, str], start: int, stop: int) -> None:
        """A start tag. The tag of an empty element is a start tag with an end tag of no bytes after it."""

    def end(self, name: str, start: int, stop: int) -> None:
        """An end tag."""

    def text(self, text: str, start: int, stop: int) -> None:
        """Text between other events."""

    def piece(self) -> None:
        """A piece of text: it ends at each line break and entity."""

    def other(self, start: int, stop: int) -> None:
        """A comment or a processing instruction."""


class XmlVisitor:
    """A handler that does nothing; what it has to see is overridden."""

    def start(self, name: str, attributes: Mapping[str, str], start: int, stop: int) -> None:
        """Implements `XmlHandler`."""

    def end(self, name: str, start: int, stop: int) -> None:
        """Implements `XmlHandler`."""

    def text(self, text: str, start: int, stop: int) -> None:
        """Implements `XmlHandler`."""

    def piece(self) -> None:
        """Implements `XmlHandler`."""

    def other(self, start: int, stop: int) -> None:
        """Implements `XmlHandler`."""


def in_utf8(content: bytes) -> bytes:
    """The same XML in UTF-8 if it is in UTF-16; otherwise as it is."""
    if not content.startswith(_UTF16):
        if b"\0" in content[:4]:
            raise MalformedDocument("is damaged: XML in UTF-16 or UTF-32 without a byte order mark")
        return content
    try:
        text = content.decode("utf-16")
    except UnicodeDecodeError as error:
        raise MalformedDocument(f"is damaged: no UTF-16 at byte {error.start}") from None
    declaration = _DECLARATION.match(text)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{text[declaration.end() :]}'.encode() if declaration else text.encode()
    )


def read_events(content: bytes, prefixes: Mapping[str, str], handler: XmlHandler, where: str) -> None:
    """Read a file and call the handler.

    Args:
        content: the file, in UTF-8 or another encoding that writes ASCII in single bytes.
        prefixes: the prefix of each namespace in names for the handler, `w:p`, whatever the file's own prefix is; names
            of other namespaces start with `?:`.
        handler: what is called.
        where: the name of the file in errors.

    Raises:
        MalformedDocument: it is not well-formed, nests too deep, or has a document type declaration.
        DocumentTooLarge: a name, a namespace or a list of attributes is too long.
    """
    check_long_tags(content, where)
    reader = _Reader(prefixes, handler, where)
    try:
        # In one piece: given in several, a parser before expat 2.6 reads a long tag again and again.
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "unknown error")
        raise MalformedDocument(f"{where} is damaged: {reason} in line {error.lineno}") from None
    except (ValueError, LookupError):
        raise MalformedDocument(f"{where} is in an encoding that is not read; save the document again") from None


class _Reader:
    """Calls a handler; an event is passed on when the next one says where it ends."""

    def __init__(self, prefixes: Mapping[str, str], handler: XmlHandler, where: str) -> None:
        self._handler, self._where = handler, where
        self._names = NameReader(prefixes, where)
        self._depth = 0
        self._pending: Callable[[int], None] | None = None
        self._texts: list[str] = []
        self._text_start = 0
        parser = self.parser = expat.ParserCreate()
        parser.buffer_text = False
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = lambda _: self._other()
        parser.ProcessingInstructionHandler = lambda _, __: self._other()
        parser.StartCdataSectionHandler = parser.EndCdataSectionHandler = self._flush

    def _flush(self) -> int:
        position = self.parser.CurrentByteIndex
        if self._texts:
            self._handler.text("".join(self._texts), self._text_start, position)
            self._texts = []
        elif self._pending:
            self._pending(position)
            self._pending = None
        return position

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        position = self._flush()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise MalformedDocument(f"{self._where} has elements in each other deeper than {_MAX_DEPTH}")
        own, named = self._names.start(name, attributes)
        self._pending = lambda stop: self._handler.start(own, named, position, stop)

    def _end(self, name: str) -> None:
        position = self._flush()
        self._depth -= 1
        own = self._names.end(name)
        self._pending = lambda stop: self._handler.end(own, position, stop)
        if not self._depth:
            self._pending(position)
            self._pending = None

    def _text(self, text: str) -> None:
        if not self._texts:
            self._text_start = self._flush()
        self._handler.piece()
        self._texts.append(text)

    def _other(self) -> None:
        position = self._flush()
        if self._depth:
            self._pending = lambda stop: self._handler.other(position, stop)

    def _doctype(self, *_: object) -> None:
        raise MalformedDocument(f"{self._where} has a document type declaration; remove it")
