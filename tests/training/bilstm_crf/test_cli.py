"""`lectern-train bilstm_crf` from end to end, and its error messages."""

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from service.bundle.files import read_bundle
from service.cli import main as verify_models
from tests.support import tagged_sentences
from training.__main__ import main
from training.bilstm_crf import cli
from training.bilstm_crf.config import DataConfig, Select, TaggerConfig
from training.bilstm_crf.data import licensing
from training.common.errors import ConfigError
from training.common.family import Experiment
from training.common.run import Run

pytestmark = pytest.mark.torch

SMALL = ["--preset", "debug", "--epochs", "6", "--hidden", "8", "--learning-rate", "0.02", "--threads", "1"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tagged_sentences.write_columns(
        tmp_path_factory.mktemp("data") / "My names.tsv", tagged_sentences.spans(80, seed=5)
    )


def test_one_command_and_one_file_make_a_served_tagger(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bilstm_crf", "train", "--train", str(file), "--export", *SMALL]) == 0
    output = capsys.readouterr()
    assert "72 train, 8 dev" in output.err
    assert "note: no --dev: 8 of 80 sentences" in output.err
    assert "dev: F1" in output.out
    assert "wrote models/my-names/1" in output.out
    bundle = read_bundle(tmp_path / "models" / "my-names" / "1")
    assert bundle.manifest.labels is not None
    assert set(bundle.manifest.labels) >= {"O", "B-PER", "S-LOC"}
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "evaluation.json").read_text())["dev"]["kind"] == "spans"
    assert {"learning_curve.png", "confusion_dev.png"} <= {path.name for path in (run / "pictures").iterdir()}


CONLLU = """\
# text = {text}
1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_
1\tde\tde\tADP\t_\t_\t0\t_\t_\t_
2\tle\tle\tDET\t_\t_\t0\t_\t_\t_
3\t{noun}\t{noun}\tNOUN\t_\t_\t0\t_\t_\t_
4\t{number}\t{number}\tNUM\t_\t_\t0\t_\t_\tSpaceAfter=No
5\t.\t.\tPUNCT\t_\t_\t0\t_\t_\t_

"""
BAD = "1\tbad\tline\n\n1\tun\tun\t_\t_\t_\t0\t_\t_\t_\n\n"


def write_conllu(path: Path, count: int, first: int, more: str = "") -> None:
    nouns = ("pain", "train", "chat", "3\u00a0000", "ami")
    blocks = []
    for index in range(first, first + count):
        noun, number = nouns[index % 5], f"{index} 000"
        blocks.append(CONLLU.format(text=f"du {noun} {number}.", noun=noun, number=number))
    path.write_bytes(("".join(blocks) + more).replace("\n", "\r\n").encode("utf-8-sig"))


def test_conllu_files_become_a_bundle_with_the_figures_of_dev_and_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_conllu(Path("train.conllu"), 60, 0, BAD)
    write_conllu(Path("dev.conllu"), 8, 100)
    write_conllu(Path("test.conllu"), 6, 200)
    files = ["--train", "train.conllu", "--dev", "dev.conllu", "--test", "test.conllu"]
    arguments = ["bilstm_crf", "train", *files, *SMALL, "--tokenizer-epochs", "2", "--run", "run", "--name", "pos-xx"]
    assert main(arguments) == 2
    assert "train.conllu:481: has 3 columns; 10 are expected, separated by tabs; correct it" in capsys.readouterr().err
    assert main([*arguments, "--skip-bad", "--epochs", "3"]) == 0
    output = capsys.readouterr()
    assert "60 train, 8 dev, 6 test" in output.err
    assert "note: train.conllu: 1 sentence left out: line 481 has 3 columns" in output.err
    assert "note: train.conllu: 1 sentence left out: column upos is `_` there (line 483)" in output.err
    assert "dev: accuracy" in output.out
    assert "test: accuracy" in output.out
    bundle = read_bundle(Path("models/pos-xx/1"))
    assert bundle.manifest.labels == ("ADP", "DET", "NOUN", "NUM", "PUNCT")
    measured = {metric.data.partition(", ")[0] for metric in bundle.manifest.metrics}
    assert measured == {"dev.conllu", "test.conllu"}
    assert "| test.conllu, test, 6 sentences, 30 words |" in (bundle.path / "MODEL_CARD.md").read_text()
    assert verify_models(["models", "verify", "--models", "models"]) == 0


