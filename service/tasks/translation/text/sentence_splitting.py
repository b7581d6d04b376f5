"""Where the sentences of a text begin and end, and its lines, as a translator takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.tasks.translation.text.protected_spans import Carried
from service.tasks.translation.text.tag_transfer import Span
from service.text import words_by_sentence

_BULLET = re.compile(r"(?:[-\u2013\u2014*\u2022\u00b7>#+]{1,6}\s+)+")
"""At the beginning of a line."""

_LINE_BREAK = re.compile(r"\n\s*")

_GOES_ON = {
    # Ordinals (am 3. Mai, Ludwig XIV. war), z. B., d. h., Nr. 5.
    "de": re.compile(
        r"(?<![\w.,:])(?:\d{1,3}|[IVX]+|[A-Za-z]|Nr|Str|bzw|ca|evtl|ggf|inkl|Tel|Mio|Mrd|vgl|Hr|Fr|geb|gest|sog|Abs"
        r"|Art|Bd|Dipl|Ing|zzgl|exkl|bspw)\.\Z"
    ),
    "fr": re.compile(r"(?<![\w.,:])(?:M|MM|av|apr|cf|env|chap|vol|fig|art)\.\Z"),
}
"""By language: a sentence that ends so most likely goes on."""
_WRAPPED_LENGTH, _GOING_ON_LENGTH = 50, 25
"""A line at least so long was most likely broken for its length; the second, where the next begins in small letters."""


def find_sentences(text: str, language: str, carried: Carried, *, is_html: bool) -> Iterator[Span]:
    """The sentences, without the bullets before them.

    Args:
        text: any.
        language: decides after which full stops a sentence goes on.
        carried: what no sentence ends within.
        is_html: line breaks are blanks.
    """
    sentences = _sentences(text, language, carried)
    for start, stop in sentences if is_html else _lines(text, sentences, carried):
        bullet = _BULLET.match(text, start, stop) if not _line(text, start).strip() else None
        yield bullet.end() if bullet else start, stop


def _sentences(text: str, language: str, carried: Carried) -> Iterator[Span]:
    """The sentences, the tagger's but for full stops that end none in this language, or are carried over."""
    goes_on = _GOES_ON.get(language)
    begun: int | None = None
    spans = [(words[0][0], words[-1][1]) for words in words_by_sentence(text)]
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


def _lines(text: str, sentences: Iterator[Span], carried: Carried) -> Iterator[Span]:
    """The sentences, cut at line breaks but where a long line was merely wrapped."""
    for start, stop in sentences:
        for match in _LINE_BREAK.finditer(text, start, stop):
            least = _GOING_ON_LENGTH if text[match.end()].islower() else _WRAPPED_LENGTH
            wrapped = len(_line(text, match.start())) >= least
            if not wrapped and not carried.is_torn(match.start()):
                yield start, match.start()
                start = match.end()
        yield start, stop


def _line(text: str, place: int) -> str:
    """What stands before `place` in its line."""
    return text[text.rfind("\n", 0, place) + 1 : place]
