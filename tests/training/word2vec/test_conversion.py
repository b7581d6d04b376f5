"""`lectern-train word2vec convert BUNDLE`: int8 tables of earlier releases become unsigned bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from service.bundle.files import Bundle, read_bundle, versions, write_bundle
from service.bundle.manifest import Datatype, Manifest
from service.limits import Limits
from service.runtime.session import session_opener
from service.tasks import load_predictor
from tests.support.classifier_bundles import write_classifier
from tests.support.vectors import generate_vectors
from tests.support.word_vector_bundles import write_words
from training.__main__ import main
from training.word2vec.export.bundle import BundleSettings, export

pytestmark = pytest.mark.torch

ROWS, SIZE = 300, 16


@pytest.fixture(params=["inside", "outside"])
def table_location(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the table is: in the graph, or in a file beside it."""
    if request.param == "outside":
        monkeypatch.setattr("training.word2vec.export.graph.MAX_INSIDE_BYTES", 100)
    return str(request.param)


def _export(repository: Path, **changes: Any) -> Bundle:
    repository.mkdir(exist_ok=True)
    settings = BundleSettings(name="words-xx", repository=repository, **changes)
    return export(generate_vectors(ROWS, SIZE), settings).bundle


def _earlier(repository: Path) -> Bundle:
    """A bundle as earlier releases wrote it: signed bytes, which the graph converts to float32 before it searches."""
    bundle = _export(repository.parent / "new")
    manifest = bundle.manifest.model_dump()
    files: dict[str, bytes | Path] = {name: bundle.file(name) for name in bundle.manifest.files}
    model = onnx.load(bundle.file("model.onnx"))
    is_inside = manifest["preprocessing"]["table"] is None
    if is_inside:
        table = next(one for one in model.graph.initializer if one.name == "table")
        table.CopyFrom(numpy_helper.from_array(_signed(numpy_helper.to_array(table)), "table"))
    else:
        stream = io.BytesIO()
        np.save(stream, _signed(np.load(bundle.file("table.npy"))))
        files["table.npy"] = stream.getvalue()
        for value in model.graph.input:
            if value.name == "table":
                value.type.tensor_type.elem_type = TensorProto.INT8
        for spec in manifest["graphs"]["model"]["inputs"]:
            if spec["name"] == "table":
                spec["datatype"] = Datatype.INT8
    _without_zero_point(model)
    files["model.onnx"] = model.SerializeToString()
    return write_bundle(repository, Manifest.model_validate(manifest), files)


