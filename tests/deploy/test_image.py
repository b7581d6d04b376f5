"""Carry out the image's steps on this machine, and test the resulting server: read-only and unprivileged.

Installs from the package index, so `make test-image` asks for it; no part of the default run.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import orjson
import pytest

from service.bundle.comparison import differences
from service.bundle.files import read_bundle
from service.tasks import TASKS
from tests.deploy.dockerfile import parse
from tests.deploy.sandbox import Image, build, missing_rights
from tests.support.classifier_bundles import write_classifier

pytestmark = pytest.mark.skipif("TEST_IMAGE" not in os.environ, reason="slow: `make test-image` runs it")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The CPU image."""
    if reason := missing_rights():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("image")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # pytest keeps its folders to their owner; the image's user is another.
    yield build(parse((ROOT / "Dockerfile").read_text()), "cpu", build_context(folder / "context"), folder)
    shutil.rmtree(folder)


def build_context(folder: Path) -> Path:
    """The files that `.dockerignore` does not exclude."""
    folder.mkdir()
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            name = line[1:]
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                shutil.copy(ROOT / name, folder)
    return folder


class Container:
    """The image's own command, running with nothing but /tmp to write to."""

    def __init__(self, image: Image) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.env = {"LECTERN_PORT": str(port), "LECTERN_DRAIN_SECONDS": "0.1"}
        self.image = image
        self.process = image.start(*image.entrypoint, *image.command, writable=False, env=self.env)
        assert self.process.stdout is not None
        printed = []
        for line in self.process.stdout:
            printed.append(line)
            if '"serving"' in line:
                break
        else:
            pytest.fail("".join(printed))
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def stop(self) -> int:
        """Ask it to stop as the engine does; returns its exit code."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture(scope="module")
def container(image: Image) -> Iterator[Container]:
    """The server, until the last test has asked it."""
    running = Container(image)
    yield running
    assert running.stop() == 0


def test_the_image_holds_the_server_and_no_more(image: Image) -> None:
    (packages,) = image.path("/opt/lectern/lib").glob("python3*/site-packages")
    names = {entry.name.lower() for entry in packages.iterdir()}
    assert {"service", "onnxruntime", "fastapi"} <= names
    assert not names & {"torch", "training", "onnx", "matplotlib", "pytest", "pip", "setuptools", "tests"}
    commands = {entry.name for entry in image.path("/opt/lectern/bin").iterdir()}
    assert "lectern" in commands
    assert "lectern-train" not in commands
    size = sum(file.lstat().st_size for file in packages.rglob("*"))
    print(f"the environment is {size / 1e6:.0f} MB")
    assert size < 500e6


def test_it_answers_the_samples_of_its_models(container: Container) -> None:
    assert container.client.get("/readyz").status_code == 200
    bundles = sorted(container.image.path("/models").glob("*/*/samples.json"))
    assert bundles
    for file in bundles:
        manifest = read_bundle(file.parent).manifest
        for sample in orjson.loads(file.read_bytes())["samples"]:
            route = sample.get("route") or next(iter(TASKS[manifest.task].routes))
            answer = container.client.post(route, json={"model": manifest.name, **sample["request"]})
            assert answer.status_code == 200, answer.text
            document = answer.json()
            results = document["results"] if "results" in document else document["data"]
            assert not list(differences(sample["results"], results, manifest.comparison))


def test_the_engine_s_health_check_passes(container: Container) -> None:
    code, output = container.image.run(*container.image.health, env=container.env)
    assert (code, output) == (0, "ready\n")


def test_the_server_is_an_ordinary_user_without_capabilities(container: Container) -> None:
    status = Path(f"/proc/{container.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == {"10001"}
    assert {fields[name].strip("0") for name in ("CapEff", "CapPrm", "CapBnd")} == {""}
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("folder", ["/", "/models", "/opt/lectern", "/opt/lectern/bin"])
def test_nothing_but_tmp_can_be_written(image: Image, folder: str) -> None:
    code, output = image.run("touch", f"{folder}/file")
    assert code == 1
    assert "Read-only file system" in output
    assert image.run("touch", "/tmp/file") == (0, "")


def test_a_volume_takes_the_place_of_the_models(image: Image, tmp_path: Path) -> None:
    write_classifier(tmp_path / "models", "bars")
    (tmp_path / "models").chmod(0o755)
    other = replace(image, volumes={"/models": tmp_path / "models"})
    code, output = other.run("lectern", "models", "verify")
    assert code == 0, output
    assert output.startswith("bars/1: ok")
