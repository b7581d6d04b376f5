"""Inline markup of other formats than HTML and Markdown as pairs of tags, so that it is put around what it enclosed.

Numbered components (`<0>here</0>`: Lingui, react-i18next), BBCode (`[b]here[/b]`), italics and bold of MediaWiki
(`''here''`) and commands of LaTeX that hold words (`\\emph{here}`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from service.tasks.translation.text.spans import Span, SpanKind, gaps_between, in_reading_order

_BBCODE = {
    **{name: name for name in ("b", "i", "u", "s", "sub", "sup")},
    **dict.fromkeys(("url", "email"), "a"),
    **dict.fromkeys(("color", "size", "font", "spoiler", "highlight"), "span"),
    **dict.fromkeys(("quote", "center", "left", "right", "list", "table", "tr", "td", "li"), "div"),
}
"""The element that each tag is treated as."""
_LATEX = "textbf|textit|textsc|textrm|textsf|emph|underline|section|subsection|subsubsection|chapter|title|caption"
_VERBATIM = (
    r"(?i:\[(?P<verbatim>img|code|youtube|video|audio)(?:=[^\[\]\n]{1,300})?\][^\[\]\n]{0,1000}\[/(?P=verbatim)\])"
)
_BRACKETED = rf"(?i:\[(?P<slash>/?)(?P<bbcode>{'|'.join(_BBCODE)})(?:=[^\[\]\n]{{1,300}})?\])"
_NUMBERED = r"<(?P<end>/?)(?P<number>\d{1,2})>"
_WIKI = r"(?<!')(?P<quotes>'{2,3})(?=[^\s'])(?P<wiki>(?:[^'\n]|'(?!')){1,300})(?<=\S)(?P=quotes)(?!')"
_COMMAND = rf"(?P<command>\\(?:{_LATEX})\*?\{{)(?P<latex>[^{{}}\n]{{1,300}})\}}"
_PATTERN = re.compile("|".join((_VERBATIM, _BRACKETED, _NUMBERED, _WIKI, _COMMAND)))
_SPECIAL = re.compile(r"\[/|</\d|''|\\[a-z]")


def add_inline_codes(text: str, markup: Sequence[Span]) -> list[Span]:
    """The markup of a text with such tags, in reading order; opening ones only if there is a closing one of their name.

    Args:
        text: any text.
        markup: its other markup, in reading order; nothing in it is read as such a tag.
    """
    if not _SPECIAL.search(text):
        return list(markup)
    gaps = gaps_between(0, len(text), markup)
    matches = [match for gap in gaps for match in _PATTERN.finditer(text, *gap)]
    tags = [_name(match) for match in matches if match["number"] or match["bbcode"]]
    closed = {name for name, is_end in tags if is_end} & {name for name, is_end in tags if not is_end}
    return in_reading_order([*markup, *(span for match in matches for span in _spans(match, closed))])


def _name(match: re.Match[str]) -> tuple[str, bool]:
    """The name of a tag, and whether it is a closing one."""
    return (match["number"] or match["bbcode"].lower(), bool(match["end"] or match["slash"]))


def _spans(match: re.Match[str], closed: set[str]) -> Iterator[Span]:
    words = "wiki" if match["wiki"] else "latex"
    if match["verbatim"]:
        yield Span(*match.span(), SpanKind.VERBATIM, "code")
    elif match[words]:
        element = "b" if match["quotes"] == "'''" else "i"
        yield Span(match.start(), match.start(words), SpanKind.START_TAG, element)
        yield Span(match.end(words), match.end(), SpanKind.END_TAG, element)
    else:
        name, is_end = _name(match)
        if name in closed:
            kind = SpanKind.END_TAG if is_end else SpanKind.START_TAG
            yield Span(*match.span(), kind, _BBCODE.get(name, "span"))
