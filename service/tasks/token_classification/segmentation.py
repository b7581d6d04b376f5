"""Segmentation of texts into sentences and tokens: by the rules for English, or by a network that a treebank trained.

The network labels every character: inside a token, end of a token, end of a token and of its sentence; and whether the
token that ends there is a multiword token (Straka and Straková 2017). Long texts are read in overlapping windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from service.tasks.token_classification.contractions import Contractions, Words
from service.tasks.token_classification.decoding import Multiword, Offsets
from service.tasks.token_classification.segmentation_characters import (
    END_OF_SENTENCE,
    INSIDE,
    CharacterIds,
    Paragraph,
    paragraphs,
)
from service.tasks.token_classification.segmentation_numbers import BY_THE_NETWORK, NumberRules, with_number_rules
from service.tasks.token_classification.segmentation_schema import InnerSpaces
from service.text import Lines, split_at_lines, words_by_sentence

WINDOW, CONTEXT = 512, 64
"""Characters that the network reads at once, and how many of them at an inner end are context only."""
_MAX_ROWS = 16
"""Windows per run."""
_MIN_ROWS = 2
"""One row alone would be multiplied by another routine, which sums in another order."""
_GROUP_CHARACTERS = 32_768
"""Texts are segmented together up to about this length."""

Labels = tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]
"""The label of each character, and whether the token that ends there is a multiword token."""


class Score(Protocol):
    """Runs the network."""

    def __call__(
        self,
        characters_BT: NDArray[np.int32],  # noqa: N803
        lengths_B: NDArray[np.int32],  # noqa: N803
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The scores of the labels [B, T, 3], and of multiword tokens [B, T], positive where one ends."""


class SegmentedText(NamedTuple):
    """A text's sentences."""

    sentences: list[Offsets]
    """Tokens by sentence; the words of a multiword token are tokens with its offsets."""
    multiword: list[Multiword] | None
    """The multiword tokens; None of models that know none."""


Segment = Callable[[Iterable[str], Callable[[], None]], Iterator[SegmentedText]]
"""Segments texts in order, and calls the function between its parts."""


def segment_by_rules(texts: Iterable[str], check: Callable[[], None]) -> Iterator[SegmentedText]:
    """Segment texts by the rules of the treebank UD English EWT, and at the ends of lines."""
    return (SegmentedText(split_at_lines(Lines(text), words_by_sentence(text)), None) for text in texts)


class Segmenter:
    """Segments texts by the network's labels.

    Args:
        score: runs the network.
        characters: the characters that it knows.
        contractions: the words of multiword tokens; those that are not listed are not split.
        inner_spaces: the tokens that may hold a space.
        numbers: what the treebank does with numbers.
    """

    def __init__(
        self,
        score: Score,
        characters: str,
        contractions: Contractions,
        inner_spaces: InnerSpaces = "none",
        numbers: NumberRules = BY_THE_NETWORK,
    ) -> None:
        self._score = score
        self._ids = CharacterIds(characters)
        self._contractions = contractions
        self._inner_spaces = inner_spaces
        self._numbers = numbers

    def segment(self, texts: Iterable[str], check: Callable[[], None]) -> Iterator[SegmentedText]:
        """Segment texts in order; texts that follow each other run together. `check` is called between runs."""
        source = iter(texts)
        while group := list(_take(source, _GROUP_CHARACTERS)):
            by_text = [list(paragraphs(text)) for text in group]
            labels = iter(self._labels([paragraph for of_text in by_text for paragraph in of_text], check))
            for text, of_text in zip(group, by_text, strict=True):
                yield self._decode(text, [(paragraph, next(labels)) for paragraph in of_text])

    def _labels(self, parts: list[Paragraph], check: Callable[[], None]) -> list[Labels]:
        """The labels of the characters of each paragraph."""
        labels: list[Labels] = [
            (np.zeros(len(paragraph.characters), np.uint8), np.zeros(len(paragraph.characters), np.bool_))
            for paragraph in parts
        ]
        ids = [np.fromiter(map(self._ids.__getitem__, paragraph.characters), np.int32) for paragraph in parts]
        all_windows = [(index, *window) for index, row in enumerate(ids) for window in windows(len(row))]
        all_windows.sort(key=lambda window: window[2] - window[1])  # similar lengths run together
        for first in range(0, len(all_windows), _MAX_ROWS):
            check()
            batch = all_windows[first : first + _MAX_ROWS]
            lengths = [end - start for _, start, end, _, _ in batch]
            lengths += [1] * (_MIN_ROWS - len(batch))
            characters = np.zeros((len(lengths), max(lengths)), np.int32)
            for row, (index, start, end, _, _) in enumerate(batch):
                characters[row, : end - start] = ids[index][start:end]
            scores, multiword = self._score(characters, np.array(lengths, np.int32))
            best = scores.argmax(2)
            for row, (index, start, _, kept_from, kept_to) in enumerate(batch):
                labels[index][0][kept_from:kept_to] = best[row, kept_from - start : kept_to - start]
                labels[index][1][kept_from:kept_to] = multiword[row, kept_from - start : kept_to - start] > 0
        return labels

    def _decode(self, text: str, labeled: list[tuple[Paragraph, Labels]]) -> SegmentedText:
        """The sentences and multiword tokens of a text."""
        sentences: list[Offsets] = []
        multiword: list[Multiword] = []
        count = 0
        for paragraph, (labels, is_multiword) in labeled:
            sentence: Offsets = []
            labels = with_number_rules(text, paragraph, labels, self._inner_spaces, self._numbers)
            for first, last in token_spans(paragraph.characters, labels, self._inner_spaces):
                start, end = paragraph.starts[first], paragraph.ends[last]
                words: Words | None = self._contractions.words(text[start:end], bool(is_multiword[last]))
                if words:
                    multiword.append(Multiword(count, words))
                repeated = len(words) if words else 1
                sentence += [(start, end)] * repeated
                count += repeated
                if labels[last] == END_OF_SENTENCE:
                    sentences.append(sentence)
                    sentence = []
            if sentence:
                sentences.append(sentence)
        return SegmentedText(split_at_lines(Lines(text), sentences), multiword)


def token_spans(
    characters: str, labels: NDArray[np.integer[Any]], inner_spaces: InnerSpaces
) -> Iterator[tuple[int, int]]:
    """The first and the last character of each token. White space ends a token, unless it may hold it."""
    codes = np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), np.uint32)
    is_space = codes == ord(" ")
    is_end = labels != INSIDE
    ends = (is_end | np.append(is_space[1:], True)) & ~is_space
    first = 0
    for last in np.flatnonzero(ends).tolist():
        if not is_end[last] and last + 2 < len(characters) and characters[last + 1] == " ":
            digits = characters[last].isdigit() and characters[last + 2].isdigit()
            if inner_spaces == "any" or (inner_spaces == "digits" and digits):
                continue
        yield first, last
        first = last + 1 if last + 1 < len(characters) and characters[last + 1] != " " else last + 2


def windows(length: int) -> Iterator[tuple[int, int, int, int]]:
    """Windows over a paragraph: start, end, and the range whose labels are kept."""
    start = 0
    while start + WINDOW < length:
        yield start, start + WINDOW, start + CONTEXT if start else 0, start + WINDOW - CONTEXT
        start += WINDOW - 2 * CONTEXT
    yield start, length, start + CONTEXT if start else 0, length


def _take(source: Iterator[str], characters: int) -> Iterator[str]:
    """Texts of about this many characters together, at least one if there is any."""
    for text in source:
        yield text
        characters -= len(text) + 1
        if characters <= 0:
            return
