"""Sentence splitting of English text, by the rules of the treebank UD English EWT."""

import re
from collections.abc import Iterator

from service.text.lines import PARAGRAPH_BREAK
from service.text.words_en import word_spans

_END_MARKS = ".!?…"
_END = re.compile(f"[{_END_MARKS}]+")
_ELLIPSIS = re.compile(r"\.\.+|…+\.*")
_CLOSING = re.compile("[\"'\u201d\u2019)\\]\u00bb]+")
_SMILEY = re.compile(r"[:;=][-o^']?[()\[\]DPp/\\|*3]|\(:|<3|\^_?\^|[xX]D")


def words_by_sentence(text: str) -> list[list[tuple[int, int]]]:
    """Start and end of every word in code points of `text`, grouped by sentence; no sentence is empty.

    A sentence ends at a paragraph break (a blank line), and after `.`, `!` or `?` followed by white space; after an
    ellipsis only if a capital letter follows. Closing quotes, brackets and smileys belong to the sentence before them.
    """
    words = word_spans(text)
    sentences, first = [], 0
    for last in _last_words(text, words):
        sentences.append(words[first : last + 1])
        first = last + 1
    return sentences


def _last_words(text: str, words: list[tuple[int, int]]) -> Iterator[int]:
    """The index in `words` of each sentence's last word."""
    index = 0
    while index < len(words) - 1:
        start, end = words[index]
        is_end_mark = text[end - 1] in _END_MARKS and _END.fullmatch(text, start, end) is not None
        last = _skip_closing(text, words, index) if is_end_mark else index
        if last + 1 == len(words):
            break
        gap_start, gap_end = words[last][1], words[last + 1][0]
        if (gap_end - gap_start > 1 and PARAGRAPH_BREAK.search(text, gap_start, gap_end)) or (
            is_end_mark
            and gap_start < gap_end
            and (not _ELLIPSIS.fullmatch(text, start, end) or text[gap_end].isupper())
        ):
            yield last
        index = last + 1
    if words:
        yield len(words) - 1


def _skip_closing(text: str, words: list[tuple[int, int]], index: int) -> int:
    """The index of the last closing quote, bracket or smiley after the end mark at `index`."""
    while index + 1 < len(words):
        gap = text[words[index][1] : words[index + 1][0]]
        following = text[slice(*words[index + 1])]
        is_closing = not gap and _CLOSING.fullmatch(following)
        if not is_closing and (PARAGRAPH_BREAK.search(gap) or not _SMILEY.fullmatch(following)):
            break
        index += 1
    return index
