"""GET /v1/models/{model}/graph and …/evaluation: what a model is made of, and how it was measured."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.api.model_inspection_answers import EvaluationAnswer, GraphAnswer
from service.bundle import onnx_nodes
from service.settings import Settings
from tests.support.classifier_bundles import LABELS, classifier_graph, write_classifier
from tests.support.http import client_of
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of models of all tasks; `digits` has an evaluation, `plain` has none."""
    path = tmp_path_factory.mktemp("models")
    write_classifier(path, explain=True)
    write_classifier(path, "plain")
    for write in (write_tagger, write_words, write_translator):
        write(path)
    with client_of(Settings(models=path)) as client:
        yield client


def test_the_nodes_of_every_graph(client: TestClient) -> None:
    answer = client.get("/v1/models/digits/graph").json()
    assert GraphAnswer.model_validate(answer)
    graphs = {graph["name"]: graph for graph in answer["graphs"]}
    assert list(graphs) == ["model", "explain"]
    assert [node["operator"] for node in graphs["model"]["nodes"]] == ["Flatten", "MatMul", "Softmax"]
    convolution = graphs["explain"]["nodes"][0]
    assert convolution["operator"] == "Conv"
    assert convolution["inputs"] == ["image"]
    assert convolution["outputs"] == ["c1"]
    assert convolution["weights"] == [{"name": "c1.weight", "shape": [2, 1, 3, 3]}]
    assert convolution["parameters"] == 18
    assert convolution["attributes"] == {"pads": [1, 1, 1, 1]}
    assert graphs["explain"]["shapes"]["c1"] == [-1, 2, 28, 28]
    assert graphs["explain"]["parameters"] == 18 + 7840
    assert graphs["model"]["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]


@pytest.mark.parametrize("model", ["plain", "tagger", "words", "translate-en-de"])
def test_models_of_every_task_have_nodes(client: TestClient, model: str) -> None:
    answer = client.get(f"/v1/models/{model}/graph").json()
    assert GraphAnswer.model_validate(answer)
    assert all(graph["nodes"] for graph in answer["graphs"])


def test_the_evaluation(client: TestClient) -> None:
    answer = client.get("/v1/models/digits/evaluation").json()
    assert EvaluationAnswer.model_validate(answer)
    (confusion,) = answer["confusion"]
    assert confusion["labels"] == list(LABELS)
    assert np.trace(confusion["counts"]) == 55
    assert answer["learning_curve"]["series"] == [{"name": "errors", "x": [1, 2], "y": [5, 0]}]


@pytest.mark.parametrize("model", ["plain", "tagger", "words", "translate-en-de"])
def test_a_model_without_an_evaluation_has_an_empty_one(client: TestClient, model: str) -> None:
    answer = client.get(f"/v1/models/{model}/evaluation").json()
    assert (answer["confusion"], answer["learning_curve"]) == ([], None)


@pytest.mark.parametrize("route", ["graph", "evaluation", "weights"])
def test_unknown_models_versions_and_parameters(client: TestClient, route: str) -> None:
    assert client.get(f"/v1/models/nosuch/{route}").status_code == 404
    assert client.get(f"/v1/models/digits/{route}?version=9").status_code == 404
    assert client.get(f"/v1/models/digits/{route}?version=1").status_code == 200
    refused = client.get(f"/v1/models/digits/{route}?depth=2")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("depth: is not a query parameter")
    assert client.head(f"/v1/models/digits/{route}").status_code == 200
    assert client.post(f"/v1/models/digits/{route}").status_code == 405


def test_a_bundle_that_was_changed_on_disk_is_not_shown(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    with client_of(Settings(models=tmp_path)) as client:
        path = tmp_path / "digits" / "1"
        path.joinpath("model.onnx").write_bytes(b"something else")
        changed = client.get("/v1/models/digits/graph")
        shutil.rmtree(path)
        removed = client.get("/v1/models/digits/graph")
    for answer in (changed, removed):
        assert answer.status_code == 503
        assert "the files of digits/1 were changed or removed since it was loaded" in answer.json()["error"]["message"]


def test_graphs_that_are_not_shown_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving goes on: onnxruntime skips a group (of an unknown field 99), which `read_nodes` does not know."""
    write_classifier(tmp_path, "group", graph=classifier_graph() + b"\x9b\x06\x9c\x06")
    write_classifier(tmp_path, "large")
    reasons = {
        "group": "group/1/model.onnx: cannot be read as an ONNX file (wire type 3)",
        "large": "large/1/model.onnx: has too many nodes to be shown",
    }
    with client_of(Settings(models=tmp_path)) as client:
        for name, reason in reasons.items():
            answer = client.get(f"/v1/models/{name}/graph")
            assert answer.status_code == 400
            assert answer.json()["error"]["message"] == f"model: its graphs cannot be shown: {reason}"
            assert answer.json()["error"]["param"] == "model"
            monkeypatch.setattr(onnx_nodes, "_MAX_FIELDS", 3)
