"""Evaluation of a tagger: scores, confusions, errors in context, pictures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from service.tasks.token_classification.features import Kind
from tests.support import tagged_sentences
from tests.support.pictures import is_drawn
from training.bilstm_crf.config import FAMILY, PRESETS
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.error_analysis import confusions
from training.bilstm_crf.evaluate import Ratio, evaluate, measure
from training.bilstm_crf.plots import draw_confusion, draw_learning_curve
from training.bilstm_crf.train import train
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, DatasetError
from training.common.run import Run

pytestmark = pytest.mark.torch


def sentence(tagged: str, location: str = "f:1") -> Sentence:
    words, tags = zip(*(word.rsplit("/", 1) for word in tagged.split()), strict=True)
    return Sentence(words, tags, location)


def data(kind: Kind, train_: str, test: Sequence[str]) -> TaggedData:
    locations = (f"f:{10 * number}" for number in range(1, 10))
    splits = {"train": [sentence(train_)], "test": [sentence(text, next(locations)) for text in test]}
    return TaggedData(name="made", kind=kind, splits=splits, licence="", attribution="", redistributable=True)


def test_plain_tags_are_measured() -> None:
    dataset = data("tags", "a/X b/Y", ["a/X b/Y c/X", "b/Z c/Y"])
    result = measure(dataset, "test", [["X", "X", "X"], ["Y", "X"]], epoch=3)
    assert result.accuracy == result.headline == 2 / 5
    assert result.unseen_words == Ratio(correct=1, total=2)
    assert result.unseen_tags == {"Z": 1}
    assert result.unseen_entities is None
    assert result.labels == ("X", "Y", "Z")
    np.testing.assert_array_equal(result.confusion, [[2, 0, 0], [2, 0, 0], [0, 1, 0]])
    report = result.report()
    assert "test: accuracy 40.00% of 5 words in 2 sentences (weights of epoch 3)" in report
    assert "words never seen in training: 50.00% of 2 correct" in report
    assert "note: the tag Z (1 word) does not occur in training, so it is always wrong" in report
    assert "3 errors of 2 kinds, gold -> predicted:\n     2  Y -> X\n          f:10: a [b] c\n" in report
    stored = json.loads(json.dumps(result.as_dict()))
    assert (stored["accuracy"], stored["by_label"]["X"]["recall"], stored["unseen_tags"]) == (0.4, 1.0, {"Z": 1})
    assert "micro" not in stored


def test_spans_are_measured() -> None:
    dataset = data(
        "spans", "Anna/B-PER Cruz/I-PER in/O Oslo/B-LOC", ["Anna/B-PER Cruz/I-PER in/O Bonn/B-LOC", "Oslo/B-ORG"]
    )
    result = measure(dataset, "test", [["B-PER", "I-PER", "O", "O"], ["B-LOC"]], epoch=1)
    assert result.accuracy == 3 / 5
    assert result.headline == result.scores.micro.f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert result.unseen_words == Ratio(correct=0, total=1)
    assert result.unseen_entities == Ratio(correct=0, total=2)
    assert result.unseen_tags == {"B-ORG": 1}
    assert result.labels == ("LOC", "ORG", "PER", "O")
    np.testing.assert_array_equal(result.confusion, [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    assert "test: F1 40.00% (precision 50.00%, recall 33.33%) of 3 entities, 60.00% of 5 words" in result.report()
    assert result.as_dict()["micro"]["support"] == 3


def test_nothing_wrong() -> None:
    result = measure(data("tags", "a/X", ["a/X"]), "test", [["X"]], epoch=1)
    assert "no errors" in result.report()
    assert result.unseen_words.value == 0


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("O B-PER O", "O O O", {("PER", "O"): ["f:1: a [b] c"]}),
        ("O O O", "O O B-LOC", {("O", "LOC"): ["f:1: a b [c]"]}),
        ("B-PER I-PER O", "B-ORG I-ORG O", {("PER", "ORG"): ["f:1: [a b] c"]}),
        ("B-PER I-PER O", "B-PER O O", {("PER", "PER, wrong boundaries"): ["f:1: [a b] c  (predicted: a)"]}),
        ("B-PER I-PER I-PER", "O B-LOC O", {("PER", "LOC, wrong boundaries"): ["f:1: [a b c]  (predicted: b)"]}),
        (
            "B-PER B-PER O",
            "B-PER I-PER B-LOC",
            {
                ("PER", "PER, wrong boundaries"): ["f:1: [a] b c  (predicted: a b)", "f:1: a [b] c  (predicted: a b)"],
                ("O", "LOC"): ["f:1: a b [c]"],
            },
        ),
    ],
)
def test_errors_of_spans(gold: str, predicted: str, expected: dict[tuple[str, str], list[str]]) -> None:
    example = Sentence(("a", "b", "c"), tuple(gold.split()), "f:1")
    confused = confusions("spans", [example], [predicted.split()])
    assert {(sort.gold, sort.predicted): [str(error) for error in sort.errors] for sort in confused} == expected
    assert [len(sort.errors) for sort in confused] == sorted(
        (len(errors) for errors in expected.values()), reverse=True
    )


def test_errors_have_some_context() -> None:
    words = (*(f"w{number}" for number in range(20)), "\x1b[1m\u202e")
    example = Sentence(words, ("X",) * 21, "f:1")
    first, middle, last = confusions("tags", [example], [["Y", *"X" * 9, "Y", *"X" * 9, "Y"]])[0].errors
    assert str(first) == "f:1: [w0] w1 w2 w3 w4 w5 …"
    assert str(middle) == "f:1: … w5 w6 w7 w8 w9 [w10] w11 w12 w13 w14 w15 …"
    assert str(last) == "f:1: … w15 w16 w17 w18 w19 [\\x1b[1m\\u202e]"


def test_examples_are_evenly_spaced() -> None:
    many = [Sentence(("a",), ("X",), f"f:{line}") for line in range(10)]
    (sort,) = confusions("tags", many, [["Y"]] * 10)
    assert sort.report(3).split("\n") == [
        "    10  X -> Y", "          f:0: [a]", "          f:4: [a]", "          f:8: [a]"
    ]  # fmt: skip
    assert sort.report(0) == "    10  X -> Y"


@pytest.mark.parametrize("kind", ["spans", "tags"])
def test_a_run_is_evaluated(tmp_path: Path, kind: Kind) -> None:
    config = merge(PRESETS["debug"], {"data": "", "train": "made", "hidden": 8, "learning_rate": 0.0005})
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config))
    dataset = tagged_sentences.data(kind)
    dataset = replace(dataset, splits={**dataset.splits, "test-more": dataset.splits["dev"]})
    with pytest.raises(CheckpointError, match=r"best.pt: is missing; train the run first"):
        evaluate(run, config, dataset, "dev", torch.device("cpu"))
    train(config, dataset, run, torch.device("cpu"))
    run.close()
    results = {split: evaluate(run, config, dataset, split, torch.device("cpu")) for split in ("dev", "test-more")}
    assert run.evaluations() == {split: result.as_dict() for split, result in results.items()}
    assert results["dev"].headline == results["test-more"].headline
    assert results["dev"].headline == pytest.approx(max(record["dev_score"] for record in run.metrics()), abs=1e-6)
    assert all(is_drawn(run.pictures / f"{name}.png") for name in ("learning_curve", "confusion_test-more"))
    assert "errors of" in (run.path / "errors_dev.txt").read_text(encoding="utf-8")
    with pytest.raises(DatasetError, match="made: has no split best; use --split dev or test or test-more"):
        evaluate(run, config, dataset, "best", torch.device("cpu"))


@pytest.mark.parametrize("count", [1, 3, 100])
def test_confusion_pictures_of_any_size(tmp_path: Path, count: int) -> None:
    labels = ["$", "$$", "_x", *(f"L{number}" for number in range(100))][:count]
    draw_confusion(tmp_path / "a.png", np.eye(count, dtype=np.int64) * 7, labels, "$made$")
    assert is_drawn(tmp_path / "a.png")


@pytest.mark.parametrize("epochs", [1, 25])
def test_learning_curves_of_any_length(tmp_path: Path, epochs: int) -> None:
    metrics = [{"epoch": epoch + 1, "loss": 0.0, "dev_score": epoch / 30} for epoch in range(epochs)]
    draw_learning_curve(tmp_path / "a.png", metrics, "F1")
    assert is_drawn(tmp_path / "a.png")
