"""A server of the shipped models on OpenVINO's CPU device, which `make test-openvino` runs these tests against."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.bundle.files import Bundle, read_bundle, versions
from tests.support.processes import ROOT, server

MODELS = ROOT / "models"
BUNDLES = [read_bundle(folder / str(versions(folder)[-1])) for folder in sorted(MODELS.iterdir()) if folder.is_dir()]


@pytest.fixture(scope="session", params=BUNDLES, ids=[bundle.manifest.name for bundle in BUNDLES])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """Each shipped bundle."""
    found: Bundle = request.param
    return found


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """A client of the server; strict, so that a node on another provider would have stopped it."""
    options = "openvino.num_of_threads=1"
    with (
        server(MODELS, PROVIDERS="openvino", STRICT="1", PROVIDER_OPTIONS=options) as process,
        httpx.Client(base_url=process.wait_for("serving")["address"], timeout=60) as client,
    ):
        yield client
