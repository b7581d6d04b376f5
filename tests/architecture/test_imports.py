"""The server needs no torch, no training, and no more than its own dependencies: import contracts cannot show that."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

import orjson
from packaging.requirements import Requirement

from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import picture, pixels
from tests.support.processes import ROOT, environment


def _python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded_by(module: str) -> set[str]:
    """The top-level modules in memory once `module` was imported."""
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    return {name.partition(".")[0] for name in json.loads(_python(code))}


def test_the_application_loads_no_torch_and_no_training() -> None:
    loaded = _loaded_by("service.app, service.server.process, service.cli")
    assert "fastapi" in loaded
    assert loaded.isdisjoint({"torch", "training", "onnx", "onnxscript", "matplotlib", "tqdm", "pytest"})


def test_the_contract_loads_no_server() -> None:
    loaded = _loaded_by("service.bundle.files, service.bundle.comparison, service.decoding, service.text")
    assert "pydantic" in loaded
    assert loaded.isdisjoint({"fastapi", "starlette", "uvicorn", "onnxruntime", "prometheus_client", "torch"})


def test_the_command_line_is_light() -> None:
    assert _loaded_by("service.cli").isdisjoint({"fastapi", "uvicorn", "onnxruntime", "httpx"})


def test_the_supervisor_of_workers_has_what_decides_and_not_what_serves() -> None:
    loaded = _loaded_by("service.cli, service.server.supervisor")
    assert loaded.isdisjoint({"fastapi", "uvicorn", "onnxruntime", "cv2", "PIL", "sentencepiece"})


# What is there whatever is installed: the interpreter's own.
_ALWAYS = {"pip", "setuptools", "wheel"}

_SERVE = """
import importlib.abc, json, sys

blocked = set(json.loads(sys.argv[1]))

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is not among the dependencies of lectern[cpu]", name=name)

sys.meta_path.insert(0, Block())
for name in list(sys.modules):
    if name.partition(".")[0] in blocked:
        del sys.modules[name]

try:
    import onnx
except ModuleNotFoundError:
    print("blocked")

import asyncio, pathlib, httpx
from service.app import create_app
from service.settings import Settings

async def main():
    app = create_app(Settings(models=pathlib.Path(sys.argv[2])))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lectern") as client:
            numbers, picture = sys.argv[3].encode(), bytes.fromhex(sys.argv[4])
            for kind, content in (("application/json", numbers), ("image/png", picture)):
                answer = await client.post("/v1/classify", content=content, headers={"content-type": kind})
                answer.raise_for_status()
                print(answer.json()["results"][0]["predictions"][0]["label"])
            form = await client.post("/v1/classify", files={"image": ("7.png", picture)})
            print(form.json()["results"][0]["predictions"][0]["label"])
            for path in ("/metrics", "/openapi.json", "/v1/models", "/v2", "/docs"):
                (await client.get(path)).raise_for_status()

asyncio.run(main())
"""


def test_the_base_install_with_the_cpu_extra_serves(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    needed = _closure("lectern", {"cpu"}) | _ALWAYS
    assert {"fastapi", "onnxruntime", "numpy", "httpx", "python-multipart"} <= needed
    assert needed.isdisjoint({"torch", "onnx", "pytest", "matplotlib"})
    allowed = {name for package in distributions() if _name(package) in needed for name in _modules(package)}
    blocked = {name for package in distributions() for name in _modules(package)} - allowed
    assert {"onnx", "pytest"} <= blocked, "the tests' own tools are installed, so they must be blocked"
    output = _python(
        _SERVE,
        json.dumps(sorted(blocked)),
        str(tmp_path),
        orjson.dumps(pixels(7)).decode(),
        picture(7).hex(),
    )
    assert output.split() == ["blocked", "7", "7", "7"]


def _name(package: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", str(package.metadata["Name"])).lower()


def _closure(name: str, extras: set[str]) -> set[str]:
    """The distributions that installing `name[extras]` brings, as far as they are installed here."""
    done: set[tuple[str, str]] = set()
    waiting = [(name, extra) for extra in ("", *extras)]
    while waiting:
        current, extra = waiting.pop()
        if (current, extra) in done:
            continue
        try:
            package = distribution(current)
        except PackageNotFoundError:  # A marker of another platform, or an alternative that was not chosen.
            continue
        done.add((current, extra))
        for text in package.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                key = re.sub(r"[-_.]+", "-", requirement.name).lower()
                waiting += [(key, requested) for requested in ("", *requirement.extras)]
    return {name for name, _ in done}


def _modules(package: Distribution) -> set[str]:
    """The top-level modules of a distribution; those of an editable install are none."""
    names = set()
    for path in package.files or ():
        first = path.parts[0]
        if len(path.parts) > 1 and not first.endswith((".dist-info", ".data", ".libs")) and first not in ("..", "bin"):
            names.add(first)
        elif len(path.parts) == 1 and path.suffix in (".py", ".so"):
            names.add(path.name.partition(".")[0])
    return names - {"__pycache__"}


def test_onnxruntime_sends_no_telemetry(tmp_path: Path) -> None:
    write_classifier(tmp_path / "models")
    home = tmp_path / "home"
    home.mkdir()
    code = f"""
import os
os.environ.update(HOME={str(home)!r}, XDG_CACHE_HOME="")
for name in ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"):
    os.environ.pop(name, None)
from service.cli import main
raise SystemExit(main(["models", "verify", "--models", {str(tmp_path / "models")!r}]))
"""
    _python(code)
    assert list(home.rglob("*")) == [], "onnxruntime keeps a device id and unsent events in the home folder"
