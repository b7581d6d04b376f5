"""Every committed bundle is whole, and answers its samples over HTTP as it did when it was exported."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.bundle.comparison import differences
from service.bundle.files import Bundle, read_bundle, versions
from service.settings import Settings
from service.tasks import TASKS
from tests.support.bundle_edits import edit_samples
from tests.support.classifier_bundles import write_classifier
from tests.support.word_vector_bundles import write_words

MODELS = Path(__file__).resolve().parents[2] / "models"


def _committed() -> list[Path]:
    if not MODELS.is_dir():
        return []
    folders = sorted(entry for entry in MODELS.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return [folder / str(version) for folder in folders for version in versions(folder)]


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


PATHS = _committed()
needs_models = pytest.mark.skipif(not PATHS, reason="models/ holds no bundle yet: train one with lectern-train")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of a server over the committed models."""
    with TestClient(create_app(Settings(models=MODELS, strict=True))) as client:
        yield client


def _replay(client: TestClient, bundle: Bundle) -> list[str]:
    """Differences between the server's answers and the stored ones, sample by sample."""
    manifest = bundle.manifest
    all_differences = []
    for index, sample in enumerate(bundle.samples()):
        route = sample.route or next(iter(TASKS[manifest.task].routes))
        response = client.post(route, json={"model": manifest.name} | sample.request)
        assert response.status_code == 200, response.text
        answered_by = (response.headers["x-lectern-model"], response.headers["x-lectern-version"])
        assert answered_by == (manifest.name, str(manifest.version))
        answer = response.json()
        results = answer["results"] if "results" in answer else answer["data"]
        all_differences += differences(sample.results, results, manifest.comparison, f"samples[{index}].results")
    return all_differences


@needs_models
@pytest.mark.parametrize("path", PATHS, ids=_name)
def test_a_committed_bundle_is_whole(path: Path) -> None:
    bundle = read_bundle(path)
    assert bundle.samples()
    assert bundle.manifest.metrics, "a bundle says what it was measured to reach"
    provenance = bundle.manifest.provenance
    card = bundle.model_card()
    for text in (provenance.licence, provenance.attribution, provenance.data):
        assert text
    assert provenance.licence in card, "the model card states the licence of the weights"


@needs_models
@pytest.mark.parametrize("path", PATHS, ids=_name)
def test_samples_have_the_same_answers_over_http(client: TestClient, path: Path) -> None:
    bundle = read_bundle(path)
    card = client.get(f"/v1/models/{bundle.manifest.name}").json()
    if card["version"] != path.name:
        pytest.skip(f"version {card['version']} is served")
    assert _replay(client, bundle) == []
    assert card["licence"]["weights"] == bundle.manifest.provenance.licence


@needs_models
def test_every_committed_model_serves(client: TestClient) -> None:
    assert client.get("/readyz").status_code == 200
    served = {card["id"] for card in client.get("/v1/models").json()["data"]}
    assert served == {path.parent.name for path in PATHS}


@needs_models
def test_the_committed_models_stay_small() -> None:
    size = sum(file.stat().st_size for file in MODELS.rglob("*") if file.is_file())
    assert size < 64_000_000


def test_the_replay_detects_a_difference(tmp_path: Path) -> None:
    bundle = write_classifier(tmp_path)
    swapped = edit_samples(bundle, lambda samples: samples[0].update(results=samples[1]["results"]))
    renumbered = Bundle(path=swapped.path, manifest=swapped.manifest.model_copy(update={"version": 1}))
    shutil.move(swapped.path, tmp_path.parent / "swapped")
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        assert _replay(client, bundle) == []
        renumbered = Bundle(path=tmp_path.parent / "swapped", manifest=renumbered.manifest)
        assert any("label: expected '7', found '1'" in line for line in _replay(client, renumbered))


def test_the_replay_takes_every_sample_to_its_route(tmp_path: Path) -> None:
    bundle = write_words(tmp_path)
    edited = edit_samples(bundle, lambda samples: samples[-1]["results"][0].update(index=7))
    shutil.move(edited.path, tmp_path.parent / "edited")
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        assert _replay(client, bundle) == []
        renumbered = Bundle(path=tmp_path.parent / "edited", manifest=edited.manifest.model_copy(update={"version": 1}))
        assert _replay(client, renumbered) == ["samples[2].results[0].index: expected 7, found 0 (tolerance 0.001)"]
