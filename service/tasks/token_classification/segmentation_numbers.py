"""Numbers in digits that are one token, whatever a segmenter's network says of the characters within them.

A network learns that only of numbers that are like those of its treebank. These kinds are whole in UD English EWT,
French GSD and German GSD alike: of 1,000 points, commas and colons between two digits one ends a token, and all 300
currency signs beside a digit are tokens. Training checks that its treebank does so. Of `1/2` and `2007-2008`, which
treebanks cut differently, the network decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.tasks.token_classification.segmentation_characters import END_OF_TOKEN, INSIDE, Paragraph
from service.tasks.token_classification.segmentation_schema import InnerSpaces

_CURRENCIES = "$€£¥¢₹₽₺₩₪₫₴₿"
_GAPS = frozenset(" \u00a0\u2009\u202f")
"""White space within a number: a space, a no-break or a thin one; not a tab or several."""

_SEPARATED = re.compile(r"\d+(?:[.,:]\d+)+|(?<![\d/-])\d{1,4}([/-])\d{1,2}\1\d{1,4}(?![\d/-])")
"""`12,50`, `1.234,56`, `12:30`, `01.01.2012`, `06.12.34.56.78`; the dates `01/02/2024` and `2024-02-01`"""
_GROUPED = re.compile(r"(?<![\d.,:/-])(?<!\d )(?:\d{1,3}(?: \d{3})+(?:[.,]\d+)?|0\d(?: \d\d){3,})(?![\d/-]| \d)")
"""`10 000`, `1 234 567,89`; the telephone number `01 23 45 67 89`"""
_WITH_SIGN = re.compile(rf"(?<![\w%/=?&#.-])[+-]?\d(?:[\d.,]*\d)?([%‰{_CURRENCIES}])(?!\w)")
"""`3,5%`, `12,50€`; not of an address, as in `a=1%20`"""
_AFTER_CURRENCY = re.compile(rf"(?<![\w%/=?&#.-])[{_CURRENCIES}](?=\d)")
"""`$5`"""
_SLASH = re.compile(r"(?<=\d)/(?=\d)")
_TIME = re.compile(r"(?<![\w.,:])\d{1,2}([^\W\d_])(?:\d{2})?(?!\w)")
"""`12h30`, `8h`"""


class NumberRules(NamedTuple):
    """What a treebank does with numbers."""

    whole: bool = False
    """Numbers with separators are one token, and percent and currency signs beside them another."""
    time_letters: str = ""
    """Letters, in lower case, that are tokens of their own in times of day: `h` if `12h30` is cut into three."""


BY_THE_NETWORK = NumberRules()


def number_spans(text: str, paragraph: Paragraph, inner_spaces: InnerSpaces) -> list[tuple[int, int]]:
    """The numbers of a paragraph that have separators, as ranges of its characters.

    Args:
        text: the whole text.
        paragraph: one of its paragraphs.
        inner_spaces: the tokens that may hold a space; numbers in groups are found if these may.
    """
    spans = [match.span() for match in _SEPARATED.finditer(paragraph.characters)]
    if inner_spaces != "none":
        spans += [
            match.span()
            for match in _GROUPED.finditer(paragraph.characters)
            if _is_spaced_plainly(text, paragraph, match)
        ]
    return spans


def times_of_day(characters: str) -> Iterator[tuple[int, str]]:
    """Where a time of day has its letter, and that letter in lower case."""
    return ((match.start(1), match[1].lower()) for match in _TIME.finditer(characters))


def with_number_rules(
    text: str, paragraph: Paragraph, labels: NDArray[np.integer[Any]], inner_spaces: InnerSpaces, rules: NumberRules
) -> NDArray[np.integer[Any]]:
    """The labels of a paragraph's characters, [T], after the rules for numbers.

    Args:
        text: the whole text.
        paragraph: one of its paragraphs, of T characters.
        labels: what the network says: inside a token, its end, or the end of a sentence too.
        inner_spaces: the tokens that may hold a space.
        rules: what the treebank does.
    """
    characters = paragraph.characters
    if not any(map(str.isdigit, characters)):
        return labels
    labels = labels.copy()
    ends = [last for at, letter in times_of_day(characters) if letter in rules.time_letters for last in (at - 1, at)]
    if rules.whole:
        for start, end in number_spans(text, paragraph, inner_spaces):
            labels[start : end - 1] = INSIDE
        ends += [last for match in _WITH_SIGN.finditer(characters) for last in (match.start(1) - 1, match.start(1))]
        ends += [match.start() for match in _AFTER_CURRENCY.finditer(characters)]
        # A slash where a token ends is a token of its own.
        ends += [at - 1 for match in _SLASH.finditer(characters) if labels[at := match.start()] != INSIDE]
    for last in ends:
        labels[last] = max(labels[last], END_OF_TOKEN)
    return labels


def _is_spaced_plainly(text: str, paragraph: Paragraph, match: re.Match[str]) -> bool:
    """Whether the groups of a number stand beside each other, and not in two columns or lines."""
    gaps = [index for index in range(*match.span()) if paragraph.characters[index] == " "]
    return all(text[paragraph.starts[index] : paragraph.ends[index]] in _GAPS for index in gaps)
