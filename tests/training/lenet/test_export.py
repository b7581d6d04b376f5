"""Export of a run: parity with PyTorch, samples, model card, and no traces of the machine."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import orjson
import pytest
import torch
from numpy.typing import NDArray

from service.bundle.evaluation import read_evaluation
from service.bundle.files import read_bundle
from service.bundle.manifest import Task
from service.bundle.onnx_nodes import read_nodes
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from service.tasks.image_classification.preprocessing import ImagePreprocessing
from tests.support.onnx_graphs import open_graph
from training.__main__ import main
from training.common.errors import ExportError
from training.common.export import check_parity
from training.common.run import Run
from training.lenet.config import stored_config
from training.lenet.data.dataset import load_images
from training.lenet.evaluate import load_best

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def repository(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the run exported once, after it was evaluated on both splits."""
    run = tmp_path_factory.mktemp("export") / "run"
    shutil.copytree(trained_run, run)
    assert main(["lenet", "evaluate", "--run", str(run), "--split", "test"]) == 0
    models = run.parent / "models"
    assert main(["lenet", "export", "--run", str(run), "--name", "shapes", "--models", str(models)]) == 0
    return models


def _probabilities(session: onnxruntime.InferenceSession, images: NDArray[np.float32]) -> NDArray[np.float32]:
    probabilities: NDArray[np.float32] = session.run(["probabilities"], {"image": images})[0]
    return probabilities


def test_the_bundle_verifies_and_describes_the_model(repository: Path) -> None:
    manifest = read_bundle(repository / "shapes" / "1").manifest
    assert (manifest.task, manifest.labels) == (Task.IMAGE_CLASSIFICATION, ("0", "1", "2"))
    assert manifest.preprocessing == {"normaliser": "mnist", "height": 28, "width": 28}
    assert ImagePreprocessing.model_validate(manifest.preprocessing) == ImagePreprocessing()
    assert manifest.graphs["model"].inputs[0].shape == (-1, 1, 28, 28)
    assert manifest.graphs["model"].outputs[0].shape == (-1, 3)
    assert manifest.provenance.licence == "unspecified"
    assert manifest.provenance.seed == 0
    assert manifest.provenance.config["data"] == "data"
    assert {"torch", "onnx", "onnxruntime", "python"} <= set(manifest.provenance.libraries)
    assert {metric.data for metric in manifest.metrics} == {
        "data, 10 held-out training images",
        "data, 30 test images",
    }


def test_the_graph_matches_the_manifest_and_holds_its_weights(repository: Path) -> None:
    bundle = read_bundle(repository / "shapes" / "1")
    model = onnx.load_from_string(bundle.file("model.onnx").read_bytes())
    onnx.checker.check_model(model, full_check=True)
    session = open_graph(bundle.file("model.onnx").read_bytes())
    spec = bundle.manifest.graphs["model"]
    assert [(i.name, i.shape[1:], i.type) for i in session.get_inputs()] == [("image", [1, 28, 28], "tensor(float)")]
    assert [(o.name, o.shape[1:]) for o in session.get_outputs()] == [("probabilities", [3])]
    assert (spec.inputs[0].name, spec.outputs[0].name) == ("image", "probabilities")
    assert not any(tensor.HasField("data_location") and tensor.data_location for tensor in model.graph.initializer)


def test_the_graph_equals_pytorch_alone_and_in_batches(repository: Path, trained_run: Path) -> None:
    session = open_graph((repository / "shapes" / "1" / "model.onnx").read_bytes())
    config = stored_config(Run.open(trained_run, family="lenet"))
    model, _ = load_best(Run(trained_run), config, load_images(config))
    images = torch.rand(7, 1, 28, 28)
    with torch.no_grad():
        expected = model(images).softmax(1).numpy()
    together = _probabilities(session, images.numpy())
    alone = np.concatenate([_probabilities(session, images[row : row + 1].numpy()) for row in range(7)])
    assert np.abs(together - expected).max() < 1e-5
    assert np.abs(together - alone).max() < 1e-6
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)


def test_the_bundle_explains_its_answers(repository: Path) -> None:
    bundle = read_bundle(repository / "shapes" / "1")
    predictor = load_predictor(bundle, session_opener(("cpu",), 1, False), Limits())
    image = np.random.default_rng(0).random((28, 28)).round(3).tolist()
    (result,) = predictor.answer({"pixels": [image], "explain": True})["results"]
    layers = {layer["name"]: layer["shape"] for layer in result["explain"]["layers"]}
    assert layers["c3"] == [16, 10, 10]
    assert layers["output"] == [3]
    assert predictor.network is not None
    assert predictor.weights["c5.weight"].shape == (120, 400)


