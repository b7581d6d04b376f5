"""Builds the answer for one text from the hypotheses of its segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from service.decoding import Hypothesis, SearchRecord
from service.tasks.translation.subwords import END, Subwords
from service.tasks.translation.text.copied_ranges import copied_ranges, mark
from service.tasks.translation.text.invention import InventionGuard, Kept, Reason
from service.tasks.translation.text.segmented_text import SegmentedText

_SCORE_DECIMALS = 6
_ATTENTION_DECIMALS = 4


class AnswerBuilder:
    """Builds the answers of one model.

    Args:
        source: subwords of the source language.
        target: subwords of the target language.
        guard: says which translations are invented, so that their segments are kept; None to take all as they are.
    """

    def __init__(self, source: Subwords, target: Subwords, guard: InventionGuard | None = None) -> None:
        self._source = source
        self._target = target
        self._guard = guard

    def build(
        self,
        text: SegmentedText,
        hypotheses: Sequence[Sequence[Hypothesis]],
        *,
        alternatives: int = 0,
        alignment: bool = False,
        alternative_sentences: bool = False,
        beam: bool = False,
        streamed: bool = False,
    ) -> dict[str, Any]:
        """The answer of /v1/translate for one text.

        Args:
            text: the text, with N segments.
            hypotheses: the hypotheses of each segment, best first, [N][n_best].
            alternatives: the maximum number of other translations.
            alignment: whether to include the attention weights of each segment's best hypothesis.
            alternative_sentences: whether to include, with `alignment` or `beam`, the segment in which each alternative
                differs.
            beam: whether to include the record of each segment's search.
            streamed: whether translations of segments that are not uncertain were sent already.
        """
        kept = self._invented(text, hypotheses, streamed=streamed)
        translated = [index for index in range(len(hypotheses)) if not kept or text.units[index].first not in kept]
        best = {index: hypotheses[index][0] for index in translated}
        translations = {index: text.restore(index, one, self._source, self._target) for index, one in best.items()}
        answer: dict[str, Any] = {
            "text": text.join(translations),
            "score": _mean_score(*_total(list(best.values()))),
            "alternatives": [],
        }
        if alternatives:
            others = {index: hypotheses[index] for index in translated}
            answer["alternatives"] = self._alternatives(
                text, others, translations, alternatives, sentences=alternative_sentences, alignment=alignment
            )
        if alignment or beam:
            answer["sentences"] = [
                self._examined(text.segments[index], one, alignment=alignment, beam=beam) for index, one in best.items()
            ]
            marked = {index: text.restore(index, one, self._source, self._target, mark) for index, one in best.items()}
            if copied := copied_ranges(text.join(marked, mark), answer["text"]):
                answer["copied"] = copied
        if kept or text.kept:
            answer["kept"] = [one._asdict() for one in sorted([*text.kept, *kept.values()])]
        return answer

    def _invented(
        self, text: SegmentedText, hypotheses: Sequence[Sequence[Hypothesis]], *, streamed: bool
    ) -> dict[int, Kept]:
        """The units whose translation is invented, by the index of their first segment."""
        kept: dict[int, Kept] = {}
        if self._guard is None:
            return kept
        for index, (unit, of_segment) in enumerate(zip(text.units, hypotheses, strict=True)):
            if unit.first in kept or (streamed and index not in text.uncertain):
                continue
            reason = self._reason(text, index, of_segment[0])
            if reason:
                kept[unit.first] = Kept(unit.start, unit.end, reason)
        return kept

    def _reason(self, text: SegmentedText, index: int, hypothesis: Hypothesis) -> Reason | None:
        """Why a segment is kept instead of this translation; None if it is translated."""
        assert self._guard is not None
        reason = self._guard.after(text.segments[index], hypothesis)
        return reason or ("unattended" if text.moves_arguments(index, hypothesis, self._target) else None)

    def _alternatives(
        self,
        text: SegmentedText,
        hypotheses: Mapping[int, Sequence[Hypothesis]],
        translations: Mapping[int, str],
        limit: int,
        *,
        sentences: bool,
        alignment: bool,
    ) -> list[dict[str, Any]]:
        """Other translations of the whole text, best score first; each differs from the best in one segment.

        Args:
            text: the text.
            hypotheses: the hypotheses of each translated segment, best first, by its index.
            translations: the restored translation of each translated segment, by its index.
            limit: the maximum number of alternatives.
            sentences: whether to include the segment in which each differs.
            alignment: whether that has its attention weights.
        """
        positions = {index: position for position, index in enumerate(hypotheses)}
        total, count = _total([of_segment[0] for of_segment in hypotheses.values()])
        candidates = []
        for index, of_segment in hypotheses.items():
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
            if self._guard and self._reason(text, index, hypothesis):
                continue
            replacement = text.restore(index, hypothesis, self._source, self._target)
            if replacement == translations[index]:
                continue  # As after joining, which takes time for each of many segments.
            joined = text.join({**translations, index: replacement})
            if joined not in seen:
                seen.add(joined)
                alternatives.append({"text": joined, "score": score})
                if sentences:
                    sentence = self._examined(text.segments[index], hypothesis, alignment=alignment, beam=False)
                    alternatives[-1]["sentence"] = {"index": positions[index]} | sentence
        return alternatives

    def _examined(self, ids: Sequence[int], hypothesis: Hypothesis, *, alignment: bool, beam: bool) -> dict[str, Any]:
        """The pieces of both sides with the attention weights between them and the search.

        END is included, but of a truncated target, which has none.
        """
        tokens = [*hypothesis.tokens, END] if hypothesis.has_end else hypothesis.tokens
        sentence: dict[str, Any] = {
            "source_tokens": [self._source.piece(id_) for id_ in [*ids, END]],
            "target_tokens": [self._target.piece(id_) for id_ in tokens],
        }
        if alignment:
            assert hypothesis.attention is not None
            # As float64: a rounded float32 would be written with many more digits.
            sentence["alignment"] = hypothesis.attention.astype(np.float64).round(_ATTENTION_DECIMALS).tolist()
        if beam:
            assert hypothesis.record is not None
            sentence |= {"beam": self._steps(hypothesis.record), "best": hypothesis.record.best}
        return sentence

    def _steps(self, record: SearchRecord) -> list[dict[str, Any]]:
        """The hypotheses of each step, numbered through."""
        numbers = count()
        return [
            {
                "step": step,
                "hypotheses": [
                    {
                        "id": next(numbers),
                        "parent": one.parent,
                        "piece": self._target.piece(one.token),
                        "score": round(one.log_prob, _SCORE_DECIMALS) + 0.0,
                    }
                    for one in hypotheses
                ],
            }
            for step, hypotheses in enumerate(record.steps, 1)
        ]


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
