"""Streaming: turns the tokens of several sentences, decoded in parallel, into text in reading order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.subwords import END, Subwords
from service.tasks.translation.text import SegmentedText


@dataclass
class _TextProgress:
    """How much of one text has been decoded and sent."""

    text: SegmentedText
    tokens: list[list[int]]
    """Tokens of each segment so far."""
    ended: list[bool]
    """Whether each segment is decoded to its end."""
    current: int = 0
    """Index of the segment that is being sent."""
    sent: str = ""
    """The part of the current segment that has been sent."""
    sent_length: int = 0
    """Characters of the whole text that have been sent."""


class TextStream:
    """Produces the text deltas of one streamed request.

    Args:
        request: must be prepared before the first token arrives.
        subwords: the subwords of the target language.
    """

    def __init__(self, request: TranslateRequest, subwords: Subwords) -> None:
        self._request = request
        self._subwords = subwords
        self._texts: list[_TextProgress] = []
        self._positions: list[tuple[int, int]] = []
        """By job: indices of its text and of its segment."""

    def take(self, job: int, token: int) -> Iterator[tuple[int, str]]:
        """Add a token of a job, END at last; yields pairs of a text's index and its new characters."""
        yield from self._start()
        index, segment = self._positions[job]
        progress = self._texts[index]
        if token == END:
            progress.ended[segment] = True
        else:
            progress.tokens[segment].append(token)
        if segment == progress.current:
            delta = self._advance(progress)
            if delta:
                yield index, delta

    def finish(self, results: Sequence[dict[str, Any]]) -> Iterator[tuple[int, str]]:
        """Yield what remains of each text, given the results of the request."""
        yield from self._start()
        for index, (progress, result) in enumerate(zip(self._texts, results, strict=True)):
            rest = result["text"][progress.sent_length :]
            if rest:
                yield index, rest

    def _start(self) -> Iterator[tuple[int, str]]:
        """At the first call, yield what precedes the first segment of each text."""
        if self._texts:
            return
        for index, text in enumerate(self._request.segmented):
            count, first = len(text.segments), text.separators[0]
            self._texts.append(_TextProgress(text, [[] for _ in range(count)], [False] * count, sent_length=len(first)))
            self._positions += [(index, segment) for segment in range(count)]
            if first:
                yield index, first

    def _advance(self, progress: _TextProgress) -> str:
        """The new characters, over the ends of segments, up to a segment that cannot be streamed to its end."""
        parts = []
        text = progress.text
        while progress.current < len(progress.ended):
            tokens, ended = progress.tokens[progress.current], progress.ended[progress.current]
            prefix, complete = text.streamable_prefix(progress.current, tokens, self._subwords, ended=ended)
            parts.append(prefix[len(progress.sent) :])
            progress.sent = prefix
            if not complete:
                break
            progress.current += 1
            progress.sent = ""
            parts.append(text.separators[progress.current])
        delta = "".join(parts)
        progress.sent_length += len(delta)
        return delta
