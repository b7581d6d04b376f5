"""Fixtures: tiny bundles, an application over them, and a real server on a real socket."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.runtime.cpus import available_cpus
from service.serving import helper_process
from service.settings import Settings
from service.tasks.word_vectors import spelling
from tests.support.classifier_bundles import write_classifier
from tests.support.http import client_of
from tests.support.server import running


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many processes again as CPUs for `-n auto`: for a third of their time tests wait, mostly for servers that
    they start and end."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cpus = available_cpus()
    return cpus + max(1, cpus // 2)


def pytest_collection_finish() -> None:
    """Exempt the objects of imported modules from garbage collection, which would scan them again and again."""
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name archives by their kind: bytes and size depend on the time that they hold, and every process of pytest-xdist
    must give a test one name."""
    if isinstance(val, bytes) and val.startswith((b"\x1f\x8b", b"PK")):
        return "zip archive" if val.startswith(b"PK") else "gzip archive"
    return None


@pytest.fixture(autouse=True, scope="session")
def _no_fsync() -> Iterator[None]:
    """Skip fsync: tests kill processes, but none of them simulates a power failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_public_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust no public certificates: each new httpx client would load all of them, which takes longer than a request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> Iterator[None]:
    """Remove the LECTERN_ variables of the machine from the environment, except LECTERN_DATA."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("LECTERN_") and name != "LECTERN_DATA":
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def _kept_bytecode() -> Iterator[None]:
    """Let the processes that tests start keep what they compile: hundreds of them import the same modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _patient_spelling() -> Iterator[None]:
    """Raise the time limit of spelling suggestions, which a busy machine exceeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spelling, "TIME_LIMIT_SECONDS", 10.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def _kept_helper_process() -> Iterator[None]:
    """Keep the process that prepares the models of all tests' applications: a new one takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helper_process, "_IDLE_SECONDS", 3600.0)
        yield


@pytest.fixture
def data_dir() -> Path:
    """The folder of real data sets; skips the test where there is none."""
    folder = os.environ.get("LECTERN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data: set LECTERN_DATA to their folder")
    return Path(folder)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A model repository with digits/1."""
    repository = tmp_path / "models"
    write_classifier(repository)
    return repository


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    """Default settings over `models_dir`."""
    return Settings(models=models_dir)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of an application with digits/1 for all tests of a module; none of them changes it."""
    repository = tmp_path_factory.mktemp("models")
    write_classifier(repository)
    with client_of(Settings(models=repository)) as client:
        yield client


@pytest.fixture
def own_client(settings: Settings) -> Iterator[TestClient]:
    """A client of an application of the test's own over `models_dir`, which it may change."""
    with client_of(settings) as client:
        yield client


@pytest.fixture
def server_url(settings: Settings) -> Iterator[str]:
    """The address of a real server."""
    with running(settings) as url:
        yield url
