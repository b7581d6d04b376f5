"""No answer names a path of the machine; the log does."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.api.path_privacy import hide_paths
from service.app import create_app
from service.observability import JsonFormatter
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier

REPOSITORY = Path("/srv/my models")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/my models/digits/2/model.onnx: sha256 is 1", "digits/2/model.onnx: sha256 is 1"),
        ("no model in /srv/my models", "no model in the model repository"),
        ("/srv/my models2/digits: bad", "my models2/digits: bad"),
        (f"{tempfile.gettempdir()}/lectern-x/graph.onnx failed:no", "lectern-x/graph.onnx failed:no"),
        ("Load model from /opt/a/b.onnx failed", "Load model from b.onnx failed"),
        ("[Errno 28] No space left on device: '/var/cache/x'", "[Errno 28] No space left on device: 'x'"),
        ("a '/etc/passwd', (/usr/lib/a.so:12)", "a 'passwd', (a.so:12)"),
        ("send it to /v1/tag or /v2/models/digits/infer", "send it to /v1/tag or /v2/models/digits/infer"),
        ("see https://example.com/a/b", "see https://example.com/a/b"),
        ("use application/json, 3/4 or and/or", "use application/json, 3/4 or and/or"),
        ("no path at all", "no path at all"),
    ],
)
def test_paths_are_shortened(text: str, shown: str) -> None:
    assert hide_paths(text, REPOSITORY) == shown


def test_the_repository_of_a_container() -> None:
    assert hide_paths("/models/digits/2/model.onnx: bad", Path("/models")) == "digits/2/model.onnx: bad"
    assert hide_paths("GET /v1/models/digits", Path("/models")) == "GET /v1/models/digits"
    assert hide_paths("/digits/2/model.onnx: bad", Path("/")) == "model.onnx: bad"


def harm(folder: Path, how: str) -> None:
    """Make a version bad in one of many ways."""
    manifest = folder / "manifest.json"
    if how == "graph altered":
        (folder / "model.onnx").write_bytes(b"no graph")
    elif how == "graph missing":
        (folder / "model.onnx").unlink()
    elif how == "graph a folder":
        (folder / "model.onnx").unlink()
        (folder / "model.onnx").mkdir()
    elif how == "graph a link":
        (folder / "model.onnx").unlink()
        (folder / "model.onnx").symlink_to("/etc/passwd")
    elif how == "manifest broken":
        manifest.write_text("{")
    elif how == "manifest of another":
        manifest.write_text(manifest.read_text().replace('"digits"', '"other"'))
    elif how == "task unknown":
        manifest.write_text(manifest.read_text().replace('"image-classification"', '"alchemy"'))
    elif how == "extra file":
        (folder / "extra").write_text("")
    elif how == "manifest missing":
        manifest.unlink()
    else:
        shutil.rmtree(folder)
        folder.mkdir()


WAYS = ["graph altered", "graph missing", "graph a folder", "graph a link", "manifest broken", "manifest of another",
        "task unknown", "extra file", "manifest missing", "empty"]  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
def test_no_answer_names_a_path(
    settings: Settings, models_dir: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    write_classifier(models_dir)
    write_classifier(models_dir, "other")
    harm(models_dir / "digits" / "2", how)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        answers = [client.post("/v2/repository/index"), client.post("/v2/repository/models/digits/load")]
        harm(models_dir / "other" / "1", how)
        answers += [client.post(f"/v2/repository/models/other/{verb}") for verb in ("load", "unload", "load")]
        answers += [client.post("/v2/repository/index"), client.get("/readyz"), client.get("/v2/models/other")]
        shutil.rmtree(models_dir / "other")
        answers += [client.post(f"/v2/repository/models/{name}/load") for name in ("other", "none", "..")]
        answers += [client.post("/v1/classify", json={"model": "other", "pixels": []}), client.get("/v1/models")]
    for answer in answers:
        assert str(models_dir.parent) not in answer.text, answer.text
        assert tempfile.gettempdir() not in answer.text
        for root in ("/tmp", "/home", "/root", "/etc", "/usr", "/work", "/opt"):
            assert root not in answer.text, answer.text
    assert answers[1].status_code == 400
    reasons = [
        line["reason"] for line in map(json.loads, caplog.text.splitlines()) if line["message"] == "bundle refused"
    ]
    assert str(models_dir) in reasons[0]
