"""Why a tagger tags as it does: the probability of every tag, the CRF's transitions, and the tags without the CRF."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import ModelFailure
from service.tasks.token_classification.crf import FORBIDDEN, marginals
from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import to_iob2

_DECIMALS = 6
_TO_IOB2 = {"S": "B", "E": "I"}


class ExplainedSentence(NamedTuple):
    """What is known of a sentence of T tokens beside its tags."""

    marginals: NDArray[np.float64]
    """[T, C]: the probability of each tag at each token under the CRF."""
    without_crf: list[str]
    """[T]: the best tag of each token by its emissions alone."""


class TagExplainer:
    """Explains the tags of one model, in the tags of the answer: the C tags of IOB2 for spans, where the CRF has BIOES.

    Args:
        labels: the labels of the K columns of the emissions.
        kind: plain tags, or BIOES tags of spans.
        transitions: [K+2, K], see `crf`; None if tags are independent.
    """

    def __init__(self, labels: Sequence[str], kind: Kind, transitions: NDArray[np.float32] | None) -> None:
        self._labels, self._kind, self._transitions = labels, kind, transitions
        own = [_iob2(label) if kind == "spans" else label for label in labels]
        self.tags = list(dict.fromkeys(own))
        """The C tags."""
        self._tag_of_label = np.array([self.tags.index(tag) for tag in own])
        self._members = self._tag_of_label[:, None] == np.arange(len(self.tags))

    def explain(
        self,
        emissions_BTK: NDArray[np.float32],  # noqa: N803
        lengths_B: NDArray[np.integer[Any]],  # noqa: N803
    ) -> list[ExplainedSentence]:
        """Explain B sentences.

        Raises:
            ModelFailure: a probability is NaN or infinite.
        """
        summed = marginals(emissions_BTK, lengths_B, self._transitions).astype(np.float64) @ self._members
        if not np.isfinite(summed).all():
            raise ModelFailure("the model's tag probabilities hold NaN or infinity")
        best = emissions_BTK.argmax(2)
        return [
            ExplainedSentence(summed[row, :length].round(_DECIMALS), self._tags_of(best[row, :length].tolist()))
            for row, length in enumerate(lengths_B.tolist())
        ]

    def _tags_of(self, labels: list[int]) -> list[str]:
        tags = [self._labels[label] for label in labels]
        return to_iob2(tags) if self._kind == "spans" else tags

    def fields(self, sentences: Sequence[ExplainedSentence]) -> dict[str, Any]:
        """The fields of a `TagExplanation` for the sentences of one text."""
        return {
            "tags": self.tags,
            "marginals": [row for sentence in sentences for row in sentence.marginals.tolist()],
            "without_crf": [tag for sentence in sentences for tag in sentence.without_crf],
        } | self._scores

    @cached_property
    def _scores(self) -> dict[str, Any]:
        """The transitions between the tags. Of several between BIOES tags that stand behind one, it is the best."""
        if self._transitions is None:
            return {"transitions": None, "starts": None, "ends": None}
        count = len(self.tags)
        scores = np.full((count + 2, count), -np.inf)
        rows = [*self._tag_of_label.tolist(), count, count + 1]
        for row, values in zip(rows, self._transitions.astype(np.float64), strict=True):
            np.maximum.at(scores[row], self._tag_of_label, values)
        written = [[round(score, _DECIMALS) if score > FORBIDDEN else None for score in row] for row in scores.tolist()]
        return {"transitions": written[:-2], "starts": written[-2], "ends": written[-1]}


def _iob2(label: str) -> str:
    """The tag of IOB2 that a tag of BIOES becomes: `S-PER` begins a name, `E-PER` goes on with one."""
    return _TO_IOB2.get(label[0], label[0]) + label[1:]
