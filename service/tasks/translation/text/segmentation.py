"""Segments a text into what is translated and what is kept."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from service.tasks.translation.subwords import SPACE_SYMBOL, Subwords, clean
from service.tasks.translation.text.accelerators import add_accelerators
from service.tasks.translation.text.arguments import has_unnumbered_argument
from service.tasks.translation.text.asides import Aside, PlacedAside, find_asides
from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.inline_codes import add_inline_codes
from service.tasks.translation.text.invention import InventionGuard, Kept, Reason
from service.tasks.translation.text.markdown import add_markdown
from service.tasks.translation.text.protected_spans import ProtectedSpans, find_folds, find_quote_folds
from service.tasks.translation.text.quoted_words import WholeQuotation, add_quoted_words, find_whole_quotation
from service.tasks.translation.text.rare_words import RareWords
from service.tasks.translation.text.scripts import merge_scripts
from service.tasks.translation.text.segmented_text import SegmentedText, SourceUnit
from service.tasks.translation.text.sentence_splitting import split_sentences
from service.tasks.translation.text.short_texts import add_short_texts, merge_spans
from service.tasks.translation.text.source_text import SourceText
from service.tasks.translation.text.spans import Range, Span, SpanKind, find_spans, gaps_between
from service.tasks.translation.text.structure import find_structure
from service.tasks.translation.text.translation_units import MARKUP
from service.tasks.translation.text.truecasing import NO_TRUECASING, Truecaser
from service.tasks.translation.text.unit_encoding import EncodedUnit, UnitEncoder
from service.text.lines import BREAKS

_LINE_BREAK = re.compile(f"[{BREAKS}]")
_NO_CODE = frozenset([
    SpanKind.START_TAG, SpanKind.END_TAG, SpanKind.EMPTY_TAG, SpanKind.COMMENT, SpanKind.VERBATIM, SpanKind.URL,
    SpanKind.ENTITY, SpanKind.STRUCTURE, SpanKind.FORMAT_SPECIFIER,
])  # fmt: skip
"""Spans whose signs do not make the sentence around them code."""
_MAX_REPEATED_LETTERS = 3
_PAUSES = frozenset(",;:.!?)\u2026\u2013\u2014")


def segment(
    text: str,
    subwords: Subwords,
    language: str,
    max_tokens: int,
    *,
    inline_tags: bool = False,
    rare_words: RareWords | None = None,
    truecaser: Truecaser = NO_TRUECASING,
    is_html: bool = False,
    guard: InventionGuard | None = None,
) -> SegmentedText:
    """Split a text into segments, each at most a sentence.

    Everything that a translator would spoil is kept unchanged: spacing and line breaks, addresses, markup (including
    elements such as <code> or with translate="no"), text without letters, overlong words, and characters that are not
    in the vocabulary: words with such letters, and symbols such as emoji. With placeholders also numbers, dates, codes
    and names that the translator has not seen, in the notation of the target language.

    Args:
        text: the text as it was sent.
        subwords: the subwords of the source language.
        language: the source language; decides which full stops do not end a sentence.
        max_tokens: the maximum number of tokens in a segment.
        inline_tags: whether to translate a sentence with inline tags such as <b> as a whole and transfer the tags;
            otherwise, and if the sentence is too long, the parts between the tags are translated.
        rare_words: finds the rare words if placeholders can stand for protected spans, so that their sentence is
            translated as a whole; otherwise, and if it has more of them than words, the parts between them are.
        truecaser: the truecaser of the source language; gives headings the case they would have within a sentence.
        is_html: whether line breaks are ordinary spaces and entities are decoded.
        guard: says which segments are not translated, because they are no sentences; None to translate all.
    """
    source, markup = _read(text, language, is_html=is_html, has_placeholders=rare_words is not None)
    text = source.text
    if rare_words:
        markup = add_short_texts(text, markup, language, is_html=is_html)
    if inline_tags and rare_words and guard:
        markup = add_accelerators(text, markup, guard.is_known)
    if rare_words and rare_words.names:
        markup = add_quoted_words(text, markup, rare_words.languages)
    quotation = find_whole_quotation(text, rare_words.languages[1]) if rare_words else None
    if quotation:
        markup = merge_spans(text, markup, [quotation.opening, quotation.closing])
    unknown = subwords.unknown_characters(clean(text))
    folds = find_folds(unknown, subwords) | (find_quote_folds(text, language, subwords) if rare_words else {})
    languages, names = (rare_words.languages, rare_words.names) if rare_words else (None, None)
    spans = find_spans(text, markup, unknown, folds, languages=languages, names=names, line_breaks=not is_html)
    protected = ProtectedSpans(spans)
    encoder = UnitEncoder(
        source=source, protected=protected, subwords=subwords, folds=str.maketrans(folds), max_tokens=max_tokens,
        language=language, truecaser=truecaser, transfers_tags=inline_tags, rare_words=rare_words,
    )  # fmt: skip
    result = SegmentedText(uses_placeholders=rare_words is not None, is_html=is_html)
    keeper = _Keeper(source, protected, guard)
    end = 0
    for start, stop in split_sentences(text, language, protected, is_html=is_html):
        units = list(encoder.encode(start, stop, _asides(encoder, start, stop, guard)))
        if not units:
            keeper.add_sentence(start, stop)
        for encoded in units:
            if keeper.keeps(encoded, (start, stop) if len(units) == 1 else None):
                continue
            result.separators[-1] += source.sent(end, encoded.unit.start)
            is_uncertain = guard is not None and guard.is_uncertain(encoded.words, encoded.ids)
            _append(result, encoded, encoder, is_uncertain=is_uncertain)
            _append_asides(result, encoded, encoder, keeper)
            end = encoded.unit.stop
        if units and end == units[-1].unit.stop:
            value = encoder.value_after_label(end, stop)
            result.separators[-1] += value
            end = stop if value else end
    result.separators[-1] += source.sent(end, len(text))
    if quotation:
        _set_quotation_marks(result.separators, text, quotation)
    result.kept = keeper.kept()
    return result


def _read(sent: str, language: str, *, is_html: bool, has_placeholders: bool) -> tuple[SourceText, list[Span]]:
    """What is read of a text, and its markup."""
    if is_html:
        source, markup = SourceText.of_html(sent, find_markup(sent, language))
        if has_placeholders:
            markup = find_structure(source.text, merge_scripts(source.text, markup), is_html=True)
            markup = add_inline_codes(source.text, markup)
        return source, markup
    source = SourceText.plain(sent)
    markup = find_markup(source.text)
    if has_placeholders:
        markup = [span for span in markup if not source.text.startswith("%", span.start - 1)]  # Ruby's %<name>d
        markup = find_structure(source.text, merge_scripts(source.text, markup))
        markup = add_markdown(source.text, add_inline_codes(source.text, markup))
    return source, markup


class _Keeper:
    """Collects the parts of a text that are not translated because they are no sentences.

    Args:
        source: the text.
        protected: its protected spans.
        guard: says which segments are none; None for none.
    """

    def __init__(self, source: SourceText, protected: ProtectedSpans, guard: InventionGuard | None) -> None:
        self._source, self._protected, self._guard = source, protected, guard
        self._parts: list[tuple[int, int, Reason]] = []
        self._translated: list[Range] = []

    def keeps(self, encoded: EncodedUnit, sentence: Range | None) -> bool:
        """Whether a unit is kept.

        Args:
            encoded: the unit.
            sentence: the sentence that it is all there is of; None if there are other units.
        """
        if self._guard is None:
            return False
        start, stop = encoded.unit.start, encoded.unit.stop
        reason = self._guard.before(encoded.words, encoded.ids, self._without_markup(start, stop))
        if reason:
            markup = [span for span in self._protected.within(*(sentence or (start, stop))) if span.kind in MARKUP]
            start, stop = (start, stop) if sentence is None or markup else sentence
            self._parts.append((start, stop, reason))
        else:
            self._translated.append((start, stop))
        return reason is not None

    def add_sentence(self, start: int, stop: int) -> None:
        """A sentence in which there is nothing to translate."""
        spans = self._protected.within(start, stop)
        kinds = {span.kind for span in spans}
        if self._guard is None or SpanKind.NAME in kinds or not self._without_markup(start, stop, markup_only=True):
            return
        reason: Reason = "no_letters"
        if SpanKind.STRETCHED_WORD in kinds or _is_stretched(self._source.text, spans):
            reason = "repeats"
        elif SpanKind.UNKNOWN_WORD in kinds:
            reason = "language"
        self._parts.append((start, stop, reason))

    def kept(self) -> list[Kept]:
        """The parts, in reading order; neighbors with one reason are one.

        A part without letters is named only if nothing of its line is translated: not the number of a list item.
        """
        text = self._source.text
        merged: list[tuple[int, int, Reason]] = []
        for start, stop, reason in self._parts:
            if reason == "no_letters" and self._is_beside_words(start, stop):
                continue
            if merged and merged[-1][2] == reason and not text[merged[-1][1] : start].strip():
                merged[-1] = (merged[-1][0], stop, reason)
            else:
                merged.append((start, stop, reason))
        kept = (self._sent(start, stop, reason) for start, stop, reason in merged)
        # Of a character that is read as several, a part may be kept that has no characters of its own.
        return [one for one in kept if one.start < one.end]

    def _sent(self, start: int, stop: int, reason: Reason) -> Kept:
        """A part in the text as it was sent, without white space around it."""
        begin, end = self._source.range(start, stop)
        part = self._source.sent(start, stop)
        return Kept(end - len(part.lstrip()), begin + len(part.rstrip()), reason)

    def _is_beside_words(self, start: int, stop: int) -> bool:
        text = self._source.text
        index = bisect_left(self._translated, (start, stop))
        before, after = self._translated[max(0, index - 1) : index], self._translated[index : index + 1]
        return any(not _LINE_BREAK.search(text, end, start) for _, end in before) or any(
            not _LINE_BREAK.search(text, stop, begin) for begin, _ in after
        )

    def _without_markup(self, start: int, stop: int, *, markup_only: bool = False) -> str:
        """`text[start:stop]` without the spans that are no reason to take it for code."""
        kinds, text = MARKUP if markup_only else _NO_CODE, self._source.text
        spans = [
            span
            for span in self._protected.within(start, stop)
            if span.kind in kinds and span.end <= stop and not text.startswith("-", span.start)  # options of commands
        ]
        return " ".join(text[begin:end] for begin, end in gaps_between(start, stop, spans)).strip()


def _is_stretched(text: str, spans: Sequence[Span]) -> bool:
    """Whether a word that is too long to be one has hardly any letters but one to three."""
    words = (set(text[span.start : span.end].lower()) for span in spans if span.kind is SpanKind.LONG_WORD)
    return any(len(letters) <= _MAX_REPEATED_LETTERS for letters in words)


def _append(text: SegmentedText, encoded: EncodedUnit, encoder: UnitEncoder, *, is_uncertain: bool) -> None:
    """Append the segments of a unit: one, or several if it is long."""
    first = len(text.segments)
    start, stop = encoded.unit.start, encoded.unit.stop
    unit = SourceUnit(*encoder.source.range(start, stop), encoder.source.sent(start, stop), first)
    if encoded.unit.tags:
        text.inline_elements[first] = encoder.inline_elements(encoded)
    if encoded.capitalized:
        text.capitalized.add(first)
    protected = iter(encoder.protected_texts(encoded.unit))
    for ids, separator in _split_long(encoded.ids, encoder.subwords, encoder.max_tokens):
        positions = [position for position, id_ in enumerate(ids) if id_ in encoder.subwords.placeholder_ids]
        own = [one._replace(position=position) for position, one in zip(positions, protected, strict=False)]
        if own:
            text.protected[len(text.segments)] = own
        if encoded.all_caps:
            text.all_caps.add(len(text.segments))
        if is_uncertain or sum(has_unnumbered_argument(one.text) for one in own) > 1:
            text.uncertain.add(len(text.segments))
        text.segments.append(ids)
        text.units.append(unit)
        text.separators.append(separator)


def _asides(encoder: UnitEncoder, start: int, stop: int, guard: InventionGuard | None) -> list[Aside]:
    """The asides of a sentence that are translated on their own: those that have words and no markup."""
    if encoder.rare_words is None or guard is None:
        return []
    protected = encoder.protected.within(start, stop)
    markup = [span for span in protected if span.kind in MARKUP]
    return [
        aside
        for aside in find_asides(encoder.text, start, stop, protected, guard.is_known)
        if not any(aside.start <= span.start < aside.end for span in markup)
        and any(encoder.encode(aside.first, aside.last))
    ]


def _append_asides(text: SegmentedText, encoded: EncodedUnit, encoder: UnitEncoder, keeper: _Keeper) -> None:
    """Append the segments of the asides of a unit, which is the last that was appended."""
    parent = len(text.segments) - 1
    for aside in encoded.unit.asides:
        first, end = len(text.segments), aside.start
        opening = ""
        for own in encoder.encode(aside.first, aside.last):
            if keeper.keeps(own, None):
                continue
            before = encoder.source.sent(end, own.unit.start)
            if len(text.segments) == first:
                opening = before
            else:
                text.separators[-1] += before
            _append(text, own, encoder, is_uncertain=True)
            end = own.unit.stop
        closing = encoder.source.sent(end, aside.end)
        placed = PlacedAside(aside.place, encoder.anchor(encoded, aside), opening, closing, first, len(text.segments))
        text.asides.setdefault(parent, []).append(placed)


def _set_quotation_marks(separators: list[str], text: str, quotation: WholeQuotation) -> None:
    """Replace the quotation marks around a whole text by those of the translation."""
    opening, closing = (text[span.start : span.end] for span in (quotation.opening, quotation.closing))
    before, after = quotation.marks
    separators[0] = separators[0].replace(opening, before, 1)
    head, mark, tail = separators[-1].rpartition(closing)
    separators[-1] = head + (after if mark else "") + tail


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
