"""The paragraphs of an XML file: found in its events, and written again with translations.

What is not a translated paragraph is copied byte for byte, and so is everything in a paragraph that is no text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from service.documents.document import DocumentLimits, Segment, SegmentCollector
from service.documents.items import Item, ItemKind
from service.documents.paragraph_scanner import ParagraphScanner, Style
from service.documents.xml_events import in_utf8, read_events
from service.documents.xml_grammar import Grammar
from service.errors import DocumentTooLarge

_ENCODING = re.compile(rb"\s*+<\?xml\b[^<>]*?\bencoding\s*+=\s*+[\"']([\w.:-]++)")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlPart:
    """An XML file with paragraphs.

    Args:
        content: its bytes.
        grammar: what its elements mean.
        collector: gets the segments.
        limits: the limits of the document.
        where: its name in errors.

    Raises:
        MalformedDocument: it is not well-formed.
        DocumentTooLarge: it has too many characters or parts.
    """

    def __init__(
        self, content: bytes, grammar: Grammar, collector: SegmentCollector, limits: DocumentLimits, where: str
    ) -> None:
        self._content = in_utf8(content)
        self._grammar = grammar
        scanner = ParagraphScanner(self._content, grammar, collector, limits)
        read_events(self._content, grammar.prefixes, scanner, where)
        self._paragraphs = sorted(scanner.paragraphs, key=lambda paragraph: paragraph.start)
        self._starts = [paragraph.start for paragraph in self._paragraphs]
        self._styles = scanner.styles
        declared = _ENCODING.match(self._content)
        self._is_utf8 = declared is None or declared[1].lower() in (b"utf-8", b"utf8")

    def translated(self, sources: Sequence[Segment], translations: Sequence[str], most: int) -> bytes | None:
        """The file with translations; None if nothing of it changed.

        Args:
            sources: the segments of the document.
            translations: their translations.
            most: maximum number of bytes.

        Raises:
            DocumentTooLarge: it has more.
        """
        changed: dict[int, list[Item]] = {}
        for paragraph in self._paragraphs:
            items = paragraph.text.translated(sources, translations)
            if items is not None:
                changed[paragraph.start] = items
        return b"".join(self._limited(self._write(0, len(self._content), changed), most)) if changed else None

    def _limited(self, parts: Iterator[bytes], most: int) -> Iterator[bytes]:
        size = 0
        for part in parts:
            size += len(part)
            if size > most:
                raise DocumentTooLarge(f"becomes larger than {most} bytes, the limit; send it in parts")
            yield part

    def _write(self, start: int, stop: int, changed: Mapping[int, list[Item]]) -> Iterator[bytes]:
        """A part of the file with its changed paragraphs, and those that are in objects of them."""
        index = bisect_right(self._starts, start)
        while index < len(self._starts) and self._starts[index] < stop:
            paragraph = self._paragraphs[index]
            index += 1
            if paragraph.start in changed:
                yield self._content[start : paragraph.start]
                yield from self._write_items(changed[paragraph.start], paragraph.tag, changed)
                start = paragraph.stop
                index = bisect_right(self._starts, start, index)
        yield self._content[start:stop]

    def _write_items(self, items: Sequence[Item], tag: str, changed: Mapping[int, list[Item]]) -> Iterator[bytes]:
        at_start = True
        for style, group in groupby(items, key=lambda item: item.style):
            of_style = self._styles[style] if style is not None else Style(b"", b"", tag)
            yield of_style.before
            for item in group:
                if item.kind is ItemKind.TEXT:
                    yield self._encode(
                        self._grammar.write_text(_NOT_XML.sub("", item.text), of_style.tag, at_start=at_start)
                    )
                else:
                    yield from self._write(item.start, item.stop, changed)
                at_start = False
            yield of_style.after

    def _encode(self, text: str) -> bytes:
        return text.encode() if self._is_utf8 else text.encode("ascii", "xmlcharrefreplace")
