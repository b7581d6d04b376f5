"""A text as segments to translate and what stays as it is, and the text again of their translations."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from service.artifacts.decoding import Hypothesis
from service.artifacts.subwords import BLANK, Subwords, clean
from service.artifacts.text import sentence_spans
from service.artifacts.translation.elements import (
    Element,
    Span,
    Tags,
    find_tags,
    read_elements,
    with_elements,
    with_verbatim,
)


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
    """Of the segments that have any: their translations must come with attention."""
    is_html: bool = False
    """Whether signs of a translation that mean something in HTML are written as entities."""

    def joined(self, translations: Sequence[str]) -> str:
        """The text again, of the segments as they are `written`."""
        pairs = zip(translations, self.gaps[1:], strict=True)
        return "".join([self.gaps[0], *(part for pair in pairs for part in pair)])

    def written(self, place: int, found: Hypothesis, subwords: Subwords) -> str:
        """The translation of a segment."""
        text, elements = self.decoded(place, found.tokens, subwords), self.elements.get(place)
        if not elements or found.attention is None:
            return self.cased(place, text)
        return with_elements(
            text, found.tokens, found.attention, elements, subwords, lambda part: self.cased(place, part)
        )

    def decoded(self, place: int, tokens: Sequence[int], subwords: Subwords) -> str:
        """The words of a segment's translation, or of its beginning."""
        text = subwords.decode(tokens)
        first = text[:1].upper()
        return first + text[1:] if place in self.capitalised and len(first) == 1 else text

    def cased(self, place: int, translation: str) -> str:
        """The translation of a segment, or a part of it, as it is written: in capitals where the segment was."""
        translation = translation.upper() if place in self.shouted else translation
        return html.escape(translation, quote=False) if self.is_html else translation


