"""Tag transfer: inline tags, as in `a <b>red</b> car`, are removed before translation and put back by attention.

A pair of inline tags is put around the target tokens that attended to the source tokens between the two tags. So the
sentence is translated as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.html import INLINE_ELEMENTS
from service.tasks.translation.text.spans import Span, SpanKind, gaps_between

_MIN_ATTENTION = 0.5
"""A token belongs into a pair of tags if more than this share of its attention is on the tokens between them."""


class TagPair(NamedTuple):
    """The opening and the closing tag of an element."""

    opening: Span
    closing: Span


@dataclass(frozen=True)
class InlineElement:
    """An inline element: a pair of tags around the source tokens from `first` to before `end`."""

    opening: str
    closing: str
    first: int
    end: int
    children: list[InlineElement] = field(default_factory=list)
    """The elements inside this one, in reading order."""
    if_empty: str = ""
    """Written instead of the tags if no letter of the translation is between them: the letter of an accelerator."""


def is_inline_tag(span: Span, kind: SpanKind) -> bool:
    """Whether a span is an inline tag of this kind."""
    return span.kind is kind and span.name in INLINE_ELEMENTS


def find_tag_pairs(text: str, spans: Sequence[Span], start: int, stop: int) -> list[TagPair]:
    """The pairs of inline tags of a sentence that can be transferred, in the order of their opening tags.

    A pair is left out, so that its tags are kept where they are, if there is no letter or digit between the tags, if
    another protected span is between them, or if they enclose everything that is translated together.

    Args:
        text: the sentence is `text[start:stop]`.
        spans: its protected spans, in reading order.
        start: the start of the sentence.
        stop: the end of the sentence.
    """
    if not any(is_inline_tag(span, SpanKind.START_TAG) for span in spans):
        return []
    gaps = gaps_between(start, stop, spans)
    # Letters and digits before each span, and in all.
    counts = list(accumulate(sum(map(str.isalnum, text[begin:end])) for begin, end in gaps))
    pairs = _pairs(spans, counts)
    paired = {index for pair in pairs for index in pair}
    others = iter([*(index for index in range(len(spans)) if index not in paired), len(spans)])
    kept, low, high = [], -1, next(others)
    for opening, closing in pairs:
        while high < opening:
            low, high = high, next(others)
        if counts[closing] - counts[opening] < counts[high] - (counts[low] if low >= 0 else 0):
            kept.append(TagPair(spans[opening], spans[closing]))
        else:
            low = opening  # the text between these tags is translated on its own
    return kept


def build_tag_tree(
    written: Callable[[int, int], str], pairs: Sequence[TagPair], tokens: Callable[[int, int], tuple[int, int]]
) -> list[InlineElement]:
    """Nest the tag pairs of a segment.

    Args:
        written: the text between two positions, as it was sent.
        pairs: the pairs in the order of their opening tags.
        tokens: maps two positions in the text to the first token, and the one after the last, between them.
    """
    roots: list[InlineElement] = []
    enclosing: list[tuple[int, list[InlineElement]]] = []
    for opening, closing in pairs:
        mark, end_tag = written(opening.start, opening.end), written(closing.start, closing.end)
        letter = "" if end_tag else f" ({mark}{written(opening.end, opening.end + 1).upper()})"
        element = InlineElement(mark, end_tag, *tokens(opening.end, closing.start), if_empty=letter)
        while enclosing and enclosing[-1][0] < opening.start:
            enclosing.pop()
        (enclosing[-1][1] if enclosing else roots).append(element)
        enclosing.append((closing.start, element.children))
    return roots


def transfer_tags(
    text: str,
    tokens: Sequence[int],
    attention: NDArray[np.float32],
    elements: Sequence[InlineElement],
    subwords: Subwords,
    format_words: Callable[[str], str],
) -> str:
    """Put the inline tags of the source into its translation.

    Args:
        text: the translation.
        tokens: its T tokens, without END.
        attention: the attention weights, [T or more, S].
        elements: the inline elements of the source segment.
        subwords: the subwords of the target language.
        format_words: applied to the text between the tags.
    """
    return _TagWriter(text, tokens, attention, subwords, format_words).write(elements, 0, len(tokens), at=0)


class _TagWriter:
    """Writes a translation with tags; the arguments are those of `transfer_tags`."""

    def __init__(
        self,
        text: str,
        tokens: Sequence[int],
        attention: NDArray[np.float32],
        subwords: Subwords,
        format_words: Callable[[str], str],
    ) -> None:
        self._attention = attention[: len(tokens)]
        self._format_words = format_words
        self._text = text
        self._ends = [len(subwords.decode(tokens[:count])) for count in range(len(tokens) + 1)]
        """Length of the text of the first tokens, by their number."""
        pieces = [subwords.piece(token) for token in tokens]
        self._continues_word = [
            index > 0 and piece[0].isalnum() and pieces[index - 1][-1].isalnum() for index, piece in enumerate(pieces)
        ]

    def write(self, elements: Sequence[InlineElement], low: int, high: int, at: int) -> str:
        """The text of the tokens from `low`, which starts at `at` in the text, to before `high`, with the tags."""
        parts: list[str] = []
        for (start, end), element in sorted(self._ranges(elements, low, high), key=lambda entry: entry[0]):
            begin = self._start_of(start) if start < end else self._ends[end]
            parts.append(self._format_words(self._text[at:begin]))
            content = self.write(element.children, start, end, begin)
            is_lost = element.if_empty and not content[:1].isalpha()
            parts += (content, element.if_empty) if is_lost else (element.opening, content, element.closing)
            at = max(begin, self._ends[end])
        return "".join([*parts, self._format_words(self._text[at : max(at, self._ends[high])])])

    def _start_of(self, token: int) -> int:
        """The start of a token in the text, after the space before it."""
        at = self._ends[token]
        return at + (at < len(self._text) and self._text[at] == " " and token < len(self._ends) - 1)

    def _ranges(
        self, elements: Sequence[InlineElement], low: int, high: int
    ) -> Iterator[tuple[tuple[int, int], InlineElement]]:
        """The range of tokens for each element; ranges do not overlap or split words."""
        free = np.zeros(len(self._attention) + 1, bool)
        free[low:high] = True
        for element in elements:
            gains = self._attention[:, element.first : element.end].sum(1) - _MIN_ATTENTION
            start, end = _best_range(gains, free)
            while start < end and self._continues_word[start] and free[start - 1]:
                start -= 1
            while start < end < high and self._continues_word[end] and free[end]:
                end += 1
            free[start:end] = False
            yield (start, end) if start < end else (high, high), element


def _best_range(gains: NDArray[np.float32], free: NDArray[np.bool_]) -> tuple[int, int]:
    """The non-empty range of free positions with the largest sum (Kadane's algorithm); (0, 0) if none is free."""
    best, best_range = -np.inf, (0, 0)
    total, start = 0.0, 0
    for index, gain in enumerate(gains.tolist()):
        if not free[index]:
            total, start = 0.0, index + 1
            continue
        if total <= 0:
            total, start = 0.0, index
        total += gain
        if total > best:
            best, best_range = total, (start, index + 1)
    return best_range


@dataclass
class _OpenTag:
    """An opening tag without its closing tag so far."""

    name: str
    index: int
    only_pairs_inside: bool = True
    """False once an unpaired tag or another protected span was seen inside."""


def _pairs(spans: Sequence[Span], counts: Sequence[int]) -> list[tuple[int, int]]:
    """Indices of the opening and closing inline tags that have words and nothing but such pairs between them.

    Args:
        spans: the protected spans of a sentence.
        counts: letters and digits before each of them.
    """
    pairs: list[tuple[int, int]] = []
    stack: list[_OpenTag] = []
    open_names: Counter[str] = Counter()
    for index, span in enumerate(spans):
        name = span.name
        if is_inline_tag(span, SpanKind.START_TAG):
            stack.append(_OpenTag(name, index))
            open_names[name] += 1
            continue
        if span.kind is SpanKind.END_TAG and open_names[name]:
            unclosed = 0
            while stack[-1].name != name:
                open_names[stack.pop().name] -= 1
                unclosed += 1
            opening = stack.pop()
            open_names[name] -= 1
            if opening.only_pairs_inside and not unclosed and counts[index] > counts[opening.index]:
                pairs.append((opening.index, index))
                continue
        if stack:
            stack[-1].only_pairs_inside = False
    return sorted(pairs)
