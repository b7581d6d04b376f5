"""What every format implements: a document as segments to translate, which is written again with translations."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.documents.entities import decode_entities
from service.errors import DocumentTooLarge, MalformedDocument
from service.limits import variable

_MAX_SEGMENTS = 50_000
"""Maximum number of segments; a long novel has about 10,000."""
_MAX_ELEMENTS = 300_000
"""Maximum number of elements of XML that are read; takes about 3 seconds. A long novel has about 200,000."""
_MAX_OVERHEAD = 10
"""Characters of a text file, for each character that may be translated: times, tags and comments are most of some."""
_MAX_PIECES = 1_000_000
"""Maximum number of line breaks and entities in the text of XML, each of which is an event of the parser."""
_MAX_FORMATS = 2
"""Bytes of the formats of all words, for each byte that a document may have: outer formats count for all words."""
_MAX_PARTS = 250_000
"""Maximum number of parts of all paragraphs with text; takes about 50 MB of memory."""
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, kw_only=True)
class DocumentLimits:
    """Limits of one document."""

    max_unpacked_bytes: int = 64 * 2**20
    """Maximum size in bytes, that of all files in it if it is a zip archive."""
    max_members: int = 4_096
    """Maximum number of files in a zip archive."""
    max_characters: int = 1_000_000
    """Maximum number of characters to translate."""
    max_segment_characters: int = 10_000
    """Maximum number of characters of one segment, markup included; longer texts become several segments."""


class Segment(NamedTuple):
    """A text to translate, at least a whole sentence."""

    text: str
    is_html: bool
    """Whether it is HTML: special characters are escaped, and inline tags stand for the format of words."""

    @property
    def plain(self) -> str:
        """The text without tags, with entities decoded."""
        return decode_entities(_TAG.sub("", self.text)) if self.is_html else self.text


class Batch(NamedTuple):
    """Segments that may be translated together."""

    indices: Sequence[int]
    """Their positions in `Document.segments`."""
    texts: list[str]
    is_html: bool


class Document(ABC):
    """A document that was read.

    Args:
        segments: its texts, in reading order.
    """

    suffix: str | None = None
    """The suffix of the name of the translated file, where it is not that of the document."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments
        self.languages: dict[int, str] = {}
        """The codes of the languages that the document says segments are in, by the indices of those."""
        self.kept: set[int] = set()
        """Indices of the segments of which words came back as they were, because their translation was invented."""
        self.translated_into: str | None = None
        """The language of the translations that it already has."""

    @property
    def characters(self) -> int:
        """The number of characters to translate, without markup."""
        return sum(len(segment.plain) for segment in self.segments)

    def excerpt(self, characters: int) -> str:
        """The first so many characters of the text, without markup: for the identification of its language."""
        lines: list[str] = []
        length = 0
        for segment in self.segments:
            if length >= characters:
                break
            lines.append(segment.plain)
            length += len(lines[-1]) + 1
        return "\n".join(lines)[:characters]

    def batches(self, max_texts: int, max_characters: int, source: str | None = None) -> Iterator[Batch]:
        """The segments in order, as batches that are translated one after the other.

        Args:
            source: the language to translate from; segments that are said to be in another one are left out. None: all
                are translated.
            max_texts: maximum number of segments in a batch.
            max_characters: maximum number of characters of a batch, markup included; at least
                `DocumentLimits.max_segment_characters`.
        """
        indices: list[int] = []
        length = 0
        for index, segment in enumerate(self.segments):
            if source and self.languages.get(index, source) != source:
                continue
            is_full = len(indices) >= max_texts or length + len(segment.text) > max_characters
            if indices and (is_full or segment.is_html != self.segments[indices[0]].is_html):
                yield self._batch(indices)
                indices, length = [], 0
            indices.append(index)
            length += len(segment.text)
        if indices:
            yield self._batch(indices)

    def write(self, translations: Sequence[str], target: str) -> bytes:
        """The document with these translations.

        Args:
            translations: the translation of each segment, [N]; HTML where the segment is.
            target: language of the translations, for example `de`; for the places where a document says its language.

        Raises:
            MalformedDocument: it has translations into another language already.
        """
        assert len(translations) == len(self.segments), "one translation for each segment"
        self.check_target(target)
        return self._write(translations, target)

    def check_target(self, target: str) -> None:
        """Raise MalformedDocument if there are translations into another language in the document already."""
        present = self.translated_into
        if present and language_code(present) != language_code(target):
            raise MalformedDocument(f"has translations into {present}; send one without, or ask for {present}")

    @abstractmethod
    def _write(self, translations: Sequence[str], target: str) -> bytes:
        """Implements `write`."""

    def _batch(self, indices: Sequence[int]) -> Batch:
        segments = [self.segments[index] for index in indices]
        return Batch(indices, [segment.text for segment in segments], segments[0].is_html)


