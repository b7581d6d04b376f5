"""Words with subscripts and superscripts, as HTML writes them: `H<sub>2</sub>O`, `2<sup>nd</sup>`, `dog<sup>1</sup>`.

A chemical formula, a number, a unit or a variable is copied with its scripts. Of other words only the script is, such
as the mark of a footnote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.tasks.translation.text.spans import Span, SpanKind

_ELEMENTS = frozenset(["sub", "sup"])
_MAX_CONTENT = 8
"""Characters of the longest script; a longer one is words."""
_MAX_BASE = 40
_BASE = re.compile(r"[\w.,]*\Z")
_REST = re.compile(r"\w*")
_COPIED_BASE = re.compile(r"\d[\w.,]*|[A-Za-z]{1,2}|(?:[A-Z][a-z]?\d*){1,8}")
"""A number, a unit, a variable, or chemical elements."""


def merge_scripts(text: str, markup: Sequence[Span]) -> list[Span]:
    """The markup of a text with one verbatim span for each script or word with scripts, in reading order.

    Args:
        text: any text.
        markup: its tags, from `html.find_markup`.
    """
    if not any(span.name in _ELEMENTS for span in markup):
        return list(markup)
    result: list[Span] = []
    index = 0
    while index < len(markup):
        span = markup[index]
        if not _is_script(text, markup, index):
            result.append(span)
            index += 1
            continue
        floor = max(result[-1].end if result else 0, span.start - _MAX_BASE)
        base = _BASE.search(text, floor, span.start)
        assert base
        if _COPIED_BASE.fullmatch(base.group()):
            index, end = _end_of_word(text, markup, index)
            result.append(Span(base.start(), end, SpanKind.VERBATIM, span.name))
        elif base.group()[-1:].isalpha():
            result.append(Span(span.start, markup[index + 1].end, SpanKind.VERBATIM, span.name))
            index += 2
        else:
            result += markup[index : index + 2]
            index += 2
    return result


def _is_script(text: str, markup: Sequence[Span], index: int) -> bool:
    """Whether the tag at an index opens a short script without tags or spaces in it."""
    opening, closing = markup[index], markup[index + 1] if index + 1 < len(markup) else None
    if opening.kind is not SpanKind.START_TAG or opening.name not in _ELEMENTS or closing is None:
        return False
    content = text[opening.end : closing.start]
    is_closed = closing.kind is SpanKind.END_TAG and closing.name == opening.name
    return is_closed and 0 < len(content) <= _MAX_CONTENT and not any(map(str.isspace, content))


def _end_of_word(text: str, markup: Sequence[Span], index: int) -> tuple[int, int]:
    """The index of the first tag after the word whose first script opens at `index`, and the end of the word."""
    while True:
        index += 2
        end = markup[index - 1].end
        rest = _REST.match(text, end, markup[index].start if index < len(markup) else len(text))
        assert rest
        end = rest.end()
        if not (index < len(markup) and markup[index].start == end and _is_script(text, markup, index)):
            return index, end
