"""A text as segments to translate and what stays as it is, and the text again of their translations."""

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
from service.tasks.translation.subwords import BLANK, STAND_IN, UNKNOWN, Subwords, clean
from service.tasks.translation.text.html import escaped, with_characters
from service.tasks.translation.text.placeholders import Copied, placed, word_at
from service.tasks.translation.text.protected_spans import Carried, find_folds
from service.tasks.translation.text.sentence_splitting import find_sentences
from service.tasks.translation.text.tag_transfer import Element, between, read_elements, with_elements
from service.tasks.translation.text.translation_units import Passage, find_passages, without_tags
from service.tasks.translation.text.truecasing import NO_CAPITALS, Capitals, may_be_a_noun

_PAUSES = frozenset(",;:.!?)\u2026\u2013\u2014")
_RUN = re.compile(r"\w+")


@dataclass
class CutText:
    """A text as what is translated and what stays as it is, in turn."""

    segments: list[list[int]] = field(default_factory=list)
    """Ids of each of N segments, without END."""
    gaps: list[str] = field(default_factory=lambda: [""])
    """N+1: what stands before, between and after them, and is carried over unchanged."""
    shouted: set[int] = field(default_factory=set)
    """Places of the segments that are in capitals, and are translated as if they were not."""
    capitalised: set[int] = field(default_factory=set)
    """Places of the segments that begin with a capital, and whose translations do so."""
    elements: dict[int, list[Element]] = field(default_factory=dict)
    """Of the segments that have any."""
    copied: dict[int, list[Copied]] = field(default_factory=dict)
    """Of the segments that have any: what each UNKNOWN of theirs stands for."""
    copies: bool = False
    """Whether the model copies: a translation may have UNKNOWN, for what attention tells."""
    is_html: bool = False
    """Whether signs of a translation that mean something in HTML are written as entities."""

    def joined(self, translations: Sequence[str]) -> str:
        """The text again, of the segments as they are `written`."""
        pairs = zip(translations, self.gaps[1:], strict=True)
        return "".join([self.gaps[0], *(part for pair in pairs for part in pair)])

    def wants_attention(self, place: int) -> bool:
        """Whether a segment's translation must come with attention, if there is any."""
        return self.copies or place in self.elements

    def begun(self, place: int, tokens: Sequence[int], subwords: Subwords, *, ended: bool) -> tuple[str, bool]:
        """What is known of a segment's translation without attention, of its first or all tokens; whether it is all."""
        copied = self.copied.get(place, ())
        if place in self.elements or len(copied) > 1:
            return "", False
        if copied and not (ended and tokens.count(UNKNOWN) == 1):
            return "", False
        if not copied and UNKNOWN in tokens:
            tokens, ended = tokens[: tokens.index(UNKNOWN)], False
        text = self.written(place, Hypothesis(tuple(tokens), 0.0, None), subwords, subwords)
        # The blank before an UNKNOWN may go with it.
        return text if ended else text.rstrip(" "), ended

    def written(self, place: int, found: Hypothesis, source: Subwords, target: Subwords) -> str:
        """The translation of a segment."""
        ids, copied, elements = self.segments[place], self.copied.get(place, ()), self.elements.get(place)
        tokens, attention, copies = placed(
            found, ids, copied, target, lambda at: self.cased(place, word_at(ids, at, source))
        )
        texts = iter(copies)

        def write(part: str) -> str:
            return re.sub(STAND_IN, lambda _: next(texts, STAND_IN), self.cased(place, part))

        text = target.decode(tokens)
        first = text[:1].upper()
        text = first + text[1:] if place in self.capitalised and len(first) == 1 else text
        if not elements or attention is None:
            return write(text)
        return with_elements(text, tokens, attention, elements, target, write)

    def cased(self, place: int, translation: str) -> str:
        """The translation of a segment, or a part of it, as it is written: in capitals where the segment was."""
        translation = translation.upper() if place in self.shouted else translation
        return html.escape(translation, quote=False) if self.is_html else translation


def cut(
    text: str,
    subwords: Subwords,
    language: str,
    max_tokens: int,
    *,
    elements: bool = False,
    copies: bool = False,
    capitals: Capitals = NO_CAPITALS,
    is_html: bool = False,
) -> CutText:
    """Cut a text into segments, each at most a sentence.

    What a translator would spoil is carried over: spacing and line breaks, addresses, markup with what is in <code> and
    its like or has translate="no", what has no letter, words that are too long to be any, and characters that the
    vocabulary does not know, such as emoji; of a word with such a letter, the word.

    Args:
        text: as it was sent.
        subwords: of the source.
        language: of the source; decides after which full stops a sentence goes on.
        max_tokens: most ids of a segment.
        elements: translate a sentence with elements such as <b> in it as a whole; else, and where it is too long, the
            parts around their tags.
        copies: so too a sentence with words, addresses, code or signs in it that are carried over; else, and where they
            are more than its words, the parts around them.
        capitals: of the language; by them a heading is read as it would stand within a sentence.
        is_html: line breaks are blanks, and entities are the characters they stand for.
    """
    text = unicodedata.normalize("NFC", with_characters(text) if is_html else text)
    unknown = subwords.unknown(clean(text))
    folds = find_folds(unknown, subwords)
    carried = Carried(text, unknown, folds, copies=copies)
    reader = _Reader(
        text, subwords, str.maketrans(folds), carried, max_tokens, language, capitals,
        elements=elements, copies=copies,
    )  # fmt: skip
    found = CutText(copies=copies, is_html=is_html)
    end = 0
    for start, stop in find_sentences(text, language, carried, is_html=is_html):
        for segment in reader.segments(start, stop):
            first, passage = len(found.segments), segment.passage
            if passage.tags:
                found.elements[first] = reader.elements(segment)
            found.gaps[-1] += text[end : passage.start]
            copied = iter(reader.copied(passage))
            for part, gap in _parts(segment.ids, subwords, max_tokens):
                own = list(islice(copied, part.count(UNKNOWN) if passage.copied else 0))
                if own:
                    found.copied[len(found.segments)] = own
                if segment.shouted:
                    found.shouted.add(len(found.segments))
                found.segments.append(part)
                found.gaps.append(gap)
            if segment.capitalised:
                found.capitalised.add(first)
            end = passage.stop
    found.gaps[-1] += text[end:]
    if is_html:
        found.gaps = [escaped(gap) for gap in found.gaps]
        found.copied = {
            place: [one._replace(text=escaped(one.text)) for one in all_of_it]
            for place, all_of_it in found.copied.items()
        }
    return found


