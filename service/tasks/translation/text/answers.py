"""Builds the answer for one text from the hypotheses of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.decoding import Hypothesis
from service.tasks.translation.subwords import END, Subwords
from service.tasks.translation.text.segmented_text import SegmentedText

_SCORE_DECIMALS = 6
_ATTENTION_DECIMALS = 4


class AnswerBuilder:
    """Builds the answers of one model.

    Args:
        source: subwords of the source language.
        target: subwords of the target language.
    """

    def __init__(self, source: Subwords, target: Subwords) -> None:
        self._source = source
        self._target = target

    def build(
        self,
        text: SegmentedText,
        hypotheses: Sequence[Sequence[Hypothesis]],
        *,
        alternatives: int = 0,
        alignment: bool = False,
    ) -> dict[str, Any]:
        """The answer of /v1/translate for one text.

        Args:
            text: the text, with N segments.
            hypotheses: the hypotheses of each segment, best first, [N][n_best].
            alternatives: the maximum number of other translations.
            alignment: whether to include the attention weights of each segment's best hypothesis.
        """
        best = [of_segment[0] for of_segment in hypotheses]
        translations = [text.restore(index, one, self._source, self._target) for index, one in enumerate(best)]
        answer: dict[str, Any] = {
            "text": text.join(translations),
            "score": _mean_score(*_total(best)),
            "alternatives": self._alternatives(text, hypotheses, translations, alternatives) if alternatives else [],
        }
        if alignment:
            answer["sentences"] = [
                self._alignment(ids, hypothesis) for ids, hypothesis in zip(text.segments, best, strict=True)
            ]
        return answer

    def _alternatives(
        self, text: SegmentedText, hypotheses: Sequence[Sequence[Hypothesis]], translations: list[str], limit: int
    ) -> list[dict[str, Any]]:
        """Other translations of the whole text, best score first; each differs from the best in one segment."""
        total, count = _total([of_segment[0] for of_segment in hypotheses])
        candidates = []
        for index, of_segment in enumerate(hypotheses):
            best_total, best_count = _total(of_segment[:1])
            for hypothesis in of_segment[1:]:
                own_total, own_count = _total([hypothesis])
                score = _mean_score(total - best_total + own_total, count - best_count + own_count)
                candidates.append((score, index, hypothesis))
        candidates.sort(key=lambda candidate: -(candidate[0] or 0))
        seen = {text.join(translations)}
        alternatives: list[dict[str, Any]] = []
        for score, index, hypothesis in candidates:
            if len(alternatives) == limit:
                break
            replacement = text.restore(index, hypothesis, self._source, self._target)
            joined = text.join([*translations[:index], replacement, *translations[index + 1 :]])
            if joined not in seen:
                seen.add(joined)
                alternatives.append({"text": joined, "score": score})
        return alternatives

    def _alignment(self, ids: Sequence[int], hypothesis: Hypothesis) -> dict[str, Any]:
        """The pieces of both sides, END included, and the attention weights between them."""
        assert hypothesis.attention is not None
        tokens = [*hypothesis.tokens, END][: len(hypothesis.attention)]  # a truncated target has no END
        return {
            "source_tokens": [self._source.piece(id_) for id_ in [*ids, END]],
            "target_tokens": [self._target.piece(id_) for id_ in tokens],
            # As float64: a rounded float32 would be written with many more digits.
            "alignment": hypothesis.attention.astype(np.float64).round(_ATTENTION_DECIMALS).tolist(),
        }


def _total(hypotheses: Sequence[Hypothesis]) -> tuple[float, int]:
    """The summed log-probability of all tokens, END included, and their number.

    A hypothesis that was truncated at its maximum length has no END; one is counted all the same, with the mean
    log-probability of its other tokens.
    """
    counts = [len(hypothesis.tokens) + 1 for hypothesis in hypotheses]
    return sum(one.score * count for one, count in zip(hypotheses, counts, strict=True)), sum(counts)


def _mean_score(total: float, count: int) -> float | None:
    """The mean log-probability per token; None without tokens."""
    return round(total / count, _SCORE_DECIMALS) + 0.0 if count else None  # + 0.0 turns -0.0 into 0.0
