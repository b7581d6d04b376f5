"""Encodes the translation units of a text as token ids."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from service.tasks.translation.subwords import SPACE_SYMBOL, Subwords, clean
from service.tasks.translation.text.asides import Aside
from service.tasks.translation.text.capitals import CapitalsReader
from service.tasks.translation.text.placeholders import ProtectedText
from service.tasks.translation.text.protected_spans import ProtectedSpans
from service.tasks.translation.text.rare_words import PLACEHOLDER_TYPES, RareWords
from service.tasks.translation.text.source_text import SourceText
from service.tasks.translation.text.spans import Range, Span, SpanKind, gaps_between
from service.tasks.translation.text.tag_transfer import InlineElement, build_tag_tree
from service.tasks.translation.text.translation_units import TranslationUnit, find_units, split_at_tags
from service.tasks.translation.text.truecasing import Truecaser, capitalizes_nouns

_WORD = re.compile(r"\w+")
_COLON = re.compile(r"\s*[:\uff1a]")
_SINGLE_QUOTES = re.compile(r"(?<!\w)['\u2018](?=\w)([^'\u2018\u2019\"]{2,}?)['\u2019](?!\w)")
"""Words in single quotation marks, which are read as double ones; no apostrophes: `the boys' room`, `rock 'n' roll`."""
_AMPERSAND = re.compile(r"(?<= )&(?= )|(?<=[^\W\d_]{2})&(?=[^\W\d_]{2})")
_DOUBLE_HYPHEN = re.compile(r"(?<=\w)--+(?=\w)")
"""A dash of typewriters, for which a comma is read: translators make digits of it."""
_AND = {"de": "und", "en": "and", "es": "y", "fr": "et", "it": "e", "nl": "en", "pt": "e"}
"""What is read for an ampersand between words, by language: sentences to train on have few, so that the words after it
would be lost."""


class EncodedUnit(NamedTuple):
    """A translation unit and its token ids."""

    unit: TranslationUnit
    ids: list[int]
    all_caps: bool
    """Whether it is in capitals, and was encoded in lower case."""
    words: str
    """What was encoded, with placeholders."""
    capitalized: bool
    """Whether it starts with a capital, of a label or not a noun's, so that its translation has to do so too."""


