"""Finds protected spans: the parts of a text that must come through translation unchanged."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.html import SPECIAL_CHARACTERS, TAGS
from service.tasks.translation.text.tag_transfer import Span, merge_verbatim_elements

_PROTECTED = (
    # Markup and its entities.
    TAGS + r"|&(?:[A-Za-z]{2,16}|#\d{1,6});"
    # Addresses, without the punctuation after them.
    r"|(?i:(?:https?|ftp)://|www\.)(?:[^\s<>\"()]|\([^\s<>\"()]*\))*(?:[\w/]|\([^\s<>\"()]*\))"
    r"|(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    # No word of an alphabet with spaces between its words (Latin, Greek, Cyrillic) is as long as this.
    r"|(?<![0-9A-Za-z_\xaa-\u052f])[0-9A-Za-z_\xaa-\u052f]{100,}"
)
_PROTECTED_BY_PLACEHOLDERS = (
    # Numbers of five digits or more, or with two full stops: a network that writes single digits loses some.
    r"|(?<![\w.,])(?=(?:[.,:/-]?\d){5}|\d+\.\d+\.\d)\d+(?:[.,:/-]\d+)*(?!\w)"
    # Handles, hash tags, and the placeholders of format strings.
    r"|(?<!\w)[@#](?=\d*[A-Za-z])\w+|\{\w*\}|(?<![\w%])%[sd](?!\w)"
)
"""Words of a sentence that are protected only if placeholders can stand for them; otherwise they would split it."""
_JOINER = re.compile("[\u200c\u200d\ufe00-\ufe0f]")
"""Invisible parts of emoji, which are never separated from them."""
_ACCENTS = "\u0300-\u036f"
_SPELLINGS = {
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033",
    "'": "\u2018\u2019\u201a\u201b\u2032`\u00b4",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "...": "\u2026",
    **SPECIAL_CHARACTERS,
}
"""ASCII punctuation, and the characters that can be folded to it."""
_FOLDED_PUNCTUATION = {variant: plain for plain, variants in _SPELLINGS.items() for variant in variants}


class ProtectedSpans:
    """The protected spans of a text, in reading order.

    Args:
        text: any text.
        unknown: its characters that are not in the vocabulary.
        folds: the known spelling of some of them, see `find_folds`.
        placeholders: whether placeholders can stand for protected spans within a sentence.
    """

    def __init__(self, text: str, unknown: set[str], folds: Mapping[str, str], *, placeholders: bool = False) -> None:
        marks = {mark for mark in unknown if unicodedata.category(mark) in ("Mc", "Mn") and not _JOINER.match(mark)}
        pattern = _pattern(unknown - folds.keys(), "".join(sorted(marks)), placeholders=placeholders)
        self.spans = merge_verbatim_elements(text, [match.span() for match in pattern.finditer(text)])
        self._starts = [start for start, _ in self.spans]

    def within(self, start: int, stop: int) -> list[Span]:
        """The spans that start in `text[start:stop]`."""
        return self.spans[bisect_left(self._starts, start) : bisect_left(self._starts, stop)]

    def is_inside(self, *positions: int) -> bool:
        """Whether splitting the text at one of the positions would split a span."""
        preceding = (bisect_left(self._starts, position) for position in positions)
        return any(
            count and self.spans[count - 1][1] > position for position, count in zip(positions, preceding, strict=True)
        )


def find_folds(unknown: set[str], subwords: Subwords) -> dict[str, str]:
    """Known spellings of characters that are not in the vocabulary: e for é, " for “, fi for ﬁ."""
    folds = {}
    for character in unknown:
        if _JOINER.match(character):
            continue
        decomposed = unicodedata.normalize("NFKD", character)
        plain = _FOLDED_PUNCTUATION.get(character) or "".join(
            part for part in decomposed if not unicodedata.combining(part)
        )
        if (
            plain != character
            and not subwords.unknown_characters(plain)
            and (plain or unicodedata.combining(character))
        ):
            folds[character] = plain
    return folds


def _pattern(unknown: set[str], marks: str, *, placeholders: bool) -> re.Pattern[str]:
    """Matches what is always protected, unknown symbols, and words with unknown letters (`marks` belong to words)."""
    letters = "".join(map(re.escape, sorted(filter(str.isalnum, unknown))))
    symbols = "".join(map(re.escape, sorted(symbol for symbol in unknown if not symbol.isalnum())))
    pattern = _PROTECTED + (_PROTECTED_BY_PLACEHOLDERS if placeholders else "")
    if letters:
        part = rf"[\w{_ACCENTS}{marks}]"
        pattern += rf"|(?<!{part}){part}*[{letters}]{part}*"
    if symbols:
        pattern += f"|[{symbols}]"  # one at a time: the next character may begin something longer
    return re.compile(pattern, re.DOTALL)
