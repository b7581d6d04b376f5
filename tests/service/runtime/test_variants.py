"""The file of a graph is chosen by the kind of execution provider that runs."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from service.bundle.files import Bundle, read_bundle, write_bundle
from service.bundle.manifest import GraphVariant, ProviderKind, Task
from service.cli import main
from service.runtime.session import session_opener
from service.runtime.variants import advice_for, conversion_command, kind_of, kinds_in
from tests.support.classifier_bundles import classifier_graph, write_classifier

CPU, ACCELERATOR = ProviderKind.CPU, ProviderKind.ACCELERATOR
OPENVINO = "OpenVINOExecutionProvider"


def _with_variant(repository: Path, variant: bytes) -> Bundle:
    """A classifier whose graph has a variant for accelerators."""
    bundle = write_classifier(repository.parent / "plain")
    graph = bundle.manifest.graphs["model"]
    graphs = {"model": graph.model_copy(update={"variants": {ACCELERATOR: GraphVariant(file="other.onnx")}})}
    files: dict[str, bytes | Path] = {name: bundle.file(name) for name in bundle.manifest.files}
    manifest = bundle.manifest.model_copy(update={"graphs": graphs})
    return write_bundle(repository, manifest, files | {"other.onnx": variant})


def _wrong() -> bytes:
    """A graph that takes every digit for another."""
    model = onnx.load_from_string(classifier_graph())
    (weights,) = [one for one in model.graph.initializer if one.name == "weights"]
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights)[:, ::-1].copy(), "weights"))
    return model.SerializeToString()


def _only(monkeypatch: pytest.MonkeyPatch, *providers: str) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*providers, "CPUExecutionProvider"])


def test_the_kind_is_that_of_the_first_provider_that_is_compiled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch)
    assert kind_of(["cpu"]) is kind_of(["cuda"]) is kind_of(["cuda", "openvino", "cpu"]) is CPU
    _only(monkeypatch, OPENVINO)
    assert kind_of(["openvino"]) is kind_of(["cuda", "openvino"]) is ACCELERATOR
    assert kind_of(["cpu", "openvino"]) is CPU


def test_each_kind_has_its_file(tmp_path: Path) -> None:
    bundle = _with_variant(tmp_path / "models", classifier_graph())
    graph = bundle.manifest.graphs["model"]
    assert kinds_in(bundle.manifest) == (CPU, ACCELERATOR)
    for kind, file in ((None, "model.onnx"), (CPU, "model.onnx"), (ACCELERATOR, "other.onnx")):
        assert session_opener(("cpu",), 1, False, kind=kind)(bundle, graph).graph.file == file


def test_a_provider_that_falls_back_to_the_cpu_leaves_it_the_cpu_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = _with_variant(tmp_path / "models", classifier_graph())
    _only(monkeypatch, OPENVINO)  # compiled in, as far as it says, but it cannot be started
    session = session_opener(("openvino",), 1, False)(bundle, bundle.manifest.graphs["model"])
    assert session.report.actual[0] == "CPUExecutionProvider"
    assert session.graph.file == "model.onnx"


def test_verify_answers_the_samples_with_the_graphs_of_every_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = _with_variant(tmp_path / "good", classifier_graph())
    assert main(["models", "verify", "--models", str(good.path.parents[1])]) == 0
    wrong = _with_variant(tmp_path / "wrong", _wrong())
    assert main(["models", "verify", "--models", str(wrong.path.parents[1])]) == 1
    assert "graphs for accelerator: samples[0]" in capsys.readouterr().out


def test_a_bundle_without_graphs_for_a_provider_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_classifier(tmp_path).manifest
    both = _with_variant(tmp_path / "models", classifier_graph()).manifest
    assert not advice_for(plain, ["cpu"])
    _only(monkeypatch, OPENVINO)
    advice = advice_for(plain, ["openvino"])
    assert "its graphs are the same for every execution provider" in advice
    assert "lectern-train" not in advice
    assert not advice_for(both, ["openvino"])


@pytest.mark.parametrize(("task", "family"), [(Task.TOKEN_CLASSIFICATION, "bilstm_crf"), (Task.TRANSLATION, "seq2seq")])
def test_the_command_that_converts_is_the_family_s(
    task: Task, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_classifier(tmp_path).manifest.model_copy(update={"task": task})
    both = _with_variant(tmp_path / "models", classifier_graph()).manifest.model_copy(update={"task": task})
    _only(monkeypatch, OPENVINO)
    assert f"convert it (lectern-train {family} convert BUNDLE)" in advice_for(plain, ["openvino"])
    assert conversion_command(plain) == f"lectern-train {family} convert BUNDLE"
    assert conversion_command(both) == ""


def test_a_manifest_with_a_variant_that_is_not_there_is_refused(tmp_path: Path) -> None:
    bundle = _with_variant(tmp_path / "models", classifier_graph())
    (bundle.path / "other.onnx").unlink()
    with pytest.raises(ValueError, match=r"other\.onnx: is missing; copy the bundle again"):
        read_bundle(bundle.path)
    document = json.loads((bundle.path / "manifest.json").read_text())
    del document["files"]["other.onnx"]
    (bundle.path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"'other\.onnx' has no sha256"):
        read_bundle(bundle.path)
