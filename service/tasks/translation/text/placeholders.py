"""Where what is copied goes in a translation: each UNKNOWN of it stands for one of its source.

Luong et al. 2015, "Addressing the rare word problem", section 3.1 (the copyable model). Their unknown words are
numbered; here attention tells which is which, as in Jean et al. 2015, "On using very large target vocabulary".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.decoding import Hypothesis
from service.tasks.translation.subwords import BLANK, STAND_IN, UNKNOWN, Subwords

_AROUND, _QUOTES = " ,;:.!?\u2026", "\"'()[]\u201e\u201c\u201d\u00ab\u00bb"
"""Marks that stand around words."""


class Copied(NamedTuple):
    """What a stand-in stands for."""

    text: str
    is_glued: bool = False
    """Whether it goes on after a letter or digit, without a blank."""


class Placed(NamedTuple):
    """A translation with an UNKNOWN for each of its source's, and for words of it that are copied too."""

    tokens: Sequence[int]
    """T of them, without END."""
    attention: NDArray[np.float32] | None
    """[T, S] or, where nothing changed, [T + 1, S]; what stands for something attended to nothing else."""
    texts: Sequence[str]
    """What each UNKNOWN stands for."""


def word_at(source: Sequence[int], place: int, subwords: Subwords) -> str:
    """The word that a piece of a segment is in, with brackets or quotes around it, but no other marks; else ""."""
    if place >= len(source) or UNKNOWN in source[place : place + 1]:
        return ""
    begins = [number for number, id_ in enumerate(source) if number == 0 or subwords.piece(id_).startswith(BLANK)]
    first = max(number for number in begins if number <= place)
    last = min([number for number in begins if number > place], default=len(source))
    marked = subwords.decode(source[first:last]).strip(_AROUND + STAND_IN)
    word = marked.strip(_QUOTES)
    if not any(map(str.isalnum, word)) or STAND_IN in word:
        return ""
    return marked if marked[0] in _QUOTES and marked[-1] in _QUOTES else word


def placed(
    found: Hypothesis,
    source: Sequence[int],
    copied: Sequence[Copied],
    subwords: Subwords,
    word: Callable[[int], str] = lambda place: "",
) -> Placed:
    """Which UNKNOWN of a translation stands for what.

    For what it attended to most of what no other stands for; without attention, in turn. One too many stands for the
    word that it attended to most, and is left out where there is none. What none stands for is put in after the word
    that attended to it most, or the last.

    Args:
        found: the translation.
        source: ids of the segment, S less END.
        copied: what each UNKNOWN of the source stands for; none where its UNKNOWNs stand for nothing.
        subwords: of the target.
        word: that at a place of the source, as it is written.
    """
    tokens, attention = found.tokens, found.attention
    if not copied and UNKNOWN not in tokens:
        return Placed(tokens, attention, ())
    columns = [place for place, id_ in enumerate(source) if id_ == UNKNOWN] if copied else []
    heeded = np.zeros((len(tokens), len(columns)), np.float32)
    if attention is not None:
        heeded = attention[: len(tokens), columns]
    stands_for = _matched([place for place, token in enumerate(tokens) if token == UNKNOWN], heeded)
    writer = _Writer(tokens, copied, _more(tokens, attention, stands_for, word), subwords)
    missing = _missing(tokens, heeded, stands_for, subwords)
    for place in range(len(tokens) + 1):
        for number in missing.get(place, ()):
            writer.put_in(number)
        if place < len(tokens):
            writer.write(place, stands_for.get(place))
    if attention is not None:
        only = np.eye(attention.shape[1], dtype=np.float32)[columns]
        attention = np.concatenate([attention[: len(tokens)], only])[np.array(writer.rows, np.int64)]
    return Placed(writer.tokens, attention, writer.texts)


