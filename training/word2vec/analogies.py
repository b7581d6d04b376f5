"""Analogy questions, "a is to b as c is to ?" (Mikolov et al. 2013a, section 4.1), answered by the vector offset."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedWords

_BLOCK = 256  # questions at once: with 30,000 words their scores take 30 MB


@dataclass(frozen=True, kw_only=True)
class Question:
    """One line of a file of questions: `index` (from 0) is the line's, `section` the heading it stands under."""

    index: int
    section: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AnalogyCounts:
    """Questions of one section, or of several."""

    correct: int
    asked: int
    """Questions all of whose words are known."""
    skipped: int
    """Questions with an unknown word."""

    @property
    def accuracy(self) -> float | None:
        """Of the questions asked; None where none was."""
        return self.correct / self.asked if self.asked else None

    @property
    def accuracy_of_all(self) -> float | None:
        """The same with the skipped questions counted as wrong."""
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
    """Counts by section, in the order of the file. Sections named `gram…` are the syntactic ones, as published."""

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
        """For JSON: total, semantic, syntactic, and every section."""
        return {
            **self.total.as_dict(),
            "semantic": self.semantic.as_dict(),
            "syntactic": self.syntactic.as_dict(),
            "sections": {name: counts.as_dict() for name, counts in self.sections.items()},
        }

    def lines(self) -> Iterator[str]:
        """The same as a table."""
        rows = {**self.sections, "semantic": self.semantic, "syntactic": self.syntactic, "total": self.total}
        width = max(map(len, rows))
        yield f"{'analogies':{width}}  accuracy  correct    asked  skipped  skipped as wrong"
        for name, counts in rows.items():
            yield (
                f"{name:{width}}  {_percent(counts.accuracy):>8}  {counts.correct:7,}  {counts.asked:7,}  "
                f"{counts.skipped:7,}  {_percent(counts.accuracy_of_all):>16}"
            )


def read_questions(name: str, lines: Sequence[str]) -> Iterator[Question]:
    """The questions of a file called `name`: four words a line, under headings `: section`.

    Raises:
        DatasetError: a line is neither; file and line are named.
    """
    section = name
    for index, line in enumerate(lines):
        words = tuple(line.split())
        if line.startswith(":"):
            section = line[1:].strip()
        elif len(words) == 4:
            yield Question(index=index, section=section, words=words)
        elif words:
            raise DatasetError(f"{name}:{index + 1}: is {line.strip()!r}, neither four words nor `: section`")


def score_analogies(
    vectors: WordVectors, questions: Sequence[Question], *, restrict: int, fold: bool = True
) -> AnalogyScore:
    """Answer each question with the word whose vector is nearest by cosine to b - a + c (3CosAdd).

    All vectors are scaled to norm 1 first, and the three words of the question are no answers.

    Args:
        restrict: only the first `restrict` words are known, and are answers.
        fold: whether words that differ in case only are the same.
    """
    known = vectors.first(restrict)
    folded = FoldedWords(known.words, fold=fold)
    found = [folded.find(question.words) for question in questions]
    indices = np.array([rows for rows in found if rows], np.int64).reshape(-1, 4)
    right = iter((_answers(known.unit(), indices[:, :3], folded.groups) == indices[:, 3]).tolist())
    correct, asked, skipped = Counter[str](), Counter[str](), Counter[str]()
    for question, rows in zip(questions, found, strict=True):
        asked[question.section] += rows is not None
        skipped[question.section] += rows is None
        correct[question.section] += rows is not None and next(right)
    return AnalogyScore(
        sections={
            name: AnalogyCounts(correct=correct[name], asked=asked[name], skipped=skipped[name]) for name in asked
        }
    )


def _answers(rows: NDArray[np.float32], asked: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best answers [N] to questions a, b, c [N, 3] over the unit vectors `rows` [V, D]; all are groups."""
    answers = np.empty(len(asked), np.int64)
    variants = np.flatnonzero(groups != np.arange(len(groups)))  # other spellings of a word above
    for start in range(0, len(asked), _BLOCK):
        block = asked[start : start + _BLOCK]
        a, b, c = rows[block.T]
        scores = (b - a + c) @ rows.T
        np.put_along_axis(scores, block, -np.inf, 1)
        question, variant = np.nonzero((groups[variants] == block[:, :, None]).any(1))
        scores[question, variants[variant]] = -np.inf
        answers[start : start + _BLOCK] = groups[scores.argmax(1)]
    return answers


def _sum(parts: Sequence[AnalogyCounts]) -> AnalogyCounts:
    return AnalogyCounts(
        correct=sum(part.correct for part in parts),
        asked=sum(part.asked for part in parts),
        skipped=sum(part.skipped for part in parts),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
