"""Sentence splitting of text in any language: the rules for English, adapted to the language.

They were measured against sentencex on treebanks of English, German and French (training/RESULTS.md) and are better
there, even without the rules for German and French below.
"""

import re
from collections.abc import Iterator

from service.text.lines import Lines
from service.text.sentences_en import words_by_sentence

Span = tuple[int, int]

_ABBREVIATION = {
    # Ordinals (am 3. Mai, Ludwig XIV. war), z. B., d. h., Nr. 5.
    "de": re.compile(
        r"(?<![\w.,:])(?:\d{1,3}|[IVX]+|[A-Za-z]|Nr|Str|bzw|ca|evtl|ggf|inkl|Tel|Mio|Mrd|vgl|Hr|Fr|geb|gest|sog|Abs"
        r"|Art|Bd|Dipl|Ing|zzgl|exkl|bspw)\.\Z"
    ),
    "fr": re.compile(r"(?<![\w.,:])(?:M|MM|av|apr|cf|env|chap|vol|fig|art)\.\Z"),
}
"""By language: words with a full stop that most likely does not end a sentence."""
_MAX_ABBREVIATION = 16

_TERMINATORS = "\u3002\uff61\uff01\uff1f\u061f\u06d4\u0964\u0965\u1362\u1367\u0589\u104b\u17d4"
"""Sentence terminators of scripts other than Latin, Greek and Cyrillic: CJK, Arabic, Devanagari, Ethiopic, Armenian,
Burmese and Khmer; white space need not follow them."""
_CLOSING = "\"'\u201d\u2019\u00bb)\\]\u300d\u300f\uff09\u3011\u3009\u300b"
_END = re.compile(rf"(?<![{_TERMINATORS}])[{_TERMINATORS}]++(?:(?![{_CLOSING}])|[{_CLOSING}]++(?=\s))\s*")
"""A quotation may be part of a sentence that continues after it."""


def sentence_spans(text: str, language: str, lines: Lines | None = None) -> list[Span]:
    """Start and end of every sentence, in code points of `text`.

    Args:
        text: any text.
        language: its ISO 639-1 code. English follows the treebank UD English EWT; German and French do not end after
            their abbreviations and ordinals; the others also end at the terminators of other scripts.
        lines: the lines of the text, where they are known already.
    """
    sentences = [(words[0][0], words[-1][1]) for words in words_by_sentence(text)]
    if language in _ABBREVIATION:
        return list(_join_at_abbreviations(text, lines or Lines(text), sentences, _ABBREVIATION[language]))
    if language != "en":
        return list(_split_at_terminators(text, sentences))
    return sentences


def _join_at_abbreviations(
    text: str, lines: Lines, sentences: list[Span], abbreviation: re.Pattern[str]
) -> Iterator[Span]:
    """Join the sentences of a line where the first one ends with an abbreviation or an ordinal."""
    first = 0
    for index, (_, stop) in enumerate(sentences):
        start = sentences[first][0]
        if index + 1 < len(sentences) and not lines.starts_line(sentences[index + 1][0]):
            match = abbreviation.search(text, max(start, stop - _MAX_ABBREVIATION), stop)
            # A number that is alone in its line so far is the number of a list item.
            if match and not lines.starts_line(match.start()):
                continue
        yield start, stop
        first = index + 1


def _split_at_terminators(text: str, sentences: list[Span]) -> Iterator[Span]:
    for start, stop in sentences:
        for match in _END.finditer(text, start, stop):
            if match.end() < stop:
                yield start, match.start() + len(match.group().rstrip())
                start = match.end()
        yield start, stop
