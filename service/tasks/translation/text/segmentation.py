"""Segments a text into what is translated and what is kept."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator

from service.tasks.translation.subwords import SPACE_SYMBOL, Subwords, clean
from service.tasks.translation.text.html import decode_entities, find_markup
from service.tasks.translation.text.markdown import add_markdown
from service.tasks.translation.text.protected_spans import ProtectedSpans, find_folds
from service.tasks.translation.text.rare_words import RareWords
from service.tasks.translation.text.segmented_text import SegmentedText
from service.tasks.translation.text.sentence_splitting import split_sentences
from service.tasks.translation.text.spans import find_spans
from service.tasks.translation.text.truecasing import NO_TRUECASING, Truecaser
from service.tasks.translation.text.unit_encoding import EncodedUnit, UnitEncoder

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
    """
    text = text if is_html else unicodedata.normalize("NFC", text)
    markup = find_markup(text)
    if not is_html and rare_words:
        markup = add_markdown(text, markup)
    if is_html:
        text, markup = decode_entities(text, markup)
    unknown = subwords.unknown_characters(clean(text))
    folds = find_folds(unknown, subwords)
    languages, names = (rare_words.languages, rare_words.names) if rare_words else (None, None)
    spans = find_spans(text, markup, unknown, folds, languages=languages, names=names, line_breaks=not is_html)
    protected = ProtectedSpans(spans)
    encoder = UnitEncoder(
        text=text, protected=protected, subwords=subwords, folds=str.maketrans(folds), max_tokens=max_tokens,
        language=language, truecaser=truecaser, transfers_tags=inline_tags, rare_words=rare_words,
    )  # fmt: skip
    result = SegmentedText(uses_placeholders=rare_words is not None, is_html=is_html)
    end = 0
    for start, stop in split_sentences(text, language, protected, is_html=is_html):
        for encoded in encoder.encode(start, stop):
            result.separators[-1] += text[end : encoded.unit.start]
            _append(result, encoded, encoder)
            end = encoded.unit.stop
    result.separators[-1] += text[end:]
    if is_html:
        result.escape_kept_text()
    return result


def _append(text: SegmentedText, encoded: EncodedUnit, encoder: UnitEncoder) -> None:
    """Append the segments of a unit: one, or several if it is long."""
    first = len(text.segments)
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
        text.segments.append(ids)
        text.separators.append(separator)


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
