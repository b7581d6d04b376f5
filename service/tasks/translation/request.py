"""One request to translate: from texts to sentences of ids, within the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.decoding import SearchSettings
from service.errors import InvalidRequest
from service.limits import Limits, variable
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import Capitals, CutText, TranslationPreprocessing, cut

_LIGHT_CHARACTERS = 2_000
"""What is cut and written in the event loop: about a millisecond's work."""


class TranslateRequest:
    """Texts to translate. It keeps what the stages after `prepare` need to know of them.

    Args:
        texts: as they were sent.
        beam_size: hypotheses of each sentence; None is the model's default.
        alternatives: other translations of each text.
        alignment: whether the answer says what was attended to.
        field: how errors name a text.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        beam_size: int | None = None,
        alternatives: int = 0,
        alignment: bool = False,
        field: Callable[[int], str] = "texts[{}]".format,
    ) -> None:
        self.texts = texts
        self.beam_size = beam_size
        self.alternatives = alternatives
        self.alignment = alignment
        self.cut: list[CutText] = []
        """Each text, once it is prepared."""
        self._field = field
        self._is_html = False

    @property
    def is_large(self) -> bool:
        """Whether cutting it and writing its answer may hold the event loop for long."""
        return sum(map(len, self.texts)) > _LIGHT_CHARACTERS

    def streamed(self) -> TranslateRequest:
        """The request, for an answer that comes piece by piece.

        Raises:
            InvalidRequest: it asks for what only a search with several hypotheses finds.
        """
        if self.beam_size not in (None, 1):
            raise InvalidRequest("a stream is greedy; send 1, leave it out, or accept application/json", "beam_size")
        if self.alternatives:
            raise InvalidRequest("a stream is greedy and has none; send 0 or accept application/json", "alternatives")
        self.beam_size = 1
        return self

    def as_html(self) -> TranslateRequest:
        """The request, of texts that are HTML."""
        self._is_html = True
        return self

    def prepare(
        self,
        limits: Limits,
        subwords: Subwords,
        preprocessing: TranslationPreprocessing,
        *,
        attention: bool,
        capitals: Capitals,
    ) -> SearchSettings:
        """Check the request and cut its texts; how they are searched.

        Args:
            limits: the server's.
            subwords: of the source.
            preprocessing: the model's.
            attention: whether the model has any, which elements within sentences need.
            capitals: of the source.

        Raises:
            InvalidRequest: naming the field and the limit.
        """
        search = self._search(limits, preprocessing)
        self._check_sizes(limits)
        self.cut = [
            cut(
                text,
                subwords,
                preprocessing.source,
                preprocessing.max_source_tokens,
                elements=attention,
                copies=preprocessing.copies,
                capitals=capitals,
                is_html=self._is_html,
            )
            for text in self.texts
        ]
        return search

    def _search(self, limits: Limits, preprocessing: TranslationPreprocessing) -> SearchSettings:
        most = limits.max_beam_size
        if self.beam_size is not None and not 1 <= self.beam_size <= most:
            raise InvalidRequest(
                f"is {self.beam_size}, must be from 1 to {most} ({variable('max_beam_size')})", "beam_size"
            )
        if self.alternatives < 0:
            raise InvalidRequest(f"is {self.alternatives}, must be 0 or more", "alternatives")
        beam_size = self.beam_size
        if beam_size is None:
            beam_size = min(max(preprocessing.beam_size, self.alternatives + 1), most)
        if self.alternatives >= beam_size:
            raise InvalidRequest(
                f"is {self.alternatives}, must be below the beam size {beam_size}, which may be up to {most} "
                f"({variable('max_beam_size')})",
                "alternatives",
            )
        return preprocessing.search(beam_size, self.alternatives + 1)

    def _check_sizes(self, limits: Limits) -> None:
        if len(self.texts) > limits.max_texts:
            raise InvalidRequest(
                f"{len(self.texts)} texts, {limits.describe('max_texts')}; send several requests",
                "texts",
            )
        total = 0
        for index, text in enumerate(self.texts):
            total += len(text)
            if len(text) > limits.max_characters:
                raise InvalidRequest(
                    f"has {len(text)} characters, {limits.describe('max_characters')}; send it in parts",
                    self._field(index),
                )
            if total > limits.max_total_characters:
                raise InvalidRequest(
                    f"with it the request has more than {limits.max_total_characters} characters, the limit "
                    f"({variable('max_total_characters')}); send several requests",
                    self._field(index),
                )
