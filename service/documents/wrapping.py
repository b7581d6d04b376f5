"""Texts of several lines: broken again after translation, and cut where they are too long for one segment."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

_SENTENCE_END = re.compile(r"(?<![.!?\u2026\u3002])[.!?\u2026\u3002]++[\"'\u201d\u2019)\]\u00bb]*+\s+|\n\s*")
_TAG = re.compile(r"<[^<>]*>")
_WORD_WITH_TAGS = re.compile(r"(?:<[^<>]*+>|[^\s<]|<)++")
_SPACE = re.compile(r"\s+")


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters, if no word is longer; spaces at the breaks are dropped."""
    lines: list[list[str]] = []
    length = 0
    for word in text.split(" "):
        length += 1 + len(word)
        if lines and length <= width:
            lines[-1].append(word)
        else:
            lines.append([word])
            length = len(word)
    return [" ".join(words) for words in lines]


def rebreak(text: str, lengths: Sequence[int]) -> list[str]:
    """A text broken into as many lines as there are lengths, which have about the same share of it.

    Args:
        text: a text without line breaks; tags in it are not broken and have no length.
        lengths: the lengths of the lines before translation.
    """
    sum_of_lengths = sum(lengths)
    words = _WORD_WITH_TAGS.findall(text)
    ends = list(accumulate((len(_TAG.sub("", word)) + 1 for word in words), initial=0))
    breaks = [0]
    for share in accumulate(lengths[:-1]):
        goal = share * ends[-1] / sum_of_lengths
        after = bisect_left(ends, goal)
        nearest = after if after == 0 or ends[after] - goal <= goal - ends[after - 1] else after - 1
        # At least one word for each line as long as there are words.
        breaks.append(min(max(nearest, breaks[-1] + 1), len(words)))
    return [" ".join(words[start:stop]) for start, stop in pairwise([*breaks, len(words)]) if start < stop]


def cut(text: str, most: int) -> Iterator[str]:
    """Parts of at most `most` characters, which joined are the text; cut after a sentence if one ends there.

    A sentence that is longer is cut at a space, and a word that is longer anywhere.
    """
    start = 0
    while len(text) - start > most:
        stop = _last_end(_SENTENCE_END, text, start, start + most) or _last_end(_SPACE, text, start, start + most)
        stop = stop or start + most
        yield text[start:stop]
        start = stop
    yield text[start:]


def _last_end(pattern: re.Pattern[str], text: str, start: int, stop: int) -> int | None:
    ends: Sequence[int] = [match.end() for match in pattern.finditer(text, start, stop)]
    return ends[-1] if ends else None
