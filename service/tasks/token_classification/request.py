"""A tagging request: from texts or tokens to sentences, whose tokens keep their offsets in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest, LimitExceeded, PayloadTooLarge
from service.limits import Limits, variable
from service.tasks.token_classification.decoding import Multiword, Offsets, joined_offsets
from service.tasks.token_classification.segmentation import Segment, SegmentedText, segment_by_rules
from service.text import OffsetUnit

_INLINE_CHARACTERS, _INLINE_TOKENS = 2_000, 400
"""The largest request that is split and answered in the event loop: about a millisecond's work."""
_QUOTED_CHARACTERS = 32
"""Characters of a sentence that an error quotes."""
_CHARACTERS_PER_TOKEN = 5
"""About the length of a token and the space after it."""


class TagRequest:
    """Texts to tag, with the state that postprocessing needs.

    Args:
        texts: the texts as they were sent; for tokens, those of each sentence joined by single spaces.
        tokens: the tokens of each text, if tokens were sent: each text is one sentence.
        field: the name of a text in error messages, by its index.
        unit: the unit of the offsets in the answer.
        explain: whether the tags are explained.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokens: Sequence[Sequence[str]] | None = None,
        field: Callable[[int], str] = "texts[{}]".format,
        unit: OffsetUnit = "unicode",
        *,
        explain: bool = False,
    ) -> None:
        self.texts = texts
        self.explain = explain
        self.unit = unit
        self.sentences: list[list[Offsets]] = []
        """Token offsets of the sentences of each text."""
        self.multiword: list[list[Multiword] | None] = []
        """The multiword tokens of each text; None of models that know none."""
        self.order: NDArray[np.int64]
        """[N]: the sentence of each row of the tensors that run."""
        self._tokens = tokens
        self._field = field

    @property
    def is_large(self) -> bool:
        """Whether splitting it and writing its answer may block the event loop for long."""
        if self._tokens is not None and sum(map(len, self._tokens)) > _INLINE_TOKENS:
            return True
        return self.characters > _INLINE_CHARACTERS

    @property
    def characters(self) -> int:
        """Characters of all texts."""
        return sum(map(len, self.texts))

    @property
    def estimated_tokens(self) -> float:
        """About the number of tokens, at least 1; exact if tokens were sent."""
        if self._tokens is not None:
            return 1 + sum(map(len, self._tokens))
        return 1 + self.characters / _CHARACTERS_PER_TOKEN

    @property
    def text_characters(self) -> int:
        """Characters that are to be segmented: none if tokens were sent."""
        return 0 if self._tokens is not None else self.characters

    def prepare(
        self, limits: Limits, segment: Segment = segment_by_rules, check: Callable[[], None] = lambda: None
    ) -> list[list[str]]:
        """Split the texts; returns the words of all sentences in order.

        Args:
            limits: the limits of a request.
            segment: splits texts into sentences of tokens.
            check: called between parts of the work; raises an error if nobody waits for the answer any longer.

        Raises:
            InvalidRequest: a limit is exceeded or a token is empty; the text and the sentence are named.
            PayloadTooLarge: a text has more bytes than the limit.
        """
        words: list[list[str]] = []
        total = 0
        if self.explain and len(self.texts) > limits.max_explained_inputs:
            limit = limits.describe("max_explained_inputs")
            raise LimitExceeded(f"{len(self.texts)} texts to explain, {limit}; send several requests", "explain")
        for index, (offsets, multiword) in enumerate(self._split(limits, segment, check)):
            total += sum(map(len, offsets))
            if total > limits.max_total_tokens:
                raise LimitExceeded(
                    f"with it the request has more than {limits.max_total_tokens} tokens, the limit "
                    f"({variable('max_total_tokens')}); send several requests",
                    self._field(index),
                )
            if self.explain and total > limits.max_explained_tokens:
                raise LimitExceeded(
                    f"with {self._field(index)} there are more than {limits.max_explained_tokens} tokens to explain, "
                    f"the limit ({variable('max_explained_tokens')}); send several requests",
                    "explain",
                )
            self.sentences.append(offsets)
            self.multiword.append(multiword)
            if self._tokens is None:
                words += _words(self.texts[index], offsets, multiword)
            elif offsets:
                words.append(list(self._tokens[index]))
        return words

    def _split(self, limits: Limits, segment: Segment, check: Callable[[], None]) -> Iterator[SegmentedText]:
        """The sentences of each text, checked against the limits of a single text."""
        if len(self.texts) > limits.max_texts:
            unit, field = ("texts", "texts") if self._tokens is None else ("token lists", "tokens")
            raise LimitExceeded(
                f"{len(self.texts)} {unit}, {limits.describe('max_texts')}; send several requests",
                field,
            )
        texts = self._checked_texts(limits)
        segmented = segment(texts, check) if self._tokens is None else self._sent_tokens(texts, segment)
        for index, result in enumerate(segmented):
            for number, sentence in enumerate(result.sentences, start=1):
                if len(sentence) > limits.max_sentence_tokens:
                    raise self._too_long(index, number, sentence, limits.describe("max_sentence_tokens"))
            yield result

    def _checked_texts(self, limits: Limits) -> Iterator[str]:
        """The texts, each of them within the limit of bytes."""
        for index, text in enumerate(self.texts):
            size = self._size(index)
            if size > limits.max_text_bytes:
                raise PayloadTooLarge(
                    f"{self._field(index)}: {size} bytes of text, {limits.describe('max_text_bytes')}; send it in parts"
                )
            yield text

    def _sent_tokens(self, texts: Iterable[str], segment: Segment) -> Iterator[SegmentedText]:
        """The tokens as they were sent: none of them is split."""
        for index, _ in enumerate(texts):
            yield SegmentedText(self._joined_offsets(index), None if segment is segment_by_rules else [])

    def _size(self, index: int) -> int:
        """Bytes of a text in UTF-8."""
        text = self.texts[index]
        if text.isascii():
            return len(text)
        try:
            return len(text.encode())
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                f"holds half of a surrogate pair at character {error.start}; send whole characters", self._field(index)
            ) from error

    def _joined_offsets(self, index: int) -> list[Offsets]:
        """The sentence of a list of tokens; none if the list is empty."""
        assert self._tokens is not None
        tokens = self._tokens[index]
        if "" in tokens or any(map(str.isspace, tokens)):
            empty = next(position for position, token in enumerate(tokens) if not token or token.isspace())
            raise InvalidRequest("is empty; send a word or a punctuation mark", f"{self._field(index)}[{empty}]")
        return joined_offsets(tokens)

    def _too_long(self, index: int, number: int, sentence: Offsets, limit: str) -> InvalidRequest:
        text, start = self.texts[index], sentence[0][0]
        if self._tokens is not None:
            which, remedy = "", "send it as several sentences"
        else:
            quoted = text[start : start + _QUOTED_CHARACTERS]
            which = f"its sentence {number}, from character {start} ({quoted!r}…), has "
            remedy = "end sentences with a full stop or a line break"
        message = f"{which}{len(sentence)} tokens, {limit}; {remedy}"
        return LimitExceeded(message, self._field(index))


def _words(text: str, offsets: list[Offsets], multiword: list[Multiword] | None) -> list[list[str]]:
    """The words of each sentence."""
    words = [[text[start:end] for start, end in sentence] for sentence in offsets]
    if not multiword:
        return words
    flat = [word for sentence in words for word in sentence]
    for first, split in multiword:
        flat[first : first + len(split)] = split
    source = iter(flat)
    return [list(islice(source, len(sentence))) for sentence in words]
