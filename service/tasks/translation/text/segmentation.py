"""Segments a text into what is translated and what is kept, and restores the text from the translations."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import NamedTuple

from service.decoding import Hypothesis
from service.tasks.translation.subwords import PLACEHOLDER, SPACE_SYMBOL, UNKNOWN, Subwords, clean
from service.tasks.translation.text.html import decode_entities, escape, find_markup
from service.tasks.translation.text.placeholders import ProtectedText, fill_placeholders, word_at
from service.tasks.translation.text.protected_spans import ProtectedSpans, find_folds
from service.tasks.translation.text.sentence_splitting import split_sentences
from service.tasks.translation.text.spans import find_spans, gaps_between
from service.tasks.translation.text.tag_transfer import InlineTag, build_tag_tree, transfer_tags
from service.tasks.translation.text.translation_units import TranslationUnit, find_units, split_at_tags
from service.tasks.translation.text.truecasing import NO_TRUECASING, Truecaser, capitalizes_nouns

_PAUSES = frozenset(",;:.!?)\u2026\u2013\u2014")
_WORD = re.compile(r"\w+")


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
    inline_tags: dict[int, list[InlineTag]] = field(default_factory=dict)
    """By segment, if it has any."""
    protected: dict[int, list[ProtectedText]] = field(default_factory=dict)
    """By segment, if it has any: the text of each UNKNOWN, which is a placeholder."""
    uses_placeholders: bool = False
    """Whether the model was trained to copy, so that a translation may contain UNKNOWN."""
    is_html: bool = False
    """Whether special characters of a translation are escaped as HTML entities."""

    def join(self, translations: Sequence[str]) -> str:
        """The translated text, from the restored translation of each segment."""
        pairs = zip(translations, self.separators[1:], strict=True)
        return "".join([self.separators[0], *(part for pair in pairs for part in pair)])

    def needs_attention(self, index: int) -> bool:
        """Whether a segment has to be translated with attention weights, if the model has attention."""
        return self.uses_placeholders or index in self.inline_tags

    def streamable_prefix(
        self, index: int, tokens: Sequence[int], subwords: Subwords, *, ended: bool
    ) -> tuple[str, bool]:
        """Text of a partially decoded segment that can be streamed before attention is available.

        Args:
            index: of the segment.
            tokens: of its translation so far.
            subwords: of the target language.
            ended: whether these are all tokens.

        Returns:
            The text, and whether it is complete.
        """
        protected = self.protected.get(index, ())
        if index in self.inline_tags or len(protected) > 1:
            return "", False
        if protected and not (ended and tokens.count(UNKNOWN) == 1):
            return "", False
        if not protected and UNKNOWN in tokens:
            tokens, ended = tokens[: tokens.index(UNKNOWN)], False
        text = self.restore(index, Hypothesis(tuple(tokens), 0.0, None), subwords, subwords)
        # If an UNKNOWN is removed, the space before it may go too.
        return text if ended else text.rstrip(" "), ended

    def restore(self, index: int, hypothesis: Hypothesis, source: Subwords, target: Subwords) -> str:
        """The translation of a segment with its placeholders filled, its case restored and its tags put back."""
        ids, protected, tags = self.segments[index], self.protected.get(index, ()), self.inline_tags.get(index)
        tokens, attention, texts = fill_placeholders(
            hypothesis,
            ids,
            protected,
            target,
            lambda position: self.format_words(index, word_at(ids, position, source)),
        )
        remaining = iter(texts)

        def format_part(part: str) -> str:
            return re.sub(PLACEHOLDER, lambda _: next(remaining, PLACEHOLDER), self.format_words(index, part))

        text = target.decode(tokens)
        first = text[:1].upper()
        text = first + text[1:] if index in self.capitalized and len(first) == 1 else text
        if not tags or attention is None:
            return format_part(text)
        return transfer_tags(text, tokens, attention, tags, target, format_part)

    def format_words(self, index: int, words: str) -> str:
        """Words of a segment's translation, in capitals if the segment was, and escaped if the text is HTML."""
        words = words.upper() if index in self.all_caps else words
        return html.escape(words, quote=False) if self.is_html else words