def cut(
    text: str, subwords: Subwords, language: str, max_tokens: int, *, elements: bool = False, is_html: bool = False
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
        is_html: line breaks are blanks, and entities are the characters they stand for.
    """
    text = unicodedata.normalize("NFC", _with_characters(text) if is_html else text)
    unknown = subwords.unknown(clean(text))
    folds = _folds(unknown, subwords)
    carried = _Carried(text, _strange(unknown - folds.keys()))
    reader = _Reader(text, subwords, str.maketrans(folds))
    found = CutText(is_html=is_html)
    end = 0
    for start, stop, tags in _pieces(text, language, carried, elements=elements, is_html=is_html):
        segments = [reader.read(start, stop, tags)]
        if tags and max(len(tags), len(segments[0].ids)) > max_tokens:
            spans = [span for pair in tags for span in pair]
            parts = (part for edges in _between(start, stop, spans) for part in _stripped(text, *edges))
            tags, segments = [], [reader.read(*part, []) for part in parts]
        for segment in segments:
            if not segment.ids:
                continue
            if tags:
                found.elements[len(found.segments)] = reader.elements(segment, tags)
            found.gaps[-1] += text[end : segment.start]
            first = len(found.segments)
            for part, gap in _parts(segment.ids, subwords, max_tokens):
                if segment.shouted:
                    found.shouted.add(len(found.segments))
                found.segments.append(part)
                found.gaps.append(gap)
            if segment.capitalised and language not in _NOUNS_IN_CAPITALS:
                found.capitalised.add(first)
            end = segment.stop
    found.gaps[-1] += text[end:]
    if is_html:
        found.gaps = [gap.translate(_WRITTEN) for gap in found.gaps]
    return found


class _Segment(NamedTuple):
    """What stands from `start` to before `stop` in the text."""

    start: int
    stop: int
    ids: list[int]
    shouted: bool
    capitalised: bool


class _Reader:
    """Reads segments of a text.

    Args:
        text: that they stand in.
        subwords: of the source.
        folds: what is read instead of some characters.
    """

    def __init__(self, text: str, subwords: Subwords, folds: Mapping[int, str]) -> None:
        self._text, self._subwords, self._folds = text, subwords, folds

    def read(self, start: int, stop: int, tags: Sequence[Tags]) -> _Segment:
        """What stands there, without the tags."""
        piece = self._plain(start, stop, tags)
        shouted = _is_shouted(piece)
        ids = self._subwords.encode(piece.capitalize() if shouted else piece)
        return _Segment(start, stop, ids, shouted, capitalised=piece[:1].isupper())

    def elements(self, segment: _Segment, tags: Sequence[Tags]) -> list[Element]:
        """The elements of a segment."""
        ends = list(accumulate(len(self._subwords.piece(id_)) for id_ in segment.ids))

        def pieces(begin: int, end: int) -> tuple[int, int]:
            # The first piece begins with a blank that the text does not have.
            before, after = (len(self._plain(segment.start, place, tags)) + 1 for place in (begin, end))
            return bisect_right(ends, before), min(len(ends), bisect_left(ends, after) + 1)

        return read_elements(self._text, tags, pieces)

    def _plain(self, start: int, stop: int, tags: Sequence[Tags]) -> str:
        spans = [span for pair in tags for span in pair if span[0] < stop]
        plain = "".join(self._text[begin:end] for begin, end in _between(start, stop, spans))
        return clean(plain.translate(self._folds))


_ENTITY = re.compile(r"&(?:[A-Za-z][0-9A-Za-z]{1,30}|#\d{1,7}|#[Xx][0-9A-Fa-f]{1,6});")
_SIGNS = {"&": "\ufdd0", "<": "\ufdd1", ">": "\ufdd2"}
"""What stands for a sign that would be taken for HTML's own: noncharacters, which Unicode has for such use."""
_WRITTEN = {ord(stand_in): html.escape(sign) for sign, stand_in in _SIGNS.items()}


def _with_characters(text: str) -> str:
    """HTML with what its entities stand for, but for those in tags and in what is never translated."""
    markup = with_verbatim(text, [match.span() for match in _MARKUP.finditer(text)])
    parts = [_ENTITY.sub(_character, text[begin:end]) for begin, end in _between(0, len(text), markup)]
    kept = [text[begin:end] for begin, end in markup]
    return "".join(part for pair in zip(parts, [*kept, ""], strict=True) for part in pair)


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for."""
    found = html.unescape(entity.group())
    return _SIGNS.get(found, found)


_TAGS = r"<!--(?:(?!<!--).)*?-->|</?[A-Za-z][^<>]*>"
_MARKUP = re.compile(_TAGS, re.DOTALL)
_CARRIED = (
    # Markup and its entities.
    _TAGS + r"|&(?:[A-Za-z]{2,16}|#\d{1,6});"
    # Addresses, without the punctuation after them.
    r"|(?:https?://|www\.)[^\s<>\"]*[\w/]"
    r"|(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    # No word of an alphabet with blanks between its words (Latin, Greek, Cyrillic) is as long as this.
    r"|(?<![0-9A-Za-z_\xaa-\u052f])[0-9A-Za-z_\xaa-\u052f]{100,}"
)
_ALWAYS = re.compile(_CARRIED, re.DOTALL)
_BULLET = re.compile(r"(?:[-\u2013\u2014*\u2022\u00b7>#+]{1,6}\s+)+")
"""At the beginning of a line."""

_BEFORE = re.compile(r"[\s,;:.!?)\]\u2026]*")
"""Stands before a piece where it goes on after something that is carried over."""

_LINE_BREAK = re.compile(r"\n\s*")

_JOINERS = "\u200c\u200d\ufe00-\ufe0f"
"""Invisible parts of emoji, never taken from them."""
_ACCENTS = "\u0300-\u036f"
_SPELLINGS = {
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033",
    "'": "\u2018\u2019\u201a\u201b\u2032`\u00b4",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",
    "...": "\u2026",
    **_SIGNS,
}
"""Plain signs and those that may stand for them."""
_PLAIN = {odd: plain for plain, all_odd in _SPELLINGS.items() for odd in all_odd}

_GOES_ON = {
    # Ordinals (am 3. Mai, Ludwig XIV. war), z. B., d. h., Nr. 5.
    "de": re.compile(
        r"(?<![\w.,:])(?:\d{1,3}|[IVX]+|[A-Za-z]|Nr|Str|bzw|ca|evtl|ggf|inkl|Tel|Mio|Mrd|vgl|Hr|Fr|geb|gest|sog|Abs"
        r"|Art|Bd|Dipl|Ing|zzgl|exkl|bspw)\.\Z"
    ),
    "fr": re.compile(r"(?<![\w.,:])(?:M|MM|av|apr|cf|env|chap|vol|fig|art)\.\Z"),
}
"""By language: a sentence that ends so most likely goes on."""
_NOUNS_IN_CAPITALS = frozenset({"de", "lb"})
"""Languages whose first capital may be a noun's, which says nothing of the translation."""
_WRAPPED_LENGTH = 50
"""A line at least so long was most likely broken for its length."""
_SHOUTED_LETTERS = 8
_PAUSES = frozenset(",;:.!?)\u2026\u2013\u2014")


def _folds(unknown: set[str], subwords: Subwords) -> dict[str, str]:
    """Plain spellings that the vocabulary knows of characters that it does not: e for é, " for “, fi for ﬁ."""
    found = {}
    for character in unknown:
        if re.match(f"[{_JOINERS}]", character):
            continue
        decomposed = unicodedata.normalize("NFKD", character)
        plain = _PLAIN.get(character) or "".join(part for part in decomposed if not unicodedata.combining(part))
        if plain != character and not subwords.unknown(plain) and (plain or unicodedata.combining(character)):
            found[character] = plain
    return found


def _strange(unknown: set[str]) -> re.Pattern[str]:
    """What is carried over: `_CARRIED`, unknown signs, and whole words with unknown letters."""
    letters = "".join(map(re.escape, sorted(filter(str.isalnum, unknown))))
    signs = "".join(map(re.escape, sorted(sign for sign in unknown if not sign.isalnum())))
    pattern = _CARRIED
    if letters:
        pattern += rf"|(?<![\w{_ACCENTS}])[\w{_ACCENTS}]*[{letters}][\w{_ACCENTS}]*"
    if signs:
        pattern += f"|[{signs}]"  # one by one: the next may begin something longer
    return re.compile(pattern, re.DOTALL) if unknown else _ALWAYS


class _Carried:
    """What is carried over in a text."""

    def __init__(self, text: str, strange: re.Pattern[str]) -> None:
        self.spans = with_verbatim(text, [match.span() for match in strange.finditer(text)])
        self._begins = [begin for begin, _ in self.spans]

    def among(self, start: int, stop: int) -> list[Span]:
        """What begins from `start` to before `stop`."""
        return self.spans[bisect_left(self._begins, start) : bisect_left(self._begins, stop)]

    def is_torn(self, *places: int) -> bool:
        """Whether to cut the text at one of these places would cut one of them."""
        before = (bisect_left(self._begins, place) for place in places)
        return any(last and self.spans[last - 1][1] > place for last, place in zip(before, places, strict=True))


def _pieces(
    text: str, language: str, carried: _Carried, *, elements: bool, is_html: bool
) -> Iterator[tuple[int, int, list[Tags]]]:
    """Where what is translated begins and ends: sentences and lines, without what is carried over but these tags."""
    sentences = _sentences(text, language, carried)
    for start, stop in sentences if is_html else _lines(text, sentences, carried):
        bullet = _BULLET.match(text, start, stop) if not _line(text, start).strip() else None
        start = bullet.end() if bullet else start
        found = carried.among(start, stop)
        tags = find_tags(text, found, start, stop) if elements else []
        kept = {span for pair in tags for span in pair}
        for edges in _between(start, stop, [span for span in found if span not in kept]):
            for begin, end in _stripped(text, *edges):
                yield begin, end, [pair for pair in tags if begin <= pair.opening[0] < end]


def _between(start: int, stop: int, spans: Iterable[Span]) -> Iterator[Span]:
    """What is left of a span without others in it: one part more than those."""
    edges = [start, *(edge for span in sorted(spans) for edge in span), stop]
    return zip(edges[::2], edges[1::2], strict=True)


def _stripped(text: str, start: int, stop: int) -> Iterator[Span]:
    """The piece without the white space around it and the punctuation before it, if it has a letter at all."""
    if any(map(str.isalpha, text[start:stop])):
        before = _BEFORE.match(text, start, stop)
        start = before.end() if before else start
        yield start, start + len(text[start:stop].rstrip())


def _is_shouted(piece: str) -> bool:
    """Whether it is words in capitals, and more than an abbreviation or two."""
    return piece.isupper() and " " in piece and sum(map(str.isalpha, piece)) >= _SHOUTED_LETTERS


def _sentences(text: str, language: str, carried: _Carried) -> Iterator[Span]:
    """The sentences, the tagger's but for full stops that end none in this language, or are carried over."""
    goes_on = _GOES_ON.get(language)
    begun: int | None = None
    spans = [(words[0][0], words[-1][1]) for words in sentence_spans(text)]
    for place, (start, stop) in enumerate(spans):
        begun = start if begun is None else begun
        if place + 1 < len(spans) and carried.is_torn(stop, spans[place + 1][0]):
            continue
        if goes_on and place + 1 < len(spans) and "\n" not in text[stop : spans[place + 1][0]]:
            end = goes_on.search(text, max(begun, stop - 16), stop)
            # What the line begins with is the number of a list's entry.
            if end and _line(text, stop).strip() != end.group():
                continue
        yield begun, stop
        begun = None


def _lines(text: str, sentences: Iterator[Span], carried: _Carried) -> Iterator[Span]:
    """The sentences, cut at line breaks but where a long line was merely wrapped."""
    for start, stop in sentences:
        for match in _LINE_BREAK.finditer(text, start, stop):
            wrapped = text[match.end()].islower() or len(_line(text, match.start())) >= _WRAPPED_LENGTH
            if not wrapped and not carried.is_torn(match.start()):
                yield start, match.start()
                start = match.end()
        yield start, stop


def _line(text: str, place: int) -> str:
    """What stands before `place` in its line."""
    return text[text.rfind("\n", 0, place) + 1 : place]


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
