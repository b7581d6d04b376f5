"""Checkpoints and run directories; a run that is killed and resumed equals an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support.runs import checkpoint_weights, equal_weights
from tests.training.conftest import write_idx
from training.__main__ import main
from training.common import run as run_module
from training.common.checkpoint import load_checkpoint, save_checkpoint
from training.common.config import merge, to_dict
from training.common.errors import CheckpointError, RunError
from training.common.run import Run
from training.lenet import train as train_module
from training.lenet.config import PRESETS, stored_config
from training.lenet.data.dataset import load_images
from training.lenet.export.bundle import public_config

pytestmark = pytest.mark.torch


def arguments(folder: Path, run: str, **flags: object) -> list[str]:
    options = [f"--{name}={value}" for name, value in flags.items()]
    paths = ["--data", str(folder / "data"), "--run", str(folder / run)]
    return ["lenet", "train", "--preset", "debug", "--threads", "1", *paths, *options]


def equal_runs(left: Path, right: Path) -> bool:
    """Whether two runs ended with the same best and last weights, bit for bit, and with the same metrics."""
    metrics = [
        [(record["loss"], record["dev_errors"], record["dev_loss"]) for record in Run(path).metrics()]
        for path in (left, right)
    ]
    return metrics[0] == metrics[1] and all(
        equal_weights(checkpoint_weights(Run(left), name), checkpoint_weights(Run(right), name))
        for name in ("best.pt", "last.pt")
    )


def test_equal_seeds_repeat_bit_for_bit_and_others_do_not(tmp_path: Path) -> None:
    write_idx(tmp_path / "data", "train", 60)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = merge(PRESETS["debug"], {"data": str(tmp_path / "data"), "seed": seed})
        run = Run.create(tmp_path / name, family="lenet", config=to_dict(config))
        train_module.train(config, load_images(config), run, torch.device("cpu"))
        run.close()
    assert equal_runs(tmp_path / "a", tmp_path / "b")
    assert not equal_runs(tmp_path / "a", tmp_path / "c")


def stop_at(calls: int, original: Callable[..., object], number: signal.Signals) -> Callable[..., object]:
    """Wrap a function so that the process gets a signal just before its `calls`-th call."""
    count = 0

    def wrapped(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        if count == calls:
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    return wrapped


@pytest.fixture(scope="module")
def uninterrupted_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs without interruption, next to its data."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    write_idx(folder / "data", "train", 60)
    assert main(arguments(folder, "uninterrupted", epochs=4)) == 0
    return folder / "uninterrupted"


@pytest.mark.parametrize(
    ("function", "number"),
    [
        ("_update_average", signal.SIGINT),
        ("_update_average", signal.SIGTERM),
        ("add_metrics", signal.SIGTERM),
        ("save_checkpoint", signal.SIGTERM),
    ],
)
def test_stopped_and_resumed_equals_never_stopped(
    function: str,
    number: signal.Signals,
    uninterrupted_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stopped amid an epoch, before its metrics are written, and between the two files of its checkpoint."""
    stopped = uninterrupted_run.parent / f"{function}-{number}"
    with monkeypatch.context() as patch:
        owner = run_module.Run if function == "add_metrics" else train_module
        # The third epoch: 15 steps each; one line of metrics; a best and a last checkpoint.
        calls = {"_update_average": 40, "add_metrics": 3, "save_checkpoint": 6}[function]
        patch.setattr(owner, function, stop_at(calls, getattr(owner, function), number))
        assert main(arguments(uninterrupted_run.parent, stopped.name, epochs=4)) == 128 + number
    assert f"Go on with: lectern-train lenet train --resume {stopped}" in capsys.readouterr().err
    assert not equal_runs(uninterrupted_run, stopped)
    assert main(["lenet", "train", "--resume", str(stopped), "--threads", "1"]) == 0
    assert equal_runs(uninterrupted_run, stopped)


def test_killed_without_warning_and_resumed_by_the_same_command(uninterrupted_run: Path) -> None:
    """SIGKILL right after an epoch's checkpoint; what the killed process wrote is all there is."""
    killed = arguments(uninterrupted_run.parent, "killed", epochs=4)
    script = (
        "import os, signal, sys\n"
        "from training.__main__ import main\n"
        "from training.lenet import train\n"
        "save = train._save\n"
        "def save_and_die(state, *rest):\n"
        "    save(state, *rest)\n"
        "    if state.epoch == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "train._save = save_and_die\n"
        "main(sys.argv[1:])\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-c", script, *killed], env=environment, capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL
    assert len(Run(uninterrupted_run.parent / "killed").metrics()) == 2
    assert main(killed) == 0
    assert equal_runs(uninterrupted_run, uninterrupted_run.parent / "killed")


def test_a_finished_run_trains_no_further(trained_run: Path) -> None:
    before = (trained_run / "checkpoints" / "last.pt").read_bytes()
    assert main(["lenet", "train", "--resume", str(trained_run)]) == 0
    assert (trained_run / "checkpoints" / "last.pt").read_bytes() == before


