"""Carry out the image's steps on this machine, and test the resulting server: read-only and unprivileged.

Installs from the package index, so `make test-image` asks for it; no part of the default run. The image for GPUs, of
which gigabytes are downloaded, is built by `make test-image TEST_IMAGE=gpu` only.
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
    yield from built(tmp_path_factory, "cpu")


@pytest.fixture(scope="module")
def gpu_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image for NVIDIA GPUs."""
    if os.environ["TEST_IMAGE"] != "gpu":
        pytest.skip("downloads gigabytes of CUDA: `make test-image TEST_IMAGE=gpu` builds it")
    yield from built(tmp_path_factory, "gpu")


def built(tmp_path_factory: pytest.TempPathFactory, target: str) -> Iterator[Image]:
    """A target of the Dockerfile, in a folder that is deleted afterwards."""
    if reason := missing_rights():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp(target)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # pytest keeps its folders to their owner; the image's user is another.
    yield build(parse((ROOT / "Dockerfile").read_text()), target, build_context(folder / "context"), folder)
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


def test_the_image_for_gpus_brings_cuda_as_packages(gpu_image: Image) -> None:
    (packages,) = gpu_image.path("/opt/lectern/lib").glob("python3*/site-packages")
    names = {entry.name.lower() for entry in packages.iterdir()}
    assert {"service", "onnxruntime", "nvidia", "fastapi"} <= names
    assert not names & {"torch", "training", "onnx", "tensorrt", "pytest", "pip", "tests"}
    code, output = gpu_image.run("python", "-c", "import onnxruntime; print(onnxruntime.get_available_providers())")
    assert code == 0, output
    assert "'TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider'" in output
    sizes = {part: sum(file.lstat().st_size for file in (packages / part).rglob("*")) for part in ("", "nvidia")}
    print(f"the environment is {sizes[''] / 1e6:.0f} MB, {sizes['nvidia'] / 1e6:.0f} MB of it CUDA and cuDNN")
    assert sizes[""] < 3e9


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU")
def test_the_image_for_gpus_refuses_a_machine_without_one(gpu_image: Image) -> None:
    env = {"LECTERN_PROVIDERS": "cuda", "LECTERN_STRICT": "1"}  # As docker-compose.yml sets them.
    code, output = gpu_image.run(*gpu_image.entrypoint, *gpu_image.command, env=env)
    assert code == 2
    last = output.splitlines()[-1]
    assert "asked for CUDAExecutionProvider, runs on CPUExecutionProvider" in last
    assert "CUDAExecutionProvider cannot be started: check the device and its driver" in last


def test_the_image_for_gpus_serves_on_the_cpu_where_that_is_allowed(gpu_image: Image) -> None:
    code, output = gpu_image.run("lectern", "models", "verify", env={"LECTERN_PROVIDERS": "cpu"})
    assert code == 0, output
    assert "digits/2: ok" in output
