"""GET /v1/models: the model cards as data, in OpenAI's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.openai import ModelCard, ModelList
from service.app import create_app
from service.runtime.devices import device_name
from service.settings import ModelSettings, Settings
from service.tasks.image_classification.preprocessing import read_media_types
from tests.support.classifier_bundles import LABELS, write_classifier
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words


def test_the_list_of_models(client: TestClient) -> None:
    document = client.get("/v1/models").json()
    assert document["object"] == "list"
    (card,) = ModelList.model_validate(document).data
    assert card.id == "digits"
    assert card.object == "model"
    assert card.created == 1767225600
    assert card.owned_by == "lectern"
    assert card.task == "image-classification"
    assert (card.version, card.versions) == ("1", ["1"])
    assert card.labels == list(LABELS)
    assert card.metrics[0].data == "ten templates"
    assert card.licence.weights == "CC0-1.0"
    assert card.licence.attribution == "nobody"
    assert card.providers["model"].actual == ["CPUExecutionProvider"]
    assert card.warm_up_ms > 0
    assert card.details == {"temperature": 1.0, "media_types": list(read_media_types())}
    assert card.limits == {
        "max_batch_size": 64,
        "max_body_bytes": 16 * 2**20,
        "max_images": 64,
        "max_explained_inputs": 8,
        "max_pixels": 20_000_000,
        "max_scanned_pixels": 300_000_000,
        "max_image_parts": 20_000,
        "deadline_seconds": 30.0,
    }


@pytest.mark.parametrize(
    ("host", "control", "allowed"),
    [("127.0.0.1", "auto", True), ("127.0.0.1", "none", False), ("0.0.0.0", "auto", False),
     ("0.0.0.0", "explicit", True)],
)  # fmt: skip
def test_the_list_says_whether_models_may_be_loaded(models_dir: Path, host: str, control: Any, allowed: bool) -> None:
    with TestClient(create_app(Settings(models=models_dir, host=host, model_control=control))) as client:
        assert client.get("/v1/models").json()["lectern"]["model_control"] is allowed
        assert (client.post("/v2/repository/models/digits/load").status_code == 200) is allowed


def test_the_list_names_what_does_not_serve_with_its_task(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    broken = write_translator(tmp_path).path  # Its manifest can be read.
    next(broken.glob("*.onnx")).unlink()
    write_words(tmp_path).path.joinpath("manifest.json").write_text("{")
    (tmp_path / "empty").mkdir()
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        document = client.get("/v1/models").json()
        assert ModelList.model_validate(document)
        others = {one["id"]: one for one in document["lectern"]["not_serving"]}
        assert {name: one["task"] for name, one in others.items()} == {
            "empty": None,
            "translate-en-de": "translation",
            "words": None,
        }
        assert {one["state"] for one in others.values()} == {"UNAVAILABLE"}
        assert others["empty"]["reason"] == "it has no version"
        assert ".onnx" in others["translate-en-de"]["reason"]
        assert str(tmp_path) not in str(others)
        client.post("/v2/repository/models/digits/unload", json={})
        document = client.get("/v1/models").json()
        assert document["data"] == []
        digits = {"id": "digits", "task": "image-classification", "state": "UNAVAILABLE", "reason": "unloaded"}
        assert digits in document["lectern"]["not_serving"]
        client.post("/v2/repository/models/digits/load", json={})
        document = client.get("/v1/models").json()
        assert [card["id"] for card in document["data"]] == ["digits"]
        assert digits["id"] not in [one["id"] for one in document["lectern"]["not_serving"]]


def test_where_everything_serves_nothing_else_is_named(client: TestClient) -> None:
    assert client.get("/v1/models").json()["lectern"]["not_serving"] == []


def test_one_model_is_the_entry_of_the_list(client: TestClient) -> None:
    card = client.get("/v1/models/digits").json()
    assert ModelCard.model_validate(card)
    assert client.get("/v1/models").json()["data"] == [card]


def test_an_unknown_model_answers_openais_error(client: TestClient) -> None:
    response = client.get("/v1/models/letters")
    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "message": "no model 'letters'; there are: digits",
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize(("setting", "inline"), [("always", True), ("never", False)])
def test_where_a_model_runs_is_reported(models_dir: Path, setting: Any, inline: bool) -> None:
    with TestClient(create_app(Settings(models=models_dir, inline=setting))) as client:
        assert client.get("/v1/models/digits").json()["inline"] is inline


def test_auto_is_decided_by_the_warm_up(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for threshold, inline in ((3600.0, True), (0.0, False)):
        monkeypatch.setattr("service.serving.inline.INLINE_THRESHOLD_SECONDS", threshold)
        with TestClient(create_app(Settings(models=models_dir))) as client:
            assert client.get("/v1/models/digits").json()["inline"] is inline


def test_requested_and_actual_providers_are_reported(models_dir: Path) -> None:
    own = {"digits": ModelSettings(providers=("coreml", "cpu"))}
    with TestClient(create_app(Settings(models=models_dir, model=own))) as client:
        assert client.get("/v1/models/digits").json()["providers"] == {
            "model": {
                "requested": ["CoreMLExecutionProvider", "CPUExecutionProvider"],
                "actual": ["CPUExecutionProvider"],
                "nodes": {"CPUExecutionProvider": 3},
                "fallback_nodes": {},
                "device": device_name("CPUExecutionProvider", {}),
                "options": {},
            }
        }


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much memory a process has")
def test_the_memory_of_a_model_is_reported(client: TestClient) -> None:
    memory = client.get("/v1/models/digits").json()["memory"]
    assert 0 <= memory["process_bytes"] < 2**30
    assert memory["device_bytes"] is None
    samples = [line for line in client.get("/metrics").text.splitlines() if line.startswith("lectern_model_memory")]
    (sample,) = samples
    assert sample.startswith('lectern_model_memory_bytes{kind="process",model="digits",version="1"}')


def test_a_model_that_does_not_serve_is_not_in_the_list(models_dir: Path) -> None:
    (write_classifier(models_dir, "letters").path / "model.onnx").unlink()
    with TestClient(create_app(Settings(models=models_dir))) as client:
        assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["digits"]
        response = client.get("/v1/models/letters")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert "model.onnx: is missing" in response.json()["error"]["message"]
