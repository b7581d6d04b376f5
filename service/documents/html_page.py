"""HTML pages: the text between block elements with its inline tags, and attributes that are shown.

The tokenizer is the translator's own (`service.tasks.translation.text.html`): what it keeps, such as scripts, code and
elements with translate="no", is not translated here either.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from service.documents.document import Document, DocumentLimits, Segment, SegmentCollector
from service.documents.entities import decode_entities
from service.documents.spliced_text import Change, Splice, SplicedText, apply_changes
from service.documents.text_decoding import (
    DecodedText,
    decode,
    encoding_name,
    has_byte_order_mark,
    refuse_binary,
    refuse_unread_encoding,
)
from service.documents.wrapping import cut
from service.errors import DocumentTooLarge, MalformedDocument
from service.tasks.translation.text.html import (
    INLINE_ELEMENTS,
    WORD_LIKE_ELEMENTS,
    Attribute,
    LanguageElement,
    find_attributes,
    find_languages,
    find_markup,
)
from service.tasks.translation.text.spans import Span, SpanKind, gaps_between

_CHARSET = re.compile(rb"<meta\b[^<>]*?\bcharset\s*+=\s*+[\"']?+\s*+([\w.:-]++)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\s*+<\?xml\b[^<>]*?\bencoding\s*+=\s*+[\"']([\w.:-]++)")
_HEAD_BYTES = 4096
"""The standard looks for the encoding in the first 1024 bytes; pages have more before it."""
_WEB_ENCODINGS = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "tis-620": "cp874"}
"""Encodings that browsers read as others."""
_SHOWN_ATTRIBUTES = frozenset(["alt", "title", "placeholder", "aria-label", "aria-description", "summary"])
_TEXT_INPUTS = frozenset(["button", "submit", "reset"])
_SHOWN_META = re.compile(
    r"description|keywords|(?:og|twitter):(?:title|description|site_name|image:alt)", re.IGNORECASE
)
_MAX_INLINE_TAG = 1_000
"""Characters of the longest tag within a text; a longer one, with a picture in its address say, separates texts."""
_MAX_TAGS = 250_000
"""Maximum number of tags of a page; takes about 50 MB of memory and 2 seconds."""
_MAX_ENTITIES = 500_000


def read_html(content: bytes, limits: DocumentLimits) -> Document:
    """Read an HTML page.

    Raises:
        MalformedDocument: it is not in the encoding that it declares.
        DocumentTooLarge: it has too many characters.
    """
    file = _decode(content)
    collector = SegmentCollector(limits)
    if file.text.count("<") > _MAX_TAGS:
        raise DocumentTooLarge(f"has more than {_MAX_TAGS} tags; send it in parts")
    if file.text.count("&") > _MAX_ENTITIES:
        raise DocumentTooLarge(f"has more than {_MAX_ENTITIES} entities; send it in parts")
    markup = find_markup(file.text)
    reader = _PageReader(file.text, collector, limits.max_segment_characters)
    splices = list(reader.splices(markup))
    page = HtmlPage(file, collector.segments, splices, next((tag for tag in markup if tag.name == "html"), None))
    page.languages = reader.languages
    return page


class HtmlPage(SplicedText):
    """An HTML page.

    Args:
        file: its text.
        segments: what is translated of it.
        splices: where.
        root: the start tag of its root element, which gets the language of the translation; None if there is none.
    """

    def __init__(
        self, file: DecodedText, segments: Sequence[Segment], splices: Sequence[Splice], root: Span | None
    ) -> None:
        super().__init__(file, segments, splices)
        self._root = root

    def _with_language(self, changes: list[Change], target: str) -> list[Change]:
        root = self._root
        if root is None or root.kind is not SpanKind.START_TAG:
            return changes
        attributes = [one for one in find_attributes(self._file.text, root) if one.name in ("lang", "xml:lang")]
        languages = [Change(one.start, one.stop, self._language(one, target)) for one in attributes]
        if not languages:
            name = root.start + len("<html")
            languages = [Change(name, name, f' lang="{target}"')]
        return sorted([*changes, *languages])

    def _language(self, attribute: Attribute, target: str) -> str:
        has_value = attribute.value or self._file.text[attribute.start - 1] in "\"'"
        return target if has_value else f'="{target}"'


class _PageReader:
    """Collects the segments of a page."""

    def __init__(self, text: str, collector: SegmentCollector, most: int) -> None:
        self._text, self._collector, self._most = text, collector, most
        self._elements: Sequence[LanguageElement] = ()
        self.languages: dict[int, str] = {}
        """The languages that elements say segments are in, by the indices of those."""

    def splices(self, markup: Sequence[Span]) -> Iterator[Splice]:
        """What is translated, in reading order; `markup` are the tags of the page."""
        self._elements = find_languages(self._text, markup)
        start = 0
        inline: list[Span] = []
        for span in markup:
            if _is_inline(span):
                inline.append(span)
                continue
            yield from self._read_text(start, span.start, inline)
            yield from self._read_attributes(span)
            start, inline = span.end, []
        yield from self._read_text(start, len(self._text), inline)

    def _add(self, parts: Iterable[str], position: int, *, is_html: bool) -> range:
        """Add the parts of a text at a position as segments; returns their indices."""
        segments = self._collector.add_all(Segment(part, is_html) for part in parts)
        if language := self._language(position):
            self.languages.update(dict.fromkeys(segments, language))
        return segments

    def _language(self, position: int) -> str:
        """The language that the innermost element at a position says it is in; "" if none does."""
        index = bisect_right(self._elements, position, key=lambda one: one.start) - 1
        while index >= 0 and self._elements[index].end <= position:
            index = self._elements[index].parent
        return self._elements[index].language if index >= 0 else ""

    def _read_attributes(self, tag: Span) -> Iterator[Splice]:
        if tag.kind not in (SpanKind.START_TAG, SpanKind.EMPTY_TAG):
            return
        attributes = list(find_attributes(self._text, tag))
        values = {one.name: one.value.strip().lower() for one in reversed(attributes)}
        if values.get("translate") == "no":
            return
        for one in attributes:
            text = decode_entities(one.value)
            if _is_shown(tag.name, one.name, values) and any(map(str.isalpha, text)):
                segments = self._add(cut(text, self._most), tag.start, is_html=False)
                quote = "" if self._text[one.start - 1] in "\"'" else '"'
                yield Splice(one.start, one.stop, segments, partial(_write_value, quote=quote))

    def _read_text(self, start: int, stop: int, inline: Sequence[Span]) -> Iterator[Splice]:
        """The text between two block elements; without words only the attributes of its tags."""
        text = self._text
        attributes = {tag: list(self._read_attributes(tag)) for tag in inline}
        gaps = [text[low:high] for low, high in gaps_between(start, stop, inline)]
        if not any(map(str.isalpha, decode_entities("".join(gaps)))):
            yield from chain.from_iterable(attributes.values())
            return
        start, stop = start + len(gaps[0]) - len(gaps[0].lstrip()), stop - len(gaps[-1]) + len(gaps[-1].rstrip())
        tags = [text[tag.start : tag.end] for tag in inline]
        gaps[0], gaps[-1] = gaps[0].lstrip(), gaps[-1].rstrip()
        parts = chain.from_iterable(zip(gaps, [*tags, ""], strict=True))
        segments = self._add(_joined(parts, self._most), start, is_html=True)
        shown = [(tag, splices) for tag, splices in attributes.items() if splices]
        first = shown[0][1][0].segments.start if shown else segments.start
        yield Splice(start, stop, range(first, segments.stop), _TextWriter(text, shown, first, segments.start - first))


class _TextWriter:
    """Writes a translated text with the translated attributes of its tags.

    Args:
        page: the page.
        attributes: the tags with such attributes.
        first: the index of the first segment.
        count: how many segments are attributes; those after them are the text.
    """

    def __init__(self, page: str, attributes: Sequence[tuple[Span, Sequence[Splice]]], first: int, count: int) -> None:
        self._page, self._attributes, self._first, self._count = page, attributes, first, count

    def __call__(self, translations: Sequence[str]) -> str:
        text = "".join(translations[self._count :])
        tags: dict[str, str] = {}
        for tag, splices in self._attributes:
            changes = [
                Change(
                    one.start - tag.start,
                    one.stop - tag.start,
                    one.write([translations[index - self._first] for index in one.segments]),
                )
                for one in splices
            ]
            source = self._page[tag.start : tag.end]
            tags[source] = apply_changes(source, changes)
        markup = ((tag.start, tag.end, text[tag.start : tag.end]) for tag in find_markup(text) if tags)
        return apply_changes(text, [Change(start, stop, tags[tag]) for start, stop, tag in markup if tag in tags])


def _decode(content: bytes) -> DecodedText:
    """The text of a page: by its byte order mark, else by the encoding that it declares, else in UTF-8."""
    refuse_binary(content)
    declared = _CHARSET.search(content[:_HEAD_BYTES]) or _XML_ENCODING.match(content[:_HEAD_BYTES])
    if has_byte_order_mark(content) or declared is None:
        return decode(content)
    label = declared[1].decode("ascii")
    encoding = encoding_name(label)
    encoding = _WEB_ENCODINGS.get(encoding, encoding)
    if encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be"):  # A page whose declaration can be read is in UTF-8.
        return decode(content)
    refuse_unread_encoding(encoding, label)
    try:
        return DecodedText(content.decode(encoding), encoding, errors="xmlcharrefreplace")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MalformedDocument(f"is not {label}, which it declares, in line {line}; save it as UTF-8") from None


def _is_inline(span: Span) -> bool:
    """Whether a tag or verbatim element can be within a text."""
    if span.end - span.start > _MAX_INLINE_TAG:
        return False
    if span.kind is SpanKind.VERBATIM:
        return span.name in WORD_LIKE_ELEMENTS
    return span.kind in (SpanKind.START_TAG, SpanKind.END_TAG) and span.name in INLINE_ELEMENTS


def _is_shown(element: str, attribute: str, values: Mapping[str, str]) -> bool:
    """Whether the value of an attribute is text that readers get; `values` are those of all attributes."""
    if element == "meta":
        return attribute == "content" and bool(_SHOWN_META.fullmatch(values.get("name") or values.get("property", "")))
    if element == "input" and attribute == "value":
        return values.get("type") in _TEXT_INPUTS
    return attribute in _SHOWN_ATTRIBUTES


def _write_value(translations: Sequence[str], quote: str) -> str:
    return f"{quote}{html.escape(''.join(translations))}{quote}"


def _joined(parts: Iterable[str], most: int) -> Iterator[str]:
    """Texts and tags joined to strings of at most `most` characters."""
    joined: list[str] = []
    length = 0
    for part in parts:
        for piece in (part,) if part.startswith("<") else cut(part, most):
            if joined and length + len(piece) > most:
                yield "".join(joined)
                joined, length = [], 0
            joined.append(piece)
            length += len(piece)
    yield "".join(joined)
