"""A document that is text, in which parts are replaced by their translations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.documents.document import Document, Segment
from service.documents.text_decoding import DecodedText


@dataclass(frozen=True)
class Splice:
    """A part of a text that is replaced."""

    start: int
    stop: int
    segments: range
    """The indices of its segments."""
    write: Callable[[Sequence[str]], str] = "".join
    """What replaces it, of the translations of its segments."""


class Change(NamedTuple):
    """Another text for a part of a text."""

    start: int
    stop: int
    text: str


class SplicedText(Document):
    """A text file.

    Args:
        file: its text.
        segments: what is translated of it.
        splices: the parts that are translated, in reading order and apart from each other.
    """

    def __init__(self, file: DecodedText, segments: Sequence[Segment], splices: Sequence[Splice]) -> None:
        super().__init__(segments)
        self._file = file
        self._splices = splices

    def _write(self, translations: Sequence[str], target: str) -> bytes:
        changes: list[Change] = []
        for splice in self._splices:
            own = [translations[index] for index in splice.segments]
            if any(self.segments[index].text != translations[index] for index in splice.segments):
                changes.append(Change(splice.start, splice.stop, splice.write(own)))
        changes = self._with_language(changes, target) if changes else changes
        return self._file.encode(apply_changes(self._file.text, changes))

    def _with_language(self, changes: list[Change], target: str) -> list[Change]:
        """The changes, and those of places where the text says its language; for formats that have any."""
        return changes


def apply_changes(text: str, changes: Sequence[Change]) -> str:
    """A text with changes, which are in reading order and apart from each other."""
    parts: list[str] = []
    end = 0
    for start, stop, changed in changes:
        parts += text[end:start], changed
        end = stop
    return "".join([*parts, text[end:]])
