"""The commands that all families share, with a family of a few lines."""

import argparse
import os
import signal
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from training.bilstm_crf import cli as bilstm_crf
from training.common.commands import configure, run_command
from training.common.config import doc
from training.common.errors import ConfigError, DatasetError, ExportError
from training.common.family import Experiment, Family
from training.common.options import add_bundle_options, add_data_file_options, moved_data_files
from training.common.run import Run
from training.seq2seq import cli as seq2seq

pytestmark = pytest.mark.torch


@dataclass(frozen=True, kw_only=True)
class Config:
    data: str = field(default="numbers", metadata=doc("the data"))
    epochs: int = field(default=1, metadata=doc("times that the data are seen"))


@dataclass(frozen=True)
class Mean:
    value: float
    split: str

    def report(self) -> str:
        return f"{self.split}: mean {self.value}"


def _load(config: Config, _: Namespace) -> list[int]:
    if config.data == "absent":
        raise DatasetError("absent: there is no such file")
    return [1, 2, 3] if config.data == "numbers" else [4]


def _check(experiment: Experiment[Config, list[int]], _: Namespace) -> None:
    if experiment.config.data == "private":
        raise ExportError("private data may not be given away")


def _train(experiment: Experiment[Config, list[int]], run: Run, _device: torch.device, _threads: int) -> None:
    if experiment.config.epochs == 99:
        os.kill(os.getpid(), signal.SIGTERM)
    run.add_metrics({"epoch": experiment.config.epochs})


def _evaluate(experiment: Experiment[Config, list[int]], _run: Run, _device: torch.device, options: Namespace) -> Mean:
    return Mean(sum(experiment.data) / len(experiment.data), options.split)


def _export(_experiment: Experiment[Config, list[int]], run: Run, name: str, options: Namespace) -> str:
    return f"wrote {run.path.name} as {options.models.name}/{name}"


def _add_split(parser: ArgumentParser) -> None:
    parser.add_argument("--split", default="dev")


def _add_moved_data(parser: ArgumentParser) -> None:
    parser.add_argument("--data", default="")


FAMILY = Family(
    name="mean",
    config=Config,
    presets={"default": Config(), "long": Config(epochs=7)},
    load_data=_load,
    describe_data=lambda experiment: [f"{len(experiment.data)} numbers", "note: no words"],
    default_name=lambda experiment: experiment.config.data,
    check_data=_check,
    train=_train,
    evaluate=_evaluate,
    evaluate_help="the mean",
    export=_export,
    add_evaluate_options=_add_split,
    add_export_options=lambda parser: add_bundle_options(parser, "that of the data"),
    add_moved_data_options=_add_moved_data,
    moved_data=lambda config, options, _: replace(config, data=options.data) if options.data else config,
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    """Run one command of the family."""
    parser = argparse.ArgumentParser(prog="lectern-train mean")
    configure(parser, FAMILY)
    return run_command(parser.parse_args(arguments))


def test_train_evaluates_and_exports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--run", "r", "--preset", "long", "--export") == 0
    output = capsys.readouterr()
    assert output.out == "dev: mean 2.0\n\npictures: r/pictures\nwrote r as models/numbers\n"
    assert output.err == "3 numbers; run r\nnote: no words\n"
    assert Run(Path("r")).config("mean") == {"data": "numbers", "epochs": 7}
    assert Path("models").is_dir()


def test_a_run_gets_a_folder_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--epochs", "3") == 0
    (path,) = Path("runs").iterdir()
    assert path.name.startswith("mean-")
    assert Run(path).config("mean")["epochs"] == 3
    assert not Path("models").exists()


def test_a_finished_run_is_evaluated_and_exported_with_moved_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--run", "r") == 0
    capsys.readouterr()
    assert run("evaluate", "--run", "r", "--split", "test", "--data", "elsewhere") == 0
    assert capsys.readouterr().out == "test: mean 4.0\n\npictures: r/pictures\n"
    assert run("export", "--run", "r", "--name", "other", "--models", "m") == 0
    assert capsys.readouterr().out == "wrote r as m/other\n"


def test_resume_takes_the_settings_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--run", "r", "--epochs", "3") == 0
    assert run("train", "--resume", "r") == 0
    assert [record["epoch"] for record in Run(Path("r")).metrics()] == [3, 3]
    capsys.readouterr()
    for option in (["--epochs", "4"], ["--preset", "long"]):
        assert run("train", "--resume", "r", *option) == 2
        assert f"leave out {option[0]}" in capsys.readouterr().err


def test_an_interrupted_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--run", "r", "--epochs", "99", "--export") == 128 + signal.SIGTERM
    output = capsys.readouterr()
    assert "stopped (SIGTERM); the last checkpoint is kept. Go on with: lectern-train mean train --resume r" in (
        output.err
    )
    assert not output.out


def test_what_prevents_an_export_is_said_before_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--run", "r", "--data", "private", "--export") == 2
    assert "private data may not be given away; to train it all the same, leave out --export" in capsys.readouterr().err
    assert run("train", "--run", "r", "--name", "Not a name") == 2
    assert "--name: model name 'Not a name'" in capsys.readouterr().err
    assert list(Path().iterdir()) == []
    assert run("train", "--run", "r", "--data", "private") == 0
    assert capsys.readouterr().out.startswith("note: the run can be evaluated but not exported: private data")


def test_missing_data_leave_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--run", "r", "--data", "absent") == 2
    assert capsys.readouterr().err == "lectern-train: absent: there is no such file\n"
    assert list(Path().iterdir()) == []


def test_other_data_files_of_a_run_and_how_they_are_read(tmp_path: Path) -> None:
    parser = ArgumentParser()
    add_data_file_options(parser)
    assert moved_data_files(parser.parse_args([]), tmp_path, "") == {}
    options = parser.parse_args(["--test", "x.txt", "--skip-bad", "--encoding", "latin-1"])
    assert moved_data_files(options, tmp_path, "") == {"test": "x.txt", "encoding": "latin-1", "skip_bad": True}
    for arguments in (["--dev", "x"], ["--skip-bad"]):
        with pytest.raises(ConfigError, match=rf"was trained on ewt; {arguments[0]} is for runs on own files"):
            moved_data_files(parser.parse_args(arguments), tmp_path, "ewt")


@pytest.mark.parametrize("family", [bilstm_crf, seq2seq])
def test_evaluate_and_export_can_leave_out_what_training_could(family: ModuleType) -> None:
    parser = ArgumentParser()
    configure(parser, family.FAMILY)
    for command in ("train", "evaluate", "export"):
        run = [] if command == "train" else ["--run", "x"]
        options = parser.parse_args([command, *run, "--skip-bad", "--encoding", "latin-1"])
        assert (options.skip_bad, options.encoding) == (True, "latin-1")
