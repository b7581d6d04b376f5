"""Evaluation of a translator: scores, files, and near-duplicates of training sentences."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from service.decoding import SearchSettings
from tests.support import sentence_pairs
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, DatasetError, RunError
from training.common.run import Run
from training.seq2seq.config import FAMILY, PRESETS, TranslatorConfig
from training.seq2seq.data.dataset import Pair, ParallelData
from training.seq2seq.data.near_duplicates import near_duplicates
from training.seq2seq.evaluate import evaluate, measure
from training.seq2seq.train import train
from training.seq2seq.translations_tsv import (
    Row,
    by_length,
    read_translations,
    side_by_side,
    translations_path,
    write_translations,
)

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def config(attention: str, *, lower_case: bool = False) -> TranslatorConfig:
    """A small translator of the made language."""
    changes = {
        "epochs": 4, "data": "", "train": "made", "source": "en", "target": "de", "vocabulary": 45,
        "attention": attention, "tied": "target", "precision": "fp32", "learning_rate": 0.01, "batch_tokens": 200,
        "lower_case": lower_case,
    }  # fmt: skip
    return merge(PRESETS["debug"], changes)


@pytest.fixture(scope="module")
def data() -> ParallelData:
    return sentence_pairs.data(300)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data: ParallelData) -> dict[str, Run]:
    """One with attention and one without, trained for a moment."""
    runs = {}
    for attention in ("general", "none"):
        run = Run.create(tmp_path_factory.mktemp("runs") / attention, family=FAMILY, config=to_dict(config(attention)))
        train(config(attention), data, run, CPU)
        run.close()
        runs[attention] = run
    return runs


def test_an_evaluation_beside_another(runs: dict[str, Run], data: ParallelData) -> None:
    evaluate(runs["none"], config("none"), data, "test", CPU, beam_size=2)
    run = runs["general"]
    result = evaluate(run, config("general"), data, "test", CPU, beam_size=3, against=runs["none"].path)
    stored = json.loads((run.path / "evaluation.json").read_text())["test"]
    assert stored == result.as_dict()
    assert (stored["sentences"], stored["beam_size"], stored["bleu"]) == (30, 3, round(result.bleu, 2))
    assert stored["signatures"]["bleu"].startswith("nrefs:1|case:mixed|")
    assert sum(group["sentences"] for group in stored["by_length"]) <= 30
    assert all(line in result.report() for line in result.scores.report())
    samples = (run.path / "samples_test.txt").read_text()
    assert samples.count("source") == samples.count("general attention") == samples.count("no attention") == 30
    for name in ("by_length_test", "attention_test", "learning_curve"):
        with Image.open(run.pictures / f"{name}.png") as picture:
            assert min(picture.size) > 400, name
    assert not (runs["none"].pictures / "attention_test.png").exists()


def test_the_table_holds_the_translations(runs: dict[str, Run], data: ParallelData) -> None:
    run = runs["general"]
    result = evaluate(run, config("general"), data, "dev", CPU, beam_size=1)
    rows = list(
        csv.reader(translations_path(run, "dev").read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    )
    assert [(row[0], row[1]) for row in rows] == data.splits["dev"]
    assert tuple(read_translations(run, "dev")) == result.rows
    assert "greedy" in result.report()


def test_other_sentences_are_no_comparison(runs: dict[str, Run], data: ParallelData, tmp_path: Path) -> None:
    run, without_attention = runs["general"], runs["none"]
    with pytest.raises(RunError, match=r"has no translations_test2017.tsv; evaluate it first: lectern-train seq2seq"):
        read_translations(without_attention, "test2017")
    write_translations(
        translations_path(without_attention, "test"),
        [Row(source="a", reference="b", translation="c", near_duplicate=False)],
    )
    with pytest.raises(RunError, match=r"was evaluated on other sentences than test of made"):
        evaluate(run, config("general"), data, "test", CPU, against=without_attention.path)
    translations_path(without_attention, "test").write_text("a\tb\n")
    with pytest.raises(RunError, match=r"translations_test.tsv: is damaged"):
        evaluate(run, config("general"), data, "test", CPU, against=without_attention.path)
    with pytest.raises(RunError, match=r"holds no run"):
        evaluate(run, config("general"), data, "test", CPU, against=tmp_path)


def test_a_split_that_is_not_there(runs: dict[str, Run], data: ParallelData) -> None:
    with pytest.raises(DatasetError, match=r"made: has no split test2017; use --split dev or test"):
        evaluate(runs["general"], config("general"), data, "test2017", CPU)


def test_a_run_without_weights(tmp_path: Path, data: ParallelData) -> None:
    run = Run.create(tmp_path / "run", family=FAMILY, config=to_dict(config("general")))
    with pytest.raises(CheckpointError):
        evaluate(run, config("general"), data, "test", CPU)


def test_measures(data: ParallelData) -> None:
    settings = SearchSettings()
    references = [pair.target for pair in data.splits["test"]]
    best = measure(data, "test", references, settings, config("general"))
    assert best.bleu == pytest.approx(100)
    assert (best.length_ratio, best.as_dict()["exact"]) == (1.0, 30)
    title = [text.title() for text in references]
    cased, lower = (
        measure(data, "test", title, settings, config("general", lower_case=flag)).bleu for flag in (False, True)
    )
    assert cased < 5
    assert lower == pytest.approx(100)


def test_scores_without_near_duplicates_leave_them_out() -> None:
    splits = {
        "train": [Pair("How many apples do you have?", "Wie viele Äpfel hast du?")],
        "test": [
            Pair("How many apples do you want?", "Was soll ich dir geben?"),
            Pair("We never met before.", "Wir sind uns noch nie begegnet."),
        ],
    }
    data = ParallelData(name="x", source="en", target="de", splits=splits, licence="", attribution="")
    translations = ["ganz falsch", "Wir sind uns noch nie begegnet."]
    result = measure(data, "test", translations, SearchSettings(), config("general"))
    assert (result.novel_sentences, round(result.bleu_novel)) == (1, 100)
    assert result.bleu < 90
    assert result.as_dict()["without_near_duplicates"]["sentences"] == 1
    assert result.groups == ()


def test_near_duplicates_of_either_side() -> None:
    train = [Pair("She can't ski.", "Sie läuft nie Ski."), Pair("one two three", "eins zwei drei vier")]
    pairs = [
        Pair("SHE CAN'T SWIM", "x"), Pair("x", "„Eins zwei“ drei, vier!"), Pair("She can't ski today", "x"),
        Pair("", ""), Pair("three two one", "vier"),
    ]  # fmt: skip
    assert near_duplicates(pairs, train) == [True, True, False, False, False]
    assert near_duplicates(pairs, []) == [False] * 5


def test_groups_of_length() -> None:
    rows = [
        Row(source=f"{'w ' * words}end", reference="a b c d", translation="a b c d", near_duplicate=False)
        for words in range(40)
    ]
    groups = by_length([*rows, *rows, *rows, *rows[30:]], lower_case=False, language="de")
    assert [(group.words, group.sentences) for group in groups][-3:] == [("21-25", 15), ("26-30", 15), ("31+", 40)]
    assert groups[0].words == "4-5" or groups[0].sentences >= 10
    assert all(group.bleu == pytest.approx(100) for group in groups)


def test_samples_are_spread_over_the_split() -> None:
    rows = [Row(source=f"s{n}", reference=f"r{n}", translation=f"f{n}", near_duplicate=n == 0) for n in range(1000)]
    text = side_by_side({"one": rows, "two": rows})
    assert text.count("\n\n") == 99
    assert text.startswith(
        "source     s0   (training has nearly the same)\nreference  r0\none        f0\ntwo        f0\n\n"
    )
