"""Post-processing of a tagger: from emissions to tags, spans and answers with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import ModelFailure
from service.tasks.token_classification.crf import Decoded, decode
from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, spans, write_iob2
from service.text import OffsetUnit, convert_offsets

Offsets = list[tuple[int, int]]
"""Start and end of each token of a sentence, in code points of the text."""

_SCORE_DECIMALS = 6
_FIELDS_WITH_OFFSETS = ("sentences", "tokens", "entities", "multiword")


def joined_offsets(tokens: Sequence[str]) -> list[Offsets]:
    """Offsets of the tokens in their text joined by single spaces: one sentence, or none if there are no tokens."""
    offsets: Offsets = []
    start = 0
    for token in tokens:
        end = start + len(token)
        offsets.append((start, end))
        start = end + 1
    return [offsets] if offsets else []


class Multiword(NamedTuple):
    """A multiword token of a text, such as `du`, which is tagged as `de` and `le`."""

    first: int
    """Index of its first word among the tokens of the text."""
    words: tuple[str, ...]


class TaggedSentence(NamedTuple):
    """The decoded tags of a sentence of T tokens."""

    tags: list[str]
    """[T]; IOB2 for spans."""
    scores: list[float]
    """[T]: the marginal probability of each tag."""
    spans: list[tuple[str, int, int, float]]
    """Label, first token, token after the last, and probability of each span; empty for plain tags."""


class Tagging:
    """Decodes the emissions of one model and builds its answers.

    Args:
        labels: the labels of the K columns of the emissions: plain tags, or BIOES tags for spans.
        kind: which of the two.
        transitions: [K+2, K], see `crf`; None if tags are independent.
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
        decoded = decode(emissions_BTK, lengths_B, self._transitions, with_continuations=self._kind == "spans")
        labels = self._labels
        lengths = lengths_B.tolist()
        # Short sentences beside a long one are mostly padding, which is never turned into lists.
        tags = [
            [labels[index] for index in row[:length].tolist()]
            for row, length in zip(decoded.tags, lengths, strict=True)
        ]
        # Finite emissions may still be so large that their sums are not.
        if not np.isfinite(decoded.scores).all():
            raise ModelFailure("the model's tag probabilities hold NaN or infinity")
        # As float64: a rounded float32 would be serialized with spurious digits.
        rounded = decoded.scores.astype(np.float64).round(_SCORE_DECIMALS)
        scores = [row[:length].tolist() for row, length in zip(rounded, lengths, strict=True)]
        if self._kind == "tags":
            return [TaggedSentence(*pair, []) for pair in zip(tags, scores, strict=True)]
        in_span = (decoded.tags != self._outside) & (np.arange(decoded.tags.shape[1]) < lengths_B[:, None])
        spans_by_sentence = [
            _scored_spans(tags[sentence], sentence, decoded) if has_spans else []
            for sentence, has_spans in enumerate(in_span.any(1).tolist())
        ]
        return [
            TaggedSentence(write_iob2(len(bioes), [span[:3] for span in spans]) if spans else bioes, score, spans)
            for bioes, score, spans in zip(tags, scores, spans_by_sentence, strict=True)
        ]

    def result(
        self,
        text: str,
        offsets: Sequence[Sequence[tuple[int, int]]],
        sentences: Sequence[TaggedSentence],
        multiword: Sequence[Multiword] | None = None,
    ) -> dict[str, Any]:
        """The answer of /v1/tag for one text.

        Args:
            text: the text as it was sent.
            offsets: start and end of the tokens of each sentence in it.
            sentences: the decoded tags of each sentence.
            multiword: the multiword tokens; None of models that know none.
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
        if multiword is not None:
            answer["multiword"] = [_split(text, answer["tokens"], *token) for token in multiword]
        return answer


def in_unit(answer: dict[str, Any], text: str, unit: OffsetUnit) -> dict[str, Any]:
    """The answer for a text with all starts and ends in another unit."""
    convert_offsets(text, unit, *(answer.get(field, ()) for field in _FIELDS_WITH_OFFSETS))
    return answer


def _split(text: str, tokens: list[dict[str, Any]], first: int, words: tuple[str, ...]) -> dict[str, Any]:
    """Name the tokens of a multiword token by its words; returns its own entry of the answer."""
    start, end = tokens[first]["start"], tokens[first]["end"]
    for token, word in zip(tokens[first:], words, strict=False):
        token["text"] = word
    return {"text": text[start:end], "start": start, "end": end, "tokens": list(range(first, first + len(words)))}


def _entity(text: str, label: str, start: int, end: int, score: float) -> dict[str, Any]:
    return {"text": text[start:end], "label": label, "start": start, "end": end, "score": score}


def _scored_spans(tags: list[str], sentence: int, decoded: Decoded) -> list[tuple[str, int, int, float]]:
    return [
        (label, start, end, round(decoded.span_score(sentence, start, end), _SCORE_DECIMALS))
        for label, start, end in spans(tags)
    ]
