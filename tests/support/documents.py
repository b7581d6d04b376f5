"""Documents in tests: reading, translating by a function, writing."""

from __future__ import annotations

import re
from collections.abc import Callable

from service.documents import DocumentLimits, read_document

_MARKUP = re.compile(r"</?[a-z][^>]*>|&\w+;|&#\w+;")


def upper(text: str, *, is_html: bool = False) -> str:
    """A fake translation: the text in capitals, with its tags and entities."""
    parts: list[str] = []
    end = 0
    for markup in _MARKUP.finditer(text):
        parts += text[end : markup.start()].upper(), markup.group()
        end = markup.end()
    return "".join([*parts, text[end:].upper()])


def translate(
    name: str,
    content: bytes,
    translator: Callable[..., str] = upper,
    *,
    target: str = "de",
    limits: DocumentLimits | None = None,
) -> bytes:
    """A document with every segment translated by a function of its text and `is_html`."""
    document = read_document(name, content, limits or DocumentLimits())
    translations = [translator(text, is_html=is_html) for text, is_html in document.segments]
    return document.write(translations, target)


def same(text: str, *, is_html: bool = False) -> str:
    """The text as it is."""
    return text