def _signed(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    return (codes.astype(np.int16) - 128).astype(np.int8)


def _without_zero_point(model: onnx.ModelProto) -> None:
    """Let the graph read signed bytes: nothing is subtracted, and the products are of int8."""
    for constant in model.graph.initializer:
        if constant.name == "table_zero":
            constant.CopyFrom(numpy_helper.from_array(np.array(0, np.int8), constant.name))
        elif constant.name == "table_zero_float":
            constant.CopyFrom(numpy_helper.from_array(np.array(0, np.float32), constant.name))


def _vectors(bundle: Bundle) -> NDArray[np.float32]:
    """The vectors of all words, [V, D]."""
    predictor = load_predictor(bundle, session_opener(("cpu",), 1, False), Limits())
    words = bundle.file("vocabulary.txt").read_text().split()
    answer = predictor.answer({"model": bundle.manifest.name, "input": words}, "/v1/embeddings")
    return np.array([entry["embedding"] for entry in answer["data"]], np.float32)


def test_the_next_version_has_the_same_vectors_bit_for_bit(
    table_location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = _earlier(tmp_path / "models")
    assert main(["word2vec", "convert", str(earlier.path)]) == 0
    converted = read_bundle(tmp_path / "models" / "words-xx" / "2")
    assert str(converted.path) in capsys.readouterr().out
    new = read_bundle(tmp_path / "new" / "words-xx" / "1")
    changed = {"MODEL_CARD.md", "samples.json"}
    assert {name: sha for name, sha in converted.manifest.files.items() if name not in changed} == {
        name: sha for name, sha in new.manifest.files.items() if name not in changed
    }
    assert converted.manifest.graphs == new.manifest.graphs
    kept = {"graphs", "files", "version"}
    assert converted.manifest.model_dump(exclude=kept) == earlier.manifest.model_dump(exclude=kept)
    assert converted.samples() == earlier.samples()
    assert "Converted from version 1 of words-xx, whose weights it has" in converted.model_card()
    assert np.array_equal(_vectors(converted), _vectors(earlier))
    # Nothing temporary is left.
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["words-xx"]
    assert main(["word2vec", "convert", str(converted.path)]) == 2
    assert "its table is stored as unsigned bytes already; there is nothing to do" in capsys.readouterr().err
    assert versions(converted.path.parent) == [1, 2]


def test_a_new_repository_gets_the_next_version(tmp_path: Path) -> None:
    earlier = _earlier(tmp_path / "models")
    assert main(["word2vec", "convert", str(earlier.path), "--out", str(tmp_path / "out")]) == 0
    assert versions(tmp_path / "out" / "words-xx") == [2]
    assert versions(earlier.path.parent) == [1]


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_other_precisions_have_nothing_to_convert(
    precision: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = _export(tmp_path / "models", precision=precision)
    assert main(["word2vec", "convert", str(bundle.path), "--out", str(tmp_path / "out")]) == 2
    name = {"fp16": "float16", "fp32": "float32"}[precision]
    assert f"its table is {name}, only int8 is converted; there is nothing to do" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bundles_that_cannot_be_converted_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_classifier(tmp_path)
    words = write_words(tmp_path)
    foreign = write_bundle(
        tmp_path / "foreign",
        words.manifest.model_copy(update={"graphs": {"other": words.manifest.graphs["model"]}}),
        {name: words.file(name) for name in words.manifest.files},
    )
    altered = _earlier(tmp_path / "altered")
    altered.file("model.onnx").write_bytes(altered.file("model.onnx").read_bytes() + b"x")
    for path, message in (
        (tmp_path / "digits" / "1", "is of the task image-classification; lectern-train word2vec converts bundles of"),
        (tmp_path / "digits", "is a model; name one of its versions: 1"),
        (tmp_path / "nothing", "manifest.json: is missing"),
        (foreign.path, "was not exported by lectern-train word2vec (it has no graph 'model')"),
        (altered.path, "model.onnx: sha256 is"),
    ):
        assert main(["word2vec", "convert", str(path)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert versions(altered.path.parent) == [1]


def test_a_table_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.word2vec.export.graph.MAX_INSIDE_BYTES", 100)
    earlier = _earlier(tmp_path / "models")
    files: dict[str, bytes | Path] = {name: earlier.file(name) for name in earlier.manifest.files}
    stream = io.BytesIO()
    np.save(stream, np.ones((ROWS - 1, SIZE), np.int8))
    wrong = write_bundle(tmp_path / "wrong", earlier.manifest, files | {"table.npy": stream.getvalue()})
    assert main(["word2vec", "convert", str(wrong.path)]) == 2
    assert "table.npy: holds int8 [299, 16], it must be int8 [300, 16]" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "wrong").iterdir()] == ["words-xx"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vectors.txt"], "is no bundle; to write its vectors to a file, name it: convert vectors.txt FILE"),
        (["models/words-xx/1", "--format", "word2vec-text"], "--format is for vectors that are written to a file"),
        (["models/words-xx/1", "--skip-bad"], "--skip-bad is for vectors that are written to a file"),
        (["models/words-xx/1", "vectors.bin", "--out", "models"], "--out is for the next version of a bundle"),
    ],
)
def test_files_and_versions_are_told_apart(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors.txt").write_text("a 1 2\nb 3 4\n")
    assert main(["word2vec", "convert", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.txt"]
