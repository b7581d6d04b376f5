"""Accelerators of menus: `&File`, `E&xit`, `_File`. The mark goes with its word, as a tag before it.

A mark within a word is one only if the word is known without it: `E&xit`, but not `rock&roll`. An underscore is one
only if the word begins with a capital, too, and does not consist of two words: `E_xit`, but not `user_name` and
`User_name`. In an address, or in something that a program puts a value into, there are no marks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from service.tasks.translation.subwords import SPECIAL_CHARACTERS
from service.tasks.translation.text.format_specifiers import FORMAT_SPECIFIER
from service.tasks.translation.text.spans import ADDRESS, Range, Span, SpanKind, gaps_between

_AND = f"[&{SPECIAL_CHARACTERS['&']}]"
_PATTERN = re.compile(
    rf"(?<![\w&/.]){_AND}(?P<first>[^\W\d_]+)(?![\w;&=])"
    rf"|(?<![\w&/.])(?P<before>[^\W\d_]+){_AND}(?P<after>[^\W\d_]+)(?![\w;&=])"
    r"|(?<![^\s>])_(?P<gtk>[^\W\d_]+)(?![\w*-])"
    r"|(?<![\w./@#-])(?P<gtk_before>[^\W\d_]+)_(?P<gtk_after>[^\W\d_]+)(?![\w./(-])"
)
_PROTECTED = re.compile(f"{ADDRESS}|{FORMAT_SPECIFIER}")
_TAG = "u"
"""The element that it is treated as: an underlined letter."""
_SHORTEST_WORD = 3
"""Letters of a word that may be a part of an identifier: shorter ones are the beginnings and ends of words."""


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
    result: list[Span] = []
    for (start, stop), span in zip(gaps_between(0, len(text), markup), [*markup, None], strict=True):
        protected = list(_PROTECTED.finditer(text, start, stop))
        underscores = text.count("_", start, stop) - sum(match.group().count("_") for match in protected)
        for match in _outside(protected, _PATTERN.finditer(text, start, stop)):
            word = _marked_word(match, is_known)
            if word is None or (underscores > 1 and text[word[0] - 1] == "_"):
                continue
            result.append(Span(word[0] - 1, word[0], SpanKind.START_TAG, _TAG))
            result.append(Span(word[1], word[1], SpanKind.END_TAG, _TAG))
        if span:
            result.append(span)
    return result


def _outside(protected: Iterable[re.Match[str]], matches: Iterable[re.Match[str]]) -> Iterator[re.Match[str]]:
    """The matches that are not a part of something protected; both are in reading order."""
    remaining = iter(protected)
    following = next(remaining, None)
    for match in matches:
        while following and following.end() < match.end():
            following = next(remaining, None)
        is_part = following and following.start() <= match.start() and following.group() != match.group()
        if not is_part:
            yield match


def _marked_word(match: re.Match[str], is_known: Callable[[str], bool]) -> Range | None:
    """Where the letters after the mark are; None if it is no mark."""
    kind = match.lastgroup or ""
    word = match[kind]
    if len(word) == 1 and match.string[match.start() - 1 : match.start()] == "(":  # Open (&O)
        return None
    if kind in ("after", "gtk_after"):
        before = match[kind.replace("after", "before")]
        if (before.isupper() and word.isupper()) or not is_known((before + word).lower()):
            return None
        if kind == "gtk_after" and (not before.istitle() or not word.islower() or _are_words(before, word, is_known)):
            return None
    return match.span(kind)


def _are_words(before: str, after: str, is_known: Callable[[str], bool]) -> bool:
    return min(len(before), len(after)) >= _SHORTEST_WORD and is_known(before.lower()) and is_known(after)
