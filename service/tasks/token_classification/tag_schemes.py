"""Tags of spans: what IOB1, IOB2 and BIOES tags say, and which tag may follow which.

* IOB1: `I-X` inside; `B-X` only where a span begins right after another of the same type (CoNLL-2003).
* IOB2: `B-X` at every beginning.
* BIOES: `E-X` at every end, `S-X` for spans of one word. Also known as IOBES; BILOU's `L-X` and `U-X` are read as
  `E-X` and `S-X`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scheme = Literal["iob1", "iob2", "bioes"]

OUTSIDE = "O"
UNTYPED = "_"
"""The type of a span whose tag has none, as in a bare `B`."""

_BILOU = {"L": "E", "U": "S"}
_PREFIXES = frozenset("BIESLU")


class Span(NamedTuple):
    """Words `start` to `end`, without the word at `end`."""

    label: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence's tags in any of the schemes, by the rules of conlleval (seqeval's default mode).

    Total: every sequence of tags has spans. One goes on where `I-X` or `E-X` comes after `B-X` or `I-X` of the same
    type; anything else that is not `O` begins one.
    """
    found: list[Span] = []
    label, start = "", -1
    open_, previous = False, ""  # whether a span may go on; the prefix before
    for place, tag in enumerate(tags):
        if tag == OUTSIDE or not tag or tag == ".":
            if open_:
                found.append(Span(label, start, place))
            open_ = False
            previous = OUTSIDE
            continue
        prefix = _BILOU.get(tag[0], tag[0])
        kind = tag[1:].split("-", 1)[-1] or UNTYPED
        if not (open_ and prefix not in "BS" and previous not in "ES" and kind == label):
            if open_:
                found.append(Span(label, start, place))
            label, start, open_ = kind, place, True
        previous = prefix
    if open_:
        found.append(Span(label, start, len(tags)))
    return found


def to_bioes(tags: Sequence[str]) -> list[str]:
    """The same spans as BIOES tags."""
    written = [OUTSIDE] * len(tags)
    for label, start, end in spans(tags):
        if end - start == 1:
            written[start] = f"S-{label}"
            continue
        written[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 2), f"E-{label}"]
    return written


def to_iob2(tags: Sequence[str]) -> list[str]:
    """The same spans as IOB2 tags."""
    return write_iob2(len(tags), spans(tags))


def write_iob2(length: int, found: Iterable[tuple[str, int, int]]) -> list[str]:
    """The IOB2 tags of a sentence of so many words with these spans: label, first word, the word after the last."""
    written = [OUTSIDE] * length
    for label, start, end in found:
        written[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return written


def is_span_tag(tag: str) -> bool:
    """Whether the tag is `O`, or a prefix of any scheme with a type: `B-PER`."""
    return tag == OUTSIDE or (len(tag) > 2 and tag[0] in _PREFIXES and tag[1] == "-")


class SchemeError(ValueError):
    """The tags of a file follow no scheme; `places` are (sentence, word) of the two that contradict each other."""

    def __init__(self, text: str, places: tuple[tuple[int, int], tuple[int, int]]) -> None:
        super().__init__(text)
        self.places = places


def guess_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that all the tags agree with; IOB2 where nothing tells.

    Raises:
        SchemeError: (a ValueError) no scheme allows all of them; its text names the two that contradict each other.
    """
    seen: dict[Scheme, tuple[int, int, str]] = {}  # the first evidence: sentence, word, what is said of it
    for number, tags in enumerate(sentences):
        before = OUTSIDE
        for place, tag in enumerate(tags):
            told = _evidence(before, tag)
            if told and told[0] not in seen:
                seen[told[0]] = (number, place, told[1])
            before = tag
    # BIOES begins its spans as IOB2 does: B after O contradicts it not, I after O does.
    if "iob1" in seen:
        for other in ("bioes", "iob2"):
            if other in seen:
                one, two = seen["iob1"], seen[other]
                raise SchemeError(f"{one[2]}, but {two[2]}", (one[:2], two[:2]))
        return "iob1"
    return "bioes" if "bioes" in seen else "iob2"


def _evidence(before: str, tag: str) -> tuple[Scheme, str] | None:
    """What one tag after another tells of the scheme."""
    if tag == OUTSIDE:
        return None
    if tag[0] in "ESLU":
        return "bioes", f"{tag} is a tag of BIOES"
    after_same = before != OUTSIDE and before[1:] == tag[1:]
    if tag[0] == "I" and not after_same:
        return "iob1", f"{tag} after {before} begins a span as in IOB1"
    if tag[0] == "B" and not after_same:
        return "iob2", f"{tag} after {before} begins a span as in IOB2"
    return None


def allowed_transitions(labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which of K BIOES labels may follow which: [K+2, K], from -> to; row K: may begin, row K+1: may end a sentence.

    Plain tags (parts of speech) may all follow each other.
    """
    count = len(labels)
    allowed = np.ones((count + 2, count), bool)
    if not all(label == OUTSIDE or (label[:2] in ("B-", "I-", "E-", "S-") and len(label) > 2) for label in labels):
        return allowed
    inside = [label[0] in "IE" for label in labels]  # needs a beginning before it
    unfinished = [label[0] in "BI" for label in labels]  # needs an end after it
    for row in range(count):
        for column in range(count):
            same = labels[row][2:] == labels[column][2:]
            allowed[row, column] = inside[column] and same if unfinished[row] else not inside[column]
    allowed[count] = [not value for value in inside]
    allowed[count + 1] = [not value for value in unfinished]
    return allowed