@dataclass(frozen=True, kw_only=True)
class UnitEncoder:
    """Encodes the translation units of one text."""

    source: SourceText
    """The text."""
    protected: ProtectedSpans
    """Of the text."""
    subwords: Subwords
    """Of the source language."""
    folds: Mapping[int, str]
    """Code points of characters that are not in the vocabulary, and what is encoded instead."""
    max_tokens: int
    """Longest unit with inline tags."""
    language: str
    """The source language."""
    truecaser: Truecaser
    """Of the source language."""
    transfers_tags: bool
    """Whether inline tags are transferred; otherwise they split sentences."""
    rare_words: RareWords | None
    """Says what protected spans become in the translation, if placeholders stand for them; otherwise those split
    sentences."""

    @property
    def text(self) -> str:
        """What is read of the text."""
        return self.source.text

    def encode(self, start: int, stop: int, asides: Sequence[Aside] = ()) -> Iterator[EncodedUnit]:
        """The encoded units of the sentence `text[start:stop]`, as few as possible, without its asides."""
        for unit in self._units(start, stop, placeholders=self.rare_words is not None, asides=asides):
            for encoded in self._encode_unit(unit):
                yield self._with_capital(encoded)

    def inline_elements(self, encoded: EncodedUnit) -> list[InlineElement]:
        """The inline elements of a unit, with the tokens they enclose."""
        unit = encoded.unit
        placeholders = self.subwords.placeholder_ids
        ends = list(accumulate(1 if id_ in placeholders else len(self.subwords.piece(id_)) for id_ in encoded.ids))

        def token_range(begin: int, end: int) -> tuple[int, int]:
            # + 1: the first piece starts with a space that the text does not have.
            before, after = (len(self._plain_text(unit._replace(stop=position))) + 1 for position in (begin, end))
            return bisect_right(ends, before), min(len(ends), bisect_left(ends, after) + 1)

        return build_tag_tree(self.source.sent, unit.tags, token_range)

    def protected_texts(self, unit: TranslationUnit) -> list[ProtectedText]:
        """The texts that the placeholders of a unit stand for."""
        return [
            ProtectedText(
                self._target_text(span),
                follows_word=self.text[max(0, span.start - 1) : span.start].isalnum(),
                placeholder=self._placeholder(span),
            )
            for span in unit.protected
        ]

    def value_after_label(self, start: int, stop: int) -> str:
        """What is written for `text[start:stop]`, a colon and what is copied, in the notation of the target language.

        "" if it does not begin with the colon of a label: `Price: 5.50`.
        """
        if self.rare_words is None or not _COLON.match(self.text, start, stop):
            return ""
        return self._target_text(Span(start, stop, SpanKind.STRUCTURE))

    def _target_text(self, span: Span) -> str:
        """What a protected span, which may consist of several that were merged, becomes in the translation."""
        assert self.rare_words is not None
        parts = [part for part in self.protected.within(span.start, span.end) if part.end <= span.end]
        kept = (self.source.sent(begin, end) for begin, end in gaps_between(span.start, span.end, parts))
        rendered = [self._rendered(part, self.rare_words) for part in parts]
        return "".join(part for pair in zip(kept, [*rendered, ""], strict=True) for part in pair)

    def _rendered(self, span: Span, rare_words: RareWords) -> str:
        """What a span becomes in the translation; byte for byte as it was sent if it does not change.

        Its spaces are of the kind that was sent if it has as many as before.
        """
        read = self.text[span.start : span.end]
        written = rare_words.target_text(self.text, span)
        if written == read:
            return self.source.sent(span.start, span.end)
        spaces = [
            self.source.sent(index, index + 1) for index in range(span.start, span.end) if self.text[index] == " "
        ]
        words = [self.source.write(word) for word in written.split(" ")]
        if len(words) != len(spaces) + 1:
            return " ".join(words)
        return "".join(part for pair in zip(words, [*spaces, ""], strict=True) for part in pair)

    def _placeholder(self, span: Span) -> str:
        return self.subwords.placeholder(PLACEHOLDER_TYPES.get(span.kind, ""))

    def anchor(self, encoded: EncodedUnit, aside: Aside) -> Range:
        """The tokens of the word before an aside within a unit; none where it starts or ends one."""
        if aside.place != "within":
            return 0, 0
        before = len(self._plain_text(encoded.unit._replace(stop=aside.start))) + 1
        placeholders = self.subwords.placeholder_ids
        pieces = ["?" if id_ in placeholders else self.subwords.piece(id_) for id_ in encoded.ids]
        end = min(len(pieces), bisect_left(list(accumulate(map(len, pieces))), before) + 1)
        first = end - 1
        while first > 0 and not pieces[first].startswith(SPACE_SYMBOL) and encoded.ids[first] not in placeholders:
            first -= 1
        return first, end

    def _units(
        self, start: int, stop: int, *, placeholders: bool, asides: Sequence[Aside] = ()
    ) -> Iterator[TranslationUnit]:
        spans = self.protected.within(start, stop)
        find = partial(
            find_units, self.text, start=start, stop=stop, inline_tags=self.transfers_tags, placeholders=placeholders
        )
        if asides:
            outside = [span for span in spans if not any(one.start <= span.start < one.end for one in asides)]
            units = [
                unit._replace(asides=[one for one in asides if unit.start < one.end and one.start < unit.stop])
                for unit in find(outside)
            ]
            if all(map(_takes_asides, units)):
                return iter(units)
        return find(spans)

    def _encode_unit(self, unit: TranslationUnit) -> Iterator[EncodedUnit]:
        """Encode a unit; if placeholders were lost or it is too long, split it at placeholders or tags."""
        plain = self._plain_text(unit)
        capitals = CapitalsReader(self.truecaser, self.subwords, self.language)
        all_caps = capitals.is_all_caps(plain)
        sentence_case = capitals.sentence_case(plain) if all_caps else capitals.without_emphasis(plain)
        truecased = self.truecaser.truecase(sentence_case, self.language)
        ids = self.subwords.encode(truecased)
        words, placeholders = len(_WORD.findall(plain)), len(unit.protected)
        parts: Iterator[TranslationUnit] = iter(())
        if placeholders and (placeholders > words or self.subwords.count_placeholders(ids) != placeholders):
            parts = self._units(unit.start, unit.stop, placeholders=False)
        elif unit.asides and len(ids) > self.max_tokens:
            parts = self._units(unit.start, unit.stop, placeholders=True)
        elif unit.tags and max(len(unit.tags), len(ids)) > self.max_tokens:
            parts = split_at_tags(self.text, unit)
        elif ids:
            is_no_noun = truecased != sentence_case or not capitalizes_nouns(self.language)
            yield EncodedUnit(unit, ids, all_caps, truecased, capitalized=plain[:1].isupper() and is_no_noun)
        for part in parts:
            yield from self._encode_unit(part)

    def _with_capital(self, encoded: EncodedUnit) -> EncodedUnit:
        """A label, even a noun, that starts with a capital: its translation starts with one."""
        unit = encoded.unit
        is_label = _COLON.match(self.text, unit.stop) is not None
        return encoded._replace(capitalized=True) if is_label and self.text[unit.start].isupper() else encoded

    def _plain_text(self, unit: TranslationUnit) -> str:
        """The words of a unit, without its tags and with placeholders for its protected spans."""
        start, stop, tags, protected, asides = unit
        if not tags and not protected and not asides:
            return self._normalize(self.text[start:stop].translate(self.folds))
        replaced: dict[Span | Aside, str] = {span: self._placeholder(span) for span in protected}
        replaced |= {tag: "" for pair in tags for tag in pair} | dict.fromkeys(asides, "")
        spans = sorted((span for span in replaced if span.start < stop), key=lambda span: (span.start, span.end))
        words = [self.text[begin:end].translate(self.folds) for begin, end in gaps_between(start, stop, spans)]
        replacements = [*(replaced[span] for span in spans), ""]
        return self._normalize("".join(part for pair in zip(words, replacements, strict=True) for part in pair))

    def _normalize(self, words: str) -> str:
        plain = clean(words)
        if ("'" in plain or "\u2018" in plain) and not self.subwords.unknown_characters('"'):
            plain = _SINGLE_QUOTES.sub(r'"\1"', plain)
        plain = _DOUBLE_HYPHEN.sub(", ", plain) if "--" in plain else plain
        return _AMPERSAND.sub(self._read_ampersand, plain) if "&" in plain else plain

    def _read_ampersand(self, ampersand: re.Match[str]) -> str:
        word = _AND.get(self.language, "&")
        return word if ampersand.string[ampersand.start() - 1] == " " else f" {word} "


def _takes_asides(unit: TranslationUnit) -> bool:
    """Whether the asides of a unit are all within it, and no tags, which are put back by attention too."""
    return not unit.asides or not (
        unit.tags or any(one.start < unit.start or unit.stop < one.end for one in unit.asides)
    )
