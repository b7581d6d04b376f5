"""`lectern-train lenet` from end to end, and its error messages."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from service.bundle.files import read_bundle
from tests.support.runs import assert_user_error
from training import __main__ as command
from training.__main__ import main
from training.common.device import pick_device
from training.common.errors import DeviceError
from training.common.run import Run

pytestmark = pytest.mark.torch


def test_one_command_turns_a_folder_of_pictures_into_a_bundle(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["lenet", "train", "--data", str(picture_folder), "--epochs", "15", "--export", "--licence", "CC0-1.0"]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert "32 images to train on, 4 held out, 3 classes" in output.err
    assert "dev: 0 errors of 4 images, accuracy 100.00%" in output.out
    assert "wrote models/shapes/1" in output.out
    manifest = read_bundle(tmp_path / "models" / "shapes" / "1").manifest
    assert manifest.labels == ("bar", "cross", "ring")
    (run,) = (tmp_path / "runs").iterdir()
    assert {path.name for path in (run / "pictures").iterdir()} == {
        "learning_curve.png",
        "confusion_dev.png",
        "misread_dev.png",
    }
    assert len(Run(run).metrics()) == 15
    assert json.loads((run / "config.json").read_text())["config"]["epochs"] == 15
    assert "epoch 15/15" in (run / "log.txt").read_text()


def test_evaluate_prints_classes_and_confusion(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lenet", "evaluate", "--run", str(trained_run), "--split", "test"]) == 0
    output = capsys.readouterr().out
    stored = json.loads((trained_run / "evaluation.json").read_text())["test"]
    assert f"test: {stored['errors']} errors of 30 images, accuracy {stored['accuracy']:.2%}" in output
    assert sum(map(sum, stored["confusion"])) == 30
    assert stored["errors"] == sum(entry["errors"] for entry in stored["by_class"].values())
    assert [line.split()[0] for line in output.splitlines()[3:6]] == ["0", "1", "2"]
    for name in ("learning_curve", "confusion_test", "misread_test"):
        assert (trained_run / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_moved_data_is_found_by_an_option(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").symlink_to(trained_run.parent / "data")
    assert main(["lenet", "evaluate", "--run", str(trained_run), "--data", str(tmp_path / "moved")]) == 0


def test_the_preset_of_1998_trains_and_exports(idx_folder: Path, tmp_path: Path) -> None:
    """With softmax, because the shapes are no digits; its RBF units are tested with the model."""
    folders = ["--data", str(idx_folder), "--run", str(tmp_path / "run"), "--models", str(tmp_path / "models")]
    settings = ["--preset", "lecun1998", "--output", "softmax", "--epochs", "1"]
    assert main(["lenet", "train", *settings, *folders, "--export", "--name", "old"]) == 0
    read_bundle(tmp_path / "models" / "old" / "1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "absent"], "--data absent: is no folder"),
        (["train", "--device", "cuda"], "--device cuda: PyTorch"),
        (["train", "--name", "My Model"], "--name: model name 'My Model': use lower-case"),
        (["train", "--epochs", "0"], "epochs is 0; it must be at least 1"),
        (["train", "--resume", "absent"], "absent: holds no run"),
        (["evaluate", "--run", "absent"], "absent: holds no run"),
        (["export", "--run", "absent"], "absent: holds no run"),
    ],
)
def test_user_errors_are_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert_user_error(["lenet", *arguments], message, capsys)
    assert not (tmp_path / "runs").exists()


def test_no_test_images(picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    assert main(["lenet", "train", "--preset", "debug", "--data", str(picture_folder), "--run", run]) == 0
    assert main(["lenet", "evaluate", "--run", run, "--split", "test"]) == 2
    assert "has no test images; use --split dev" in capsys.readouterr().err


@pytest.mark.parametrize("first", [["export", "--run"], ["train", "--export", "--resume"]])
def test_a_folder_that_cannot_be_written(
    first: list[str], trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").write_text("a file")
    assert main(["lenet", *first, str(trained_run), "--name", "x", "--models", str(tmp_path / "models")]) == 2
    assert f"--models {tmp_path / 'models'}: cannot be made a folder (File exists)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["lenet"], ["alexnet", "train"], ["lenet", "train", "--epochs", "many"]])
def test_wrong_commands_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(
        ("usage: lectern-train", "lectern-train: ", "lectern-train lenet train: ")
    )


def test_without_the_extra_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert main(["lenet", "train"]) == 2
    assert (
        "torch is not installed; in Lectern's folder run: pip install -c constraints.txt '.[train]'"
        in capsys.readouterr().err
    )


def test_help_needs_no_torch() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from training.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: assert not [name for name in sys.modules if name.startswith('torch.')]"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "lenet" in result.stdout


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == pick_device("cpu").type == "cpu"
    for name in ("cuda", "cuda:1"):
        with pytest.raises(DeviceError, match=f"--device {name}: PyTorch .* or use --device cpu"):
            pick_device(name)
    with_gpus(monkeypatch, 2)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda:0")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="--device cuda:2: this machine has 2 GPUs; use cuda:0 to cuda:1"):
        pick_device("cuda:2")


def test_each_of_several_processes_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="2 processes would share one GPU; use --device cuda"):
        pick_device("cuda:0")
    with_gpus(monkeypatch, 1)
    with pytest.raises(DeviceError, match=r"2 processes on a machine with 1 GPU; .* --nproc-per-node 1"):
        pick_device("auto")


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let PyTorch see GPUs, which are not there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)
