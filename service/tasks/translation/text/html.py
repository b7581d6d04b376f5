"""HTML syntax: tags and comments, and entities with the characters that they stand for."""

from __future__ import annotations

import html
import re

from service.tasks.translation.text.tag_transfer import gaps_between, merge_verbatim_elements

TAGS = (
    r"<!--(?:(?!<!--).)*?-->|<!\[CDATA\[(?:(?!<!\[CDATA\[).)*?\]\]>"
    r"|</?[A-Za-z][^<>]*>|<![A-Za-z][^<>]*>|<\?[A-Za-z][^<>]*>"
)
MARKUP = re.compile(TAGS, re.DOTALL)
"""A tag, a comment or a declaration."""

_ENTITY = re.compile(r"&(?:[A-Za-z][0-9A-Za-z]{1,30}|#\d{1,7}|#[Xx][0-9A-Fa-f]{1,6});")
SPECIAL_CHARACTERS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2"}
"""Stand-ins for characters decoded from entities, so that they are not read as markup; Unicode noncharacters."""
_ENTITIES = {ord(substitute): html.escape(character) for character, substitute in SPECIAL_CHARACTERS.items()}


def escape(text: str) -> str:
    """Turn a part of a text from `decode_entities` that is kept as it is back into HTML."""
    return text.translate(_ENTITIES)


def decode_entities(text: str) -> str:
    """Replace the entities of an HTML text by their characters, except in tags and in elements kept verbatim."""
    markup = merge_verbatim_elements(text, [match.span() for match in MARKUP.finditer(text)])
    parts = [_ENTITY.sub(_decode, text[begin:end]) for begin, end in gaps_between(0, len(text), markup)]
    kept = [text[begin:end] for begin, end in markup]
    return "".join(part for pair in zip(parts, [*kept, ""], strict=True) for part in pair)


def _decode(entity: re.Match[str]) -> str:
    character = html.unescape(entity.group())
    return SPECIAL_CHARACTERS.get(character, character)
