"""Bundles are written whole or not at all, and read only when every byte is as it was written."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from service.bundle.files import (
    BundleError,
    Sample,
    check_model_name,
    draft_bundle,
    read_bundle,
    versions,
    write_bundle,
)
from service.bundle.manifest import FORMAT_VERSION
from tests.support.classifier_bundles import classifier_manifest, write_classifier
from tests.support.files import flip_bit

FILES = {
    "model.onnx": b"graph",
    "samples.json": b'{"samples":[{"request":{},"results":[]}]}',
    "MODEL_CARD.md": b"# Bars ok\n",
}


def _written(repository: Path, **files: bytes) -> Path:
    return write_bundle(repository, classifier_manifest(), FILES | files).path


def _change_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = orjson.loads((path / "manifest.json").read_bytes())
    change(document)
    (path / "manifest.json").write_bytes(orjson.dumps(document))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, classifier_manifest(), FILES)
    assert bundle.path == tmp_path / "digits" / "1"
    assert read_bundle(bundle.path) == bundle
    assert bundle.manifest.files.keys() == FILES.keys()
    assert {name: bundle.file(name).read_bytes() for name in FILES} == FILES
    assert bundle.model_card() == "# Bars ok\n"
    assert [sample.results for sample in bundle.samples()] == [[]]


def test_a_large_file_is_copied_from_a_path(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_bytes(bytes(range(256)) * 5000)
    bundle = write_bundle(tmp_path, classifier_manifest(), FILES | {"table.npy": table})
    assert bundle.file("table.npy").read_bytes() == table.read_bytes()
    with pytest.raises(FileNotFoundError, match=r"table\.txt"):
        write_bundle(tmp_path, classifier_manifest(), FILES | {"table.npy": table.with_suffix(".txt")})
    assert versions(tmp_path / "digits") == [1]


def test_versions_count_up_and_are_never_overwritten(tmp_path: Path) -> None:
    first = _written(tmp_path)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    manifest = classifier_manifest().model_copy(update={"version": 1})
    second = write_bundle(tmp_path, manifest, FILES | {"model.onnx": b"better"})
    assert second.manifest.version == 2
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    assert versions(tmp_path / "digits") == [1, 2]


def test_a_gap_in_the_versions_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "digits" / "41").mkdir(parents=True)
    assert _written(tmp_path).name == "42"


def test_concurrent_writers_each_get_a_version(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def write(number: int) -> int:
        start.wait()
        return int(_written(tmp_path, **{"note.txt": str(number).encode()}).name)

    with ThreadPoolExecutor(8) as threads:
        version_numbers = list(threads.map(write, range(8)))
    assert sorted(version_numbers) == list(range(1, 9))
    for number, version in enumerate(version_numbers):
        assert read_bundle(tmp_path / "digits" / str(version)).file("note.txt").read_text() == str(number)


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_rename(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(OSError, match="No space left"):
        _written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_can_be_tried_before_it_is_published(tmp_path: Path) -> None:
    manifest = classifier_manifest()
    with draft_bundle(tmp_path, manifest, {"model.onnx": b"graph"}) as draft:
        assert draft.bundle.file("model.onnx").read_bytes() == b"graph"
        assert draft.bundle.manifest == manifest.model_copy(update={"files": draft.bundle.manifest.files})
        assert versions(tmp_path / "digits") == []
        samples = [Sample(request={"a": None}, results=[1]), Sample(route="/v1/b", request={}, results=[])]
        changed = manifest.model_copy(update={"preprocessing": {"expansion": 32}, "version": 9})
        bundle = draft.publish(samples, "# Grün\n", manifest=changed)
    assert bundle == read_bundle(tmp_path / "digits" / "1")
    assert bundle.samples() == tuple(samples)
    assert bundle.model_card() == "# Grün\n"
    assert bundle.manifest.preprocessing == {"expansion": 32}
    assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1"]


def test_a_draft_that_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    with draft_bundle(tmp_path, classifier_manifest(), {"model.onnx": b"graph"}) as draft:
        path = draft.bundle.path
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    _written(tmp_path)
    with (
        pytest.raises(RuntimeError, match="differs"),
        draft_bundle(tmp_path, classifier_manifest(), {"model.onnx": b"graph"}),
    ):
        raise RuntimeError("the graph differs")
    assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1"]


def test_two_drafts_get_two_versions(tmp_path: Path) -> None:
    sample = Sample(request={}, results=[])
    with (
        draft_bundle(tmp_path, classifier_manifest(), {"model.onnx": b"first"}) as first,
        draft_bundle(tmp_path, classifier_manifest(), {"model.onnx": b"second"}) as second,
    ):
        assert second.publish([sample], "card").path.name == "1"
        assert first.publish([sample], "card").path.name == "2"
    assert versions(tmp_path / "digits") == [1, 2]


def test_a_large_file_of_a_draft_is_linked_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table"
    table.write_bytes(bytes(range(256)) * 5000)
    files: dict[str, bytes | Path] = {"model.onnx": b"graph", "table.npy": table}
    with draft_bundle(tmp_path, classifier_manifest(), files, link=True) as draft:
        assert draft.bundle.file("table.npy").samefile(table)
    assert table.exists()

    def refused_link(*arguments: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused_link)
    with draft_bundle(tmp_path, classifier_manifest(), files, link=True) as draft:
        assert not draft.bundle.file("table.npy").samefile(table)
        assert draft.bundle.file("table.npy").read_bytes() == table.read_bytes()


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", ".hidden", "a/b"])
def test_a_file_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="files"):
        write_bundle(tmp_path / "models", classifier_manifest(), FILES | {name: b"x"})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["samples.json", "MODEL_CARD.md"])
def test_an_incomplete_bundle_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match=f"{name} is not listed"):
        write_bundle(tmp_path, classifier_manifest(), {key: FILES[key] for key in FILES.keys() - {name}})
    assert not (tmp_path / "digits").exists()


def test_a_bundle_without_its_graph_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"model\.onnx' has no sha256"):
        write_bundle(tmp_path, classifier_manifest(), {key: FILES[key] for key in FILES.keys() - {"model.onnx"}})


def test_a_manifest_is_not_a_file_of_its_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json cannot list itself"):
        _written(tmp_path, **{"manifest.json": b"{}"})


def test_a_flipped_byte_is_refused_by_name(tmp_path: Path) -> None:
    path = write_classifier(tmp_path).path
    flip_bit(path / "model.onnx")
    with pytest.raises(BundleError, match=r"model\.onnx: sha256 is .* altered or only half copied; copy .* again"):
        read_bundle(path)


def _truncate(path: Path) -> None:
    (path / "model.onnx").write_bytes(b"gra")


def _remove(path: Path) -> None:
    (path / "samples.json").unlink()


def _add(path: Path) -> None:
    (path / "helper.py").write_text("import os")


def _link(path: Path) -> None:
    (path / "model.onnx").rename(path.parent / "elsewhere.onnx")
    (path / "model.onnx").symlink_to(path.parent / "elsewhere.onnx")


def _pipe(path: Path) -> None:
    (path / "model.onnx").unlink()
    os.mkfifo(path / "model.onnx")


def _folder(path: Path) -> None:
    (path / "model.onnx").unlink()
    (path / "model.onnx").mkdir()


def _break_json(path: Path) -> None:
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text[: len(text) // 2])


def _forget_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, r"model\.onnx: sha256 is"),
        (_remove, r"samples\.json: is missing; copy the bundle again"),
        (_add, r"helper\.py: is not listed in manifest\.json"),
        (_link, r"model\.onnx: is a link, a folder or a device; a bundle holds plain files"),
        (_pipe, r"model\.onnx: is a link, a folder or a device"),
        (_folder, r"model\.onnx: is a link, a folder or a device"),
        (_break_json, r"manifest\.json: not valid JSON \(.+\); copy the bundle again"),
        (_forget_manifest, r"manifest\.json: is missing; copy the bundle again"),
    ],
)
def test_damage_is_refused_with_the_file_and_the_reason(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    path = _written(tmp_path)
    damage(path)
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, None, "1"])
def test_an_unknown_format_is_refused_before_anything_else(tmp_path: Path, version: Any) -> None:
    path = _written(tmp_path)
    _change_manifest(path, lambda document: document.update(format_version=version, graphs="of the future"))
    with pytest.raises(BundleError, match=r"manifest\.json: format_version .* is unknown, this release reads 1"):
        read_bundle(path)


def test_a_manifest_that_is_no_object_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path)
    (path / "manifest.json").write_text("[1]")
    with pytest.raises(BundleError, match=r"manifest\.json: format_version None is unknown"):
        read_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(task="mind-reading"), r"manifest\.json: task: Input should be"),
        (lambda document: document.pop("provenance"), r"manifest\.json: provenance: Field required"),
        (lambda document: document["files"].pop("MODEL_CARD.md"), r"MODEL_CARD\.md is not listed"),
        (lambda document: document["files"].update({"../x": "0" * 64}), r"manifest\.json: files\.\.\./x"),
        (lambda document: document.update(version=7), r"manifest\.json: is of digits/7, not of this folder"),
    ],
)
def test_a_wrong_manifest_names_the_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = _written(tmp_path)
    _change_manifest(path, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(path)


def test_a_bundle_in_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path)
    (tmp_path / "letters").mkdir()
    moved = path.rename(tmp_path / "letters" / "1")
    with pytest.raises(BundleError, match="is of digits/1, not of this folder"):
        read_bundle(moved)


def test_a_folder_that_cannot_be_read_is_a_bundle_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _written(tmp_path)

    def denied_lstat(self: Path, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", denied_lstat)
    with pytest.raises(BundleError, match=r"cannot be read \(Permission denied\)"):
        read_bundle(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"samples":[]}', b'{"samples":[{"request":{}}]}', b'{"samples":[{"request":1,"results":[]}]}'],
)
def test_broken_samples_are_a_bundle_error(tmp_path: Path, content: bytes) -> None:
    bundle = write_bundle(tmp_path, classifier_manifest(), FILES | {"samples.json": content})
    with pytest.raises(BundleError, match=r"samples\.json: not a list of samples: "):
        bundle.samples()


def test_only_listed_files_are_handed_out(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, classifier_manifest(), FILES)
    with pytest.raises(BundleError, match=r"\.\./secrets is not listed"):
        bundle.file("../secrets")


def test_versions_are_integers_in_numeric_order(tmp_path: Path) -> None:
    for name in ("2", "10", "1", "0", "01", "v3", ".partial-x", "1e3", "-1"):
        (tmp_path / name).mkdir()
    assert versions(tmp_path) == [1, 2, 10]


def test_check_model_name_says_what_can_name_a_model() -> None:
    assert check_model_name("words-en") == "words-en"
    with pytest.raises(ValueError, match="model name 'Größe': use lower-case letters, digits"):
        check_model_name("Größe")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_manifest_that_is_no_plain_file_is_refused_without_reading_it(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    path = _written(tmp_path)
    (path / "manifest.json").unlink()
    make(path / "manifest.json")
    with pytest.raises(BundleError, match=r"manifest\.json: is a link, a folder or a device"):
        read_bundle(path)


@pytest.mark.parametrize("name", ["manifest.json", "samples.json"])
def test_what_is_parsed_in_memory_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bundle = read_bundle(_written(tmp_path))
    monkeypatch.setattr("service.bundle.files._MAX_JSON_BYTES", 10)
    with pytest.raises(BundleError, match=rf"{name}: is larger than"):
        _ = read_bundle(bundle.path) if name == "manifest.json" else bundle.samples()
