"""Subtitles: SubRip (.srt) and WebVTT (.vtt).

Only the lines after the times of a caption are translated. The lines of one speaker are one text, which is broken again
into as many lines, unless a sentence ends where a line does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from service.documents.document import Document, DocumentLimits, Segment, SegmentCollector, check_length
from service.documents.spliced_text import Splice, SplicedText
from service.documents.text_decoding import decode
from service.documents.wrapping import cut, rebreak

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_TIME = r"(?:\d+:)?\d{1,2}:\d{1,2}[.,]\d{1,3}"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?!\d)")
_NUMBER = re.compile(r"\s*+\d++\s*+\Z")
_NEW_SPEAKER = re.compile(r"(?:\{[^{}]*\}|<[^<>]*>|\s)*+(?:[-\u2010-\u2015]|>>)\s*")
"""The dash of a speaker, with position and tags before it."""
_POSITION = re.compile(r"(?:\{[^{}]*\}|\s)*+")
_ENDS_TEXT = re.compile('[.!?:\u2026\u3002\u266a\u266b)\\]"\u201d\u00bb](?:<[^<>]*+>|\\s)*+\\Z')
_STYLE = re.compile(r"\{\\?[^{}]*\}|<\d[\d:.,]*>")
"""Codes of SubStation in a line, such as `{\\i1}`, and times of WebVTT, such as `<00:03.500>`."""


def read_srt(content: bytes, limits: DocumentLimits) -> Document:
    """Read SubRip subtitles.

    Raises:
        MalformedDocument: it is in an encoding that is not read.
        DocumentTooLarge: it has too many characters.
    """
    return _read(content, limits, is_html=False)


def read_vtt(content: bytes, limits: DocumentLimits) -> Document:
    """Read WebVTT subtitles; raises what `read_srt` does."""
    return _read(content, limits, is_html=True)


def _read(content: bytes, limits: DocumentLimits, *, is_html: bool) -> Document:
    file = decode(content)
    check_length(file.text, limits)
    collector = SegmentCollector(limits)
    splices: list[Splice] = []
    for caption in _captions(file.text):
        for lines in _texts(caption):
            splices += _splices(file.text, lines, collector, limits.max_segment_characters, is_html=is_html)
    return SplicedText(file, collector.segments, splices)


def _captions(text: str) -> Iterator[list[re.Match[str]]]:
    """The lines of each caption."""
    caption: list[re.Match[str]] = []
    is_caption = False
    for line in _LINE.finditer(text):
        if _TIMES.match(line[1]):
            if caption and _NUMBER.match(caption[-1][1]):  # Without a blank line before it.
                caption.pop()
            yield caption
            caption, is_caption = [], True
        elif not line[1].strip():
            yield caption
            caption, is_caption = [], False
        elif is_caption:
            caption.append(line)
    yield caption


def _texts(caption: list[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    """The lines of a caption that are one text."""
    text: list[re.Match[str]] = []
    for line in caption:
        if text and (_NEW_SPEAKER.match(line[1]) or _ENDS_TEXT.search(text[-1][1])):
            yield text
            text = []
        text.append(line)
    if text:
        yield text


def _splices(
    text: str, lines: list[re.Match[str]], collector: SegmentCollector, most: int, *, is_html: bool
) -> Iterator[Splice]:
    prefix = _NEW_SPEAKER.match(lines[0][1]) or _POSITION.match(lines[0][1])
    start = lines[0].start() + (prefix.end() if prefix else 0)
    stop = lines[-1].end(1)
    for begin, end in _between_styles(text, start, stop):
        source = text[begin:end]
        parts = [part.strip() for part in source.splitlines()]
        begin, end = begin + len(source) - len(source.lstrip()), end - len(source) + len(source.rstrip())
        parts = [part for part in parts if part]
        if not any(map(str.isalpha, "".join(parts))):
            continue
        segments = collector.add_all(Segment(part, is_html) for part in cut(" ".join(parts), most))
        yield Splice(begin, end, segments, _rebreaker(lines[0][2], [len(part) for part in parts]))


def _rebreaker(line_break: str, lengths: Sequence[int]) -> Callable[[Sequence[str]], str]:
    return lambda own: line_break.join(rebreak("".join(own), lengths))


def _between_styles(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    for style in _STYLE.finditer(text, start, stop):
        yield start, style.start()
        start = style.end()
    yield start, stop