def test_a_test_file_may_be_named_when_the_run_is_evaluated_or_exported(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, models, other = tmp_path / "run", tmp_path / "models", tmp_path / "other.tsv"
    tagged_sentences.write_columns(other, tagged_sentences.spans(9, seed=7))
    other.write_bytes(other.read_bytes() + b"\nbad\n")
    assert main(["bilstm_crf", "train", "--train", str(file), *SMALL, "--run", str(run)]) == 0
    named = ["--run", str(run), "--test", str(other)]
    assert main(["bilstm_crf", "evaluate", *named]) == 2
    assert "has 1 column; 2 are expected" in capsys.readouterr().err
    assert main(["bilstm_crf", "evaluate", *named, "--skip-bad"]) == 0
    output = capsys.readouterr().out
    assert "other.tsv: 1 sentence left out: line" in output
    assert "test: F1" in output
    exporting = ["bilstm_crf", "export", *named, "--skip-bad", "--name", "names", "--models", str(models), "--force"]
    assert main(exporting) == 0
    metrics = read_bundle(models / "names" / "1").manifest.metrics
    assert any(metric.data.startswith("other.tsv, test, 9 sentences") for metric in metrics)


def test_a_name_alone_exports(file: Path, tmp_path: Path) -> None:
    models, run = tmp_path / "models", tmp_path / "run"
    arguments = ["--name", "mine", "--models", str(models), "--run", str(run), "--epochs", "1"]
    assert main(["bilstm_crf", "train", "--train", str(file), *SMALL, *arguments]) == 2  # it finds no name yet
    assert not (models / "mine").exists()
    assert main(["bilstm-crf", "train", "--train", str(file), *SMALL, *arguments, "--force"]) == 0
    assert (models / "mine" / "1" / "manifest.json").exists()
    assert main(["bilstm_crf", "export", "--run", str(run), "--name", "mine", "--models", str(models), "--force"]) == 0
    assert (models / "mine" / "2" / "manifest.json").exists()


def test_several_seeds_have_a_mean(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    series = str(tmp_path / "series")
    arguments = ["bilstm_crf", "train", "--train", str(file), "--test", str(file), *SMALL, "--epochs", "2"]
    assert main([*arguments, "--run", series, "--seeds", "2"]) == 0
    assert "dev, 2 seeds: mean" in capsys.readouterr().out
    assert main(["bilstm_crf", "train", "--resume", series, "--threads", "1"]) == 0
    assert "dev, 2 seeds: mean" in capsys.readouterr().out
    assert main(["bilstm_crf", "evaluate", "--run", series, "--split", "test"]) == 0
    output = capsys.readouterr().out
    assert "test, 2 seeds: mean" in output
    assert "standard deviation" in output
    assert main(["bilstm_crf", "export", "--run", series, "--name", "best", "--models", str(tmp_path / "models")]) == 0
    assert "the best on dev: " in capsys.readouterr().out


def test_an_auxiliary_column_is_trained_on_and_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for names, kinds in zip(tagged_sentences.spans(60, 1), tagged_sentences.plain(60, 1), strict=True):
        lines += [f"{word}\t{kind}\t{tag}" for word, kind, tag in zip(names.words, kinds.tags, names.tags, strict=True)]
        lines.append("")
    (tmp_path / "three.txt").write_text("\n".join(lines))
    arguments = ["bilstm_crf", "train", "--train", str(tmp_path / "three.txt"), *SMALL]
    run, models = tmp_path / "run", tmp_path / "models"
    assert main([*arguments, "--auxiliary", "2", "--run", str(run), "--name", "x", "--models", str(models)]) == 0
    labels = read_bundle(models / "x" / "1").manifest.labels
    assert labels is not None
    assert "VERB" not in labels
    assert main([*arguments, "--auxiliary", "7", "--run", str(tmp_path / "other")]) == 2
    assert "auxiliary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--train", "missing.conllu"], "missing.conllu: there is no such file"),
        (["train", "--data", "nonsense"], "'nonsense' is no known set"),
        (["train", "--train", "FILE", "--data", "ewt"], "name either --data"),
        (["train", "--train", "FILE", "--column", "9"], "column"),
        (["train", "--train", "FILE", "--encoding", "nonsense"], "--encoding nonsense: is no known encoding"),
        (["train", "--train", "FILE", "--vectors", "missing.txt"], "missing.txt"),
        (["train", "--train", "FILE", "--layers", "4"], "layers is 4"),
        (["train", "--train", "FILE", "--name", "Not a name"], "--name"),
        (["train", "--resume", "missing"], "missing: holds no run"),
        (["train", "--resume", "missing", "--epochs", "3"], "leave out --epochs"),
        (["evaluate", "--run", "missing"], "missing: holds no run"),
        (["export", "--run", "missing"], "missing: holds no run"),
    ],
)
def test_user_errors_are_one_line(
    arguments: list[str], message: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["bilstm_crf", *[str(file) if word == "FILE" else word for word in arguments]]) == 2
    output = capsys.readouterr().err.strip().splitlines()
    assert output[-1].startswith("lectern-train: ")
    assert message in output[-1]
    assert not (tmp_path / "models").exists() or not any((tmp_path / "models").iterdir())


