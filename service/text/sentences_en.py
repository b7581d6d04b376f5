"""The sentences of English text."""

import re
from collections.abc import Iterator

from service.text.words_en import PARAGRAPH_END, spans

_END_MARKS = ".!?…"
_END = re.compile(f"[{_END_MARKS}]+")
_OPEN_END = re.compile(r"\.\.+|…+\.*")
_CLOSING = re.compile("[\"'\u201d\u2019)\\]\u00bb]+")
_SMILEY = re.compile(r"[:;=][-o^']?[()\[\]DPp/\\|*3]|\(:|<3|\^_?\^|[xX]D")


def sentences(text: str) -> list[tuple[int, int]]:
    """Where sentences begin and end, in code points: first word's start, last word's end.

    One ends with a paragraph (a blank line), and after `.`, `!`, `?` where white space follows; after `...` only before
    a capital. Closing quotes and brackets belong to it, and so do smileys.
    """
    return [(words[0][0], words[-1][1]) for words in sentence_spans(text)]


def sentence_spans(text: str) -> list[list[tuple[int, int]]]:
    """Where the words of `text` begin and end, by sentence."""
    words = spans(text)
    found, first = [], 0
    for last in _last_words(text, words):
        found.append(words[first : last + 1])
        first = last + 1
    return found


def _last_words(text: str, words: list[tuple[int, int]]) -> Iterator[int]:
    """The place in `words` of each sentence's last one."""
    place = 0
    while place < len(words) - 1:
        start, end = words[place]
        ends = text[end - 1] in _END_MARKS and _END.fullmatch(text, start, end) is not None
        last = _closed(text, words, place) if ends else place
        if last + 1 == len(words):
            break
        after, following = words[last][1], words[last + 1][0]
        if (following - after > 1 and PARAGRAPH_END.search(text, after, following)) or (
            ends and after < following and (not _OPEN_END.fullmatch(text, start, end) or text[following].isupper())
        ):
            yield last
        place = last + 1
    if words:
        yield len(words) - 1


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
