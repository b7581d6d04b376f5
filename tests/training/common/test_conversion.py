"""`lectern-train <family> convert`: bundles of earlier releases get graphs for every execution provider."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from service.bundle.files import SAMPLES, Bundle, BundleError, read_bundle, versions, write_bundle
from service.bundle.manifest import ProviderKind
from tests.support.classifier_bundles import write_classifier
from training.__main__ import main
from training.common.shared_weights import SHARED_FILE

pytestmark = pytest.mark.torch

MODELS = Path(__file__).resolve().parents[3] / "models"
FAMILIES = {"translate-en-de": "seq2seq", "pos-fr": "bilstm_crf"}
SHIPPED = {"lenet": "digits", "bilstm_crf": "pos-fr", "seq2seq": "translate-en-de", "word2vec": "words-en"}
RECURRENT = {"translate-en-de": {"encoder", "step"}, "pos-fr": {"segmenter"}}
"""The graphs with operators that accelerators lack or compute otherwise. The tagger of pos-fr multiplies integers in
standard ONNX, which no earlier release did."""


def as_exported_earlier(bundle: Bundle, repository: Path) -> Bundle:
    """A bundle as earlier releases wrote it: graphs for CPUs only, with their weights inside."""
    graphs = {name: graph.variant(ProviderKind.CPU) for name, graph in bundle.manifest.graphs.items()}
    files: dict[str, bytes | Path] = {
        name: bundle.file(name) for name in bundle.manifest.files if not name.endswith(".onnx") and name != SHARED_FILE
    }
    files |= {graph.file: onnx.load(bundle.file(graph.file)).SerializeToString() for graph in graphs.values()}
    return write_bundle(repository, bundle.manifest.model_copy(update={"graphs": graphs}), files)


def newest(name: str) -> Bundle:
    return read_bundle(MODELS / name / str(versions(MODELS / name)[-1]))


@pytest.fixture(scope="module", params=FAMILIES)
def earlier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return as_exported_earlier(newest(request.param), tmp_path_factory.mktemp("earlier"))


def test_a_bundle_gets_graphs_for_every_provider_and_keeps_all_else(
    earlier: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = FAMILIES[earlier.manifest.name]
    out = tmp_path / "out"
    assert main([family, "convert", str(earlier.path), "--out", str(out)]) == 0
    converted = read_bundle(out / earlier.manifest.name / str(earlier.manifest.version + 1))
    assert str(converted.path) in capsys.readouterr().out
    with_variants = {
        name for name, graph in converted.manifest.graphs.items() if ProviderKind.ACCELERATOR in graph.variants
    }
    assert with_variants == RECURRENT[earlier.manifest.name]
    sizes = [sum(path.stat().st_size for path in one.path.iterdir()) for one in (earlier, converted)]
    assert sizes[1] < sizes[0] + 60_000
    kept = {"graphs", "files", "version"}
    assert converted.manifest.model_dump(exclude=kept) == earlier.manifest.model_dump(exclude=kept)
    assert converted.samples() == earlier.samples()
    assert converted.model_card().startswith(earlier.model_card().rstrip())
    assert f"Converted from version {earlier.manifest.version}" in converted.model_card()
    # What it was made from has a next version already.
    assert main([family, "convert", str(converted.path)]) == 2
    assert "for other execution providers already" in capsys.readouterr().err
    assert versions(converted.path.parent) == [converted.manifest.version]


def test_the_next_version_goes_beside_the_bundle_by_default(tmp_path: Path) -> None:
    bundle = as_exported_earlier(newest("pos-fr"), tmp_path)
    assert main(["bilstm_crf", "convert", str(bundle.path)]) == 0
    assert versions(tmp_path / "pos-fr") == [1, 2]


@pytest.mark.parametrize(
    ("family", "path", "message"),
    [
        ("seq2seq", "digits/1", "is of the task image-classification; lectern-train seq2seq converts"),
        ("seq2seq", "digits", "is a model; name one of its versions: 1"),
        ("bilstm_crf", "nothing", "manifest.json: is missing"),
        ("bilstm_crf", "digits/1", "is of the task image-classification; lectern-train bilstm_crf converts"),
    ],
)
def test_what_cannot_be_converted_is_named(
    family: str, path: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classifier(tmp_path)
    assert main([family, "convert", str(tmp_path / path), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_altered_bundle_is_not_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = as_exported_earlier(newest("pos-fr"), tmp_path)
    graph = bundle.file("segmenter.onnx")
    graph.write_bytes(graph.read_bytes() + b"x")
    assert main(["bilstm_crf", "convert", str(bundle.path)]) == 2
    assert "segmenter.onnx: sha256 is" in capsys.readouterr().err
    assert versions(tmp_path / "pos-fr") == [1]


@pytest.mark.parametrize(("family", "name"), [*SHIPPED.items()])
def test_a_graph_that_is_no_onnx_file_is_named(
    family: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = newest(name)
    graphs = {
        name: graph.variant(ProviderKind.CPU) for name, graph in shipped.manifest.graphs.items() if name != "explain"
    }
    files: dict[str, bytes | Path] = {name: shipped.file(name) for name in shipped.manifest.files}
    files |= {graph.file: b"\xff" for graph in graphs.values()}
    damaged = write_bundle(tmp_path, shipped.manifest.model_copy(update={"graphs": graphs}), files)
    assert main([family, "convert", str(damaged.path)]) == 2
    error = capsys.readouterr().err
    assert ".onnx: cannot be read as an ONNX graph; copy the bundle again" in error
    assert error.count("\n") == 1
    assert versions(damaged.path.parent) == [damaged.manifest.version]


def test_other_answers_are_refused_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = newest("pos-fr")
    document = json.loads(bundle.file(SAMPLES).read_bytes())
    document["samples"][0]["results"][0]["tokens"][0]["tag"] = "XYZ"
    copy = as_exported_earlier(bundle, tmp_path / "first")
    files: dict[str, bytes | Path] = {name: copy.file(name) for name in copy.manifest.files}
    wrong = write_bundle(tmp_path / "models", copy.manifest, files | {SAMPLES: json.dumps(document).encode()})
    assert main(["bilstm_crf", "convert", str(wrong.path)]) == 2
    error = capsys.readouterr().err
    assert "the graphs for cpu answer differently: samples[0]" in error
    assert "nothing was written" in error
    assert [path.name for path in (tmp_path / "models/pos-fr").iterdir()] == ["1"]


def test_without_room_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = as_exported_earlier(newest("pos-fr"), tmp_path)

    def no_room(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", no_room)
    monkeypatch.setattr(shutil, "copyfileobj", no_room)
    assert main(["bilstm_crf", "convert", str(bundle.path), "--out", str(tmp_path / "out")]) == 1
    assert os.strerror(errno.ENOSPC) in capsys.readouterr().err
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["missing", "altered", "unlisted"])
def test_a_variant_that_is_not_as_it_was_written_is_named(damage: str, tmp_path: Path) -> None:
    source = newest("pos-fr")
    path = tmp_path / "pos-fr" / str(source.manifest.version)
    shutil.copytree(source.path, path)
    variant = path / source.manifest.graphs["segmenter"].variants[ProviderKind.ACCELERATOR].file
    if damage == "missing":
        variant.unlink()
    elif damage == "altered":
        variant.write_bytes(variant.read_bytes()[:-1] + b"?")
    else:
        manifest = json.loads((path / "manifest.json").read_text())
        del manifest["files"][variant.name]
        (path / "manifest.json").write_text(json.dumps(manifest))
    expected = {"missing": "is missing", "altered": "sha256 is", "unlisted": "has no sha256 in 'files'"}[damage]
    with pytest.raises(BundleError, match=variant.name) as caught:
        read_bundle(path)
    assert expected in str(caught.value)
