"""What is answered for one text, of the hypotheses of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.decoding import Hypothesis
from service.tasks.translation.subwords import END, Subwords
from service.tasks.translation.text.segmentation import CutText

_PLACES = 6
"""Decimal places of a score."""
_ATTENTION_PLACES = 4


class Results:
    """Writes the answers of one model.

    Args:
        source: the subwords of its source.
        target: those of its target.
    """

    def __init__(self, source: Subwords, target: Subwords) -> None:
        self._source = source
        self._target = target

    def result(
        self, text: CutText, found: Sequence[Sequence[Hypothesis]], *, alternatives: int = 0, alignment: bool = False
    ) -> dict[str, Any]:
        """What /v1/translate answers for one text.

        Args:
            text: cut into N segments.
            found: the hypotheses of each of them, best first, [N][n_best].
            alternatives: how many other translations of the text, at most.
            alignment: with the attention of each segment's best hypothesis.
        """
        best = [hypotheses[0] for hypotheses in found]
        texts = [text.written(place, one, self._source, self._target) for place, one in enumerate(best)]
        result: dict[str, Any] = {
            "text": text.joined(texts),
            "score": _score(*_total(best)),
            "alternatives": self._alternatives(text, found, texts, alternatives) if alternatives else [],
        }
        if alignment:
            result["sentences"] = [
                self._alignment(ids, hypothesis) for ids, hypothesis in zip(text.segments, best, strict=True)
            ]
        return result

    def _alternatives(
        self, text: CutText, found: Sequence[Sequence[Hypothesis]], texts: list[str], most: int
    ) -> list[dict[str, Any]]:
        """Other translations, best score first: each differs from the best in one segment."""
        total, count = _total([hypotheses[0] for hypotheses in found])
        other = []
        for place, hypotheses in enumerate(found):
            less, fewer = _total(hypotheses[:1])
            for hypothesis in hypotheses[1:]:
                more, further = _total([hypothesis])
                other.append((_score(total - less + more, count - fewer + further), place, hypothesis))
        other.sort(key=lambda entry: -(entry[0] or 0))
        seen = {text.joined(texts)}
        answers: list[dict[str, Any]] = []
        for score, place, hypothesis in other:
            if len(answers) == most:
                break
            translation = text.joined(
                [*texts[:place], text.written(place, hypothesis, self._source, self._target), *texts[place + 1 :]]
            )
            if translation not in seen:
                seen.add(translation)
                answers.append({"text": translation, "score": score})
        return answers

    def _alignment(self, ids: Sequence[int], hypothesis: Hypothesis) -> dict[str, Any]:
        """The pieces of both sides, END among them, and how much each target piece attended to each source piece."""
        assert hypothesis.attention is not None
        tokens = [*hypothesis.tokens, END][: len(hypothesis.attention)]  # one that was cut at its longest has no END
        return {
            "source_tokens": [self._source.piece(id_) for id_ in [*ids, END]],
            "target_tokens": [self._target.piece(id_) for id_ in tokens],
            # As float64: rounded float32 would be written with digits that nobody computed.
            "alignment": hypothesis.attention.astype(np.float64).round(_ATTENTION_PLACES).tolist(),
        }


def _total(hypotheses: Sequence[Hypothesis]) -> tuple[float, int]:
    """The log-probability of all their tokens, and how many there are."""
    counts = [len(hypothesis.tokens) + 1 for hypothesis in hypotheses]
    return sum(one.score * count for one, count in zip(hypotheses, counts, strict=True)), sum(counts)


def _score(total: float, count: int) -> float | None:
    """The mean log-probability of a token; None of no tokens at all."""
    return round(total / count, _PLACES) + 0.0 if count else None  # no -0.0
