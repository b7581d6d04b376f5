"""Accuracy and F1: equal to seqeval's, from which answers are recorded, and to itself where it is installed."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from training.bilstm_crf.metrics import Score, Scores, accuracy, entity_scores, headline, tag_scores

pytestmark = pytest.mark.torch

RECORDED = json.loads(Path(__file__).with_name("seqeval.json").read_text(encoding="utf-8"))["cases"]
PREFIXES = {"iob1": "BI", "iob2": "BI", "bioes": "BIES"}


def as_report(scores: Scores) -> dict[str, dict[str, float]]:
    """As seqeval.metrics.classification_report gives it."""

    def row(score: Score) -> dict[str, float]:
        return {
            "precision": score.precision, "recall": score.recall, "f1-score": score.f1, "support": score.support,
        }  # fmt: skip

    labels = scores.by_label.values()
    report = {name: row(score) for name, score in scores.by_label.items()}
    means = {
        "precision": sum(score.precision for score in labels) / len(labels),
        "recall": sum(score.recall for score in labels) / len(labels),
        "f1-score": scores.macro_f1,
        "support": scores.micro.support,
    }
    return {**report, "micro avg": row(scores.micro), "macro avg": means}


def assert_equal(actual: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> None:
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        assert actual[name] == pytest.approx(values, abs=1e-6), name


def random_tags(scheme: str, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Tags in any order, well-formed or not, and others that agree with most of them."""
    draw = random.Random(seed)
    tags = ["O", "O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in ("PER", "LOC", "work-of-art"))]
    gold = [[draw.choice(tags) for _ in range(draw.randint(0, 12))] for _ in range(30)]
    return gold, [[tag if draw.random() < 0.7 else draw.choice(tags) for tag in sentence] for sentence in gold]


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_entity_scores_are_those_that_seqeval_gave(case: dict[str, Any]) -> None:
    gold, predicted = ([line.split() for line in case[side]] for side in ("true", "found"))
    assert_equal(as_report(entity_scores(gold, predicted)), case["report"])


@pytest.mark.parametrize("scheme", PREFIXES)
@pytest.mark.parametrize("seed", range(20))
def test_entity_scores_are_those_of_seqeval(scheme: str, seed: int) -> None:
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed; its recorded answers are used")
    gold, predicted = random_tags(scheme, seed)
    expected = seqeval.classification_report(gold, predicted, output_dict=True, zero_division=0)
    del expected["weighted avg"]
    assert_equal(as_report(entity_scores(gold, predicted)), expected)
    assert accuracy(gold, predicted) == pytest.approx(seqeval.accuracy_score(gold, predicted))


def test_entities_need_type_and_boundaries() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC", "B-ORG"]]
    predicted = [["B-PER", "O", "O", "B-LOC", "B-LOC"]]
    scores = entity_scores(gold, predicted)
    assert scores.by_label == {"LOC": Score(1, 2, 1), "ORG": Score(1, 0, 0), "PER": Score(1, 1, 0)}
    assert scores.micro == Score(3, 3, 1)
    assert scores.by_label["LOC"].f1 == pytest.approx(2 / 3)
    assert scores.macro_f1 == pytest.approx(2 / 9)
    assert scores.by_label["ORG"].precision == scores.by_label["ORG"].recall == scores.by_label["ORG"].f1 == 0


def test_tags_are_counted_by_tag() -> None:
    gold, predicted = [["A", "B"], ["A"]], [["A", "A"], ["C"]]
    scores = tag_scores(gold, predicted)
    assert scores.by_label == {"A": Score(2, 2, 1), "B": Score(1, 0, 0), "C": Score(0, 1, 0)}
    assert accuracy(gold, predicted) == scores.micro.f1 == headline("tags", gold, predicted) == pytest.approx(1 / 3)
    assert headline("spans", [["B-X", "O"]], [["B-X", "B-X"]]) == pytest.approx(2 / 3)


def test_nothing_to_measure() -> None:
    assert accuracy([], []) == accuracy([[]], [[]]) == 0
    empty = entity_scores([["O"]], [["O"]])
    assert (empty.by_label, empty.micro, empty.macro_f1, empty.micro.f1) == ({}, Score(0, 0, 0), 0, 0)


@pytest.mark.parametrize("score", [accuracy, entity_scores, tag_scores])
@pytest.mark.parametrize("predicted", [[["O"]], [["O", "O"], ["O"]]])
def test_every_word_needs_its_tag(score: Any, predicted: list[list[str]]) -> None:
    with pytest.raises(ValueError, match=r"tags were predicted|argument 2"):
        score([["O", "O"]], predicted)
