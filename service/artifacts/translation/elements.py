"""Elements within a sentence, as in `a <b>red</b> car`: taken out before it is translated, put back by attention.

An element is a tag, the tag that ends it and what stands between them. In the translation it stands around the pieces
that attended to what it stood around, so that the sentence is translated as a whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.artifacts.subwords import Subwords

_TAG = re.compile(
    "<(/?)(a|abbr|b|bdi|bdo|big|cite|del|dfn|em|font|i|ins|mark|q|s|small|span|strike|strong|sub|sup|u)"
    r"(?:\s[^<>]*)?(?<!/)>",
    re.IGNORECASE,
)
"""Of HTML's elements those whose words are a part of the sentence; those of `code`, say, are none."""

_SHARE = 0.5
"""A piece stands in an element where it attended to the element's pieces by more than this."""


class Tags(NamedTuple):
    """Where the two tags of an element begin and end in the text."""

    opening: tuple[int, int]
    closing: tuple[int, int]


@dataclass(frozen=True)
class Element:
    """The pieces from `first` to before `end` of a segment, and the tags around them."""

    opening: str
    closing: str
    first: int
    end: int
    inner: list[Element] = field(default_factory=list)
    """Elements within it, in reading order."""


def find_tags(text: str, found: Sequence[re.Match[str]], start: int, stop: int) -> list[Tags]:
    """The elements that are part of a sentence, in the order of their opening tags.

    Not those that hold no letter or digit, or anything that is carried over, nor those that stand around all that is
    translated together: their tags are carried over themselves.

    Args:
        text: the sentence is `text[start:stop]`.
        found: what would be carried over of it, in reading order.
        start: of the sentence.
        stop: of the sentence.
    """
    tags = [_TAG.fullmatch(match.group()) for match in found]
    if not any(tags):
        return []
    edges = [start, *(edge for match in found for edge in match.span()), stop]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    counts = list(accumulate(sum(map(str.isalnum, text[begin:end])) for begin, end in gaps))  # before each of them
    pairs = _pairs(tags, counts)
    inside = {place for pair in pairs for place in pair}
    others = iter([*(place for place in range(len(found)) if place not in inside), len(found)])
    kept, low, high = [], -1, next(others)
    for opening, closing in pairs:
        while high < opening:
            low, high = high, next(others)
        if counts[closing] - counts[opening] < counts[high] - (counts[low] if low >= 0 else 0):
            kept.append(Tags(found[opening].span(), found[closing].span()))
        else:
            low = opening  # what is in it is translated by itself
    return kept


def read_elements(text: str, tags: Sequence[Tags], pieces: Callable[[int, int], tuple[int, int]]) -> list[Element]:
    """The elements of a segment, as a forest.

    Args:
        text: that the tags are in.
        tags: of the segment, in the order of their opening tags.
        pieces: the first piece, and that after the last, of what stands between two places in the text.
    """
    found: list[Element] = []
    around: list[tuple[int, list[Element]]] = []
    for opening, closing in tags:
        element = Element(text[slice(*opening)], text[slice(*closing)], *pieces(opening[1], closing[0]))
        while around and around[-1][0] < opening[0]:
            around.pop()
        (around[-1][1] if around else found).append(element)
        around.append((closing[0], element.inner))
    return found


def with_elements(
    tokens: Sequence[int],
    attention: NDArray[np.float32],
    elements: Sequence[Element],
    subwords: Subwords,
    cased: Callable[[str], str],
) -> str:
    """A translated segment with its elements.

    Args:
        tokens: of the translation, T of them, without END.
        attention: of each of them, and maybe of END, [T or more, S].
        elements: of the segment.
        subwords: of the target.
        cased: what is done to the words.
    """
    return _Writer(tokens, attention, subwords, cased).written(elements, 0, len(tokens), at=0)


class _Writer:
    """Writes one translation."""

    def __init__(
        self,
        tokens: Sequence[int],
        attention: NDArray[np.float32],
        subwords: Subwords,
        cased: Callable[[str], str],
    ) -> None:
        self._attention = attention[: len(tokens)]
        self._cased = cased
        self._text = subwords.decode(tokens)
        self._ends = [len(subwords.decode(tokens[:count])) for count in range(len(tokens) + 1)]
        pieces = [subwords.piece(token) for token in tokens]
        self._goes_on = [
            place > 0 and piece[0].isalnum() and pieces[place - 1][-1].isalnum() for place, piece in enumerate(pieces)
        ]
        """Whether a piece is in one word with that before it."""

    def written(self, elements: Sequence[Element], low: int, high: int, at: int) -> str:
        """The pieces from `low`, which begins at `at`, to before `high`, with the elements among them."""
        parts: list[str] = []
        for (start, end), element in sorted(self._places(elements, low, high), key=lambda entry: entry[0]):
            begin = self._begin(start) if start < end else self._ends[end]
            parts += self._cased(self._text[at:begin]), element.opening
            parts += self.written(element.inner, start, end, begin), element.closing
            at = max(begin, self._ends[end])
        return "".join([*parts, self._cased(self._text[at : max(at, self._ends[high])])])

    def _begin(self, place: int) -> int:
        """Where a piece begins in the text, after the blank before it."""
        at = self._ends[place]
        return at + (at < len(self._text) and self._text[at] == " " and place < len(self._ends) - 1)

    def _places(self, elements: Sequence[Element], low: int, high: int) -> Iterator[tuple[tuple[int, int], Element]]:
        """Which pieces each element stands around; no piece is in two of them, nor a word torn."""
        free = np.zeros(len(self._attention) + 1, bool)
        free[low:high] = True
        for element in elements:
            gains = self._attention[:, element.first : element.end].sum(1) - _SHARE
            start, end = _best_run(gains, free)
            while start < end and self._goes_on[start] and free[start - 1]:
                start -= 1
            while start < end < high and self._goes_on[end] and free[end]:
                end += 1
            free[start:end] = False
            yield (start, end) if start < end else (high, high), element


def _best_run(gains: NDArray[np.float32], free: NDArray[np.bool_]) -> tuple[int, int]:
    """The run of free places with the highest sum, at least one place long; (0, 0) where none is free."""
    best, found = -np.inf, (0, 0)
    total, start = 0.0, 0
    for place, gain in enumerate(gains.tolist()):
        if not free[place]:
            total, start = 0.0, place + 1
            continue
        if total <= 0:
            total, start = 0.0, place
        total += gain
        if total > best:
            best, found = total, (start, place + 1)
    return found


@dataclass
class _Open:
    """A tag that is not ended yet."""

    name: str
    place: int
    whole: bool = True
    """Whether nothing but elements is in it so far."""


def _pairs(tags: Sequence[re.Match[str] | None], counts: Sequence[int]) -> list[tuple[int, int]]:
    """Places of two tags each that make an element, with words and nothing else but elements in it, by the first."""
    found: list[tuple[int, int]] = []
    opened: list[_Open] = []
    names: Counter[str] = Counter()
    for place, tag in enumerate(tags):
        name = tag[2].lower() if tag else ""
        if tag and not tag[1]:
            opened.append(_Open(name, place))
            names[name] += 1
            continue
        if names[name]:
            others = 0
            while opened[-1].name != name:
                names[opened.pop().name] -= 1
                others += 1
            begun = opened.pop()
            names[name] -= 1
            if begun.whole and not others and counts[place] > counts[begun.place]:
                found.append((begun.place, place))
                continue
        if opened:
            opened[-1].whole = False
    return sorted(found)
