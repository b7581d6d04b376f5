"""One request to tag: from texts or tokens to sentences, whose tokens know where they stand in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest, PayloadTooLarge
from service.limits import Limits, variable
from service.tasks.token_classification.decoding import Offsets, joined
from service.text import sentence_spans

_LIGHT_CHARACTERS = 2_000
"""What is cut and written in the event loop: about a millisecond's work."""
_LIGHT_TOKENS = 400
_SHOWN = 32
"""Characters of a sentence that an error repeats."""


class TagRequest:
    """Texts to tag. It keeps what the stages after `prepare` need to know of them.

    Args:
        texts: as they were sent; of tokens, those of each sentence joined by one blank.
        tokens: the tokens of each text, where they were sent: each text is one sentence.
        field: how errors name a text.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokens: Sequence[Sequence[str]] | None = None,
        field: Callable[[int], str] = "texts[{}]".format,
    ) -> None:
        self.texts = texts
        self.sentences: list[list[Offsets]] = []
        """The tokens of each text by sentence."""
        self.order: NDArray[np.int64]
        """Which sentence is in which row of what runs, [N]."""
        self._tokens = tokens
        self._field = field

    @property
    def is_heavy(self) -> bool:
        """Whether cutting it and writing its answer may hold the event loop for long."""
        if self._tokens is not None and sum(map(len, self._tokens)) > _LIGHT_TOKENS:
            return True
        return sum(map(len, self.texts)) > _LIGHT_CHARACTERS

    def prepare(self, limits: Limits) -> list[list[str]]:
        """The words of all sentences in order.

        Raises:
            InvalidRequest: naming the text and, where it is about one, the sentence.
            PayloadTooLarge: a text has more bytes than the limit.
        """
        found: list[list[str]] = []
        total = 0
        for index, offsets in enumerate(self._cut(limits)):
            total += sum(map(len, offsets))
            if total > limits.max_total_tokens:
                raise InvalidRequest(
                    f"with it the request has more than {limits.max_total_tokens} tokens, the limit "
                    f"({variable('max_total_tokens')}); send several requests",
                    self._field(index),
                )
            self.sentences.append(offsets)
            if self._tokens is None:
                text = self.texts[index]
                found += [[text[start:end] for start, end in sentence] for sentence in offsets]
            elif offsets:
                found.append(list(self._tokens[index]))
        return found

    def _cut(self, limits: Limits) -> Iterator[list[Offsets]]:
        """The sentences of each text, within the limits of one."""
        if len(self.texts) > limits.max_texts:
            what, field = ("texts", "texts") if self._tokens is None else ("token lists", "tokens")
            raise InvalidRequest(
                f"{len(self.texts)} {what}, {limits.describe('max_texts')}; send several requests",
                field,
            )
        for index, text in enumerate(self.texts):
            size = self._size(index)
            if size > limits.max_text_bytes:
                raise PayloadTooLarge(
                    f"{self._field(index)}: {size} bytes of text, {limits.describe('max_text_bytes')}; send it in parts"
                )
            offsets = sentence_spans(text) if self._tokens is None else self._joined(index)
            for place, sentence in enumerate(offsets):
                if len(sentence) > limits.max_sentence_tokens:
                    raise self._too_long(index, place, sentence, limits.describe("max_sentence_tokens"))
            yield offsets

    def _size(self, index: int) -> int:
        """The bytes of a text in UTF-8."""
        text = self.texts[index]
        if text.isascii():
            return len(text)
        try:
            return len(text.encode())
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                f"holds half of a surrogate pair at character {error.start}; send whole characters", self._field(index)
            ) from error

    def _joined(self, index: int) -> list[Offsets]:
        """The only sentence of tokens that were sent, or none where the list is empty."""
        assert self._tokens is not None
        tokens = self._tokens[index]
        if "" in tokens or any(map(str.isspace, tokens)):
            place = next(place for place, token in enumerate(tokens) if not token or token.isspace())
            raise InvalidRequest("is empty; send a word or a punctuation mark", f"{self._field(index)}[{place}]")
        return joined(tokens)

    def _too_long(self, index: int, place: int, sentence: Offsets, limit: str) -> InvalidRequest:
        text, start = self.texts[index], sentence[0][0]
        if self._tokens is not None:
            which, remedy = "", "send it as several sentences"
        else:
            shown = text[start : start + _SHOWN]
            which = f"its sentence {place + 1}, from character {start} ({shown!r}…), has "
            remedy = "end sentences with a full stop or a blank line"
        message = f"{which}{len(sentence)} tokens, {limit}; {remedy}"
        return InvalidRequest(message, self._field(index))