def segment(
    text: str,
    subwords: Subwords,
    language: str,
    max_tokens: int,
    *,
    inline_tags: bool = False,
    placeholders: bool = False,
    truecaser: Truecaser = NO_TRUECASING,
    is_html: bool = False,
) -> SegmentedText:
    """Split a text into segments, each at most a sentence.

    Kept unchanged is what a translator would spoil: spacing and line breaks, addresses, markup (including elements such
    as <code> or with translate="no"), text without letters, words too long to be any, and characters that are not in
    the vocabulary, such as emoji, together with the word they are a letter of.

    Args:
        text: as it was sent.
        subwords: of the source language.
        language: the source language; decides which full stops do not end a sentence.
        max_tokens: longest segment.
        inline_tags: whether to translate a sentence with inline tags such as <b> as a whole and transfer the tags;
            otherwise, and if the sentence is too long, the parts between the tags are translated.
        placeholders: whether to translate a sentence with protected spans as a whole, with placeholders for them;
            otherwise, and if it has more of them than words, the parts between them are translated.
        truecaser: of the source language; gives headings the case they would have within a sentence.
        is_html: whether line breaks are ordinary spaces and entities are decoded.
    """
    text = text if is_html else unicodedata.normalize("NFC", text)
    markup = find_markup(text)
    if is_html:
        text, markup = decode_entities(text, markup)
    unknown = subwords.unknown_characters(clean(text))
    folds = find_folds(unknown, subwords)
    spans = find_spans(text, markup, unknown, folds, placeholders=placeholders, line_breaks=not is_html)
    protected = ProtectedSpans(spans)
    reader = _UnitReader(
        text, subwords, str.maketrans(folds), protected, max_tokens, language, truecaser,
        inline_tags=inline_tags, placeholders=placeholders,
    )  # fmt: skip
    result = SegmentedText(uses_placeholders=placeholders, is_html=is_html)
    end = 0
    for start, stop in split_sentences(text, language, protected, is_html=is_html):
        for encoded in reader.read(start, stop):
            unit, first = encoded.unit, len(result.segments)
            if unit.tags:
                result.inline_tags[first] = reader.inline_tags(encoded)
            result.separators[-1] += text[end : unit.start]
            texts = iter(reader.protected_texts(unit))
            for ids, separator in _split_long(encoded.ids, subwords, max_tokens):
                own = list(islice(texts, ids.count(UNKNOWN) if unit.protected else 0))
                if own:
                    result.protected[len(result.segments)] = own
                if encoded.all_caps:
                    result.all_caps.add(len(result.segments))
                result.segments.append(ids)
                result.separators.append(separator)
            if encoded.capitalized:
                result.capitalized.add(first)
            end = unit.stop
    result.separators[-1] += text[end:]
    if is_html:
        _escape_kept_text(result)
    return result


def _escape_kept_text(text: SegmentedText) -> None:
    text.separators = [escape(separator) for separator in text.separators]
    text.protected = {
        index: [one._replace(text=escape(one.text)) for one in protected] for index, protected in text.protected.items()
    }


class _EncodedUnit(NamedTuple):
    """A translation unit and its token ids."""

    unit: TranslationUnit
    ids: list[int]
    all_caps: bool
    """Whether it is in capitals, and was encoded in lower case."""
    capitalized: bool
    """Whether it starts with a capital that is not a noun's, so that its translation has to start with one too."""


