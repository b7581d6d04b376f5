"""Comparison of answers: labels, scores within a tolerance, structure."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from service.bundle.comparison import differences
from service.bundle.manifest import Comparison

LABELS = Comparison(kind="labels")
SCORES = Comparison(kind="scores", tolerance=1e-3)
TEXT = Comparison(kind="text", tolerance=1e-3)

ANSWER: JsonValue = [{"predictions": [{"label": "7", "score": 0.9}, {"label": "1", "score": 0.1}]}]


def _changed(label: str = "7", score: float = 0.9) -> JsonValue:
    return [{"predictions": [{"label": label, "score": score}, {"label": "1", "score": 0.1}]}]


@pytest.mark.parametrize("comparison", [LABELS, SCORES, TEXT])
def test_equal_answers_do_not_differ(comparison: Comparison) -> None:
    assert list(differences(ANSWER, _changed(), comparison)) == []


@pytest.mark.parametrize("comparison", [LABELS, SCORES, TEXT])
def test_another_label_differs_and_is_named(comparison: Comparison) -> None:
    (line,) = differences(ANSWER, _changed(label="9"), comparison)
    assert line == "results[0].predictions[0].label: expected '7', found '9'"


@pytest.mark.parametrize(
    ("comparison", "score", "differs"),
    [(LABELS, 0.5, False), (SCORES, 0.9009, False), (SCORES, 0.902, True), (TEXT, 0.902, True), (SCORES, 1, True)],
)
def test_scores_differ_beyond_the_tolerance(comparison: Comparison, score: float, differs: bool) -> None:
    lines = list(differences(ANSWER, _changed(score=score), comparison))
    assert [line.partition(":")[0] for line in lines] == ["results[0].predictions[0].score"] * differs


def test_nan_is_never_the_same() -> None:
    assert list(differences(ANSWER, _changed(score=float("nan")), SCORES))


@pytest.mark.parametrize(
    ("expected", "actual", "line"),
    [
        ([1, 2], [1], "results: expected 2 items, found 1"),
        ({"a": 1}, {}, "results.a: only in the stored answer"),
        ({}, {"b": 1}, "results.b: only in the new answer"),
        ("a", 1, "results: expected 'a', found 1"),
        (None, 0, "results: expected None, found 0"),
        (True, 1.5, "results: expected True, found 1.5"),
        ([], {}, "results: expected [], found {}"),
    ],
)
def test_another_structure_differs(expected: JsonValue, actual: JsonValue, line: str) -> None:
    assert list(differences(expected, actual, LABELS)) == [line]


def test_every_difference_is_named() -> None:
    assert len(list(differences(["a", "b", "c"], ["a", "x", "y"], TEXT))) == 2