def test_a_run_can_start_from_the_weights_of_another(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"init": trained_run, "learning-rate": 1e-12, "ema": 0.0, "epochs": 1}
    assert main(arguments(trained_run.parent, "fine-tuned", **settings)) == 0
    before, after = (
        checkpoint_weights(Run(trained_run), "best.pt"),
        checkpoint_weights(Run(trained_run.parent / "fine-tuned"), "last.pt"),
    )
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    public = public_config(stored_config(Run(trained_run.parent / "fine-tuned")))
    assert (public["init"], public["init_config"]["epochs"], public["data"]) == ("run", 2, "data")
    write_idx(tmp_path / "data", "train", 60)
    assert main([*arguments(tmp_path, "other", init=trained_run), "--pooling", "trainable"]) == 2
    assert f"--init {trained_run}: that run has another network" in capsys.readouterr().err
    assert main(arguments(tmp_path, "none", init=tmp_path / "absent")) == 2
    assert "best.pt: is missing" in capsys.readouterr().err


def test_a_checkpoint_may_be_older_than_a_setting(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", config={"epochs": 1}, epoch=1)
    assert load_checkpoint(tmp_path / "last.pt", config={"epochs": 1, "newer": 0})["epoch"] == 1
    with pytest.raises(CheckpointError, match="epochs was 1, is 2"):
        load_checkpoint(tmp_path / "last.pt", config={"epochs": 2, "newer": 0})


def test_an_unfinished_run_can_be_exported_and_says_so(
    uninterrupted_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its figures are those of the exported weights, even if an earlier epoch was evaluated before."""
    run, models = uninterrupted_run.parent / "unfinished", tmp_path / "models"
    for epoch in (2, 3):
        with monkeypatch.context() as patch:
            patch.setattr(run_module.Run, "add_metrics", stop_at(2, run_module.Run.add_metrics, signal.SIGTERM))
            assert main(arguments(uninterrupted_run.parent, run.name, epochs=4)) == 128 + signal.SIGTERM
        if epoch == 2:
            assert main(["lenet", "evaluate", "--run", str(run)]) == 0
    assert main(["lenet", "export", "--run", str(run), "--name", "early", "--models", str(models)]) == 0
    assert "note: the run has 2 of its 4 epochs" in capsys.readouterr().out
    stored = json.loads((run / "evaluation.json").read_text())["dev"]
    best = torch.load(run / "checkpoints" / "best.pt", weights_only=True)["epoch"]
    assert stored["epoch"] == best
    assert f"after epoch {best} of 4" in (models / "early" / "1" / "MODEL_CARD.md").read_text()


def test_other_settings_are_refused_by_name(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(trained_run.parent, "run", epochs=3)) == 2
    assert "holds a run with other settings (epochs was 2, is 3)" in capsys.readouterr().err
    assert main(["lenet", "train", "--resume", str(trained_run), "--epochs", "3"]) == 2
    assert "leave out --epochs" in capsys.readouterr().err


def test_other_data_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_idx(tmp_path / "data", "train", 60)
    assert main(arguments(tmp_path, "run")) == 0
    write_idx(tmp_path / "data", "train", 63)
    assert main(["lenet", "train", "--resume", str(tmp_path / "run")]) == 2
    assert "was trained with other settings (data_sha256 was" in capsys.readouterr().err


def test_a_folder_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lenet", "evaluate", "--run", str(tmp_path / "absent")]) == 2
    assert "absent: holds no run (config.json is missing)" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        Run.create(tmp_path / "full", family="lenet", config={})
    Run.create(tmp_path / "other", family="tagger", config={})
    with pytest.raises(RunError, match="is a run of tagger, not of lenet"):
        Run.open(tmp_path / "other", family="lenet")
    (tmp_path / "other" / "config.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        Run.open(tmp_path / "other", family="lenet")


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    with pytest.raises(CheckpointError, match="is missing; train the run first"):
        load_checkpoint(path, config={})
    for content in (b"", b"nothing like it"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is no checkpoint or is damaged"):
            load_checkpoint(path, config={})
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="is no checkpoint of Lectern"):
        load_checkpoint(path, config={})
    torch.save({"config": {}, "code": print}, path)
    with pytest.raises(CheckpointError, match="is no checkpoint or is damaged"):
        load_checkpoint(path, config={})


def test_a_failed_write_leaves_the_older_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, config={}, epoch=1)
    with pytest.raises(AttributeError):
        save_checkpoint(path, config={}, epoch=lambda: 2)
    assert load_checkpoint(path, config={})["epoch"] == 1


def test_a_line_of_metrics_cut_off_by_a_kill_is_ignored(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", family="lenet", config={})
    run.add_metrics({"epoch": 1})
    with (tmp_path / "run" / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 2, "lo')
    assert run.metrics() == [{"epoch": 1}]
    run.drop_metrics_after(1)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"epoch": 1}\n'
