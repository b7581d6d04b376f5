"""A tagging request: from texts or tokens to sentences, whose tokens keep their offsets in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest, LimitExceeded, PayloadTooLarge
from service.limits import Limits, variable
from service.tasks.token_classification.decoding import Offsets, joined_offsets
from service.text import words_by_sentence

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
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokens: Sequence[Sequence[str]] | None = None,
        field: Callable[[int], str] = "texts[{}]".format,
    ) -> None:
        self.texts = texts
        self.sentences: list[list[Offsets]] = []
        """Token offsets of the sentences of each text."""
        self.order: NDArray[np.int64]
        """[N]: the sentence of each row of the tensors that run."""
        self._tokens = tokens
        self._field = field

    @property
    def is_large(self) -> bool:
        """Whether splitting it and writing its answer may block the event loop for long."""
        if self._tokens is not None and sum(map(len, self._tokens)) > _INLINE_TOKENS:
            return True
        return sum(map(len, self.texts)) > _INLINE_CHARACTERS

    @property
    def estimated_tokens(self) -> float:
        """About the number of tokens, at least 1; exact if tokens were sent."""
        if self._tokens is not None:
            return 1 + sum(map(len, self._tokens))
        return 1 + sum(map(len, self.texts)) / _CHARACTERS_PER_TOKEN

    def prepare(self, limits: Limits) -> list[list[str]]:
        """Split the texts; returns the words of all sentences in order.

        Raises:
            InvalidRequest: a limit is exceeded or a token is empty; the text and the sentence are named.
            PayloadTooLarge: a text has more bytes than the limit.
        """
        words: list[list[str]] = []
        total = 0
        for index, offsets in enumerate(self._split(limits)):
            total += sum(map(len, offsets))
            if total > limits.max_total_tokens:
                raise LimitExceeded(
                    f"with it the request has more than {limits.max_total_tokens} tokens, the limit "
                    f"({variable('max_total_tokens')}); send several requests",
                    self._field(index),
                )
            self.sentences.append(offsets)
            if self._tokens is None:
                text = self.texts[index]
                words += [[text[start:end] for start, end in sentence] for sentence in offsets]
            elif offsets:
                words.append(list(self._tokens[index]))
        return words

    def _split(self, limits: Limits) -> Iterator[list[Offsets]]:
        """The sentences of each text, checked against the limits of a single text."""
        if len(self.texts) > limits.max_texts:
            unit, field = ("texts", "texts") if self._tokens is None else ("token lists", "tokens")
            raise LimitExceeded(
                f"{len(self.texts)} {unit}, {limits.describe('max_texts')}; send several requests",
                field,
            )
        for index, text in enumerate(self.texts):
            size = self._size(index)
            if size > limits.max_text_bytes:
                raise PayloadTooLarge(
                    f"{self._field(index)}: {size} bytes of text, {limits.describe('max_text_bytes')}; send it in parts"
                )
            offsets = words_by_sentence(text) if self._tokens is None else self._joined_offsets(index)
            for number, sentence in enumerate(offsets, start=1):
                if len(sentence) > limits.max_sentence_tokens:
                    raise self._too_long(index, number, sentence, limits.describe("max_sentence_tokens"))
            yield offsets

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
            remedy = "end sentences with a full stop or a blank line"
        message = f"{which}{len(sentence)} tokens, {limit}; {remedy}"
        return LimitExceeded(message, self._field(index))
