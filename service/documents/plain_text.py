"""Plain text: what lines belong together is translated together, and broken into lines of the same width again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.documents.document import Document, DocumentLimits, Segment, SegmentCollector, check_characters
from service.documents.text_decoding import DecodedText, decode
from service.documents.wrapping import cut, wrap
from service.tasks.translation.text.structure import code_blocks
from service.text import Lines
from service.text.lines import BREAKS

_LINE_BREAK = re.compile(rf"\r\n|[{BREAKS}]")
_PREFIX = re.compile(r"\s*(?:>\s*)*")
"""The indentation of a line and the quote marks of e-mails."""


@dataclass(frozen=True)
class _Unit:
    """Lines that are translated together."""

    start: int
    stop: int
    """Offsets in the text, after the prefix of its first line."""
    first: int
    end: int
    """Its segments are `segments[first:end]`."""
    line_break: str = ""
    """Between its lines, with the prefix of the lines after it; empty if there is only one line."""
    width: int = 0
    """Of its longest line, without the prefix."""


class PlainText(Document):
    """A text file.

    Args:
        file: its text.
        segments: what is translated of it.
        units: the lines that are translated, in reading order; what is between them stays.
    """

    def __init__(self, file: DecodedText, segments: Sequence[Segment], units: Sequence[_Unit]) -> None:
        super().__init__(segments, ".txt")
        self._file = file
        self._units = units

    def _write(self, translations: Sequence[str], target: str) -> bytes:
        parts: list[str] = []
        end = 0
        for unit in self._units:
            parts += self._file.text[end : unit.start], self._translated(unit, translations[unit.first : unit.end])
            end = unit.stop
        return self._file.encode("".join([*parts, self._file.text[end:]]))

    def _translated(self, unit: _Unit, translations: Sequence[str]) -> str:
        sources = [segment.text for segment in self.segments[unit.first : unit.end]]
        if sources == list(translations):
            return self._file.text[unit.start : unit.stop]
        text = "".join(translations)
        return unit.line_break.join(wrap(text, unit.width)) if unit.line_break else text


def read_plain_text(content: bytes, limits: DocumentLimits) -> Document:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark; blocks of code in it are not translated.

    Raises:
        MalformedDocument: it is in another encoding, or is no text.
        DocumentTooLarge: it has too many characters.
    """
    file = decode(content)
    text = file.text
    check_characters(len(text), limits)
    collector = SegmentCollector(limits)
    units: list[_Unit] = []
    blocks = iter(code_blocks(text))
    block = next(blocks, None)
    for start, stop in pairwise([*Lines(text).parts(), len(text)]):
        while block and block[1] <= start:
            block = next(blocks, None)
        if block and block[0] < stop and start < block[1]:
            continue
        unit = _read_unit(text, start, stop, collector, limits.max_segment_characters)
        if unit:
            units.append(unit)
    return PlainText(file, collector.segments, units)


def _read_unit(text: str, start: int, stop: int, collector: SegmentCollector, most: int) -> _Unit | None:
    """Add the segments of `text[start:stop]`; returns None if it has no letter."""
    stop = start + len(text[start:stop].rstrip())
    prefix = _PREFIX.match(text, start, stop)
    assert prefix
    start = prefix.end()
    if not any(map(str.isalpha, text[start:stop])):
        return None
    lines = _LINE_BREAK.split(text[start:stop])
    prefixes = [match.group() if (match := _PREFIX.match(line)) else "" for line in lines]
    contents = [line[len(own) :].rstrip() for line, own in zip(lines, prefixes, strict=True)]
    first = len(collector.segments)
    for part in cut(" ".join(contents), most):
        collector.add(Segment(part, is_html=False))
    line_break = _LINE_BREAK.search(text, start, stop)
    return _Unit(
        start,
        stop,
        first,
        len(collector.segments),
        line_break.group() + prefixes[1] if line_break else "",
        max(map(len, contents)),
    )