class _UnitReader:
    """Encodes the translation units of a text.

    Args:
        text: the whole text.
        subwords: of the source language.
        folds: characters that are not in the vocabulary, and what is encoded instead.
        protected: the protected spans of the text.
        max_tokens: longest segment with inline tags.
        language: the source language.
        truecaser: of the source language.
        inline_tags: see `segment`.
        placeholders: see `segment`.
    """

    def __init__(
        self,
        text: str,
        subwords: Subwords,
        folds: Mapping[int, str],
        protected: ProtectedSpans,
        max_tokens: int,
        language: str,
        truecaser: Truecaser,
        *,
        inline_tags: bool,
        placeholders: bool,
    ) -> None:
        self._text, self._subwords, self._folds, self._protected = text, subwords, folds, protected
        self._max_tokens, self._language, self._truecaser = max_tokens, language, truecaser
        self._inline_tags, self._placeholders = inline_tags, placeholders

    def read(self, start: int, stop: int) -> Iterator[_EncodedUnit]:
        """The encoded units of the sentence `text[start:stop]`, as few as possible."""
        for unit in self._units(start, stop, placeholders=self._placeholders):
            yield from self._encode(unit)

    def inline_tags(self, encoded: _EncodedUnit) -> list[InlineTag]:
        """The inline tags of a unit, with the tokens they enclose."""
        unit = encoded.unit
        ends = list(accumulate(1 if id_ == UNKNOWN else len(self._subwords.piece(id_)) for id_ in encoded.ids))

        def token_range(begin: int, end: int) -> tuple[int, int]:
            # + 1: the first piece starts with a space that the text does not have.
            before, after = (len(self._plain_text(unit._replace(stop=position))) + 1 for position in (begin, end))
            return bisect_right(ends, before), min(len(ends), bisect_left(ends, after) + 1)

        return build_tag_tree(self._text, unit.tags, token_range)

    def protected_texts(self, unit: TranslationUnit) -> list[ProtectedText]:
        """The texts that the placeholders of a unit stand for."""
        return [
            ProtectedText(self._text[span.start : span.end], self._text[max(0, span.start - 1) : span.start].isalnum())
            for span in unit.protected
        ]

    def _units(self, start: int, stop: int, *, placeholders: bool) -> Iterator[TranslationUnit]:
        spans = self._protected.within(start, stop)
        return find_units(self._text, spans, start, stop, inline_tags=self._inline_tags, placeholders=placeholders)

    def _encode(self, unit: TranslationUnit) -> Iterator[_EncodedUnit]:
        """Encode a unit; if placeholders were lost or it is too long, split it at placeholders or tags."""
        plain = self._plain_text(unit)
        all_caps = self._truecaser.is_all_caps(plain)
        sentence_case = plain.capitalize() if all_caps else plain
        truecased = self._truecaser.truecase(sentence_case, self._language)
        ids = self._subwords.encode(truecased)
        words, placeholders = len(_WORD.findall(plain)), len(unit.protected)
        parts: Iterator[TranslationUnit] = iter(())
        if placeholders and (placeholders > words or ids.count(UNKNOWN) != placeholders):
            parts = self._units(unit.start, unit.stop, placeholders=False)
        elif unit.tags and max(len(unit.tags), len(ids)) > self._max_tokens:
            parts = split_at_tags(self._text, unit)
        elif ids:
            is_no_noun = truecased != sentence_case or not capitalizes_nouns(self._language)
            yield _EncodedUnit(unit, ids, all_caps, capitalized=plain[:1].isupper() and is_no_noun)
        for part in parts:
            yield from self._encode(part)

    def _plain_text(self, unit: TranslationUnit) -> str:
        """The words of a unit, without its tags and with placeholders for its protected spans."""
        start, stop, tags, protected = unit
        replacements = [(tag, "") for pair in tags for tag in pair] + [(span, PLACEHOLDER) for span in protected]
        replacements = sorted(
            ((span, text) for span, text in replacements if span.start < stop), key=lambda pair: pair[0].start
        )
        gaps = gaps_between(start, stop, (span for span, _ in replacements))
        words = [self._text[begin:end].translate(self._folds) for begin, end in gaps]
        replaced = [text for _, text in replacements]
        return clean("".join(part for pair in zip(words, [*replaced, ""], strict=True) for part in pair))


def _split_long(ids: list[int], subwords: Subwords, max_tokens: int) -> Iterator[tuple[list[int], str]]:
    """Split token ids into parts of at most `max_tokens`, near pauses or spaces; yields each with its separator."""
    while len(ids) > max_tokens:
        goal = math.ceil(len(ids) / math.ceil(len(ids) / max_tokens))
        spaces = [
            index
            for index in range(max_tokens // 2, max_tokens + 1)
            if subwords.piece(ids[index]).startswith(SPACE_SYMBOL)
        ]
        pauses = [index for index in spaces if subwords.piece(ids[index - 1])[-1] in _PAUSES]
        split = min(pauses or spaces or [max_tokens], key=lambda index: abs(index - goal))
        yield ids[:split], " " if spaces else ""
        ids = ids[split:]
    yield ids, ""
