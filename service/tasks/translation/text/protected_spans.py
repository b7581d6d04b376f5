"""What is carried over: what a translator would spoil, in a text."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.html import SIGNS, TAGS
from service.tasks.translation.text.tag_transfer import Span, with_verbatim

_CARRIED = (
    # Markup and its entities.
    TAGS + r"|&(?:[A-Za-z]{2,16}|#\d{1,6});"
    # Addresses, without the punctuation after them.
    r"|(?i:(?:https?|ftp)://|www\.)(?:[^\s<>\"()]|\([^\s<>\"()]*\))*(?:[\w/]|\([^\s<>\"()]*\))"
    r"|(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    # No word of an alphabet with blanks between its words (Latin, Greek, Cyrillic) is as long as this.
    r"|(?<![0-9A-Za-z_\xaa-\u052f])[0-9A-Za-z_\xaa-\u052f]{100,}"
)
_COPIED = (
    # Numbers of five digits or more, and those with two full stops: a network that writes digits one by one loses some.
    r"|(?<![\w.,])(?=(?:[.,:/-]?\d){5}|\d+\.\d+\.\d)\d+(?:[.,:/-]\d+)*(?!\w)"
    # Handles, and what programs put something else for.
    r"|(?<!\w)[@#](?=\d*[A-Za-z])\w+|\{\w*\}|(?<![\w%])%[sd](?!\w)"
)
"""Words of a sentence that are carried over where they can be copied; else they would part it."""
_JOINER = re.compile("[\u200c\u200d\ufe00-\ufe0f]")
"""Invisible parts of emoji, never taken from them."""
_ACCENTS = "\u0300-\u036f"
_SPELLINGS = {
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033",
    "'": "\u2018\u2019\u201a\u201b\u2032`\u00b4",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "...": "\u2026",
    **SIGNS,
}
"""Plain signs and those that may stand for them."""
_PLAIN = {odd: plain for plain, all_odd in _SPELLINGS.items() for odd in all_odd}


class Carried:
    """What is carried over in a text, by itself or with the sentence around it.

    Args:
        text: any.
        unknown: the characters that the vocabulary does not know.
        folds: those of them that plain ones are read for.
        copies: whether the sentence around it can be translated as a whole.
    """

    def __init__(self, text: str, unknown: set[str], folds: Mapping[str, str], *, copies: bool = False) -> None:
        marks = {mark for mark in unknown if unicodedata.category(mark) in ("Mc", "Mn") and not _JOINER.match(mark)}
        strange = _strange(unknown - folds.keys(), "".join(sorted(marks)), copies=copies)
        self.spans = with_verbatim(text, [match.span() for match in strange.finditer(text)])
        self._begins = [begin for begin, _ in self.spans]

    def among(self, start: int, stop: int) -> list[Span]:
        """What begins from `start` to before `stop`."""
        return self.spans[bisect_left(self._begins, start) : bisect_left(self._begins, stop)]

    def is_torn(self, *places: int) -> bool:
        """Whether to cut the text at one of these places would cut one of them."""
        before = (bisect_left(self._begins, place) for place in places)
        return any(last and self.spans[last - 1][1] > place for last, place in zip(before, places, strict=True))


def find_folds(unknown: set[str], subwords: Subwords) -> dict[str, str]:
    """Plain spellings that the vocabulary knows of characters that it does not: e for é, " for “, fi for ﬁ."""
    found = {}
    for character in unknown:
        if _JOINER.match(character):
            continue
        decomposed = unicodedata.normalize("NFKD", character)
        plain = _PLAIN.get(character) or "".join(part for part in decomposed if not unicodedata.combining(part))
        if plain != character and not subwords.unknown(plain) and (plain or unicodedata.combining(character)):
            found[character] = plain
    return found


def _strange(unknown: set[str], marks: str, *, copies: bool) -> re.Pattern[str]:
    """What is carried over: what always is, unknown signs, and words, such marks among them, with unknown letters."""
    letters = "".join(map(re.escape, sorted(filter(str.isalnum, unknown))))
    signs = "".join(map(re.escape, sorted(sign for sign in unknown if not sign.isalnum())))
    pattern = _CARRIED + (_COPIED if copies else "")
    if letters:
        part = rf"[\w{_ACCENTS}{marks}]"
        pattern += rf"|(?<!{part}){part}*[{letters}]{part}*"
    if signs:
        pattern += f"|[{signs}]"  # one by one: the next may begin something longer
    return re.compile(pattern, re.DOTALL)
