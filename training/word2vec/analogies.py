"""Analogy questions "a is to b as c is to ?" (Mikolov et al. 2013a, section 4.1), answered by 3CosAdd."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.files import split_fields
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedVocabulary

_BLOCK = 256  # questions scored at a time: with 30,000 words their scores take 30 MB


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of an analogy file."""

    index: int
    """Index of its line in the file, from 0."""
    section: str
    """The heading above it."""
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AnalogyCounts:
    """The results of one section, or of several."""

    correct: int
    asked: int
    """Questions whose words are all in the vocabulary."""
    skipped: int
    """Questions with a word that is not in the vocabulary."""

    @property
    def accuracy(self) -> float | None:
        """Share of the asked questions that were answered correctly; None if none was asked."""
        return self.correct / self.asked if self.asked else None

    @property
    def accuracy_of_all(self) -> float | None:
        """Accuracy with the skipped questions counted as wrong; None if there is no question."""
        return self.correct / (self.asked + self.skipped) if self.asked + self.skipped else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "accuracy": _rounded(self.accuracy),
            "accuracy_of_all": _rounded(self.accuracy_of_all),
            "correct": self.correct,
            "asked": self.asked,
            "skipped": self.skipped,
        }


@dataclass(frozen=True, kw_only=True)
class AnalogyScore:
    """Results by section, in file order. As in the Google test set, sections named `gram...` are the syntactic ones."""

    sections: dict[str, AnalogyCounts]

    @property
    def total(self) -> AnalogyCounts:
        return _sum(list(self.sections.values()))

    @property
    def semantic(self) -> AnalogyCounts:
        return _sum([counts for name, counts in self.sections.items() if not name.startswith("gram")])

    @property
    def syntactic(self) -> AnalogyCounts:
        return _sum([counts for name, counts in self.sections.items() if name.startswith("gram")])

    def as_dict(self) -> dict[str, Any]:
        """Total, semantic, syntactic and per-section results as JSON."""
        return {
            **self.total.as_dict(),
            "semantic": self.semantic.as_dict(),
            "syntactic": self.syntactic.as_dict(),
            "sections": {name: counts.as_dict() for name, counts in self.sections.items()},
        }

    def lines(self) -> Iterator[str]:
        """The results as the lines of a text table."""
        rows = {**self.sections, "semantic": self.semantic, "syntactic": self.syntactic, "total": self.total}
        width = max(map(len, rows))
        yield f"{'analogies':{width}}  accuracy  correct    asked  skipped  skipped as wrong"
        for name, counts in rows.items():
            yield (
                f"{name:{width}}  {_percent(counts.accuracy):>8}  {counts.correct:7,}  {counts.asked:7,}  "
                f"{counts.skipped:7,}  {_percent(counts.accuracy_of_all):>16}"
            )


def read_questions(name: str, lines: Sequence[str]) -> Iterator[Question]:
    """Parse an analogy file: four words per line, under headings `: section`.

    Args:
        name: name of the file, for error messages and for questions before the first heading.
        lines: its content.

    Raises:
        DatasetError: a line is neither; the message names file and line.
    """
    section = name
    for index, line in enumerate(lines):
        words = tuple(split_fields(line))
        if line.startswith(":"):
            section = line[1:].strip()
        elif len(words) == 4:
            yield Question(index=index, section=section, words=words)
        elif words:
            raise DatasetError(f"{name}:{index + 1}: is {line.strip()!r}, neither four words nor `: section`")


def score_analogies(
    vectors: WordVectors, questions: Sequence[Question], *, restrict: int, fold: bool = True
) -> AnalogyScore:
    """Answer each question with the word whose vector has the highest cosine with b - a + c (3CosAdd).

    Vectors are scaled to norm 1 first; the three words of a question are excluded from its answers.

    Args:
        vectors: most frequent words first.
        questions: with the expected answer as the fourth word.
        restrict: use only the first `restrict` words.
        fold: whether to ignore case.
    """
    frequent = vectors.first(restrict)
    vocabulary = FoldedVocabulary(frequent.words, fold=fold)
    rows_by_question = [vocabulary.rows(question.words) for question in questions]
    asked_rows = np.array([rows for rows in rows_by_question if rows], np.int64).reshape(-1, 4)
    answers = _answer(frequent.unit(), asked_rows[:, :3], vocabulary.canonical_rows)
    is_correct = iter((answers == asked_rows[:, 3]).tolist())
    correct, asked, skipped = Counter[str](), Counter[str](), Counter[str]()
    for question, rows in zip(questions, rows_by_question, strict=True):
        asked[question.section] += rows is not None
        skipped[question.section] += rows is None
        correct[question.section] += rows is not None and next(is_correct)
    return AnalogyScore(
        sections={
            name: AnalogyCounts(correct=correct[name], asked=asked[name], skipped=skipped[name]) for name in asked
        }
    )


def _answer(
    unit: NDArray[np.float32], questions: NDArray[np.int64], canonical_rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Answer analogy questions by 3CosAdd.

    Args:
        unit: [V, D], vectors of norm 1.
        questions: [N, 3], the canonical rows of a, b and c.
        canonical_rows: [V], see `FoldedVocabulary`.

    Returns:
        [N], the canonical rows of the answers.
    """
    answers = np.empty(len(questions), np.int64)
    variants = np.flatnonzero(canonical_rows != np.arange(len(canonical_rows)))  # other spellings of an earlier word
    for start in range(0, len(questions), _BLOCK):
        block = questions[start : start + _BLOCK]
        a, b, c = unit[block.T]
        scores = (b - a + c) @ unit.T
        np.put_along_axis(scores, block, -np.inf, 1)
        question, variant = np.nonzero((canonical_rows[variants] == block[:, :, None]).any(1))
        scores[question, variants[variant]] = -np.inf
        answers[start : start + _BLOCK] = canonical_rows[scores.argmax(1)]
    return answers


def _sum(counts: Sequence[AnalogyCounts]) -> AnalogyCounts:
    return AnalogyCounts(
        correct=sum(section.correct for section in counts),
        asked=sum(section.asked for section in counts),
        skipped=sum(section.skipped for section in counts),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
