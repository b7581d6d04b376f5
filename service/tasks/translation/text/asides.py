"""Asides: what stands in brackets, between dashes or after a slash within a sentence, `(see below)` or `yes/no`.

Sentences to train on have few of them, so that a translator copies or drops them and loses the words around them. The
sentence is translated without its asides, and each aside alone; it is put after the word that attended most to the word
before it, or at the end of the sentence if it stood there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.code import is_code
from service.tasks.translation.text.spans import Range, Span, SpanKind

_MARKERS = "".join(map(chr, range(0xFDD2, 0xFDE0)))
"""Noncharacters that stand for the asides of a translation until those are translated, too."""
_MAX_LETTERS = 200
_WORDS = rf"[^()\[\]{{}}\n]{{2,{_MAX_LETTERS}}}"
_LETTERS = r"[^\W\d_]"
_DASH = r"(?:[\u2013\u2014]|--?)"
_CLOSE = "\"'\u201c\u201d\u2019\u00bb"
_STOP = r"[.,;:!?\u2026]"
_PATTERN = re.compile(
    rf"\A(?:\((?P<first_round>{_WORDS})\)|\[(?P<first_square>{_WORDS})\])\s+(?=\w)"
    rf"|(?<=[\w%{_CLOSE}])\s+(?:\((?P<round>{_WORDS})\)|\[(?P<square>{_WORDS})\])(?=[\s{_CLOSE}]|{_STOP}|\Z)"
    rf"|(?<=[\w%,{_CLOSE}])\s+{_DASH}\s+(?P<dash>[^\n\u2013\u2014]{{2,{_MAX_LETTERS}}}?)(?:\s+{_DASH}(?=\s)|(?={_STOP}*\s*\Z))"
    rf"|(?<![\w/.@-])(?P<before>{_LETTERS}{{2,}})(?P<slash>/(?P<after>{_LETTERS}{{2,}}))(?![\w/@*-]|\.\w)"
)
_WORD = re.compile(rf"{_LETTERS}{{2,}}")
_TWO_WORDS = re.compile(rf"{_LETTERS}+\W+{_LETTERS}+")
_END = re.compile(rf"(?:{_STOP}|[{_CLOSE}\s])*\Z")
_SUFFIXES = frozenset({"in", "innen"})
"""What follows the slash of German `Lehrer/innen`."""


Place = Literal["start", "end", "within"]


class Aside(NamedTuple):
    """An aside of a text, with the white space before it and its signs."""

    start: int
    end: int
    first: int
    last: int
    """Its words are `text[first:last]`."""
    place: Place
    """Where it stands in its sentence."""


class PlacedAside(NamedTuple):
    """An aside of a segment: what is written around the translations of its own segments, and where."""

    place: Place
    anchor: Range
    """The tokens of the word before it, in its sentence; empty at the start and the end."""
    opening: str
    closing: str
    first: int
    end: int
    """Its segments are those from `first` to before `end`."""


def find_asides(
    text: str, start: int, stop: int, protected: Sequence[Span], is_known: Callable[[str], bool]
) -> list[Aside]:
    """The asides of a sentence, in reading order; none if no words would be left.

    Args:
        text: the sentence is `text[start:stop]`.
        start: the start of the sentence.
        stop: the end of the sentence.
        protected: its protected spans; an aside has some only within its signs, and no format specifier.
        is_known: whether a word in lower case is one of the language.
    """
    if any(marker in text for marker in _MARKERS):
        return []
    asides = [
        aside
        for aside in _candidates(text, start, stop, is_known)
        if not is_code(text[aside.first : aside.last])
        and all(_is_within(span, aside) for span in protected if span.start < aside.end and aside.start < span.end)
    ]
    return asides[: len(_MARKERS)]


def _is_within(span: Span, aside: Aside) -> bool:
    """Whether a span is among the words of an aside, or one of its signs that the vocabulary lacks: `[`."""
    if span.kind is SpanKind.UNKNOWN_SYMBOL:
        return aside.start <= span.start and span.end <= aside.end
    return aside.first <= span.start and span.end <= aside.last and span.kind is not SpanKind.FORMAT_SPECIFIER


def _candidates(text: str, start: int, stop: int, is_known: Callable[[str], bool]) -> Iterator[Aside]:
    sentence = text[start:stop]
    for match in _PATTERN.finditer(sentence):
        is_slash = match["slash"] is not None
        group = "after" if is_slash else match.lastgroup or ""
        first, last = match.span(group)
        begin = match.start("slash") if is_slash else match.start()
        if is_slash:
            words = match["before"], match["after"]
            is_one = match["after"] not in _SUFFIXES and not any(map(str.isupper, words))
            is_one = is_one and all(is_known(word.lower()) for word in words)
        elif match.start() == 0:
            is_one = _WORD.search(sentence, first, last) is not None
        else:
            needed = _TWO_WORDS if group == "dash" else _WORD
            is_one = bool(needed.search(sentence, first, last) and needed.search(sentence[:begin]))
            is_one = is_one and not (group == "dash" and _is_route(sentence, begin, first))
        if is_one:
            is_final = not is_slash and _END.match(sentence, match.end()) is not None
            is_first = not is_slash and match.start() == 0
            place: Place = "start" if is_first else "end" if is_final else "within"
            yield Aside(start + begin, start + match.end(), start + first, start + last, place)


def _is_route(sentence: str, before: int, after: int) -> bool:
    """Whether a dash is between two names: `the flight London - Berlin`."""
    return re.split(r"\W", sentence[:before])[-1][:1].isupper() and sentence[after].isupper()


def with_markers(
    text: str,
    tokens: Sequence[int],
    attention: NDArray[np.float32] | None,
    asides: Sequence[PlacedAside],
    subwords: Subwords,
) -> str:
    """A translation with a marker for each aside.

    Args:
        text: the translation.
        tokens: its T tokens, without END.
        attention: the attention weights, [T or more, S]; None puts all asides at the end.
        asides: the asides of the segment.
        subwords: the subwords of the target language.
    """
    pieces = [subwords.piece(token) for token in tokens]
    is_word = np.array(
        [
            token in subwords.placeholder_ids or any(map(str.isalnum, piece))
            for token, piece in zip(tokens, pieces, strict=True)
        ],
        bool,
    )
    final = _END.search(text)
    assert final is not None
    positions = []
    for order, aside in enumerate(asides):
        position = 0 if aside.place == "start" else final.start()
        first, end = aside.anchor
        if first < end and attention is not None and is_word.any():
            weights = np.where(is_word, attention[: len(tokens), first:end].sum(1), -1.0)
            after = int(weights.argmax()) + 1
            while after < len(pieces) and pieces[after][0].isalnum() and pieces[after - 1][-1].isalnum():
                after += 1
            position = len(subwords.decode(tokens[:after]))
            while position < len(text) and text[position] in _CLOSE:
                position += 1
        positions.append((min(position, final.start()), order))
    for position, order in sorted(positions, reverse=True):
        text = text[:position] + _MARKERS[order] + text[position:]
    return text


def with_asides(text: str, asides: Sequence[str]) -> str:
    """A translation with its asides in place of their markers."""
    for marker, aside in zip(_MARKERS, asides, strict=False):
        text = text.replace(marker, aside)
    return text
