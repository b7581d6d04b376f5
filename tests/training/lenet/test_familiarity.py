"""Familiarity: outliers, calibration, and its output of an exported graph."""

from pathlib import Path

import numpy as np
import pytest
import torch

from service.bundle.files import read_bundle
from tests.support.onnx_graphs import open_graph
from tests.training.conftest import write_idx
from training.__main__ import main
from training.common.errors import ConfigError
from training.lenet.data.dataset import Split
from training.lenet.familiarity import drawings
from training.lenet.familiarity.calibration import (
    expected_calibration_error,
    fit_logistic,
    fit_temperature,
    reliability,
)
from training.lenet.familiarity.glyphs import foreign_characters, load_fonts, printed_classes, split_fonts
from training.lenet.familiarity.outliers import OutlierMaker

pytestmark = pytest.mark.torch


def test_what_looks_like_a_label_is_no_outlier() -> None:
    digits = foreign_characters(tuple("0123456789"))
    assert not set(digits) & set("0123456789OolI")
    assert set("ABZSgq") <= set(digits)
    assert not set(foreign_characters(tuple("abc"))) & set("abcC")
    assert printed_classes(("a", "7"))
    assert not printed_classes(("a", "cat"))


def test_fonts_of_a_family_stay_together() -> None:
    parts = split_fonts(load_fonts(None))
    groups = [{font.group for font in parts[part]} for part in ("train", "calibration", "evaluation")]
    assert all(groups)
    assert len(set.union(*groups)) == sum(map(len, groups))


def test_a_folder_without_fonts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with pytest.raises(ConfigError, match=r"--fonts .* has no \.ttf or \.otf file"):
        load_fonts(tmp_path)


@pytest.mark.parametrize(
    ("normalizer", "labels"), [("mnist", ("0", "1")), ("fit", ("0", "1")), ("mnist", ("cat", "dog"))]
)
def test_every_kind_of_outlier_is_an_image(normalizer: str, labels: tuple[str, ...]) -> None:
    images = np.zeros((20, 28, 28), np.uint8)
    images[:, 4:24, 10:14] = 255
    split = Split(images, np.zeros(20, np.int64))
    fonts = load_fonts(None)[:1]
    maker = OutlierMaker(split, labels, normalizer, fonts, np.random.default_rng(0))  # type: ignore[arg-type]
    count = len(drawings.STROKES)  # each kind of drawing once
    kinds = maker.evaluation_kinds(count)
    assert ("letters" in kinds) == maker.draws_characters == (normalizer == "mnist" and len(labels[0]) == 1)
    for kind, made in kinds.items():
        assert (made.shape, made.dtype) == ((count, 28, 28), np.uint8), kind
        assert made.any((1, 2)).all(), kind
    printed, numbers = maker.printed(4)
    assert len(printed) == len(numbers) == (4 if maker.draws_characters else 0)


def test_two_images_side_by_side_are_wider_than_high() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 4:24, 6:22] = 255
    split = Split(images, np.zeros(2, np.int64))
    made = OutlierMaker(split, ("0", "1"), "mnist", [], np.random.default_rng(0)).collages(60)
    shapes = [(int(image.any(1).sum()), int(image.any(0).sum())) for image in made]
    wide, high = sum(w > h for h, w in shapes), sum(h > w for h, w in shapes)
    assert wide + high > 50
    assert wide > 3 * high > 0


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    probabilities = np.array([0.95, 0.95, 0.15, 0.15])
    diagram = reliability(probabilities, np.array([True, False, False, False]), np.ones(4))
    assert [(one.low, one.count) for one in diagram if one.count] == [(0.1, 2), (0.9, 2)]
    assert expected_calibration_error(diagram) == pytest.approx(0.5 * 0.45 + 0.5 * 0.15)


def test_a_temperature_is_found_again() -> None:
    torch.manual_seed(1)
    logits = torch.randn(4000, 5) * 2
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits[:100], labels[:100]) == 1  # too few to tell


def test_a_logistic_calibration_is_found_again() -> None:
    torch.manual_seed(1)
    logits = torch.randn(4000)
    targets = torch.bernoulli((2 * logits - 1).sigmoid())
    scale, shift = fit_logistic(logits, targets, torch.ones(4000))
    assert (scale, shift) == (pytest.approx(2, rel=0.15), pytest.approx(-1, rel=0.15))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with `shapes`, of a run with enough held-out images to calibrate familiarity."""
    folder = tmp_path_factory.mktemp("familiarity")
    (folder / "data").mkdir()
    write_idx(folder / "data", "train", 300)
    arguments = ["--preset", "debug", "--data", str(folder / "data"), "--run", str(folder / "run")]
    export = ["--name", "shapes", "--models", str(folder / "models")]
    assert main(["lenet", "train", *arguments, "--dev", "0.25", *export]) == 0
    return folder / "models"


def test_an_exported_graph_has_familiarity(models: Path) -> None:
    bundle = read_bundle(models / "shapes" / "1")
    session = open_graph(bundle.file("model.onnx").read_bytes())
    probabilities, familiarity = session.run(None, {"image": np.zeros((3, 1, 28, 28), np.float32)})
    assert (probabilities.shape, familiarity.shape) == ((3, 3), (3, 1))
    assert np.all((familiarity >= 0) & (familiarity <= 1))
    assert [output.name for output in bundle.manifest.graphs["model"].outputs] == ["probabilities", "familiarity"]
    assert {"recognized", "outliers not recognized"} <= {metric.name for metric in bundle.manifest.metrics}
    card = bundle.model_card()
    assert "## Is it one of the labels at all?" in card
    assert "| two side by side: not recognized |" in card


def test_familiarity_can_be_left_out(models: Path) -> None:
    export = ["--run", str(models.parent / "run"), "--name", "shapes", "--models", str(models), "--no-familiarity"]
    assert main(["lenet", "export", *export]) == 0
    outputs = read_bundle(models / "shapes" / "2").manifest.graphs["model"].outputs
    assert [output.name for output in outputs] == ["probabilities"]


def test_too_few_held_out_images_are_a_note(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = ["--run", str(trained_run), "--name", "shapes", "--models", str(tmp_path)]
    assert main(["lenet", "export", *export]) == 0
    assert "no familiarity: it takes 50 held-out images" in capsys.readouterr().out
