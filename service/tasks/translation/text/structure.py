"""What stands around the sentences of a text: blocks of code, borders of cells, frames of messages with branches."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from service.tasks.translation.subwords import SPECIAL_CHARACTERS
from service.tasks.translation.text.code import is_code, is_statement
from service.tasks.translation.text.spans import Range, Span, SpanKind, gaps_between, in_reading_order
from service.text import Lines

_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`\n]*)\s*\Z")
_INDENTED = re.compile(r"(?: {4}|\t)\s*\S")
_PIPES = re.compile(r"(?<![\\|])\|(?!\|)")
_SPACED_PIPES = re.compile(r"(?<!\S)\|(?!\S)")
_MESSAGE = re.compile(r"\{\s*[\w.]{1,64}\s*,\s*(plural|select|selectordinal)\s*,\s*(?:offset:\s*\d+\s*)?")
_SELECTOR = re.compile(r"\s*(?:=\d{1,9}|[\w-]{1,64})\s*\{")
_MESSAGE_END = re.compile(r"\s*\}")
_ARGUMENT = re.compile(r"\{[^{}]{0,200}\}")
_NUMBER = re.compile(r"#\w*")
"""The number of a plural, perhaps with the ending of an ordinal: `#th`."""
_CHOICE = re.compile(r"\{\s*\w{1,64}\s*,\s*choice\s*,")
_LIMIT = re.compile(rf"\s*-?(?:\d{{1,9}}(?:\.\d{{1,9}})?|\u221e)\s*[#<\u2264{SPECIAL_CHARACTERS['<']}]")
_CHOSEN = re.compile(r"(?:[^{}|]|\{[^{}]{0,200}\})*")
_KEYWORDS = (
    "if|ifdef|elif|elsif|elseif|else|for|foreach|empty|unless|case|when|block|with|raw|verbatim|autoescape|end\\w*"
)
_TEMPLATE_BLOCK = re.compile(
    rf"\{{%[-+~]?\s*(?:{_KEYWORDS})\b[^%{{}}]{{0,200}}%\}}"
    r"|\{\{~?[#/^][^{}]{1,200}\}\}|\{\{~?\s*else\b[^{}]{0,200}\}\}"
    rf"|\{{[#/:@](?:{_KEYWORDS}|each|await|then|key|switch)\b[^{{}}]{{0,200}}\}}"
)
"""A tag that begins, divides or ends a block of a template: Jinja, Liquid, Twig, Handlebars, Svelte, Angular."""
_BLOCK = re.compile(r"```|~~~| {4}|\t")
_MAX_NESTED = 3


def find_structure(text: str, markup: Sequence[Span], *, is_html: bool = False) -> list[Span]:
    """The markup of a text with its structure, in reading order.

    * Blocks of code in Markdown: between fences, or indented if any line is code.
    * Borders of cells: tabs by the rule of `service.text.lines`, and `|` in rows of tables or with spaces around it.
    * ICU messages with branches, and choice formats of Java: all but the words of the branches, and the `#` in them.
    * Tags of template blocks, if there are at least two: `{% if x %}One dog{% endif %}`.

    Args:
        text: any text.
        markup: its tags and comments; those in blocks of code are left out.
        is_html: whether white space means nothing, so that there are neither blocks nor tabs.
    """
    blocks = [] if is_html or not _BLOCK.search(text) else list(code_blocks(text))
    if blocks:
        outside = [span for span in markup if not _is_inside(blocks, span.start)]
        markup = in_reading_order([*outside, *_spans(blocks)])
    structure = [*_pipes(text), *(() if is_html else _tabs(text)), *(_of_braces(text) if "{" in text else ())]
    if not structure:
        return list(markup)
    result: list[Span] = []
    remaining = iter(in_reading_order(structure))
    following = next(remaining, None)
    end = 0
    for (start, stop), span in zip(gaps_between(0, len(text), markup), [*markup, None], strict=True):
        while following and following.start < stop:
            if following.start >= max(start, end) and following.end <= stop:
                result.append(following)
                end = following.end
            following = next(remaining, None)
        if span:
            result.append(span)
    return result


def _is_inside(ranges: Sequence[Range], position: int) -> bool:
    """Whether a position is inside one of the ranges, which are in reading order."""
    index = bisect_right(ranges, position, key=lambda one: one[0])
    return index > 0 and position < ranges[index - 1][1]


def _spans(ranges: Sequence[Range]) -> list[Span]:
    return [Span(start, stop, SpanKind.STRUCTURE) for start, stop in ranges]


def code_blocks(text: str) -> Iterator[Range]:
    """The blocks of code in Markdown, in reading order: between fences, or indented if any line is code."""
    fence: tuple[str, int] | None = None
    indented: list[Range] = []
    after_blank = True
    lines = [match.span() for match in _LINE.finditer(text) if match.group()]
    for start, stop in [*lines, (len(text), len(text))]:
        line = text[start:stop]
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence[0]) and not mark[2].strip():
                yield fence[1], start + len(line.rstrip())
                fence = None
            continue
        if _INDENTED.match(line) and (after_blank or indented or is_statement(line)):
            indented.append((start, start + len(line.rstrip())))
            continue
        if indented:
            if any(is_statement(text[low:high]) for low, high in indented):
                yield indented[0][0], indented[-1][1]
            indented = []
        after_blank = not line.strip()
        if mark and text.find(mark[1], stop) >= 0:
            fence = mark[1], start


def _pipes(text: str) -> Iterator[Span]:
    for match in _LINE.finditer(text) if "|" in text else ():
        line = match.group()
        row = line.strip()
        if "|" not in row or is_code(row):
            continue
        pattern = _PIPES if len(row) > 1 and row[0] == row[-1] == "|" else _SPACED_PIPES
        for pipe in pattern.finditer(line):
            yield Span(match.start() + pipe.start(), match.start() + pipe.end(), SpanKind.STRUCTURE)


def _tabs(text: str) -> Iterator[Span]:
    for end in Lines(text).cells(0, len(text)) if "\t" in text else ():
        start = end
        while text[start - 1].isspace():
            start -= 1
        yield Span(start, end, SpanKind.STRUCTURE)


def _of_braces(text: str) -> Iterator[Span]:
    yield from _messages(text)
    yield from _choices(text)
    blocks = [Span(*match.span(), SpanKind.STRUCTURE) for match in _TEMPLATE_BLOCK.finditer(text)]
    if len(blocks) > 1:
        yield from blocks


def _choices(text: str) -> Iterator[Span]:
    """The frames of choice formats: `{0,choice,0#no files|1#one file|1<{0} files}`."""
    for choice in _CHOICE.finditer(text):
        spans: list[Span] = []
        start, position = choice.start(), choice.end()
        while limit := _LIMIT.match(text, position):
            spans.append(Span(start, limit.end(), SpanKind.STRUCTURE))
            branch = _CHOSEN.match(text, limit.end())
            assert branch
            start, position = branch.end(), branch.end() + 1
            if text[start:position] == "}":
                yield from [*spans, Span(start, position, SpanKind.STRUCTURE)]
            if text[start:position] != "|":
                break


def _messages(text: str) -> Iterator[Span]:
    """The frames of the messages with branches, and the numbers in them."""
    position = 0
    while match := _MESSAGE.search(text, position):
        spans: list[Span] = []
        end = _read_message(text, match, spans, 0)
        position = end or match.end()
        if end:
            yield from spans


def _read_message(text: str, message: re.Match[str], spans: list[Span], depth: int) -> int | None:
    """Add the spans of a message; returns its end, or None if it is none."""
    start, position = message.start(), message.end()
    while selector := _SELECTOR.match(text, position):
        spans.append(Span(start, selector.end(), SpanKind.STRUCTURE))
        end = _read_branch(text, selector.end(), spans, depth, is_plural=message[1] != "select")
        if end is None:
            return None
        start, position = end, end + 1
        if closing := _MESSAGE_END.match(text, position):
            spans.append(Span(start, closing.end(), SpanKind.STRUCTURE))
            return closing.end()
    return None


def _read_branch(text: str, position: int, spans: list[Span], depth: int, *, is_plural: bool) -> int | None:
    """Add the spans of a branch; returns the position of the brace that closes it."""
    while position < len(text):
        character = text[position]
        if character == "}":
            return position
        if character == "#" and is_plural:
            number = _NUMBER.match(text, position)
            assert number
            spans.append(Span(position, number.end(), SpanKind.FORMAT_SPECIFIER))
        if character == "{":
            nested = _MESSAGE.match(text, position)
            if nested and depth == _MAX_NESTED:
                return None
            argument = _ARGUMENT.match(text, position)
            end = _read_message(text, nested, spans, depth + 1) if nested else argument and argument.end()
            if end is None:
                return None
            position = end
            continue
        position += 1
    return None
