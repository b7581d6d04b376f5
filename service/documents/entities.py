"""Entities of HTML in texts of documents."""

from __future__ import annotations

import html
import re

_LONG_REFERENCE = re.compile(r"(&#(?:[0-9]{100,}+|[xX][0-9a-fA-F]{100,}+);?)")
"""A reference to a character with more digits than any character has; `int` refuses 4,300 digits."""


def decode_entities(text: str) -> str:
    """A text with its entities and character references decoded; references of 100 digits and more stay as they are."""
    if "&" not in text:
        return text
    parts = _LONG_REFERENCE.split(text)
    return "".join(part if index % 2 else html.unescape(part) for index, part in enumerate(parts))