def language_code(language: str) -> str:
    """A language's code without its region: `pt` of `pt-BR` and `pt_BR`."""
    return re.split("[-_@.]", language.strip().lower())[0]


class SegmentCollector:
    """Collects the segments of a document that is being read, within the limit of characters."""

    def __init__(self, limits: DocumentLimits) -> None:
        self.segments: list[Segment] = []
        self._limits = limits
        self._characters = 0
        self._parts = 0
        self._elements = 0
        self._pieces = 0
        self._format_bytes = 0

    def add(self, segment: Segment) -> int:
        """Add a segment; returns its index.

        Raises:
            DocumentTooLarge: the segments have too many characters.
        """
        self._characters += len(segment.plain)
        check_characters(self._characters, self._limits)
        if len(self.segments) == _MAX_SEGMENTS:
            raise DocumentTooLarge(f"has more than {_MAX_SEGMENTS} paragraphs and other texts; send it in parts")
        self.segments.append(segment)
        return len(self.segments) - 1

    def add_all(self, segments: Iterable[Segment]) -> range:
        """Add segments; returns their indices."""
        first = len(self.segments)
        for segment in segments:
            self.add(segment)
        return range(first, len(self.segments))

    def count_element(self) -> None:
        """Count an element of XML.

        Raises:
            DocumentTooLarge: there are too many.
        """
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise DocumentTooLarge(f"has more than {_MAX_ELEMENTS} elements of XML; send it in parts")

    def count_piece(self) -> None:
        """Count a piece of the text of XML.

        Raises:
            DocumentTooLarge: there are too many.
        """
        self._pieces += 1
        if self._pieces > _MAX_PIECES:
            raise DocumentTooLarge(f"has more than {_MAX_PIECES} line breaks and entities in XML; send it in parts")

    def count_format(self, size: int) -> None:
        """Count the bytes of the tags and properties of words, which are written before them again.

        Raises:
            DocumentTooLarge: there are too many.
        """
        self._format_bytes += size
        most = _MAX_FORMATS * self._limits.max_unpacked_bytes
        if self._format_bytes > most:
            raise DocumentTooLarge(f"has formats of more than {most} bytes for all its words; send it in parts")

    def count_parts(self, number: int) -> None:
        """Count parts of paragraphs that are kept in memory.

        Raises:
            DocumentTooLarge: there are too many.
        """
        self._parts += number
        if self._parts > _MAX_PARTS:
            raise DocumentTooLarge(f"has more than {_MAX_PARTS} runs, tabs and other parts; send it in parts")


def check_characters(characters: int, limits: DocumentLimits) -> None:
    """Raise DocumentTooLarge for more characters than the limit."""
    if characters > limits.max_characters:
        raise DocumentTooLarge(
            f"has more than {limits.max_characters} characters, the limit ({variable('max_file_characters')}); send it "
            "in parts"
        )


def check_length(text: str, limits: DocumentLimits) -> None:
    """Raise DocumentTooLarge for a file that is too long for the limit of characters, whatever in it is translated."""
    if len(text) > _MAX_OVERHEAD * limits.max_characters:
        raise DocumentTooLarge(
            f"has {len(text)} characters, the limit is {_MAX_OVERHEAD * limits.max_characters} for a file of which at "
            f"most {limits.max_characters} are translated; send it in parts"
        )
