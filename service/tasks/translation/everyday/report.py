"""Runs the everyday test and counts by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.tasks.base import Predictor
from service.tasks.translation.everyday.checks import KEPT_KINDS, failures, lost_items
from service.tasks.translation.everyday.sentences import LANGUAGES, Sentence, read_sentences

_TEXTS_PER_REQUEST = 16


@dataclass(frozen=True)
class Line:
    """A sentence with its translation."""

    sentence: Sentence
    answer: str
    failures: list[str]
    lost: int
    """How much of what had to come through did not."""


@dataclass(frozen=True)
class Report:
    """The translations of one half, or of all sentences."""

    source: str
    target: str
    lines: Sequence[Line]

    @property
    def kept(self) -> tuple[int, int]:
        """Of the sentences about names, places, numbers, prices, dates, times and codes: those right, and all."""
        about = [line for line in self.lines if line.sentence.kind in KEPT_KINDS]
        return sum(not line.lost for line in about), len(about)

    def table(self) -> str:
        """A line for each kind: how many sentences pass all checks, of how many."""
        kinds = dict.fromkeys(line.sentence.kind for line in self.lines)
        rows = [(kind, [line for line in self.lines if line.sentence.kind == kind]) for kind in kinds]
        passed = [(kind, sum(not line.failures for line in lines), len(lines)) for kind, lines in rows]
        passed.append(("all", sum(count for _, count, _ in passed), sum(total for _, _, total in passed)))
        passed.append(("names, numbers and dates there", *self.kept))
        return "\n".join(f"  {kind:30} {count:3} of {total:3}  {count / total:6.1%}" for kind, count, total in passed)


def run_predictor(predictor: Predictor[Any], half: str | None = None) -> Report | None:
    """Let a predictor translate the sentences; None for one that does not translate between `LANGUAGES`.

    Args:
        predictor: of any task.
        half: `dev` or `test`; None for both.
    """
    languages = predictor.selectors
    if set(languages.values()) != set(LANGUAGES):
        return None

    def translate(texts: Sequence[str]) -> list[str]:
        requests = [texts[start : start + _TEXTS_PER_REQUEST] for start in range(0, len(texts), _TEXTS_PER_REQUEST)]
        return [
            result["text"] for request in requests for result in predictor.answer({"texts": list(request)})["results"]
        ]

    return run(translate, languages["source"], languages["target"], half)


def run(
    translate: Callable[[Sequence[str]], Sequence[str]], source: str, target: str, half: str | None = None
) -> Report:
    """Translate the sentences and check the answers.

    Args:
        translate: gives the translation of each text.
        source: the language of its texts, one of `LANGUAGES`.
        target: the other one.
        half: `dev` or `test`; None for both.
    """
    sentences = [sentence for sentence in read_sentences() if half in (None, sentence.half)]
    answers = translate([sentence.texts[source] for sentence in sentences])
    return Report(
        source,
        target,
        [
            Line(
                sentence,
                answer,
                failures(sentence, source, target, answer),
                len(lost_items(sentence, target, answer)),
            )
            for sentence, answer in zip(sentences, answers, strict=True)
        ],
    )
