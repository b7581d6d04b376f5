"""Puts protected spans back: decides which placeholder of a translation stands for which one of its source.

Luong et al. 2015, "Addressing the rare word problem", section 3.1 (the copyable model). Their unknown words are
numbered; here attention decides, as in Jean et al. 2015, "On using very large target vocabulary". A typed placeholder
stands for one of its own type if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.decoding import Hypothesis
from service.tasks.translation.subwords import (
    PLACEHOLDER,
    SPACE_SYMBOL,
    TYPED_PLACEHOLDERS,
    UNKNOWN,
    Subwords,
)

_PUNCTUATION, _QUOTES = " ,;:.!?\u2026", "\"'()[]\u201e\u201c\u201d\u00ab\u00bb"


class ProtectedText(NamedTuple):
    """The text that a placeholder stands for."""

    text: str
    follows_word: bool = False
    """Whether it directly follows a letter or digit in the source, without a space."""
    placeholder: str = PLACEHOLDER
    """The placeholder in the source, which may be typed."""
    position: int = 0
    """The index of its token in the segment."""


class FilledTranslation(NamedTuple):
    """A translation in which every placeholder of the source has exactly one UNKNOWN, whatever its type was."""

    tokens: Sequence[int]
    """T target tokens, without END."""
    attention: NDArray[np.float32] | None
    """[T, S], or [T + 1, S] if nothing changed; the UNKNOWN of a placeholder attends to that placeholder only."""
    texts: Sequence[str]
    """The text of each UNKNOWN, in order."""
    order: Sequence[int]
    """The index of each placeholder of the source, in the order of the translation."""


def word_at(source: Sequence[int], position: int, subwords: Subwords) -> str:
    """The word around a source position, with its brackets or quotes but without other punctuation; "" if none."""
    if position >= len(source) or source[position] in subwords.placeholder_ids:
        return ""
    starts = [index for index, id_ in enumerate(source) if index == 0 or subwords.piece(id_).startswith(SPACE_SYMBOL)]
    first = max(index for index in starts if index <= position)
    end = min([index for index in starts if index > position], default=len(source))
    symbols = "".join([PLACEHOLDER, *TYPED_PLACEHOLDERS.values()])
    quoted = subwords.decode(source[first:end]).strip(_PUNCTUATION + symbols)
    word = quoted.strip(_QUOTES)
    if not any(map(str.isalnum, word)) or any(symbol in word for symbol in symbols):
        return ""
    return quoted if quoted[0] in _QUOTES and quoted[-1] in _QUOTES else word


def fill_placeholders(
    hypothesis: Hypothesis,
    protected: Sequence[ProtectedText],
    subwords: Subwords,
    word: Callable[[int], str] = lambda position: "",
) -> FilledTranslation:
    """Assign each placeholder of the source to one placeholder of the translation.

    1. Placeholders of both are matched: those of one type first, then by attention, highest weight first; without
       attention, in order.
    2. One of the translation that is left over becomes the source word that it attended to most, or is removed if there
       is none.
    3. One of the source that is left over is inserted after the word that attended to it most, or after the last word.

    Args:
        hypothesis: the translation.
        protected: the text of each placeholder of the source; empty if its UNKNOWNs are no placeholders.
        subwords: the subwords of the target language.
        word: the source word at a position, as it is to be written.
    """
    tokens, attention = hypothesis.tokens, hypothesis.attention
    holes = [position for position, token in enumerate(tokens) if token in subwords.placeholder_ids]
    if not protected and not holes:
        return FilledTranslation(tokens, attention, (), ())
    columns = [one.position for one in protected]
    weights = np.zeros((len(tokens), len(columns)), np.float32)
    if attention is not None:
        weights = attention[: len(tokens), columns]
    matches = _match(holes, weights[holes] + _has_type(tokens, holes, protected, subwords))
    words = _attended_words(attention, [position for position in holes if position not in matches], word)
    writer = _Writer(tokens, protected, words, subwords)
    missing = _insertions(tokens, weights, matches, subwords)
    for position in range(len(tokens) + 1):
        for placeholder in missing.get(position, ()):
            writer.insert(placeholder)
        if position < len(tokens):
            writer.write(position, matches.get(position))
    if attention is not None:
        one_hot = np.eye(attention.shape[1], dtype=np.float32)[columns]
        attention = np.concatenate([attention[: len(tokens)], one_hot])[np.array(writer.rows, np.int64)]
    return FilledTranslation(writer.tokens, attention, writer.texts, writer.order)


def _has_type(
    tokens: Sequence[int], holes: Sequence[int], protected: Sequence[ProtectedText], subwords: Subwords
) -> NDArray[np.bool_]:
    """Whether placeholders have the same type, [holes, placeholders of the source]."""
    types = [subwords.decode([tokens[position]]) for position in holes]
    same = [[written == one.placeholder for one in protected] for written in types]
    return np.array(same, bool).reshape(len(holes), len(protected))


def _match(holes: Sequence[int], weights: NDArray[np.float32]) -> dict[int, int]:
    """Placeholders of the source by the positions of those of the translation, matched greedily by weight.

    Args:
        holes: the positions in the translation.
        weights: [holes, placeholders of the source].
    """
    matches: dict[int, int] = {}
    remaining = set(range(weights.shape[1]))
    for pair in (-weights).argsort(axis=None, kind="stable").tolist():
        row, placeholder = divmod(pair, weights.shape[1])
        if placeholder in remaining and holes[row] not in matches:
            matches[holes[row]] = placeholder
            remaining.discard(placeholder)
        if not remaining or len(matches) == len(holes):
            break
    return matches


def _attended_words(
    attention: NDArray[np.float32] | None, holes: Sequence[int], word: Callable[[int], str]
) -> dict[int, str]:
    """The most attended source word by the position of each unmatched placeholder; each word only once, then ""."""
    words: dict[int, str] = {}
    for position in holes:
        if attention is not None:
            text = word(int(attention[position].argmax()))
            words[position] = "" if text in words.values() else text
    return words


def _insertions(
    tokens: Sequence[int], weights: NDArray[np.float32], matches: Mapping[int, int], subwords: Subwords
) -> dict[int, list[int]]:
    """Unmatched placeholders by the target position to insert them before: always the end of a word."""
    unmatched = sorted(set(range(weights.shape[1])) - set(matches.values()))
    pieces = [subwords.piece(token) for token in tokens] if unmatched else []
    words = [
        position
        for position, piece in enumerate(pieces)
        if position in matches or (tokens[position] not in subwords.placeholder_ids and any(map(str.isalnum, piece)))
    ]
    insertions: dict[int, list[int]] = {}
    for placeholder in unmatched:
        end = 0
        if words:
            own = weights[words, placeholder]
            end = words[int(own.argmax()) if own.any() else -1] + 1
        while 0 < end < len(pieces) and pieces[end][0].isalnum() and pieces[end - 1][-1].isalnum():
            end += 1
        insertions.setdefault(end, []).append(placeholder)
    return insertions


class _Writer:
    """Collects the tokens of a translation with its placeholders filled.

    Args:
        original: the T tokens of the translation as decoded.
        protected: the N protected texts.
        words: source words by the positions of unmatched placeholders, which are removed where it is "".
        subwords: the subwords of the target language.
    """

    def __init__(
        self,
        original: Sequence[int],
        protected: Sequence[ProtectedText],
        words: Mapping[int, str],
        subwords: Subwords,
    ) -> None:
        self._original, self._protected, self._words, self._subwords = original, protected, words, subwords
        self._space = subwords.encode(PLACEHOLDER)[:-1]
        self.tokens: list[int] = []
        self.rows: list[int] = []
        """Index of each token's attention row.

        i < T is the row of original token i; i >= T is the one-hot row of placeholder i - T.
        """
        self.texts: list[str] = []
        self.order: list[int] = []

    def write(self, position: int, placeholder: int | None) -> None:
        """Write the token at a position of the original, which is matched to this placeholder."""
        token, last = self._original[position], self.tokens[-1] if self.tokens else None
        if token not in self._subwords.placeholder_ids:
            self.tokens.append(token)
            self.rows.append(position)
        elif placeholder is None and not self._words.get(position):
            self._skip(position)
        else:
            protected = ProtectedText(self._words[position]) if placeholder is None else self._protected[placeholder]
            space = self._space if last is not None and self._would_join(last, protected) else []
            row = position if placeholder is None else len(self._original) + placeholder
            self.order += () if placeholder is None else (placeholder,)
            self._append(protected.text, [*space, UNKNOWN], row)

    def insert(self, placeholder: int) -> None:
        """Write a placeholder that no token is matched to, after a space."""
        text = self._protected[placeholder].text
        self.order.append(placeholder)
        self._append(text, [*self._space, UNKNOWN], len(self._original) + placeholder)

    def _append(self, text: str, tokens: Sequence[int], row: int) -> None:
        self.tokens += tokens
        self.rows += [row] * len(tokens)
        self.texts.append(text)

    def _would_join(self, last: int, protected: ProtectedText) -> bool:
        """Whether two words would be read as one without a space between them."""
        return last == UNKNOWN or (self._subwords.piece(last)[-1].isalnum() and not protected.follows_word)

    def _skip(self, position: int) -> None:
        """Leave out a placeholder, and the space before it unless letters directly follow it."""
        word_follows = any(
            self._subwords.piece(token)[0].isalnum() for token in self._original[position + 1 : position + 2]
        )
        if self.tokens and self.tokens[-1:] == self._space and not word_follows:
            self.tokens.pop()
            self.rows.pop()
