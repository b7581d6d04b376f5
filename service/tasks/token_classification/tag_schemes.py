"""Tagging schemes for spans: IOB1, IOB2 and BIOES, conversion between them, and the transitions they allow.

* IOB1: `I-X` inside; `B-X` only if a span begins right after another of the same type (CoNLL-2003).
* IOB2: `B-X` at the beginning of every span.
* BIOES (also IOBES): IOB2 with `E-X` at the end of every span and `S-X` for spans of one word. BILOU's `L-X` and
  `U-X` are read as `E-X` and `S-X`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scheme = Literal["iob1", "iob2", "bioes"]

OUTSIDE = "O"
UNTYPED = "_"
"""The type of a span whose tag names none, as in a bare `B`."""

_BILOU = {"L": "E", "U": "S"}
_PREFIXES = frozenset("BIESLU")


class Span(NamedTuple):
    """A labeled span: the words [start, end)."""

    label: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence's tags in any of the schemes, by the rules of conlleval (seqeval's default mode).

    Defined for every sequence of tags, valid or not. A span continues at `I-X` or `E-X` after `B-X` or `I-X` of the
    same type; any other tag but `O` begins a new one.
    """
    result: list[Span] = []
    label, start = "", -1
    is_open, previous = False, ""  # whether a span may continue; the previous prefix
    for index, tag in enumerate(tags):
        if tag == OUTSIDE or not tag or tag == ".":
            if is_open:
                result.append(Span(label, start, index))
            is_open = False
            previous = OUTSIDE
            continue
        prefix = _BILOU.get(tag[0], tag[0])
        kind = tag[1:].split("-", 1)[-1] or UNTYPED
        if not (is_open and prefix not in "BS" and previous not in "ES" and kind == label):
            if is_open:
                result.append(Span(label, start, index))
            label, start, is_open = kind, index, True
        previous = prefix
    if is_open:
        result.append(Span(label, start, len(tags)))
    return result


def to_bioes(tags: Sequence[str]) -> list[str]:
    """The same spans as BIOES tags."""
    bioes = [OUTSIDE] * len(tags)
    for label, start, end in spans(tags):
        if end - start == 1:
            bioes[start] = f"S-{label}"
            continue
        bioes[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 2), f"E-{label}"]
    return bioes


def to_iob2(tags: Sequence[str]) -> list[str]:
    """The same spans as IOB2 tags."""
    return write_iob2(len(tags), spans(tags))


def write_iob2(length: int, spans: Iterable[tuple[str, int, int]]) -> list[str]:
    """The IOB2 tags of a sentence of `length` words; spans are (label, first word, word after the last)."""
    tags = [OUTSIDE] * length
    for label, start, end in spans:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def is_span_tag(tag: str) -> bool:
    """Whether the tag is `O`, or a prefix of any scheme and a type, as in `B-PER`."""
    return tag == OUTSIDE or (len(tag) > 2 and tag[0] in _PREFIXES and tag[1] == "-")


class SchemeError(ValueError):
    """The tags of a file follow no single scheme.

    Args:
        text: the message.
        positions: (sentence, word) of the two tags that contradict each other.
    """

    def __init__(self, text: str, positions: tuple[tuple[int, int], tuple[int, int]]) -> None:
        super().__init__(text)
        self.positions = positions


def guess_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that all tags are consistent with; IOB2 if there is no evidence.

    Raises:
        SchemeError: (a ValueError) no scheme allows all tags; the message names two that contradict each other.
    """
    first_evidence: dict[Scheme, tuple[int, int, str]] = {}  # by scheme: sentence, word, description
    for sentence, tags in enumerate(sentences):
        previous = OUTSIDE
        for word, tag in enumerate(tags):
            evidence = _evidence(previous, tag)
            if evidence and evidence[0] not in first_evidence:
                first_evidence[evidence[0]] = (sentence, word, evidence[1])
            previous = tag
    # BIOES begins its spans as IOB2 does: B after O does not contradict it, I after O does.
    if "iob1" in first_evidence:
        for other in ("bioes", "iob2"):
            if other in first_evidence:
                one, two = first_evidence["iob1"], first_evidence[other]
                raise SchemeError(f"{one[2]}, but {two[2]}", (one[:2], two[:2]))
        return "iob1"
    return "bioes" if "bioes" in first_evidence else "iob2"


def _evidence(previous: str, tag: str) -> tuple[Scheme, str] | None:
    """The scheme that a pair of adjacent tags points to, if any, with a description."""
    if tag == OUTSIDE:
        return None
    if tag[0] in "ESLU":
        return "bioes", f"{tag} is a tag of BIOES"
    same_type = previous != OUTSIDE and previous[1:] == tag[1:]
    if tag[0] == "I" and not same_type:
        return "iob1", f"{tag} after {previous} begins a span as in IOB1"
    if tag[0] == "B" and not same_type:
        return "iob2", f"{tag} after {previous} begins a span as in IOB2"
    return None


def allowed_transitions(labels: Sequence[str]) -> NDArray[np.bool_]:
    """The transitions that BIOES allows between K labels.

    Returns:
        [K+2, K]. Rows 0..K-1: from label to label; row K: may begin a sentence; row K+1: may end it. Plain tags (parts
        of speech) may all follow each other.
    """
    count = len(labels)
    allowed = np.ones((count + 2, count), bool)
    if not all(label == OUTSIDE or (label[:2] in ("B-", "I-", "E-", "S-") and len(label) > 2) for label in labels):
        return allowed
    continues = [label[0] in "IE" for label in labels]  # needs the same span before it
    unfinished = [label[0] in "BI" for label in labels]  # needs the same span after it
    for row in range(count):
        for column in range(count):
            same_type = labels[row][2:] == labels[column][2:]
            allowed[row, column] = continues[column] and same_type if unfinished[row] else not continues[column]
    allowed[count] = [not value for value in continues]
    allowed[count + 1] = [not value for value in unfinished]
    return allowed
