"""What the segmenter reads of a text: its paragraphs as characters, each with its offsets in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from service.text.characters import MARKS
from service.text.lines import Lines

INSIDE, END_OF_TOKEN, END_OF_SENTENCE = 0, 1, 2
"""The segmenter's labels of a character."""

PADDING = 0
CLASSES = ("lower-case letter", "upper-case letter", "other letter", "digit", "punctuation", "other")
"""Classes of characters that are not known; class i has row i + 1."""
_FIRST_CHARACTER = 1 + len(CLASSES)

_SAME = {"\u2019": "'", "\u02bc": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2011": "-", "\u2010": "-"}
"""Characters that are read as another one if they are not known."""

_EXTENDERS = f"{MARKS}\U0001f3fb-\U0001f3ff"
_CLUSTER = re.compile(rf"\s+|.[{_EXTENDERS}]*(?:\u200d[^\s\u200d][{_EXTENDERS}]*)*", re.DOTALL)
"""A run of white space, or a character with its accents, or an emoji of several parts."""
_READ_OF_CLUSTER = 8
"""Code points of a cluster that are composed; ordering many accents takes quadratic time."""


class Paragraph(NamedTuple):
    """The characters of a paragraph, without white space around it."""

    characters: str
    """Composed; a run of white space is one space."""
    starts: list[int]
    """Offset of each character in the text."""
    ends: list[int]


def paragraphs(text: str) -> Iterator[Paragraph]:
    """The parts of a text between the line breaks that end a sentence; none is empty."""
    for start, end in pairwise([*Lines(text).parts(), len(text)]):
        yield from _paragraph(text, start, end)


def _paragraph(text: str, start: int, end: int) -> Iterator[Paragraph]:
    characters: list[str] = []
    starts, ends = [], []
    for match in _CLUSTER.finditer(text, start, end):
        cluster = match.group()
        if cluster.isspace():
            if not characters or match.end() == end:
                continue
            cluster = " "
        elif len(cluster) > 1:
            cluster = unicodedata.normalize("NFC", cluster[:_READ_OF_CLUSTER])[0]
        characters.append(cluster)
        starts.append(match.start())
        ends.append(match.end())
    if characters:
        yield Paragraph("".join(characters), starts, ends)


class CharacterIds(dict[str, int]):
    """The row of each character in the segmenter's table; 0 is padding, then come the classes of unknown characters.

    Args:
        characters: the known characters, each once.
    """

    def __init__(self, characters: str) -> None:
        super().__init__({character: row for row, character in enumerate(characters, start=_FIRST_CHARACTER)})
        self.rows = len(characters) + _FIRST_CHARACTER

    def __missing__(self, character: str) -> int:
        """The row of a similar known character, or of the character's class."""
        base = unicodedata.normalize("NFKD", character)[0]
        for similar in (_SAME.get(character, ""), base):
            row = self.get(similar)
            if row is not None:
                return row
        return character_class(character)


def character_class(character: str) -> int:
    """The row of the class of a character that is not known."""
    category = unicodedata.category(character)
    if category[0] == "L":
        return {"Ll": 1, "Lu": 2, "Lt": 2}.get(category, 3)
    return {"N": 4, "P": 5}.get(category[0], 6)