def test_the_bundle_has_confusion_matrices_and_the_learning_curve(repository: Path) -> None:
    bundle = read_bundle(repository / "shapes" / "1")
    evaluation = read_evaluation(bundle)
    stored = json.loads((repository.parent / "run" / "evaluation.json").read_text())
    assert {matrix.data: [list(row) for row in matrix.counts] for matrix in evaluation.confusion} == {
        "data, 10 held-out training images": stored["dev"]["confusion"],
        "data, 30 test images": stored["test"]["confusion"],
    }
    assert evaluation.learning_curve is not None
    assert [len(series.x) for series in evaluation.learning_curve.series] == [2, 2, 2]


def test_the_graphs_name_the_shapes_between_their_nodes(repository: Path) -> None:
    bundle = read_bundle(repository / "shapes" / "1")
    for name, graph in bundle.manifest.graphs.items():
        nodes = read_nodes(bundle.file(graph.file))
        assert {tensor for node in nodes.nodes for tensor in node.outputs} <= nodes.shapes.keys(), name
    assert (-1, 16, 10, 10) in nodes.shapes.values()


def test_samples_are_requests_with_the_answers_of_the_shipped_graph(repository: Path) -> None:
    bundle = read_bundle(repository / "shapes" / "1")
    session = open_graph(bundle.file("model.onnx").read_bytes())
    samples = orjson.loads(bundle.file("samples.json").read_bytes())["samples"]
    assert len(samples) == 3
    for sample in samples:
        pixels = np.array(sample["request"]["pixels"], np.float32)
        assert sample["request"]["top_k"] == 3
        assert pixels.shape == (1, 28, 28)
        probabilities = _probabilities(session, pixels[:, None])[0]
        predictions = sample["results"][0]["predictions"]
        order = np.argsort(-probabilities, kind="stable")
        assert [entry["label"] for entry in predictions] == [str(index) for index in order]
        np.testing.assert_allclose([entry["score"] for entry in predictions], probabilities[order], atol=1e-6)
    assert len(bundle.samples()) == 3


def test_the_model_card_has_the_figures_of_the_run(repository: Path, trained_run: Path) -> None:
    card = read_bundle(repository / "shapes" / "1").model_card()
    dev = json.loads((repository.parent / "run" / "evaluation.json").read_text())["dev"]
    assert f"| data, 10 held-out training images | {dev['errors']} | {dev['accuracy']:.2%} |" in card
    assert "| data, 30 test images |" in card
    assert "61,111 parameters" in card
    assert f"The weights are those after epoch {dev['epoch']} of 2" in card
    assert "Licence of the weights | unspecified |" in card


def test_the_bundle_holds_no_traces_of_the_machine(repository: Path) -> None:
    for path in (repository / "shapes" / "1").iterdir():
        content = path.read_bytes()
        for secret in (str(Path.cwd()), str(repository), str(Path.home()), "site-packages", ".py"):
            assert secret.encode() not in content, (path.name, secret)


def test_versions_are_never_overwritten(repository: Path) -> None:
    before = {path.name: path.read_bytes() for path in (repository / "shapes" / "1").iterdir()}
    command = [
        "lenet",
        "export",
        "--run",
        str(repository.parent / "run"),
        "--name",
        "shapes",
        "--models",
        str(repository),
    ]
    assert main([*command, "--license", "CC0-1.0", "--description", "Bars, crosses and rings"]) == 0
    assert {path.name: path.read_bytes() for path in (repository / "shapes" / "1").iterdir()} == before
    manifest = read_bundle(repository / "shapes" / "2").manifest
    assert (manifest.provenance.licence, manifest.description) == ("CC0-1.0", "Bars, crosses and rings")
    # The same weights again: all but the manifest's time and what was asked for is the same, byte for byte.
    assert (repository / "shapes" / "2" / "model.onnx").read_bytes() == before["model.onnx"]
    assert (repository / "shapes" / "2" / "samples.json").read_bytes() == before["samples.json"]


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ([[0.8, 0.2], [0.3, 0.7001]], r"by up to 0\.0001 \(limit 1e-05\), 0 labels of 2; nothing was written"),
        ([[0.8, 0.2], [0.7, 0.3]], "1 labels of 2"),
        ([[0.8, 0.2], [0.3, float("nan")]], "by up to nan"),
    ],
)
def test_a_graph_that_differs_is_not_exported(served: list[list[float]], message: str) -> None:
    expected = np.array([[0.8, 0.2], [0.3, 0.7]], np.float32)
    with pytest.raises(ExportError, match=f"differs from PyTorch on these: .*{message}"):
        check_parity(expected, np.array(served, np.float32), "these")
