"""What stands around a tagger's network: a text is cut into sentences, emissions become tags, spans and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.tasks.token_classification.crf import Decoded, decode
from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, spans, write_iob2

Offsets = list[tuple[int, int]]
"""Where the tokens of a sentence begin and end, in code points of the text."""

_PLACES = 6
"""Decimal places of a score."""


def joined(tokens: Sequence[str]) -> list[Offsets]:
    """The only sentence of tokens that are joined by one blank; of no tokens none."""
    ends = list(accumulate(tokens, lambda end, token: end + 1 + len(token), initial=-1))[1:]
    return [[(end - len(token), end) for token, end in zip(tokens, ends, strict=True)]] if tokens else []


class TaggedSentence(NamedTuple):
    """One sentence of T tokens, decoded."""

    tags: list[str]
    """[T]; of spans in IOB2."""
    scores: list[float]
    """[T]: the marginal probability of each tag."""
    spans: list[tuple[str, int, int, float]]
    """Label, first token, the token after the last, and the probability of the span; of plain tags none."""


class Tagging:
    """Decodes the emissions of one model and writes its answers.

    Args:
        labels: of the K columns of the emissions: plain tags, or BIOES tags of spans.
        kind: which of the two.
        transitions: [K+2, K], see `service.decoding`; None where tags are independent.
    """

    def __init__(self, labels: Sequence[str], kind: Kind, transitions: NDArray[np.float32] | None) -> None:
        self._labels = list(labels)
        self._kind = kind
        self._transitions = transitions
        self._outside = self._labels.index(OUTSIDE) if OUTSIDE in self._labels else -1

    def decode(
        self,
        emissions_BTK: NDArray[np.float32],  # noqa: N803
        lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    ) -> list[TaggedSentence]:
        """The tags and spans of B sentences."""
        decoded = decode(emissions_BTK, lengths_B, self._transitions)
        labels = self._labels
        lengths = lengths_B.tolist()
        # Of short sentences beside a long one most would be padding: it is never turned into lists.
        tags = [
            [labels[number] for number in row[:length].tolist()]
            for row, length in zip(decoded.tags, lengths, strict=True)
        ]
        # As float64: rounded float32 would be written with digits that nobody computed.
        rounded = decoded.scores.astype(np.float64).round(_PLACES)
        scores = [row[:length].tolist() for row, length in zip(rounded, lengths, strict=True)]
        if self._kind == "tags":
            return [TaggedSentence(*pair, []) for pair in zip(tags, scores, strict=True)]
        named = (decoded.tags != self._outside) & (np.arange(decoded.tags.shape[1]) < lengths_B[:, None])
        found = [
            _spans(tags[sentence], sentence, decoded) if some else []
            for sentence, some in enumerate(named.any(1).tolist())
        ]
        return [
            TaggedSentence(write_iob2(len(own), [span[:3] for span in spans]) if spans else own, score, spans)
            for own, score, spans in zip(tags, scores, found, strict=True)
        ]

    def result(
        self, text: str, offsets: Sequence[Sequence[tuple[int, int]]], sentences: Sequence[TaggedSentence]
    ) -> dict[str, Any]:
        """What /v1/tag answers for one text.

        Args:
            text: as it was sent.
            offsets: where the tokens of each sentence begin and end in it.
            sentences: the same, decoded.
        """
        answer: dict[str, Any] = {
            "sentences": [{"start": tokens[0][0], "end": tokens[-1][1]} for tokens in offsets],
            "tokens": [
                {"text": text[start:end], "start": start, "end": end, "tag": tag, "score": score}
                for tokens, sentence in zip(offsets, sentences, strict=True)
                for (start, end), tag, score in zip(tokens, sentence.tags, sentence.scores, strict=True)
            ],
        }
        if self._kind == "spans":
            answer["entities"] = [
                _entity(text, label, tokens[first][0], tokens[after - 1][1], score)
                for tokens, sentence in zip(offsets, sentences, strict=True)
                for label, first, after, score in sentence.spans
            ]
        return answer


def _entity(text: str, label: str, start: int, end: int, score: float) -> dict[str, Any]:
    return {"text": text[start:end], "label": label, "start": start, "end": end, "score": score}


def _spans(tags: list[str], sentence: int, decoded: Decoded) -> list[tuple[str, int, int, float]]:
    return [
        (label, start, end, round(decoded.span_score(sentence, start, end), _PLACES))
        for label, start, end in spans(tags)
    ]
