"""Plain text: what lines belong together is translated together, and broken into lines of the same width again."""

from __future__ import annotations

import re
from itertools import pairwise

from service.documents.document import Document, DocumentLimits, Segment, SegmentCollector, check_characters
from service.documents.spliced_text import Splice, SplicedText
from service.documents.text_decoding import decode
from service.documents.wrapping import cut, wrap
from service.tasks.translation.text.structure import code_blocks
from service.text import Lines
from service.text.lines import BREAKS

_LINE_BREAK = re.compile(rf"\r\n|[{BREAKS}]")
_PREFIX = re.compile(r"\s*+(?:>\s*+)*+")
"""The indentation of a line and the quote marks of e-mails."""


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
    splices: list[Splice] = []
    blocks = iter(code_blocks(text))
    block = next(blocks, None)
    for start, next_start in pairwise([*Lines(text).parts(), len(text)]):
        stop = start + len(text[start:next_start].rstrip())
        while block and block[1] <= start:
            block = next(blocks, None)
        if block and block[0] < stop and start < block[1]:
            continue
        splice = _read_unit(text, start, stop, collector, limits.max_segment_characters)
        if splice:
            splices.append(splice)
    return SplicedText(file, collector.segments, splices)


def _read_unit(text: str, start: int, stop: int, collector: SegmentCollector, most: int) -> Splice | None:
    """Add the segments of lines that are translated together, `text[start:stop]`; returns None without a letter."""
    prefix = _PREFIX.match(text, start, stop)
    assert prefix
    start = prefix.end()
    if not any(map(str.isalpha, text[start:stop])):
        return None
    lines = _LINE_BREAK.split(text[start:stop])
    prefixes = [match.group() if (match := _PREFIX.match(line)) else "" for line in lines]
    contents = [line[len(own) :].rstrip() for line, own in zip(lines, prefixes, strict=True)]
    segments = collector.add_all(Segment(part, is_html=False) for part in cut(" ".join(contents), most))
    line_break = _LINE_BREAK.search(text, start, stop)
    if not line_break:
        return Splice(start, stop, segments)
    separator, width = line_break.group() + prefixes[1], max(map(len, contents))
    return Splice(start, stop, segments, lambda parts: separator.join(wrap("".join(parts), width)))
