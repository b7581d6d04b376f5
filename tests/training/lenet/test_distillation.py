"""Learning from the probabilities of other runs: the loss, teachers of several runs, the command, and errors."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.training.conftest import write_idx
from training.__main__ import main
from training.common.config import merge
from training.common.run import Run
from training.lenet.config import PRESETS, LenetConfig, stored_config
from training.lenet.distillation import Teacher, distillation_loss
from training.lenet.weights import build_model, load_weights

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def command(folder: Path, run: str, *options: str) -> list[str]:
    paths = ["--data", str(folder / "data"), "--run", str(folder / run)]
    return ["lenet", "train", "--preset", "debug", "--threads", "1", *paths, *options]


def test_a_network_that_equals_its_teacher_has_nothing_to_learn_from_it() -> None:
    """The gradient is zero at the teacher's own scores, whatever the labels are, and is not zero elsewhere."""
    config = merge(LenetConfig(), {"teacher_weight": 1.0, "temperature": 3.0})
    taught = torch.randn(6, 4)
    targets = (taught / config.temperature).softmax(1)
    for start, is_zero in ((taught + 7.0, True), (torch.randn(6, 4), False)):
        gradients = []
        for labels in (torch.zeros(6, dtype=torch.long), torch.arange(6) % 4):
            scores = start.clone().requires_grad_()
            distillation_loss(scores, labels, targets, config).backward()
            assert scores.grad is not None
            gradients.append(scores.grad)
        torch.testing.assert_close(gradients[0], gradients[1])
        assert bool((gradients[0].abs() < 1e-6).all()) == is_zero


def test_the_weight_divides_the_loss_between_teachers_and_labels() -> None:
    scores, labels = torch.randn(6, 4), torch.arange(6) % 4
    targets = torch.rand(6, 4).softmax(1)
    of_labels, of_teachers, both = (
        float(distillation_loss(scores, labels, targets, merge(LenetConfig(), {"teacher_weight": weight})))
        for weight in (0.0, 1.0, 0.25)
    )
    smoothing = LenetConfig().label_smoothing
    assert of_labels == pytest.approx(float(functional.cross_entropy(scores, labels, label_smoothing=smoothing)))
    assert both == pytest.approx(0.75 * of_labels + 0.25 * of_teachers)


def test_teachers_of_any_width_teach_a_run_that_says_so_in_its_bundle(trained_run: Path, tmp_path: Path) -> None:
    """The mean of their probabilities counts, and the bundle names them without their paths."""
    folder = trained_run.parent
    assert main(command(folder, "wide", "--width", "2")) == 0
    teachers = f"{trained_run},{folder / 'wide'}"
    teacher = Teacher(merge(LenetConfig(), {"teacher": teachers, "temperature": 2.0}), 3, CPU)
    images, expected = torch.rand(5, 1, 28, 28), torch.zeros(5, 3)
    for run in (trained_run, folder / "wide"):
        network = build_model(stored_config(Run(run)), 3).eval()
        load_weights(run, network, "--teacher")
        expected += (network(images) / 2).softmax(1).detach() / 2
    torch.testing.assert_close(teacher(images), expected)

    assert main(command(folder, "taught", "--teacher", teachers, "--teacher-weight", "0.5")) == 0
    assert main(["lenet", "export", "--run", str(folder / "taught"), "--name", "small", "--models", str(tmp_path)]) == 0
    bundle = tmp_path / "small" / "1"
    settings = json.loads((bundle / "manifest.json").read_text())["provenance"]["config"]
    assert settings["teacher"] == "run,wide"
    assert [teacher["width"] for teacher in settings["teacher_configs"]] == [1, 2]
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "from the mean probabilities of the runs `run`, `wide`" in card
    assert str(folder) not in card + (bundle / "manifest.json").read_text()


def test_a_wide_network_is_exported_as_such(tmp_path: Path) -> None:
    write_idx(tmp_path / "data", "train", 60)
    models = tmp_path / "models"
    assert main(command(tmp_path, "wide", "--width", "2", "--name", "wide", "--models", str(models))) == 0
    assert "II.B), 2 times as wide: relu" in (models / "wide" / "1" / "MODEL_CARD.md").read_text()
    assert build_model(merge(PRESETS["debug"], {"width": 2}), 10).parameter_count() == 244_362


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--teacher", "absent"], "absent: holds no run", id="no run"),
        pytest.param(["--teacher", "run", "--preset", "lecun1998"], "use --output softmax", id="radial units"),
        pytest.param(["--width", "2", "--connections", "table1"], "--width 1", id="Table I"),
        pytest.param(["--width", "0"], "width is 0; it must be at least 1", id="no width"),
        pytest.param(["--teacher-weight", "1.5"], "teacher_weight is 1.5; it must be between 0 and 1", id="weight"),
        pytest.param(["--temperature", "0"], "temperature is 0.0; it must be above 0", id="temperature"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_idx(tmp_path / "data", "train", 60)
    assert main(command(tmp_path, "taught", *options)) == 2
    assert message in capsys.readouterr().err


def test_a_teacher_of_other_labels_is_refused(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network of ten labels cannot teach one of three."""
    folder = trained_run.parent
    ten = Run.create(folder / "ten", family="lenet", config={})
    torch.save({"config": {}, "model": build_model(LenetConfig(), 10).state_dict()}, ten.checkpoints / "best.pt")
    assert main(command(folder, "taught by ten", "--teacher", str(folder / "ten"))) == 2
    assert f"--teacher {folder / 'ten'}: that run has another network or" in capsys.readouterr().err
