"""The lines of a text: at which line breaks a sentence ends.

A line break ends a sentence, unless the line before it is shown to have been wrapped: by a hyphen, by a lower-case
letter after it, or by its length among the lines around it. A tab ends one too, where it separates cells: always but in
a line that ends like a sentence and goes on after its only tab with a lower-case letter, if no other line of its
paragraph has a tab.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

BREAKS = "\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029"
"""The characters that end a line (those of `str.splitlines`), as the inside of a regular expression's brackets."""
PARAGRAPH_BREAK = re.compile(rf"(?>\r\n|[{BREAKS}])[^\S{BREAKS}]*[{BREAKS}]|\u2029")
"""A blank line."""

_LINE = re.compile(rf"[^{BREAKS}]+")
_BREAK_OR_TAB = re.compile(rf"[{BREAKS}\t]")
_MIN_WRAPPED, _MIN_WRAPPED_BEFORE_LOWERCASE = 50, 25
"""Shorter lines were not wrapped; the second applies if the next line starts with a lower-case letter."""
_MAX_WRAPPED = 120
"""Longer lines were not wrapped, unless the next line starts with a lower-case letter."""
_MAX_LINES = 12
"""A sentence of more lines is a list."""
_MIN_LIST = 3
"""Lines that are a list if all of them start with a lower-case letter and none has an end mark."""
_MIN_TITLE = 3
"""Words of a heading in title case."""

_QUOTE = re.compile(r"(?:>\s*)+")
"""Quote marks of e-mails at the start of a line."""
_BULLET = re.compile(
    r"(?:[-*+#=\u2022\u00b7\u25e6\u25aa\u25ab\u25cf\u25cb\u25a0\u25a1\u2023\u2043\u2610-\u2612]+\s|\|)"
)
_NUMBER = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,2}){0,4}[.)]|[ivxIVX]{1,5}[.)]|\(?[A-Za-z]\)|\(\d{1,3}\)|\[[ xX\d]{1,3}\])\s"
)
"""The number of a list item, if another line has one too; otherwise an ordinal such as German `3. Mai`."""
_LABEL = re.compile(r"[^\W\d_][\w-]*(?: [\w-]+)?:(?:\s|\Z)")
"""A field such as `Subject: `."""
_HYPHEN = re.compile(r"[^\W\d_][-\u2010\u00ad]\Z")
_END_MARK = re.compile("[.!?\u2026][\"'\u201d\u2019)\\]\u00bb]*(?:\\s|\\Z)")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_TAB = re.compile(rf"(?<=\S)[^\S{BREAKS}]*\t\s*(?=\S)")
"""White space with a tab within a line."""
_COLUMNS = re.compile(r"\t| \| ")
"""What separates the cells of a table."""


class Lines:
    """The lines of a text that are not blank.

    Args:
        text: any text; offsets are its code points.
    """

    def __init__(self, text: str) -> None:
        self._starts: list[int] = []
        self._ends_before: list[bool] = []
        """Whether a sentence ends before the line."""
        self._cells: list[int] = []
        """Offsets of the cells of tables but the first of each line."""
        if _BREAK_OR_TAB.search(text):
            self._read(text)
        elif stripped := text.lstrip():  # Most texts are a single sentence: one line, without cells.
            self._starts.append(len(text) - len(stripped))
            self._ends_before.append(True)

    def _read(self, text: str) -> None:
        """Find lines and cells."""
        lines = [line for match in _LINE.finditer(text) if (line := _line(text, match)) is not None]
        self._starts = [line.start for line in lines]
        has_tabs = "\t" in text
        for paragraph in map(_Paragraph, _paragraphs(text, lines)):
            if has_tabs:
                self._cells += paragraph.cells(text)
            self._ends_before += [not (index and paragraph.goes_on(index)) for index in range(len(paragraph.lines))]

    @property
    def is_single(self) -> bool:
        """Whether there is at most one line, without cells."""
        return len(self._starts) <= 1 and not self._cells

    def starts_line(self, position: int) -> bool:
        """Whether the first character of a line, after white space, is at this offset."""
        index = bisect_left(self._starts, position)
        return index < len(self._starts) and self._starts[index] == position

    def parts(self) -> list[int]:
        """The offsets where lines and cells start before which a sentence ends, whatever the sentences are."""
        lines = [start for start, ends in zip(self._starts, self._ends_before, strict=True) if ends]
        return sorted(lines + self._cells) if self._cells else lines

    def cells(self, start: int, stop: int) -> list[int]:
        """The offsets in `text[start:stop]` where cells of tables start, but for the first of each line."""
        return self._cells[bisect_right(self._cells, start) : bisect_left(self._cells, stop)]

    def sentence_starts(self, start: int, stop: int) -> list[int]:
        """The offsets within the sentence `text[start:stop]` where lines start that are sentences of their own."""
        first, last = bisect_right(self._starts, start), bisect_left(self._starts, stop)
        own = [index for index in range(first, last) if self._ends_before[index]]
        result: list[int] = []
        for begin, end in pairwise([first - 1, *own, last]):
            indices = range(begin if begin >= first else first, end)
            if end - begin <= _MAX_LINES:
                indices = indices[:1] if begin >= first else range(0)
            result += [self._starts[index] for index in indices]
        return result


