"""`lectern-train seq2seq` from end to end, and its error messages."""

import json
from pathlib import Path

import pytest

from service.bundle.files import read_bundle
from tests.support import sentence_pairs
from tests.support.runs import assert_user_error
from training.__main__ import main
from training.common.config import merge, to_dict
from training.common.run import Run
from training.seq2seq.config import FAMILY, PRESETS, DataConfig
from training.seq2seq.data.sources import load_data

pytestmark = pytest.mark.torch

SMALL = [
    "--preset", "debug", "--epochs", "3", "--vocabulary", "60", "--learning-rate", "0.01", "--dropout", "0",
    "--batch-tokens", "300", "--precision", "fp32", "--threads", "1",
]  # fmt: skip
LANGUAGES = ["--source", "en", "--target", "de"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_pairs.write_table(tmp_path_factory.mktemp("data") / "pairs.tsv")


def test_one_command_and_one_file_make_a_served_translator(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["seq2seq", "train", "--train", str(table), *LANGUAGES, "--export", *SMALL]) == 0
    captured = capsys.readouterr()
    assert "pairs.tsv: 240 train, 30 dev, 30 test" in captured.err
    assert "epoch 3/3: loss" in captured.err
    assert "pairs.tsv, dev: 30 sentences, beam 5" in captured.out
    assert "models/translate-en-de/1" in captured.out
    manifest = read_bundle(tmp_path / "models" / "translate-en-de" / "1").manifest
    assert (manifest.preprocessing["source"], manifest.preprocessing["target"]) == ("en", "de")
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "evaluation.json").read_text())["dev"]["sentences"] == 30
    assert {"learning_curve.png", "by_length_dev.png"} <= {path.name for path in (run / "pictures").iterdir()}


def test_the_other_direction_evaluates_exports_and_resumes(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, models = str(tmp_path / "run"), str(tmp_path / "models")
    reverse = ["--source", "de", "--target", "en", "--swap"]
    assert main(["seq2seq", "train", "--train", str(table), *reverse, *SMALL, "--epochs", "1", "--run", run]) == 0
    assert main(["seq2seq", "train", "--resume", run, "--threads", "1"]) == 0
    assert "resuming after epoch 1 of 1" in capsys.readouterr().err
    arguments = ["seq2seq", "evaluate", "--run", run, "--split", "test", "--beam-size", "2", "--length-penalty", "0.5"]
    assert main(arguments) == 0
    assert "test: 30 sentences, beam 2, length penalty 0.5" in capsys.readouterr().out
    exporting = ["seq2seq", "export", "--run", run, "--name", "back", "--models", models]
    # What was measured between the epochs, of greedy translations, is not what the model card shows.
    Run(Path(run)).add_metrics({"epoch": 1, "loss": 1.0, "dev_score": 50.0})
    assert main(exporting) == 2
    assert "its dev BLEU is 0.00, below 1: it does not translate; train longer" in capsys.readouterr().err
    assert not Path(models, "back").exists()
    (Path(run) / "evaluation.json").unlink()
    assert main(exporting) == 2
    assert "its dev BLEU is 0.00, below 1: it does not translate; train longer" in capsys.readouterr().err
    assert main([*exporting, "--force"]) == 0
    assert (tmp_path / "models" / "back" / "1" / "manifest.json").exists()


def test_a_run_begins_with_another_and_has_its_network(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    train = ["seq2seq", "train", "--train", str(table), *LANGUAGES, "--precision", "fp32", "--threads", "1"]
    assert main([*train, *SMALL, "--epochs", "1", "--lower-case", "--run", first]) == 0
    assert (
        "note: the run can be evaluated but not exported: the run was trained with --lower-case"
        in capsys.readouterr().out
    )
    assert main([*train, "--init", first, "--epochs", "1", "--dropout", "0.4", "--run", second]) == 0
    config = json.loads((tmp_path / "second" / "config.json").read_text())["config"]
    assert (config["network"]["hidden"], config["network"]["dropout"]) == (64, 0.4)
    assert (config["subwords"]["vocabulary"], config["data"]["lower_case"], config["fragments"]) == (60, True, 0.2)
    capsys.readouterr()
    assert main([*train, "--init", first, "--hidden", "32", "--run", str(tmp_path / "third")]) == 2
    assert "another network; leave out the settings of the network" in capsys.readouterr().err
    assert main([*train, "--init", str(tmp_path / "absent"), "--run", str(tmp_path / "third")]) == 2
    assert "absent" in capsys.readouterr().err


def test_a_later_test_file_is_measured_without_what_was_trained_on(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, later = str(tmp_path / "run"), tmp_path / "later.tsv"
    assert main(["seq2seq", "train", "--train", str(table), *LANGUAGES, *SMALL, "--epochs", "1", "--run", run]) == 0
    pairs = load_data(DataConfig(train=str(table), source="en", target="de")).splits["train"][:3]
    shared = [f"{pairs[0].source}\tNeu", f"New\t{pairs[1].target}", f"{pairs[2].source.upper()}!\t{pairs[2].target}"]
    later.write_text("\n".join([*shared, "quite another one\tganz etwas anderes", "and one more\tund noch etwas"]))
    capsys.readouterr()
    assert main(["seq2seq", "evaluate", "--run", run, "--test", str(later)]) == 0
    out = capsys.readouterr().out
    assert "note: later.tsv: 3 of 5 test pairs share a side with training pairs, left out\n" in out
    assert "test: 2 sentences" in out
    later.write_text("\n".join(shared))
    assert main(["seq2seq", "evaluate", "--run", run, "--test", str(later)]) == 2
    assert "later.tsv: all 3 test pairs share a side with training pairs; name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--train", "nowhere.tsv", *LANGUAGES], "nowhere.tsv: there is no such file"),
        (["train", "--train", "a.tsv"], "--train needs --source and --target"),
        (["train", "--data", "tatoeba:deu-fra"], "manythings.org"),
        (["train", "--data", "europarl:en-de"], "known are tatoeba:eng-deu"),
        (["train", "--train", "a.tsv", "--source", "eng", "--target", "de"], "two letters"),
        (["train", "--hidden", "0"], "hidden is 0"),
        (["evaluate", "--run", "nowhere"], "nowhere: holds no run"),
        (["export", "--run", "nowhere"], "nowhere: holds no run"),
        (["train", "--train", "TABLE", *LANGUAGES, "--export", "--lower-case"], "to train it all the same, leave out"),
        (
            ["train", "--train", "TABLE", *LANGUAGES, "--name", "x", "--init", "RUN"],
            "was initialized from RUN, which was trained",
        ),
        (["train", "--train", "TABLE", *LANGUAGES, "--name", "Not a name"], "--name: model name 'Not a name'"),
        (["train", "--resume", "nowhere"], "nowhere: holds no run"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line(
    arguments: list[str],
    message: str,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Run.create(Path("RUN"), family=FAMILY, config=to_dict(merge(PRESETS["debug"], {"data": "multi30k:en-de"})))
    words = [str(table) if word == "TABLE" else word for word in arguments]
    assert_user_error(["seq2seq", *words], message, capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RUN"]


def test_parallel_files_of_unlike_length_are_refused_with_both_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "corpus.en", tmp_path / "corpus.de"]
    files[0].write_text("one\ntwo\nthree\n")
    files[1].write_text("eins\nzwei\n")
    assert main(["seq2seq", "train", "--train", ",".join(map(str, files)), *LANGUAGES]) == 2
    error = capsys.readouterr().err
    assert "3" in error
    assert "2" in error
    assert not (tmp_path / "runs").exists()
