"""Elements: what is never translated, as `<code>`, and what stands within a sentence, as in `a <b>red</b> car`.

An element is a tag, the tag that ends it and what stands between them. Those within a sentence are taken out before it
is translated, and put back by attention: around the pieces that attended to what they stood around. So the sentence is
translated as a whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.tasks.translation.subwords import Subwords

_INLINE = "a|abbr|b|bdi|bdo|big|cite|del|dfn|em|font|i|ins|mark|q|s|small|span|strike|strong|sub|sup|u"
"""Of HTML's elements those whose words are a part of the sentence; those of `code`, say, are none."""
_TAG = re.compile(rf"<(/?)({_INLINE})(?:\s[^<>]*)?(?<!/)>", re.IGNORECASE)

_VERBATIM = re.compile(
    r"<(?:code|kbd|math|pre|samp|script|style|svg|textarea|var)(?![^\s/>])[^<>]*(?<!/)>"
    r"|<[A-Za-z][^<>]*\s(?:translate\s*=\s*[\"']?no(?![^\s\"'/>])|class\s*=\s*[\"'][^\"'<>]*\bnotranslate\b)[^<>]*(?<!/)>",
    re.IGNORECASE,
)
"""Begins what is never translated."""
_WORD = re.compile(rf"<(?:{_INLINE}|code|kbd|math|samp|svg|var)[\s>]", re.IGNORECASE)
"""Begins what stands in a sentence like a word, where it is never translated."""
_NAME = re.compile(r"<(/?)([A-Za-z][^\s<>/]*)")

_SHARE = 0.5
"""A piece stands in an element where it attended to the element's pieces by more than this."""


Span = tuple[int, int]
"""Where something begins in the text, and where it has ended."""


def between(start: int, stop: int, spans: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span without others in it: one part more than those."""
    edges = [start, *(edge for span in sorted(spans) for edge in span), stop]
    return zip(edges[::2], edges[1::2], strict=True)


class Tags(NamedTuple):
    """The two tags of an element."""

    opening: Span
    closing: Span


@dataclass(frozen=True)
class Element:
    """The pieces from `first` to before `end` of a segment, and the tags around them."""

    opening: str
    closing: str
    first: int
    end: int
    inner: list[Element] = field(default_factory=list)
    """Elements within it, in reading order."""


def with_verbatim(text: str, found: Sequence[Span]) -> list[Span]:
    """The same, where an element that is never translated is one, from its first tag to its last.

    Args:
        text: any.
        found: what is carried over of it, all tags among that, in reading order.
    """
    spans: list[Span] = []
    endless: set[str] = set()
    place = 0
    while place < len(found):
        start, stop = found[place]
        place += 1
        name = _name(text, start) if _VERBATIM.fullmatch(text, start, stop) else ""
        if name and name not in endless:
            last = _last_tag(text, found, place, name)
            if last is None:
                endless.add(name)
            else:
                stop, place = found[last][1], last + 1
        spans.append((start, stop))
    return spans


def _last_tag(text: str, found: Sequence[Span], place: int, name: str) -> int | None:
    """The place of the tag that ends the element `name`, of which the tags from `place` on are."""
    depth = 1
    for last in range(place, len(found)):
        start, stop = found[last]
        if _name(text, start) == name and text[stop - 2] != "/":
            depth += -1 if text[start + 1] == "/" else 1
            if not depth:
                return last
    return None


def _name(text: str, start: int) -> str:
    """The name of the tag that begins there; none: ''."""
    tag = _NAME.match(text, start)
    return tag[2].lower() if tag else ""


def begins_word(text: str, start: int) -> bool:
    """Whether the element that begins there, if it is never translated, stands in a sentence like a word."""
    return _WORD.match(text, start) is not None


def pair_name(text: str, span: Span, *, closing: bool) -> str:
    """The name of an element that is part of a sentence, whose tag this is; '' where it is none."""
    tag = _TAG.fullmatch(text, *span)
    return tag[2].lower() if tag and bool(tag[1]) is closing else ""


def find_tags(text: str, found: Sequence[Span], start: int, stop: int) -> list[Tags]:
    """The elements that are part of a sentence, in the order of their opening tags.

    Not those that hold no letter or digit, or anything that is carried over, nor those that stand around all that is
    translated together: their tags are carried over themselves.

    Args:
        text: the sentence is `text[start:stop]`.
        found: what would be carried over of it, in reading order.
        start: of the sentence.
        stop: of the sentence.
    """
    tags = [_TAG.fullmatch(text, *span) for span in found]
    if not any(tags):
        return []
    gaps = between(start, stop, found)
    counts = list(accumulate(sum(map(str.isalnum, text[begin:end])) for begin, end in gaps))  # before each of them
    pairs = _pairs(tags, counts)
    inside = {place for pair in pairs for place in pair}
    others = iter([*(place for place in range(len(found)) if place not in inside), len(found)])
    kept, low, high = [], -1, next(others)
    for opening, closing in pairs:
        while high < opening:
            low, high = high, next(others)
        if counts[closing] - counts[opening] < counts[high] - (counts[low] if low >= 0 else 0):
            kept.append(Tags(found[opening], found[closing]))
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
    text: str,
    tokens: Sequence[int],
    attention: NDArray[np.float32],
    elements: Sequence[Element],
    subwords: Subwords,
    cased: Callable[[str], str],
) -> str:
    """A translated segment with its elements.

    Args:
        text: the translation.
        tokens: of it, T of them, without END.
        attention: of each of them, and maybe of END, [T or more, S].
        elements: of the segment.
        subwords: of the target.
        cased: what is done to the words.
    """
    return _Writer(text, tokens, attention, subwords, cased).written(elements, 0, len(tokens), at=0)


class _Writer:
    """Writes one translation."""

    def __init__(
        self,
        text: str,
        tokens: Sequence[int],
        attention: NDArray[np.float32],
        subwords: Subwords,
        cased: Callable[[str], str],
    ) -> None:
        self._attention = attention[: len(tokens)]
        self._cased = cased
        self._text = text
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
