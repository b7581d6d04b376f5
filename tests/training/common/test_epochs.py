"""Epochs by the amount of data, what is said about too few, and how long a run will take."""

import io
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from tqdm import tqdm

from training.bilstm_crf import cli as bilstm_crf
from training.common import progress
from training.common.epochs import epochs_for, settle_epochs
from training.common.family import Experiment
from training.common.progress import epochs_left, progress_bar, time_left
from training.common.run import Run
from training.lenet import cli as lenet
from training.seq2seq import cli as seq2seq
from training.seq2seq.config import PRESETS, TranslatorConfig
from training.seq2seq.data.dataset import Pair, ParallelData
from training.word2vec import cli as word2vec

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [
        (1_000_000, 9),
        (100_000, 9),
        (99_999, 9),
        (25_000, 18),
        (10_000, 28),
        (1_000, 90),
        (400, 100),
        (1, 100),
        (0, 100),
    ],
)
def test_fewer_examples_are_passed_over_more_often(examples: int, epochs: int) -> None:
    assert epochs_for(examples, usual=9, enough=100_000) == epochs


def test_a_usual_number_above_the_most_stays() -> None:
    assert epochs_for(10, usual=200, enough=1_000) == 200


def translator(pairs: int, **settings: object) -> Experiment[TranslatorConfig, ParallelData]:
    config = replace(PRESETS["default"], **settings)  # type: ignore[arg-type]
    data = ParallelData(
        name="x", source="en", target="de", licence="", attribution="",
        splits={"train": [Pair("a", "b")] * pairs, "dev": [Pair("c", "d")]},
    )  # fmt: skip
    return Experiment(config, lambda _: data)


def settled(
    experiment: Experiment[TranslatorConfig, ParallelData], *chosen: str, preset: str = "default"
) -> tuple[int, list[str]]:
    result, notes = settle_epochs(seq2seq.FAMILY, experiment, PRESETS[preset], chosen)
    assert len(result.data.splits["dev"]) == 1
    return result.config.epochs, notes


def test_translators_of_tatoeba_keep_nine_epochs() -> None:
    assert settled(translator(150_000)) == (9, [])


def test_the_number_follows_the_data_and_is_said() -> None:
    assert settled(translator(10_000)) == (
        28, ["28 epochs, as suits this amount of data; --epochs sets another number"],
    )  # fmt: skip
    assert settled(translator(10_000, epoch_share=0.5))[0] == 56


def test_a_number_that_was_chosen_stays_and_too_few_are_noted() -> None:
    assert settled(translator(10_000, epochs=15), "epochs") == (15, [])
    assert settled(translator(10_000, epochs=9), "epochs") == (
        9, ["note: 9 epochs are few for this amount of data; about --epochs 28 would do"],
    )  # fmt: skip
    assert settled(translator(10_000, epochs=1), "epochs")[1][0].startswith("note: 1 epoch is few")
    assert settled(translator(10_000, epochs=2), preset="debug")[0] == 2


def test_a_run_that_goes_on_with_other_weights_needs_no_advice() -> None:
    assert settled(translator(10_000, epochs=4, init="earlier"), "epochs") == (4, [])


def test_little_data_is_said_before_the_run() -> None:
    lines = seq2seq.FAMILY.describe_data(translator(300))
    assert any(line.startswith("note: 300 pairs are few") for line in lines)
    assert not any("few" in line for line in seq2seq.FAMILY.describe_data(translator(150_000)))


def test_every_family_has_a_number_of_epochs_by_its_data() -> None:
    assert all(family.FAMILY.usual_epochs is not None for family in (bilstm_crf, lenet, seq2seq, word2vec))


@pytest.mark.parametrize(("score", "text"), [(0.4, "its dev BLEU is 0.40, below 1: it does not translate"), (1.0, "")])
def test_a_translator_that_does_not_translate_is_of_no_use(
    tmp_path: Path, score: float, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "r", family="seq2seq", config={})
    run.add_metrics({"epoch": 1, "dev_score": 1.02 if text else 0.98})  # of greedy translations: does not count
    monkeypatch.setattr(seq2seq, "exported_bleu", lambda *_: score)
    assert seq2seq.FAMILY.shortcoming(translator(10), run) == text


def test_evaluate_takes_the_split_and_the_search_of_the_model_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = seq2seq.FAMILY
    experiment = translator(10)
    assert family.default_split is not None
    assert family.default_split(experiment) == "dev"
    experiment.data.splits["test"] = [Pair("e", "f")]
    assert family.default_split(experiment) == "test"
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(seq2seq, "evaluate", lambda *_, **options: calls.append(options))
    run = Run.create(tmp_path / "r", family="seq2seq", config={})
    options = Namespace(split="test", beam_size=None, length_penalty=None, coverage_penalty=None, against=None)
    family.evaluate(experiment, run, None, options)  # type: ignore[arg-type]
    run.add_evaluation("dev", {"beam_size": 8, "length_penalty": 0.6, "coverage_penalty": 0.2})
    family.evaluate(experiment, run, None, options)  # type: ignore[arg-type]
    options.length_penalty = 1.5
    family.evaluate(experiment, run, None, options)  # type: ignore[arg-type]
    assert calls == [
        {"against": None},
        {"against": None, "beam_size": 8, "length_penalty": 0.6, "coverage_penalty": 0.2},
        {"against": None, "beam_size": 8, "length_penalty": 1.5, "coverage_penalty": 0.2},
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "about 0 s left"), (89, "about 89 s left"), (90, "about 2 min left"), (3_600, "about 60 min left"),
        (5_400, "about 1 h 30 min left"), (7_250, "about 2 h 01 min left"),
    ],
)  # fmt: skip
def test_time_left(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_epochs_left() -> None:
    assert epochs_left(1, 3, 20.0) == "20 s, about 40 s left"
    assert epochs_left(3, 3, 60.0) == "60 s"


def test_without_a_terminal_a_line_is_printed_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = progress._Lines(100, "epoch 1/2", "steps", lambda: now)
    with lines:
        for step in range(100):
            now = step * 2.0
            lines.update()
    output = capsys.readouterr().err
    assert output.splitlines() == [
        "epoch 1/2: 16% of 100 steps, about 3 min left",
        "epoch 1/2: 46% of 100 steps, about 2 min left",
        "epoch 1/2: 76% of 100 steps, about 47 s left",
    ]
    assert "\r" not in output


def test_work_of_unknown_size_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = progress._Lines(None, "reading", "words", lambda: now)
    now = 31.0
    lines.update(12_345)
    assert capsys.readouterr().err == "reading: 12,345 words\n"


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(total=3, description="epoch", unit="steps") as bar:
        assert isinstance(bar, tqdm)
        bar.update()
