"""`lectern-train lenet convert`: a bundle of an earlier release gets what it has to be looked into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle.evaluation import read_evaluation
from service.bundle.files import Bundle, read_bundle, versions, write_bundle
from service.bundle.manifest import Manifest
from service.bundle.onnx_nodes import read_nodes
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from tests.support.classifier_bundles import write_classifier
from tests.support.tagger_bundles import write_tagger
from training.__main__ import main

pytestmark = pytest.mark.torch

DIGITS = Path(__file__).resolve().parents[3] / "models" / "digits"
NEW = {"explain.onnx", "network.json", "weights.npy", "evaluation.json"}


def _earlier(repository: Path, **changes: Any) -> Bundle:
    """The shipped digits as earlier releases exported them, with changes of the manifest."""
    shipped = read_bundle(DIGITS / str(versions(DIGITS)[-1]))
    document = shipped.manifest.model_dump()
    document["graphs"].pop("explain", None)
    files: dict[str, bytes | Path] = {name: shipped.file(name) for name in shipped.manifest.files if name not in NEW}
    return write_bundle(repository, Manifest.model_validate(document | changes), files)


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No copy of MNIST at hand."""
    monkeypatch.delenv("LECTERN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_next_version_explains_its_answers(
    without_data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = _earlier(tmp_path)
    assert main(["lenet", "convert", str(earlier.path)]) == 0
    output = capsys.readouterr().out
    assert "no confusion matrices: the images are not at hand" in output
    converted = read_bundle(tmp_path / "digits" / "2")
    assert str(converted.path) in output
    assert converted.samples() == earlier.samples()
    kept = {"graphs", "files", "version"}
    assert converted.manifest.model_dump(exclude=kept) == earlier.manifest.model_dump(exclude=kept)
    predictors = [load_predictor(one, session_opener(("cpu",), 1, False), Limits()) for one in (earlier, converted)]
    image = np.random.default_rng(0).random((28, 28)).round(3).tolist()
    plain, explained = (
        predictor.answer({"pixels": [image], "explain": predictor is predictors[1]})["results"][0]
        for predictor in predictors
    )
    assert explained["predictions"] == plain["predictions"]
    assert [layer["name"] for layer in explained["explain"]["layers"]] == ["c1", "s2", "c3", "s4", "c5", "f6", "output"]
    assert predictors[1].weights["c3.weight"].shape == (16, 6, 5, 5)
    nodes = read_nodes(converted.file("model.onnx"))
    assert {name for node in nodes.nodes for name in node.outputs} <= nodes.shapes.keys()
    assert read_evaluation(converted).confusion == ()
    assert "Converted from version 1 of digits, whose weights it has: the graph `explain`" in converted.model_card()


def test_confusion_matrices_where_the_images_are_at_hand(data_dir: Path, tmp_path: Path) -> None:
    assert (data_dir / "mnist").is_dir()
    earlier = _earlier(tmp_path)
    assert main(["lenet", "convert", str(earlier.path)]) == 0
    evaluation = read_evaluation(read_bundle(tmp_path / "digits" / "2"))
    errors = {
        matrix.data: int(np.sum(matrix.counts) - np.trace(np.array(matrix.counts))) for matrix in evaluation.confusion
    }
    assert errors == {metric.data: metric.value for metric in earlier.manifest.metrics if metric.name == "errors"}


def test_figures_that_are_not_the_manifest_s_are_refused(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (data_dir / "mnist").is_dir()
    metric = {"name": "errors", "value": 41, "data": "MNIST, 10,000 test images"}
    assert main(["lenet", "convert", str(_earlier(tmp_path, metrics=[metric]).path)]) == 2
    assert "40 errors on MNIST, 10,000 test images; its manifest says 41" in capsys.readouterr().err
    assert versions(tmp_path / "digits") == [1]


def test_a_bundle_that_has_it_all_is_left_alone(
    without_data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lenet", "convert", str(_earlier(tmp_path).path)]) == 0
    assert main(["lenet", "convert", str(tmp_path / "digits" / "2")]) == 2
    assert "has the graph 'explain' and its layers already" in capsys.readouterr().err
    assert versions(tmp_path / "digits") == [1, 2]


def test_what_is_no_version_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tagger(tmp_path)
    write_classifier(tmp_path)
    for path, message in (
        ("tagger/1", "is of the task token-classification; lectern-train lenet converts bundles of the task image-c"),
        ("digits", "is a model; name one of its versions: 1"),
        ("nothing", "manifest.json: is missing"),
    ):
        assert main(["lenet", "convert", str(tmp_path / path)]) == 2
        assert message in capsys.readouterr().err


def test_bundles_of_others_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_classifier(tmp_path)
    assert main(["lenet", "convert", str(bundle.path)]) == 2
    assert "was not exported by lectern-train lenet (its manifest has no 'activation'" in capsys.readouterr().err
    config = {"activation": "relu", "pooling": "max", "connections": "full", "output": "softmax"}
    other = bundle.manifest.model_dump() | {"name": "other"}
    other["provenance"]["config"] = config
    files: dict[str, bytes | Path] = {name: bundle.file(name) for name in bundle.manifest.files}
    foreign = write_bundle(tmp_path, Manifest.model_validate(other), files)
    assert main(["lenet", "convert", str(foreign.path)]) == 2
    assert "its graph has no 'c1.weight' of the shape [6, 1, 5, 5]" in capsys.readouterr().err


def test_a_network_that_answers_otherwise_is_refused(
    without_data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = _earlier(tmp_path)
    config = earlier.manifest.provenance.model_dump() | {
        "config": earlier.manifest.provenance.config | {"activation": "tanh"}
    }
    wrong = _earlier(tmp_path / "wrong", provenance=config)
    assert main(["lenet", "convert", str(wrong.path)]) == 2
    assert "PyTorch answers otherwise with its weights" in capsys.readouterr().err
    assert versions(tmp_path / "wrong" / "digits") == [1]
