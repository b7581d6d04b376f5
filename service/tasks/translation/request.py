"""A translation request: checks it against the limits and segments its texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.decoding import SearchSettings
from service.errors import InvalidRequest, LimitExceeded
from service.limits import Limits, variable
from service.tasks.translation.language_detection import Detected
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import (
    InventionGuard,
    RareWords,
    SegmentedText,
    TranslationPreprocessing,
    Truecaser,
    segment,
)
from service.text import OffsetUnit

_SHORT_CHARACTERS = 300
"""Up to this many characters a request is segmented and its answer built in the event loop: 1 ms each for prose."""
_TEXT_CHARACTERS = 5
"""A text takes about as long as so many characters of prose, even if it is empty."""


class TranslateRequest:
    """Texts to translate, with the request's settings and, after `prepare`, their segments.

    Args:
        texts: the texts as they were sent.
        beam_size: hypotheses per sentence; None for the model's default.
        alternatives: number of other translations of each text.
        alignment: whether to return attention weights.
        alternative_sentences: whether to return the segment in which each alternative differs.
        beam: whether to return the record of each search.
        unit: the unit of the offsets in the answer.
        field: the name of a text in error messages, by its index.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        beam_size: int | None = None,
        alternatives: int = 0,
        alignment: bool = False,
        alternative_sentences: bool = False,
        beam: bool = False,
        unit: OffsetUnit = "unicode",
        field: Callable[[int], str] = "texts[{}]".format,
    ) -> None:
        self.texts = texts
        self.beam_size = beam_size
        self.alternatives = alternatives
        self.alignment = alignment
        self.alternative_sentences = alternative_sentences
        self.beam = beam
        self.unit: OffsetUnit = unit
        self.detected: Sequence[Detected] = ()
        """The language of each text, for the answer, where it was identified."""
        self.is_streamed = False
        """Whether the translations are sent while they are decoded."""
        self.segmented: list[SegmentedText] = []
        """The segmented texts; empty before `prepare`."""
        self._field = field
        self._is_html = False

    @property
    def is_large(self) -> bool:
        """Whether segmenting the texts or building the answer would block the event loop for too long."""
        # A search has hundreds of hypotheses; an alternative has as many weights as its sentence.
        if self.beam or self.alternative_sentences:
            return True
        return sum(map(len, self.texts)) + _TEXT_CHARACTERS * len(self.texts) > _SHORT_CHARACTERS

    def mark_streamed(self) -> TranslateRequest:
        """Mark the translations as sent while they are decoded, greedily, in place, and return the request.

        Raises:
            InvalidRequest: it asks for several hypotheses.
        """
        if self.beam_size not in (None, 1):
            raise InvalidRequest("a stream is greedy; send 1, leave it out, or accept application/json", "beam_size")
        if self.alternatives:
            raise InvalidRequest("a stream is greedy and has none; send 0 or accept application/json", "alternatives")
        if self.beam:
            raise InvalidRequest("a stream has none; leave it out, or accept application/json", "beam")
        self.beam_size = 1
        self.is_streamed = True
        return self

    def mark_html(self) -> TranslateRequest:
        """Mark the texts as HTML, in place, and return the request."""
        self._is_html = True
        return self

    def prepare(
        self,
        limits: Limits,
        subwords: Subwords,
        preprocessing: TranslationPreprocessing,
        *,
        attention: bool,
        truecaser: Truecaser,
        rare_words: RareWords | None,
        guard: InventionGuard | None,
    ) -> SearchSettings:
        """Check the request and segment its texts; returns the search settings.

        Args:
            limits: the limits of the model.
            subwords: the subwords of the source language.
            preprocessing: the `preprocessing` section of the manifest.
            attention: whether the model has attention, which the transfer of inline tags needs.
            truecaser: the truecaser of the source language.
            rare_words: finds what placeholders stand for; None if the model was not trained to copy.
            guard: says what is no sentence; None to translate everything.

        Raises:
            InvalidRequest: naming the field and the limit.
        """
        settings = self._search_settings(limits, preprocessing)
        self._check_sizes(limits)
        self.segmented = [
            segment(
                text,
                subwords,
                preprocessing.source,
                preprocessing.max_source_tokens,
                inline_tags=attention,
                rare_words=rare_words,
                truecaser=truecaser,
                is_html=self._is_html,
                guard=guard,
            )
            for text in self.texts
        ]
        if self.beam:
            self._check_recorded(limits)
        return settings

    def _check_recorded(self, limits: Limits) -> None:
        pieces = sum(len(ids) for text in self.segmented for ids in text.segments)
        if pieces > limits.max_explained_tokens:
            limit = limits.describe("max_explained_tokens")
            raise LimitExceeded(f"the texts have {pieces} subwords, {limit}; send several requests", "beam")

    def _search_settings(self, limits: Limits, preprocessing: TranslationPreprocessing) -> SearchSettings:
        most = limits.max_beam_size
        if self.beam_size is not None and not 1 <= self.beam_size <= most:
            raise LimitExceeded(
                f"is {self.beam_size}, must be from 1 to {most} ({variable('max_beam_size')})", "beam_size"
            )
        if self.alternatives < 0:
            raise InvalidRequest(f"is {self.alternatives}, must be 0 or more", "alternatives")
        beam_size = self.beam_size
        if beam_size is None:
            beam_size = min(max(preprocessing.beam_size, self.alternatives + 1), most)
        if self.alternative_sentences and not (self.alignment or self.beam):
            raise InvalidRequest("needs alignment or beam; send one of them, or leave it out", "alternative_sentences")
        if self.alternatives >= beam_size:
            raise LimitExceeded(
                f"is {self.alternatives}, must be below the beam size {beam_size}, which may be up to {most} "
                f"({variable('max_beam_size')})",
                "alternatives",
            )
        return preprocessing.search(beam_size, self.alternatives + 1, is_recorded=self.beam)

    def _check_sizes(self, limits: Limits) -> None:
        if len(self.texts) > limits.max_texts:
            raise LimitExceeded(
                f"{len(self.texts)} texts, {limits.describe('max_texts')}; send several requests",
                "texts",
            )
        for is_asked, field, what in (
            (self.beam, "beam", "their beams"),
            (self.alternative_sentences, "alternative_sentences", "sentences of their alternatives"),
        ):
            if is_asked and len(self.texts) > limits.max_explained_inputs:
                limit = limits.describe("max_explained_inputs")
                raise LimitExceeded(f"{len(self.texts)} texts with {what}, {limit}; send several requests", field)
        total = 0
        for index, text in enumerate(self.texts):
            total += len(text)
            if len(text) > limits.max_characters:
                raise LimitExceeded(
                    f"has {len(text)} characters, {limits.describe('max_characters')}; send it in parts",
                    self._field(index),
                )
            if total > limits.max_total_characters:
                raise LimitExceeded(
                    f"with it the request has more than {limits.max_total_characters} characters, the limit "
                    f"({variable('max_total_characters')}); send several requests",
                    self._field(index),
                )
