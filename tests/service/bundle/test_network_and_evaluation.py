"""The optional files of a bundle: its layers with their weights, and its evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from service.bundle.evaluation import ConfusionMatrix, Evaluation, Series, read_evaluation
from service.bundle.files import Bundle, BundleError, write_bundle
from service.bundle.network import load_weights, read_network
from tests.support.classifier_bundles import EDGES, classifier_manifest, write_classifier


def _with_file(folder: Path, name: str, content: bytes) -> Bundle:
    """The bundle of the tiny classifier with another file."""
    good = write_classifier(folder / "good", explain=True)
    files: dict[str, bytes | Path] = {file: good.file(file).read_bytes() for file in good.manifest.files}
    return write_bundle(folder / "changed", classifier_manifest(explain=True), files | {name: content})


def _read(bundle: Bundle) -> None:
    read_evaluation(bundle)
    network = read_network(bundle)
    assert network is not None
    load_weights(bundle, network)


def test_the_layers_and_their_weights(tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path, explain=True)
    network = read_network(bundle)
    assert network is not None
    assert [layer.name for layer in network.layers] == ["c1", "s2", "output"]
    weights = load_weights(bundle, network)
    assert np.array_equal(weights["c1.weight"], EDGES)
    assert weights["output.weight"].shape == (10, 784)
    assert list(weights) == ["c1.weight", "output.weight"]


def test_a_bundle_may_have_neither(tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path)
    assert read_network(bundle) is None
    assert read_evaluation(bundle) == Evaluation()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("network.json", b"{", "network.json: Invalid JSON"),
        ("network.json", b'{"layers": []}', "network.json: layers"),
        ("network.json", b'{"layers": [{"name": "c1", "kind": "dense", "weight": [-2, 3]}]}', "layers.0.weight.0"),
        ("network.json", b'{"layers": [{"name": "c1", "kind": "dense", "weight": [2, 3]}]}', "must be float32 \\[6\\]"),
        ("weights.npy", b"no array", "weights.npy: cannot be read as an array"),
        ("evaluation.json", b"[]", "evaluation.json: Input should be an object"),
        (
            "evaluation.json",
            b'{"confusion": [{"data": "x", "labels": ["a"], "counts": [[1, 2]]}]}',
            "counts must have 1",
        ),
    ],
)
def test_what_they_must_be(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    bundle = _with_file(tmp_path, name, content)
    with pytest.raises(BundleError, match=message):
        _read(bundle)


@pytest.mark.parametrize("counts", [[[1, 2], [3, -1]], [[1, 2]], [[1], [2]]])
def test_a_confusion_matrix_is_square_and_counts(counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="counts"):
        ConfusionMatrix.model_validate({"data": "x", "labels": ["a", "b"], "counts": counts})


def test_a_curve_has_as_many_x_as_y() -> None:
    with pytest.raises(ValueError, match="same length"):
        Series(name="errors", x=(1, 2), y=(3,))
    with pytest.raises(ValueError, match="finite"):
        Series.model_validate_json(orjson.dumps({"name": "errors", "x": [1], "y": ["Infinity"]}))
