"""Markdown's links and emphasis as pairs of tags, so that they are put around the translation of what they enclose.

Only what CommonMark surely reads as markup: delimiters beside words, closed in the same line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.tasks.translation.text.format_specifiers import IDENTIFIER
from service.tasks.translation.text.spans import Span, SpanKind, gaps_between

_ELEMENTS = {"**": "b", "__": "b", "*": "i", "_": "i", "~~": "s"}
_LINK = r"(?P<LINK>!?\[)(?P<label>[^\[\]\n]{1,300})(?P<END>\]\([^()\s]{1,500}(?: \"[^\"\n]{0,100}\")?\))"
_EMPHASIS = (
    rf"(?!{IDENTIFIER})"
    r"(?<![\w*_~\\])(?P<MARK>\*\*|__|~~|\*|_)(?=[^\s*_~])(?P<words>[^*_~\n]{1,300})(?<=[^\s*_~])(?P=MARK)(?![\w*_~])"
)
_PATTERN = re.compile(f"{_LINK}|{_EMPHASIS}")
_SPECIAL = re.compile(r"[*_~]|\]\(")


def add_markdown(text: str, markup: Sequence[Span]) -> list[Span]:
    """The markup of a text with the pairs of tags that Markdown's links and emphasis are, in reading order.

    Args:
        text: any text.
        markup: its other markup, in reading order; nothing in it is read as Markdown.
    """
    if not _SPECIAL.search(text):
        return list(markup)
    result: list[Span] = []
    for (start, stop), span in zip(gaps_between(0, len(text), markup), [*markup, None], strict=True):
        for match in _PATTERN.finditer(text, start, stop):
            if match["LINK"]:
                opening, closing, name = match.span("LINK"), match.span("END"), "a"
            else:
                mark, name = match["MARK"], _ELEMENTS[match["MARK"]]
                opening, closing = match.span("MARK"), (match.end() - len(mark), match.end())
            result.append(Span(*opening, SpanKind.START_TAG, name))
            result.append(Span(*closing, SpanKind.END_TAG, name))
        if span:
            result.append(span)
    return result