def split_at_lines(lines: Lines, sentences: Iterable[list[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    """Sentences, each the start and end of its words, split where a line or a cell ends a sentence."""
    if lines.is_single:
        return list(sentences)
    result: list[list[tuple[int, int]]] = []
    for words in sentences:
        first = 0
        start, stop = words[0][0], words[-1][1]
        for position in sorted(lines.sentence_starts(start, stop) + lines.cells(start, stop)):
            split = bisect_left(words, (position, position))
            if first < split < len(words):
                result.append(words[first:split])
                first = split
        result.append(words[first:])
    return result


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    """Offset of its first character that is no white space."""
    stop: int
    quote: str
    """Its quote marks, without spaces."""
    content: str
    """What is after the quote marks."""


def _line(text: str, match: re.Match[str]) -> _Line | None:
    """The line without white space around it; None if it is blank."""
    content = match.group().strip()
    if not content:
        return None
    start = match.start() + len(match.group()) - len(match.group().lstrip())
    stop = start + len(content)
    quote = _QUOTE.match(content)
    if quote is None:
        return _Line(start, stop, "", content)
    return _Line(start, stop, "".join(quote.group().split()), content[quote.end() :])


def _paragraphs(text: str, lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """The lines of each paragraph: no blank line between them, and the same quote marks before them."""
    paragraph: list[_Line] = []
    for line in lines:
        before = paragraph[-1] if paragraph else line
        if before.quote != line.quote or PARAGRAPH_BREAK.search(text, before.stop, line.start):
            yield paragraph
            paragraph = []
        paragraph.append(line)
    if paragraph:
        yield paragraph


class _Paragraph:
    """Lines without a blank line between them."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self.lines = lines
        contents = [line.content for line in lines]
        self._width = max((len(content) for content in contents if " " in content), default=0)
        marked = [index for index, content in enumerate(contents) if _END_MARK.search(content)]
        self._last_marked = marked[-1] if marked else -1
        self._is_numbered = sum(_NUMBER.match(content) is not None for content in contents) > 1
        self._is_list = len(lines) >= _MIN_LIST and not marked and all(content[:1].islower() for content in contents)

    def cells(self, text: str) -> list[int]:
        """The offsets where cells start, but for the first of each line."""
        tabs = [match for line in self.lines for match in _TAB.finditer(text, line.start, line.stop)]
        if len(tabs) == 1:
            line = next(line for line in self.lines if line.start <= tabs[0].start() < line.stop)
            if text[tabs[0].end()].islower() and _END_MARK.search(text[tabs[0].end() : line.stop]):
                return []
        return [match.end() for match in tabs]

    def goes_on(self, index: int) -> bool:
        """Whether the sentence of the line before goes on in this line."""
        before, line = self.lines[index - 1].content, self.lines[index].content
        if not any(map(str.isalnum, before)) or not any(map(str.isalnum, line)) or before.endswith(":"):
            return False
        if _BULLET.match(line) or (self._is_numbered and _NUMBER.match(line)):
            return False
        if before.startswith("#") and _BULLET.match(before):  # a heading
            return False
        if _COLUMNS.search(before) and _COLUMNS.search(line):
            return False
        if line[0].islower():
            if _HYPHEN.search(before):
                return True
            return len(before) >= _MIN_WRAPPED_BEFORE_LOWERCASE and not self._is_list
        if not _MIN_WRAPPED <= len(before) <= _MAX_WRAPPED or self._last_marked < index:
            return False
        # A wrapped line is as long as its paragraph is wide: the next word did not fit.
        is_full = len(before) + 1 + len(line.split(maxsplit=1)[0]) > self._width
        return is_full and not _LABEL.match(line) and not _is_title(before)


def _is_title(line: str) -> bool:
    words = _LONG_WORD.findall(line)
    return len(words) >= _MIN_TITLE and all(word[0].isupper() for word in words)