class _Segment(NamedTuple):
    """A passage as it is read."""

    passage: Passage
    ids: list[int]
    shouted: bool
    """Whether it is in capitals, and is read as if it were not."""
    capitalised: bool
    """Whether it begins with a capital that is none of a noun, so that its translation is to begin with one."""


class _Reader:
    """Reads segments of a text.

    Args:
        text: that they stand in.
        subwords: of the source.
        folds: what is read instead of some characters.
        carried: what is carried over.
        max_tokens: most ids of a segment with elements.
        language: of the text.
        capitals: of the language.
        elements: as `cut` has it.
        copies: as `cut` has it.
    """

    def __init__(
        self,
        text: str,
        subwords: Subwords,
        folds: Mapping[int, str],
        carried: Carried,
        max_tokens: int,
        language: str,
        capitals: Capitals,
        *,
        elements: bool,
        copies: bool,
    ) -> None:
        self._text, self._subwords, self._folds, self._carried = text, subwords, folds, carried
        self._max_tokens, self._language, self._capitals = max_tokens, language, capitals
        self._elements, self._copies = elements, copies

    def segments(self, start: int, stop: int) -> Iterator[_Segment]:
        """Those of a sentence: as few as can be."""
        for passage in self._passages(start, stop, copies=self._copies):
            yield from self._segments(passage)

    def elements(self, segment: _Segment) -> list[Element]:
        """The elements of a segment."""
        passage = segment.passage
        ends = list(accumulate(1 if id_ == UNKNOWN else len(self._subwords.piece(id_)) for id_ in segment.ids))

        def pieces(begin: int, end: int) -> tuple[int, int]:
            # The first piece begins with a blank that the text does not have.
            before, after = (len(self._plain(passage._replace(stop=place))) + 1 for place in (begin, end))
            return bisect_right(ends, before), min(len(ends), bisect_left(ends, after) + 1)

        return read_elements(self._text, passage.tags, pieces)

    def copied(self, passage: Passage) -> list[Copied]:
        """What its stand-ins stand for."""
        return [
            Copied(self._text[begin:end], self._text[max(0, begin - 1) : begin].isalnum())
            for begin, end in passage.copied
        ]

    def _passages(self, start: int, stop: int, *, copies: bool) -> Iterator[Passage]:
        found = self._carried.among(start, stop)
        return find_passages(self._text, found, start, stop, elements=self._elements, copies=copies)

    def _segments(self, passage: Passage) -> Iterator[_Segment]:
        """A passage, or those that it is parted into: as if nothing could be copied, or at its tags."""
        plain = self._plain(passage)
        shouted = self._capitals.are_shouted(plain)
        read = plain.capitalize() if shouted else plain
        made = self._capitals.within_a_sentence(read, self._language)
        ids = self._subwords.encode(made)
        words, copied = len(_RUN.findall(plain)), len(passage.copied)
        parts: Iterator[Passage] = iter(())
        if copied and (copied > words or ids.count(UNKNOWN) != copied):
            parts = self._passages(passage.start, passage.stop, copies=False)
        elif passage.tags and max(len(passage.tags), len(ids)) > self._max_tokens:
            parts = without_tags(self._text, passage)
        elif ids:
            for_its_place = made != read or not may_be_a_noun(self._language)
            yield _Segment(passage, ids, shouted, capitalised=plain[:1].isupper() and for_its_place)
        for part in parts:
            yield from self._segments(part)

    def _plain(self, passage: Passage) -> str:
        """The words of a passage, with a stand-in for what is copied and nothing for tags."""
        start, stop, tags, copied = passage
        written = {span: "" for pair in tags for span in pair} | dict.fromkeys(copied, STAND_IN)
        spans = sorted(span for span in written if span[0] < stop)
        words = [self._text[begin:end].translate(self._folds) for begin, end in between(start, stop, spans)]
        others = [written[span] for span in spans]
        return clean("".join(part for pair in zip(words, [*others, ""], strict=True) for part in pair))


def _parts(ids: list[int], subwords: Subwords, most: int) -> Iterator[tuple[list[int], str]]:
    """A segment as parts of at most `most` ids, with what stands after each: of one that is cut, a blank or nothing."""
    while len(ids) > most:
        goal = math.ceil(len(ids) / math.ceil(len(ids) / most))
        blanks = [place for place in range(most // 2, most + 1) if subwords.piece(ids[place]).startswith(BLANK)]
        pauses = [place for place in blanks if subwords.piece(ids[place - 1])[-1] in _PAUSES]
        near = pauses or blanks or [most]
        place = min(near, key=lambda place: abs(place - goal))
        yield ids[:place], " " if blanks else ""
        ids = ids[place:]
    yield ids, ""
