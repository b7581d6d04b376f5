"""Every shipped model serves on OpenVINO as it does on the CPU provider."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.bundle.comparison import differences
from service.bundle.files import Bundle
from service.bundle.manifest import ProviderKind, Task
from service.tasks import TASKS
from tests.openvino.conftest import BUNDLES, MODELS
from tests.support.processes import lectern, server

OPENVINO = "OpenVINOExecutionProvider"
LONG = {
    "en": "The committee that met on Monday in the old town hall did not find an answer to any of the questions.",
    "de": "Der Ausschuss, der sich am Montag im alten Rathaus traf, fand auf keine der Fragen eine Antwort.",
    "fr": "Le comité qui se réunissait lundi dans la vieille mairie n'a trouvé de réponse à aucune des questions.",
}


def _post(client: httpx.Client, route: str, body: dict[str, Any]) -> Any:
    response = client.post(route, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_every_sample_has_its_answer_over_http(client: httpx.Client, bundle: Bundle) -> None:
    manifest = bundle.manifest
    for index, sample in enumerate(bundle.samples()):
        route = sample.route or next(iter(TASKS[manifest.task].routes))
        answer = _post(client, route, {"model": manifest.name} | sample.request)
        results = answer.get("results", answer.get("data"))
        assert not list(differences(sample.results, results, manifest.comparison, f"samples[{index}].results"))


def test_all_nodes_run_there_with_the_options_set(client: httpx.Client, bundle: Bundle) -> None:
    graphs = client.get(f"/v1/models/{bundle.manifest.name}").json()["providers"]
    assert graphs.keys() == bundle.manifest.graphs.keys()
    for graph in graphs.values():
        assert graph["actual"][0] == OPENVINO
        assert set(graph["nodes"]) == {OPENVINO}
        assert graph["nodes"][OPENVINO] > 0
        assert graph["options"] == {"num_of_threads": "1"}


@pytest.mark.parametrize(
    "tagger", [one for one in BUNDLES if one.manifest.task is Task.TOKEN_CLASSIFICATION], ids=lambda b: b.manifest.name
)
def test_a_tagged_text_is_the_same_beside_a_longer_one(client: httpx.Client, tagger: Bundle) -> None:
    # OpenVINO's own LSTM reads the padding.
    language = tagger.manifest.name.partition("-")[2]
    text, name = LONG[language].split(" ", 4)[0] + ".", tagger.manifest.name
    alone = _post(client, "/v1/tag", {"model": name, "text": text})["results"][0]
    beside = _post(client, "/v1/tag", {"model": name, "texts": [LONG[language], text]})["results"][1]
    assert not list(differences(alone, beside, tagger.manifest.comparison, "results"))


@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("de", "en")])
def test_a_translation_is_the_same_beside_a_longer_one(client: httpx.Client, source: str, target: str) -> None:
    texts = {"en": "I am tired.", "de": "Ich bin müde."}
    languages = {"source": source, "target": target}
    alone = _post(client, "/v1/translate", {**languages, "text": texts[source]})["results"][0]
    beside = _post(client, "/v1/translate", {**languages, "texts": [LONG[source], texts[source]]})["results"][1]
    assert beside["text"] == alone["text"]
    assert beside["score"] == pytest.approx(alone["score"], abs=0.02)


def test_bundles_without_graphs_for_it_say_how_to_get_them(tmp_path: Path) -> None:
    earlier = _without_variants("pos-fr", tmp_path)
    verified = lectern("models", "verify", MODELS=str(earlier), PROVIDERS="openvino")
    assert verified.returncode != 0
    text = verified.stdout + verified.stderr
    assert "it has no graphs for the execution providers openvino" in text
    assert "lectern-train bilstm_crf convert BUNDLE" in text
    on_cpu = lectern("models", "verify", MODELS=str(earlier), PROVIDERS="cpu")
    assert on_cpu.returncode == 0, on_cpu.stdout


def test_strict_names_the_operators_that_it_lacks(tmp_path: Path) -> None:
    earlier = _without_variants("translate-en-de", tmp_path)
    verified = lectern("models", "verify", MODELS=str(earlier), PROVIDERS="openvino", STRICT="1")
    assert verified.returncode != 0
    text = verified.stdout + verified.stderr
    assert "com.microsoft.MatMulIntegerToFloat" in text
    assert "lectern-train seq2seq convert BUNDLE" in text


def _without_variants(name: str, repository: Path) -> Path:
    """A repository with a model as earlier releases exported it."""
    bundle = next(one for one in BUNDLES if one.manifest.name == name)
    path = repository / name / str(bundle.manifest.version)
    shutil.copytree(bundle.path, path)
    document = json.loads((path / "manifest.json").read_text())
    for graph in document["graphs"].values():
        if variants := graph.pop("variants", None):
            file = variants[ProviderKind.ACCELERATOR]["file"]
            del document["files"][file]
            (path / file).unlink()
    (path / "manifest.json").write_text(json.dumps(document))
    return repository


def test_every_model_serves_on_the_cpu_provider_too() -> None:
    """This onnxruntime is an older one, whose optimized graphs it cannot always read."""
    with server(MODELS, PROVIDERS="cpu", STRICT="1") as process:
        assert process.wait_for("serving")