@pytest.mark.parametrize("auxiliary", ["", "conll2003:2"])
def test_data_that_may_not_be_published_are_refused_before_training_or_noted(
    auxiliary: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    research_only = replace(
        tagged_sentences.data("tags"), name="CoNLL-2003 English", licence="research only", redistributable=False
    )
    monkeypatch.setattr(cli if not auxiliary else licensing, "load_data", lambda _: research_only)
    monkeypatch.setattr(cli, "train", Mock(side_effect=ConfigError("it is trained")))
    arguments = ["bilstm_crf", "train", "--train", str(file), *SMALL, "--auxiliary", auxiliary]
    assert main([*arguments, "--export"]) == 2
    output = capsys.readouterr()
    assert "CoNLL-2003 English is research only" in output.err
    assert output.err.rstrip().endswith("to train it all the same, leave out --export and --name")
    assert not list(tmp_path.iterdir())
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out.startswith("note: the run can be evaluated but not exported: CoNLL-2003 English is research only")
    assert "it is trained" in output.err


def test_a_missing_split_is_named(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["bilstm_crf", "train", "--train", str(file), *SMALL, "--epochs", "1", "--run", str(run)]) == 0
    capsys.readouterr()
    assert main(["bilstm_crf", "evaluate", "--run", str(run), "--split", "test"]) == 2
    assert "has no split test; use --split dev" in capsys.readouterr().err
    assert main(["bilstm_crf", "evaluate", "--run", str(run), "--test", str(file), "--split", "test"]) == 0
    assert "test: F1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("select", "shortcoming"), [("best", ""), ("last", "it finds no name of the dev sentences (F1 0)")]
)
def test_the_weights_that_are_kept_show_whether_a_tagger_has_learned(
    select: Select, shortcoming: str, tmp_path: Path
) -> None:
    config = TaggerConfig(data=DataConfig(train="x"), select=select)
    run = Run.create(tmp_path / "run", family="bilstm_crf", config={})
    for epoch, score in enumerate((0.5, 0.0), 1):
        run.add_metrics({"epoch": epoch, "dev_score": score})
    experiment = Experiment(config, lambda _: tagged_sentences.data("spans"))
    assert cli.FAMILY.shortcoming(experiment, run) == shortcoming
