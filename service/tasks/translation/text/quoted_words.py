"""Quoted words in a sentence: the title, label or word that it names, `Press "OK"`, `the word "moist"`.

Sentences to train on hardly have them, and a translator that reads them invents others: `"Oh"`, `"Doist"`. They are
copied like names. Speech is translated: `"No!" he cried.`, `She said "I love you" and left.`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.tasks.translation.text.names import Name, NameFinder
from service.tasks.translation.text.short_texts import CLAUSE_WORDS

_MAX_WORDS = 3
_LETTERS = r"[^\W\d_]"
_WORD = rf"{_LETTERS}+(?:['\u2019-]{_LETTERS}+)*"
_WORDS = rf"{_WORD}(?: {_WORD}){{0,{_MAX_WORDS - 1}}}"
_DOUBLE = r"[\"\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a]"
_QUOTED = re.compile(
    rf"(?<![\w{_DOUBLE[1:-1]}])(?:{_DOUBLE}(?P<double>{_WORDS})(?P<mark>[.!?]?){_DOUBLE}"
    rf"|['\u2018\u201a](?=\w\w)(?P<single>{_WORDS})['\u2018\u2019])(?!\w)"
)
_QUOTE = re.compile(rf"{_DOUBLE}|['\u2018\u201a]")
_SENTENCE_END = re.compile(r"[.!?\u2026\n]")
_TEXT_OR_SENTENCE_END = re.compile(r"\s*(?:\Z|\n|[^\W\d_a-z\u00df-\u00ff])")
_SPEECH = re.compile(r",\s*[^\W\d_]")
"""What follows speech at the start of a sentence: `\u201eJa\u201c, sagte sie.`"""
_MIN_CLAUSE_WORDS = 3
_NEIGHBORHOOD = 300
"""Characters on either side in which the words of the sentence are searched."""
_QUOTES = {"en": ('"', '"'), "de": ("\u201e", "\u201c")}
"""Quotation marks, by language."""


class QuotedWords:
    """Finds the names of a text and its quoted words, which are all copied.

    Args:
        names: finds the names.
        source: the language of the text.
        target: the language to translate into; its quotation marks are written.
    """

    def __init__(self, names: NameFinder, source: str, target: str) -> None:
        self._names, self._clause_word, self._quotes = names, CLAUSE_WORDS.get(source), _QUOTES.get(target)

    def find(self, text: str, start: int, stop: int) -> Iterator[Name]:
        """The names and quoted words in `text[start:stop]`, in reading order."""
        context: _Context | None = None
        for match in _QUOTED.finditer(text, start, stop) if _QUOTE.search(text, start, stop) else ():
            context = context or _Context(text, start, stop)
            if context.is_part_of_sentence(match) and not self._is_clause(match):
                yield from self._names.find(text, start, match.start())
                yield Name(match.start(), match.end(), self._written(match))
                start = match.end()
        yield from self._names.find(text, start, stop)

    def _is_clause(self, quoted: re.Match[str]) -> bool:
        words = _words(quoted)
        is_long = words.count(" ") + 1 >= _MIN_CLAUSE_WORDS
        return is_long and self._clause_word is not None and self._clause_word.search(words) is not None

    def _written(self, quoted: re.Match[str]) -> str:
        """Quoted words as they are written in the translation: `"Itch."` at the end of a sentence is `"Itch".`"""
        if self._quotes is None:
            return quoted[0]
        words, mark = _words(quoted), quoted["mark"] or ""
        before, after = self._quotes
        if mark == "." and _TEXT_OR_SENTENCE_END.match(quoted.string, quoted.end()):
            return f"{before}{words}{after}."
        return f"{before}{words}{mark}{after}"


def _words(quoted: re.Match[str]) -> str:
    return quoted["double"] or quoted["single"]


class _Context:
    """The words around those that are quoted in `text[start:stop]`."""

    def __init__(self, text: str, start: int, stop: int) -> None:
        self._text, self._offset = text, max(0, start - _NEIGHBORHOOD)
        # Without all quoted words, once for all of them: a text may hold thousands.
        self._others = _QUOTED.sub(_blank, text[self._offset : stop + _NEIGHBORHOOD])

    def is_part_of_sentence(self, quoted: re.Match[str]) -> bool:
        """Whether quoted words are a part of a sentence with other words, and no speech."""
        start, end = quoted.start() - self._offset, quoted.end() - self._offset
        before = _SENTENCE_END.split(self._others[max(0, start - _NEIGHBORHOOD) : start])[-1]
        if quoted["mark"]:
            return before.rstrip()[-1:].isalpha()
        if not before.strip() and _SPEECH.match(self._text, quoted.end()):
            return False
        after = _SENTENCE_END.split(self._others[end : end + _NEIGHBORHOOD], maxsplit=1)[0]
        return any(map(str.isalpha, before + after))


def _blank(quoted: re.Match[str]) -> str:
    """Spaces for quoted words, and the mark that may end a sentence."""
    return (quoted["mark"] or "").rjust(len(quoted[0]) - 1) + " "
