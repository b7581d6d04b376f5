"""A translation as it comes: tokens of several sentences at a time in, the texts in reading order out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.subwords import END, Subwords
from service.tasks.translation.text import CutText


@dataclass
class _Text:
    """One text that is being written."""

    cut: CutText
    tokens: list[list[int]]
    """Of each segment, so far."""
    ended: list[bool]
    at: int = 0
    """The segment being written."""
    written: str = ""
    """What of it is written."""
    length: int = 0
    """Characters of the text that are written."""


class TextStream:
    """The deltas of one streamed request.

    Args:
        request: prepared by the time the first token comes.
        subwords: of the target.
    """

    def __init__(self, request: TranslateRequest, subwords: Subwords) -> None:
        self._request = request
        self._subwords = subwords
        self._texts: list[_Text] = []
        self._of_job: list[tuple[int, int]] = []

    def take(self, place: int, token: int) -> Iterator[tuple[int, str]]:
        """What can be written now that a job has a new token, END at last: the text's index and what is new of it."""
        yield from self._begin()
        index, segment = self._of_job[place]
        text = self._texts[index]
        if token == END:
            text.ended[segment] = True
        else:
            text.tokens[segment].append(token)
        if segment == text.at:
            delta = self._advance(text)
            if delta:
                yield index, delta

    def finish(self, results: Sequence[dict[str, Any]]) -> Iterator[tuple[int, str]]:
        """What is left to be written, of what the request is answered with."""
        yield from self._begin()
        for index, (text, result) in enumerate(zip(self._texts, results, strict=True)):
            rest = result["text"][text.length :]
            if rest:
                yield index, rest

    def _begin(self) -> Iterator[tuple[int, str]]:
        """What stands before the first segment of each text."""
        if self._texts:
            return
        for index, cut in enumerate(self._request.cut):
            count = len(cut.segments)
            self._texts.append(_Text(cut, [[] for _ in range(count)], [False] * count, length=len(cut.gaps[0])))
            self._of_job += [(index, segment) for segment in range(count)]
            if cut.gaps[0]:
                yield index, cut.gaps[0]

    def _advance(self, text: _Text) -> str:
        """Write on, over the ends of segments, to one that needs attention: that comes when the text is done."""
        parts = []
        while text.at < len(text.ended):
            tokens, ended = text.tokens[text.at], text.ended[text.at]
            known, whole = text.cut.begun(text.at, tokens, self._subwords, ended=ended)
            parts.append(known[len(text.written) :])
            text.written = known
            if not whole:
                break
            text.at += 1
            text.written = ""
            parts.append(text.cut.gaps[text.at])
        written = "".join(parts)
        text.length += len(written)
        return written
