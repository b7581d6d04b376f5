"""Accelerators of menus: `&File`, `E&xit`, `_File`. The mark goes with its word, as a tag before it.

A mark within a word is one only if the word is known without it: `E&xit`, but not `rock&roll` and `my_file`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from service.tasks.translation.subwords import SPECIAL_CHARACTERS
from service.tasks.translation.text.spans import Span, SpanKind, gaps_between

_AND = f"[&{SPECIAL_CHARACTERS['&']}]"
_PATTERN = re.compile(
    rf"(?<![\w&/.]){_AND}(?P<first>[^\W\d_]+)(?![\w;&=])"
    rf"|(?<![\w&/.])(?P<before>[^\W\d_]+){_AND}(?P<after>[^\W\d_]+)(?![\w;&=])"
    r"|(?<![^\s>])_(?P<gtk>[^\W\d_]+)(?![\w*-])"
    r"|(?<![\w./@#-])(?P<gtk_before>[^\W\d_]+)_(?P<gtk_after>[^\W\d_]+)(?![\w./(-])"
)
_TAG = "u"
"""The element that it is treated as: an underlined letter."""


def add_accelerators(text: str, markup: Sequence[Span], is_known: Callable[[str], bool]) -> list[Span]:
    """The markup of a text with the marks of accelerators as pairs of tags, in reading order.

    The opening tag is the mark, the closing one is empty and stands at the end of the word.

    Args:
        text: any text.
        markup: its other markup, in reading order.
        is_known: whether a word in lower case is one of the language.
    """
    if not re.search(rf"{_AND}|_", text):
        return list(markup)
    underscores = text.count("_")
    result: list[Span] = []
    for (start, stop), span in zip(gaps_between(0, len(text), markup), [*markup, None], strict=True):
        for match in _PATTERN.finditer(text, start, stop):
            kind = match.lastgroup or ""
            if kind.startswith("gtk") and underscores > 1:
                continue
            word = match[kind]
            if len(word) == 1 and text[match.start() - 1 : match.start()] == "(":  # Open (&O)
                continue
            if kind in ("after", "gtk_after"):
                before = match[kind.replace("after", "before")]
                if (before.isupper() and word.isupper()) or not is_known((before + word).lower()):
                    continue
            start_of_word = match.start(kind)
            result.append(Span(start_of_word - 1, start_of_word, SpanKind.START_TAG, _TAG))
            result.append(Span(match.end(kind), match.end(kind), SpanKind.END_TAG, _TAG))
        if span:
            result.append(span)
    return result
