"""The sentences of English text."""

import re
from collections.abc import Iterator

from service.artifacts.text.words import PARAGRAPH_END, spans

_END = re.compile(r"[.!?…]+")
_OPEN_END = re.compile(r"\.\.+|…+\.*")
_CLOSING = re.compile("[\"'\u201d\u2019)\\]\u00bb]+")
_SMILEY = re.compile(r"[:;=][-o^']?[()\[\]DPp/\\|*3]|\(:|<3|\^_?\^|[xX]D")


def sentences(text: str) -> list[tuple[int, int]]:
    """Where sentences begin and end, in code points: first word's start, last word's end.

    One ends with a paragraph (a blank line), and after `.`, `!`, `?` where white space follows; after `...` only before
    a capital. Closing quotes and brackets belong to it, and so do smileys.
    """
    words = spans(text)
    found, first = [], 0
    for last in _last_words(text, words):
        found.append((words[first][0], words[last][1]))
        first = last + 1
    return found


def _last_words(text: str, words: list[tuple[int, int]]) -> Iterator[int]:
    """The place in `words` of each sentence's last one."""
    place = 0
    while place < len(words):
        word = text[slice(*words[place])]
        ends = _END.fullmatch(word) is not None
        last = _closed(text, words, place) if ends else place
        gap = text[words[last][1] : words[last + 1][0]] if last + 1 < len(words) else "\n\n"
        if PARAGRAPH_END.search(gap) or (
            ends and gap and (not _OPEN_END.fullmatch(word) or text[words[last + 1][0]].isupper())
        ):
            yield last
        place = last + 1


def _closed(text: str, words: list[tuple[int, int]], place: int) -> int:
    """The place of the last closing quote, bracket or smiley after the end mark at `place`."""
    while place + 1 < len(words):
        gap = text[words[place][1] : words[place + 1][0]]
        following = text[slice(*words[place + 1])]
        closing = not gap and _CLOSING.fullmatch(following)
        if not closing and (PARAGRAPH_END.search(gap) or not _SMILEY.fullmatch(following)):
            break
        place += 1
    return place
