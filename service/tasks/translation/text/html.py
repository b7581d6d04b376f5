"""HTML's own signs: tags and comments, and entities with the characters that they stand for."""

from __future__ import annotations

import html
import re

from service.tasks.translation.text.tag_transfer import between, with_verbatim

TAGS = (
    r"<!--(?:(?!<!--).)*?-->|<!\[CDATA\[(?:(?!<!\[CDATA\[).)*?\]\]>"
    r"|</?[A-Za-z][^<>]*>|<![A-Za-z][^<>]*>|<\?[A-Za-z][^<>]*>"
)
MARKUP = re.compile(TAGS, re.DOTALL)
"""A tag, a comment, a declaration."""

_ENTITY = re.compile(r"&(?:[A-Za-z][0-9A-Za-z]{1,30}|#\d{1,7}|#[Xx][0-9A-Fa-f]{1,6});")
SIGNS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2"}
"""What stands for a sign that would be taken for HTML's own: noncharacters, which Unicode has for such use."""
_WRITTEN = {ord(stand_in): html.escape(sign) for sign, stand_in in SIGNS.items()}


def escaped(text: str) -> str:
    """What is carried over of HTML `with_characters`, as HTML again."""
    return text.translate(_WRITTEN)


def with_characters(text: str) -> str:
    """HTML with what its entities stand for, but for those in tags and in what is never translated."""
    markup = with_verbatim(text, [match.span() for match in MARKUP.finditer(text)])
    parts = [_ENTITY.sub(_character, text[begin:end]) for begin, end in between(0, len(text), markup)]
    kept = [text[begin:end] for begin, end in markup]
    return "".join(part for pair in zip(parts, [*kept, ""], strict=True) for part in pair)


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for."""
    found = html.unescape(entity.group())
    return SIGNS.get(found, found)
