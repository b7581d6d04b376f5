"""The steps of docs/adding-a-task.md, applied to a copy of the service, give a server with that task."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-task.md"

_BLOCK = re.compile(r'^```(python|diff) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)

_SERVE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from starlette.testclient import TestClient

from service.app import create_app
from service.bundle.files import write_bundle
from service.bundle.manifest import Graph, Manifest, Provenance, Task, TensorSpec
from service.settings import Settings

column = ["batch", 1]
graph = helper.make_graph(
    [helper.make_node("Identity", ["lengths"], ["same"])],
    "echo",
    [helper.make_tensor_value_info("lengths", TensorProto.FLOAT, column)],
    [helper.make_tensor_value_info("same", TensorProto.FLOAT, column)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
manifest = Manifest(
    name="parrot",
    version=1,
    task=Task.ECHO,
    graphs={
        "model": Graph(
            file="model.onnx",
            inputs=(TensorSpec(name="lengths", datatype="FP32", shape=(-1, 1)),),
            outputs=(TensorSpec(name="same", datatype="FP32", shape=(-1, 1)),),
        )
    },
    provenance=Provenance(data="none", licence="CC0-1.0", attribution="", created=datetime(2026, 1, 1, tzinfo=UTC)),
)
samples = {"samples": [{"request": {"texts": ["abc"]}, "results": [{"text": "abc", "length": 3}]}]}
files = {
    "model.onnx": model.SerializeToString(),
    "samples.json": json.dumps(samples).encode(),
    "MODEL_CARD.md": b"# Parrot",
}
write_bundle(Path(sys.argv[1]), manifest, files)
with TestClient(create_app(Settings(models=Path(sys.argv[1]), strict=True))) as client:
    tensors = [{"name": "lengths", "shape": [2, 1], "datatype": "FP32", "data": [4, 5]}]
    answers = {
        "echo": client.post("/v1/echo", json={"texts": ["hello", "you"]}).json(),
        "wrong": client.post("/v1/echo", json={"texts": "hello"}).json()["field"],
        "infer": client.post("/v2/models/parrot/infer", json={"inputs": tensors}).json()["outputs"][0]["data"],
        "task": client.get("/v1/models/parrot").json()["task"],
        "described": "/v1/echo" in client.get("/openapi.json").json()["paths"],
    }
print(json.dumps(answers))
"""


def _apply(page: str, root: Path) -> list[str]:
    """Write the page's files and insert its lines; returns the files that were changed."""
    changed = []
    for kind, name, content in _BLOCK.findall(page):
        path = root / name
        if kind == "python":
            assert not path.exists(), f"{name} is new"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            continue
        before, *added = content.splitlines()
        lines = path.read_text().splitlines()
        assert lines.count(before[1:]) == 1, f"{name} has the line {before[1:]!r} once"
        position = lines.index(before[1:]) + 1
        lines[position:position] = [line.removeprefix("+") for line in added]
        path.write_text("\n".join(lines) + "\n")
        changed.append(name)
    return changed


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the service with the task echo."""
    root = tmp_path_factory.mktemp("echo")
    shutil.copytree(ROOT / "service", root / "service", ignore=shutil.ignore_patterns("__pycache__"))
    assert sorted(set(_apply(PAGE.read_text(), root))) == [
        "service/app.py",
        "service/bundle/manifest.py",
        "service/tasks/__init__.py",
    ]
    return root


def _run(root: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=environment | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_steps_of_the_page_give_a_server_of_the_task(copy: Path, tmp_path: Path) -> None:
    answers = json.loads(_run(copy, "-c", _SERVE, str(tmp_path / "models")))
    assert answers["echo"]["results"] == [{"text": "hello", "length": 5}, {"text": "you", "length": 3}]
    assert (answers["echo"]["model"], answers["echo"]["version"]) == ("parrot", "1")
    assert answers["wrong"] == "texts"
    assert answers["infer"] == [4, 5]
    assert answers["task"] == "echo"
    assert answers["described"]


def test_the_added_task_keeps_the_import_contracts(copy: Path) -> None:
    # The contracts of the service alone: training is not part of the copy.
    (copy / "training").mkdir()
    (copy / "training" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", copy)
    code = (
        "from importlinter.cli import lint_imports; import sys; "
        "contracts = ('tasks', 'layers'); "
        "sys.exit(lint_imports(config_filename='pyproject.toml', limit_to_contracts=contracts, no_cache=True))"
    )
    _run(copy, "-c", code)
