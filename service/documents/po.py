"""Message catalogs of gettext: .po, and .pot, whose translation is a .po.

Entries that have a translation keep it; those without one and fuzzy ones are translated. polib reads and writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import polib

from service.documents.document import Document, DocumentLimits, Segment, SegmentCollector, check_length
from service.documents.plural_forms import plural_forms
from service.documents.text_decoding import (
    DecodedText,
    decode,
    encoding_name,
    has_byte_order_mark,
    refuse_unread_encoding,
)
from service.documents.wrapping import cut
from service.errors import DocumentTooLarge, MalformedDocument
from service.tasks.translation.text.arguments import unnumbered_arguments
from service.tasks.translation.text.format_specifiers import FORMAT_SPECIFIER

_CHARSET = re.compile(rb"^\"Content-Type:[^\n\"]*charset=([\w.:-]+)", re.IGNORECASE | re.MULTILINE)
_NO_CHARSET = "CHARSET"
"""What a template has instead."""
_PLURALS = re.compile(r"nplurals\s*+=\s*+([1-9])\b")
_MAX_STRINGS = 200_000
"""Keywords such as `msgid`: polib takes 10 seconds for so many."""
_STRING_START = re.compile(r"[ \t]*+(?:#~[ \t]*+)?(msg\w++(?:\[\d++\])?[ \t]*+)?\"")
_STRING_REST = re.compile(r"(?:[^\"\\]|\\.)*+\"[ \t]*")
_MAX_MESSAGE = 50_000
"""Characters of the longest message: polib takes time in the square of it."""
_FORMAT_FLAG = re.compile(r"(?!no-)[\w-]+-format")
_SPECIFIER = re.compile(FORMAT_SPECIFIER)
_ZEROS, _MAX_ZEROS = re.compile("0{20,}+"), "0" * 20
"""Zeros are flags and digits of widths: matching a specifier takes the square of their number."""
_LINE_LENGTH, _MAX_LINE_LENGTH = 78, 100
"""Of lines that are wrapped, and of the longest line of a catalog whose lines are."""


def read_po(content: bytes, limits: DocumentLimits) -> Document:
    """Read a message catalog.

    Raises:
        MalformedDocument: it is none, or in an encoding that is not read.
        DocumentTooLarge: it has too many characters, or a message that is too long.
    """
    file = _decode(content)
    check_length(file.text, limits)
    text = file.text.replace("\r\n", "\n")
    _check_strings(text)
    is_wrapped = all(len(line) <= _MAX_LINE_LENGTH for line in text.split("\n") if line.endswith('"'))
    try:
        # With a line break at its end it is never taken for the name of a file.
        catalog = polib.pofile(text + "\n", wrapwidth=_LINE_LENGTH if is_wrapped else 0)
    except (OSError, ValueError, IndexError, KeyError, AttributeError) as error:  # polib's own errors
        number = re.search(r"line (\d+)", str(error))
        where = f" in line {number[1]}" if number else ""
        raise MalformedDocument(f"is no message catalog{where}; correct it (msgfmt -c shows where)") from None
    return Catalog(file, catalog, SegmentCollector(limits), limits.max_segment_characters)


def _check_strings(text: str) -> None:
    """Raise an error for what polib takes long for, and for a string without its end, of which it loses a part."""
    length, comments, messages = 0, 0, 0
    for number, line in enumerate(text.split("\n"), 1):
        start = _STRING_START.match(line)
        if start and not _STRING_REST.fullmatch(line, start.end()):
            raise MalformedDocument(f"is no message catalog in line {number}: a string has no end, or two")
        is_keyword = start is not None and start[1] is not None
        messages += is_keyword
        length = 0 if is_keyword or not start else length + len(line)
        comments = 0 if is_keyword else comments + (0 if start else len(line))
        if max(length, comments) > _MAX_MESSAGE:
            raise DocumentTooLarge(
                f"has a message or comments of more than {_MAX_MESSAGE} characters up to line {number}"
            )
        if messages > _MAX_STRINGS:
            raise DocumentTooLarge(f"has more than {_MAX_STRINGS} messages and translations; send it in parts")


class _Entry(NamedTuple):
    """An entry to translate, and the indices of the segments of its message and of the plural of that."""

    entry: polib.POEntry
    singular: range
    plural: range


class Catalog(Document):
    """A message catalog.

    Args:
        file: its text.
        catalog: its entries.
        collector: gets the segments: the message, and its plural where there is one, of each entry to translate.
        most: maximum number of characters of a segment.
    """

    suffix = ".po"

    def __init__(self, file: DecodedText, catalog: polib.POFile, collector: SegmentCollector, most: int) -> None:
        self._file = file
        self._catalog = catalog
        self._entries = [
            _Entry(entry, _add(entry.msgid, collector, most), _add(entry.msgid_plural, collector, most))
            for entry in catalog
            if _is_untranslated(entry)
        ]
        super().__init__(collector.segments)
        if any(entry.translated() for entry in catalog):
            self.translated_into = catalog.metadata.get("Language") or None

    def _write(self, translations: Sequence[str], target: str) -> bytes:
        if not self._entries:
            return self._file.encode(self._file.text)
        self._write_header(target)
        count = _PLURALS.search(self._catalog.metadata["Plural-Forms"])
        forms = int(count[1]) if count else 2
        for entry, *segments in self._entries:
            singular, plural = ("".join(translations[index] for index in indices) for indices in segments)
            self._write_entry(entry, _with_edges(entry.msgid, singular), _with_edges(entry.msgid_plural, plural), forms)
            if not self.kept.isdisjoint(chain(*segments)):
                _mark_fuzzy(entry)
        text = str(self._catalog)
        if not self._file.text.startswith("#"):
            text = text.removeprefix("#\n")  # An empty comment, which polib writes.
        text = text.replace("\n", "\r\n") if "\r\n" in self._file.text else text
        return self._file.encode(text)

    def _write_header(self, target: str) -> None:
        metadata = self._catalog.metadata
        metadata["Language"] = target
        if not _PLURALS.search(metadata.get("Plural-Forms", "")):
            metadata["Plural-Forms"] = plural_forms(target)
        if _NO_CHARSET in metadata.get("Content-Type", _NO_CHARSET):
            metadata["Content-Type"] = f"text/plain; charset={self._file.encoding.upper()}"
        self._catalog.metadata_is_fuzzy = False

    def _write_entry(self, entry: polib.POEntry, singular: str, plural: str, forms: int) -> None:
        if plural:
            entry.msgstr_plural = {index: plural if index or forms == 1 else singular for index in range(forms)}
        else:
            entry.msgstr = singular
        entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
        entry.previous_msgid = entry.previous_msgctxt = entry.previous_msgid_plural = None
        if any(map(_FORMAT_FLAG.fullmatch, entry.flags)) and not _has_specifiers(entry, singular, plural):
            _mark_fuzzy(entry)  # A program would fail on it.


def _decode(content: bytes) -> DecodedText:
    charset = _CHARSET.search(content)
    label = charset[1].decode("ascii") if charset else _NO_CHARSET
    encoding = encoding_name(label)
    if has_byte_order_mark(content) or label.upper() == _NO_CHARSET or encoding in ("utf-8", "ascii"):
        return decode(content)
    refuse_unread_encoding(encoding, label)
    try:
        return DecodedText(content.decode(encoding), encoding)
    except UnicodeError:
        raise MalformedDocument(f"is not in the encoding of its header, {label}; save it as UTF-8") from None


def _add(message: str, collector: SegmentCollector, most: int) -> range:
    return collector.add_all(Segment(part, is_html=False) for part in (cut(message, most) if message else ()))


def _is_untranslated(entry: polib.POEntry) -> bool:
    has_words = any(map(str.isalpha, entry.msgid + entry.msgid_plural))
    return has_words and not entry.obsolete and (entry.fuzzy or not entry.translated())


def _with_edges(source: str, translation: str) -> str:
    """A translation that begins and ends with a line break if its message does, which msgfmt demands."""
    begin, end = "\n" * source.startswith("\n"), "\n" * source.endswith("\n")
    return begin + translation.strip("\n") + end if source.strip("\n") else translation


def _mark_fuzzy(entry: polib.POEntry) -> None:
    if "fuzzy" not in entry.flags:
        entry.flags.append("fuzzy")


def _has_specifiers(entry: polib.POEntry, singular: str, plural: str) -> bool:
    """Whether the translations have the format specifiers of their messages, those without numbers in their order."""

    def specifiers(text: str) -> tuple[list[str], list[str]]:
        text = _ZEROS.sub(_MAX_ZEROS, text)
        return sorted(_SPECIFIER.findall(text)), unnumbered_arguments(text)

    pairs = [(entry.msgid, singular), *([(entry.msgid_plural, plural)] if plural else [])]
    return all(specifiers(source) == specifiers(translation) for source, translation in pairs)