def _matched(unknown: Sequence[int], heeded: NDArray[np.float32]) -> dict[int, int]:
    """By the place of an UNKNOWN its stand-in: the pair with the most attention [T, N] first."""
    found: dict[int, int] = {}
    left = set(range(heeded.shape[1]))
    for pair in (-heeded[unknown]).argsort(axis=None, kind="stable").tolist():
        row, number = divmod(pair, heeded.shape[1])
        if number in left and unknown[row] not in found:
            found[unknown[row]] = number
            left.discard(number)
        if not left or len(found) == len(unknown):
            break
    return found


def _more(
    tokens: Sequence[int],
    attention: NDArray[np.float32] | None,
    stands_for: Mapping[int, int],
    word: Callable[[int], str],
) -> dict[int, str]:
    """By the place of an UNKNOWN that has no stand-in the word that it attended to most, each word once."""
    found: dict[int, str] = {}
    for place, token in enumerate(tokens):
        if attention is not None and token == UNKNOWN and place not in stands_for:
            text = word(int(attention[place].argmax()))
            found[place] = "" if text in found.values() else text
    return found


def _missing(
    tokens: Sequence[int], heeded: NDArray[np.float32], stands_for: Mapping[int, int], subwords: Subwords
) -> dict[int, list[int]]:
    """What none stands for, by the place that it is put in before: the end of a word, and before the final marks."""
    left = sorted(set(range(heeded.shape[1])) - set(stands_for.values()))
    pieces = [subwords.piece(token) for token in tokens] if left else []
    words = [
        place
        for place, piece in enumerate(pieces)
        if place in stands_for or (tokens[place] != UNKNOWN and any(map(str.isalnum, piece)))
    ]
    found: dict[int, list[int]] = {}
    for number in left:
        end = 0
        if words:
            own = heeded[words, number]
            end = words[int(own.argmax()) if own.any() else -1] + 1
        while 0 < end < len(pieces) and pieces[end][0].isalnum() and pieces[end - 1][-1].isalnum():
            end += 1
        found.setdefault(end, []).append(number)
    return found


class _Writer:
    """Writes the tokens of one translation.

    Args:
        found: its tokens as they were found, T of them.
        copied: what stands for what, N of them.
        more: by their places, what UNKNOWNs stand for that stand for none of these; "" is left out.
        subwords: of the target.
    """

    def __init__(
        self, found: Sequence[int], copied: Sequence[Copied], more: Mapping[int, str], subwords: Subwords
    ) -> None:
        self._found, self._copied, self._more, self._subwords = found, copied, more, subwords
        self._blank = subwords.encode(STAND_IN)[:-1]
        self.tokens: list[int] = []
        self.rows: list[int] = []
        """Whose attention each has: that of a token that was found, or, from T on, of a stand-in."""
        self.texts: list[str] = []

    def write(self, place: int, number: int | None) -> None:
        """What was found at this place, and stands for this."""
        token, last = self._found[place], self.tokens[-1] if self.tokens else None
        if token != UNKNOWN:
            self.tokens.append(token)
            self.rows.append(place)
        elif number is None and not self._more.get(place):
            self._leave_out(place)
        else:
            copied = Copied(self._more[place]) if number is None else self._copied[number]
            blank = self._blank if last is not None and self._joins(last, copied) else []
            self._add(copied.text, [*blank, UNKNOWN], place if number is None else len(self._found) + number)

    def put_in(self, number: int) -> None:
        """What none was found for, after a blank."""
        self._add(self._copied[number].text, [*self._blank, UNKNOWN], len(self._found) + number)

    def _add(self, text: str, tokens: Sequence[int], row: int) -> None:
        self.tokens += tokens
        self.rows += [row] * len(tokens)
        self.texts.append(text)

    def _joins(self, last: int, copied: Copied) -> bool:
        """Whether they would be read as one word, and are two."""
        return last == UNKNOWN or (self._subwords.piece(last)[-1].isalnum() and not copied.is_glued)

    def _leave_out(self, place: int) -> None:
        """With the blank before it, unless a word goes on after it."""
        goes_on = any(self._subwords.piece(token)[0].isalnum() for token in self._found[place + 1 : place + 2])
        if self.tokens and self.tokens[-1:] == self._blank and not goes_on:
            self.tokens.pop()
            self.rows.pop()
