"""A text as the translator reads it, with the offset of each character in the text as it was sent."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

from service.tasks.translation.subwords import SPECIAL_CHARACTERS
from service.tasks.translation.text.spans import Range, Span, gaps_between
from service.text.characters import MARKS

_ENTITIES = {ord(substitute): html.escape(character) for character, substitute in SPECIAL_CHARACTERS.items()}
_ENTITY = r"&(?:[A-Za-z][0-9A-Za-z]{1,30}|#\d{1,7}|#[Xx][0-9A-Fa-f]{1,6});"
_MEDIAL_JAMO = "\u1160-\u11ff"
"""Vowels and final consonants of Korean, which compose with the consonant before them."""
_CHARACTER = re.compile(rf"[^\x00-\u02ff][{MARKS}{_MEDIAL_JAMO}]*|[\x00-\u02ff][{MARKS}]+")
"""A character with the marks on it, which Unicode's normalization may compose or replace."""
_ENTITY_OR_CHARACTER = re.compile(f"{_ENTITY}|{_CHARACTER.pattern}")


_SPACES = str.maketrans(dict.fromkeys("\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))), " "))
"""All of Unicode's spaces: no-break, narrow, of a figure's width."""


class SourceText:
    """A text in Unicode's composed form (NFC), perhaps with its entities decoded. Every kind of space is read as one.

    Args:
        sent: the text as it was sent.
        text: what is read.
        origins: the offset in `sent` of each character of `text` and of its end; None if the two are equal.
        is_html: whether it is HTML.
    """

    def __init__(self, sent: str, text: str, origins: Sequence[int] | None = None, *, is_html: bool = False) -> None:
        self.text = text if text.isascii() else text.translate(_SPACES)
        self.is_html = is_html
        self._sent, self._origins = sent, origins

    @classmethod
    def plain(cls, sent: str) -> SourceText:
        """A text that is not HTML."""
        if unicodedata.is_normalized("NFC", sent):
            return cls(sent, sent)
        writer = _Writer(sent, _CHARACTER)
        writer.write(0, len(sent))
        return cls(sent, writer.text(), writer.origins)

    @classmethod
    def of_html(cls, sent: str, markup: Sequence[Span]) -> tuple[SourceText, list[Span]]:
        """An HTML text with its entities decoded, and its markup at the new positions.

        `SPECIAL_CHARACTERS` that were written as entities are replaced. Markup stays as it was sent.

        Args:
            sent: the text.
            markup: its markup, from `html.find_markup`.
        """
        if "&" not in sent and unicodedata.is_normalized("NFC", sent):
            return cls(sent, sent, is_html=True), list(markup)
        writer = _Writer(sent, _ENTITY_OR_CHARACTER)
        moved: list[Span] = []
        for (start, stop), span in zip(gaps_between(0, len(sent), markup), [*markup, None], strict=True):
            writer.write(start, stop)
            if span:
                begin = writer.length
                writer.copy(span.start, span.end)
                moved.append(Span(begin, writer.length, span.kind, span.name))
        return cls(sent, writer.text(), writer.origins, is_html=True), moved

    def range(self, start: int, stop: int) -> Range:
        """Where `text[start:stop]` is in the text as it was sent, in code points."""
        return (start, stop) if self._origins is None else (self._origins[start], self._origins[stop])

    def sent(self, start: int, stop: int) -> str:
        """`text[start:stop]` as it was sent."""
        begin, end = self.range(start, stop)
        return self._sent[begin:end]

    def write(self, words: str) -> str:
        """Words of `text` that have changed, as they are to be written: HTML is escaped again."""
        return words.translate(_ENTITIES) if self.is_html else words


class _Writer:
    """Collects what is read of a text, and where it was.

    Args:
        sent: the text as it was sent.
        changing: what of it may be read as something else.
    """

    def __init__(self, sent: str, changing: re.Pattern[str]) -> None:
        self.length = 0
        self.origins: list[int] = [0]
        self._sent, self._changing = sent, changing
        self._parts: list[str] = []

    def write(self, start: int, stop: int) -> None:
        """Add `sent[start:stop]` with its entities decoded, in composed form."""
        for match in self._changing.finditer(self._sent, start, stop):
            read = _read(match.group())
            if read == match.group():
                continue
            self.copy(start, match.start())
            self._add(read, [match.start()] * len(read), match.end())
            start = match.end()
        self.copy(start, stop)

    def copy(self, start: int, stop: int) -> None:
        """Add `sent[start:stop]` as it is."""
        self._add(self._sent[start:stop], range(start, stop), stop)

    def text(self) -> str:
        """All that was added."""
        return "".join(self._parts)

    def _add(self, part: str, origins: Sequence[int], end: int) -> None:
        self._parts.append(part)
        self.length += len(part)
        self.origins.pop()
        self.origins += [*origins, end]


def _read(part: str) -> str:
    """What is read for an entity or a character."""
    if part.startswith("&"):
        part = html.unescape(part)
        if part in SPECIAL_CHARACTERS:
            return SPECIAL_CHARACTERS[part]
    return unicodedata.normalize("NFC", part)
