"""A segmented text, which restores the text from the translations of its segments."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.decoding import Hypothesis
from service.tasks.translation.subwords import PLACEHOLDER, Subwords
from service.tasks.translation.text.arguments import has_unnumbered_argument
from service.tasks.translation.text.asides import PlacedAside, with_asides, with_markers
from service.tasks.translation.text.copied_ranges import unmarked
from service.tasks.translation.text.invention import Kept
from service.tasks.translation.text.placeholders import ProtectedText, fill_placeholders, word_at
from service.tasks.translation.text.tag_transfer import InlineElement, transfer_tags

_OPEN_BRACKET = re.compile(r"<[!/?]?\Z")
"""What begins a tag or a declaration if a letter follows."""


class SourceUnit(NamedTuple):
    """The part of a text that one or more segments are of."""

    start: int
    end: int
    """Its offsets in the text as it was sent, in code points."""
    text: str
    """As it was sent."""
    first: int
    """The index of its first segment."""


@dataclass
class SegmentedText:
    """A text as an alternation of N segments, which are translated, and N + 1 separators, which are kept."""

    segments: list[list[int]] = field(default_factory=list)
    """Token ids of each segment, without END."""
    separators: list[str] = field(default_factory=lambda: [""])
    """The text before, between and after the segments."""
    all_caps: set[int] = field(default_factory=set)
    """Segments in capitals, which are translated in lower case."""
    capitalized: set[int] = field(default_factory=set)
    """Segments whose translation has to start with a capital."""
    inline_elements: dict[int, list[InlineElement]] = field(default_factory=dict)
    """By segment, if it has any."""
    protected: dict[int, list[ProtectedText]] = field(default_factory=dict)
    """By segment, if it has any: the text of each placeholder."""
    asides: dict[int, list[PlacedAside]] = field(default_factory=dict)
    """By segment, if it has any; their own segments follow it."""
    units: list[SourceUnit] = field(default_factory=list)
    """Of each segment, what it is a part of."""
    uncertain: set[int] = field(default_factory=set)
    """Segments whose translation may have to be kept from a stream until it is whole, see `InventionGuard`."""
    kept: list[Kept] = field(default_factory=list)
    """What was not made a segment, because it is no sentence."""
    uses_placeholders: bool = False
    """Whether the model was trained to copy, so that a translation may contain placeholders."""
    is_html: bool = False
    """Whether special characters of a translation are escaped as HTML entities."""

    def join(self, translations: Mapping[int, str] | Sequence[str], mark: Callable[[str], str] = unmarked) -> str:
        """The translated text.

        Args:
            translations: the restored translation by the index of each segment; units of which none is there stay as
                they were sent.
            mark: marks what is between segments, and units that stay.
        """
        if not isinstance(translations, Mapping):
            translations = dict(enumerate(translations))
        parts = [mark(self.separators[0])]
        index = 0
        while index < len(self.segments):
            asides = self.asides.get(index, ())
            end = asides[-1].end if asides else index + 1
            if index in translations:
                written = [self._joined_aside(aside, translations, mark) for aside in asides]
                parts += with_asides(translations[index], written), mark(self.separators[end])
            else:
                unit = self.units[index]
                if index == unit.first:
                    parts.append(mark(unit.text))
                if end == len(self.units) or self.units[end].first != unit.first:
                    parts.append(mark(self.separators[end]))
            index = end
        return "".join(parts)

    def _joined_aside(self, aside: PlacedAside, translations: Mapping[int, str], mark: Callable[[str], str]) -> str:
        """An aside with its signs; units of which no translation is there stay as they were sent."""
        parts = [mark(aside.opening)]
        for index in range(aside.first, aside.end):
            if index in translations:
                parts.append(translations[index])
            elif index == self.units[index].first:
                parts.append(mark(self.units[index].text))
            if index + 1 < aside.end:
                parts.append(mark(self.separators[index + 1]))
        return "".join([*parts, mark(aside.closing)])

    def needs_attention(self, index: int) -> bool:
        """Whether a segment has to be translated with attention weights, if the model has attention."""
        return self.uses_placeholders or index in self.inline_elements

    def streamable_prefix(
        self, index: int, tokens: Sequence[int], subwords: Subwords, *, ended: bool
    ) -> tuple[str, bool]:
        """Text of a partially decoded segment that can be streamed before attention is available.

        Args:
            index: the index of the segment.
            tokens: the tokens of its translation so far.
            subwords: the subwords of the target language.
            ended: whether these are all tokens.

        Returns:
            The text, and whether it is complete.
        """
        protected = self.protected.get(index, ())
        if index in self.uncertain or index in self.inline_elements or index in self.asides or len(protected) > 1:
            return "", False
        placeholders = [position for position, token in enumerate(tokens) if token in subwords.placeholder_ids]
        if protected and not (ended and len(placeholders) == 1):
            return "", False
        if not protected and placeholders:
            tokens, ended = tokens[: placeholders[0]], False
        text = self.restore(index, Hypothesis(tuple(tokens), 0.0, None), subwords, subwords)
        # If a placeholder is removed, the space before it may go too.
        return text if ended else text.rstrip(" "), ended

    def restore(
        self,
        index: int,
        hypothesis: Hypothesis,
        source: Subwords,
        target: Subwords,
        mark: Callable[[str], str] = unmarked,
    ) -> str:
        """The translation of a segment with its placeholders filled, its case restored and its tags put back.

        Args:
            index: the index of the segment.
            hypothesis: its translation.
            source: subwords of the source language.
            target: subwords of the target language.
            mark: marks what placeholders are filled with.
        """
        ids, protected, tags = self.segments[index], self.protected.get(index, ()), self.inline_elements.get(index)
        tokens, attention, texts, _ = fill_placeholders(
            hypothesis,
            protected,
            target,
            lambda position: self.format_words(index, word_at(ids, position, source)),
        )
        remaining = iter(texts)

        def fill(placeholder: re.Match[str]) -> str:
            filled = next(remaining, PLACEHOLDER)
            filled += self._space_after(filled, placeholder.string[placeholder.end() :])
            # `on the 5th.` is `am 5.`: one full stop for both.
            return mark(filled) if filled.endswith(".") else mark(filled) + placeholder[1]

        def format_part(part: str) -> str:
            return re.sub(PLACEHOLDER + r"(\.?)", fill, self.format_words(index, part))

        text = target.decode(tokens)
        first = text[:1].upper()
        text = first + text[1:] if index in self.capitalized and len(first) == 1 else text
        if asides := self.asides.get(index):
            text = with_markers(text, tokens, attention, asides, target)
        if not tags or attention is None:
            restored = format_part(text)
        else:
            restored = transfer_tags(text, tokens, attention, tags, target, format_part)
        return self._space_after(self.separators[index], restored) + restored

    def moves_arguments(self, index: int, hypothesis: Hypothesis, target: Subwords) -> bool:
        """Whether a translation has format specifiers without numbers, `%s` or `{}`, in another order than the segment.

        A program that fills them in that order would put a value at the wrong place, or read it as of another type.
        """
        protected = self.protected.get(index, ())
        arguments = [order for order, one in enumerate(protected) if has_unnumbered_argument(one.text)]
        if len(arguments) < 2:
            return False
        order = fill_placeholders(hypothesis, protected, target).order
        return [position for position in order if position in arguments] != arguments

    def _space_after(self, kept: str, translated: str) -> str:
        """A space between a `<` of HTML that was no tag and a letter, which would make it one; else nothing."""
        return " " if self.is_html and _OPEN_BRACKET.search(kept) and translated[:1].isalpha() else ""

    def format_words(self, index: int, words: str) -> str:
        """Words of a segment's translation, in capitals if the segment was, and escaped if the text is HTML."""
        words = words.upper() if index in self.all_caps else words
        return html.escape(words, quote=False) if self.is_html else words
