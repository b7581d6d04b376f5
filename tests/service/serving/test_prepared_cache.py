"""The cache removes nothing but its own unused entries, and nothing altered is opened."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import InvalidRequest
from service.serving import restoring
from service.serving.cache_entries import CacheEntries, CacheKind, sweep
from service.serving.cache_folder import CacheFolder
from service.serving.restoring import RestoreTries
from tests.support.classifier_bundles import write_classifier
from tests.support.local_models import LocalModels

Open = Callable[..., LocalModels]
GIBIBYTE = 2**30
LONG_AGO = time.time() - 400 * 24 * 3600


def _entries(cache: Path) -> list[Path]:
    return [path for path in cache.glob("prepared-*/*") if not path.name.startswith(".")]


def test_only_own_entries_are_removed(tmp_path: Path) -> None:
    entries = tmp_path / "prepared-3"
    strangers = [tmp_path / "photos", tmp_path / ("a" * 40), tmp_path / ".partial-x", entries / "photos"]
    strangers.append(entries / ("b" * 40))  # Without a record.
    own = [entries / ("c" * 40), entries / ".partial-x"]
    for folder in [*strangers, *own]:
        folder.mkdir(parents=True)
        (folder / "a").write_text("a")
    (own[0] / "entry.json").write_text("{}")
    (entries / ("d" * 40)).symlink_to(strangers[0])
    for folder in [*strangers, *own]:
        os.utime(folder, (LONG_AGO, LONG_AGO))
    tmp_path.chmod(0o700)
    entries.chmod(0o700)
    CacheFolder(tmp_path, GIBIBYTE).close()
    assert all((folder / "a").exists() for folder in strangers)
    assert not any(folder.exists() for folder in own)


def test_entries_that_serve_are_kept(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path / "models")
    registry = make_registry(tmp_path / "models", cache=tmp_path / "cache")
    registry.load_all()
    (entry,) = _entries(tmp_path / "cache")
    os.utime(entry, (LONG_AGO, LONG_AGO))
    CacheFolder(tmp_path / "cache", GIBIBYTE).close()
    assert entry.exists()
    asyncio.run(registry.close())
    os.utime(entry, (LONG_AGO, LONG_AGO))
    CacheFolder(tmp_path / "cache", GIBIBYTE).close()
    assert not entry.exists()


@pytest.mark.parametrize("damage", ["file", "link", "pipe", "altered", "folder in it"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, make_registry: Open, damage: str) -> None:
    write_classifier(tmp_path / "models")
    make_registry(tmp_path / "models", cache=tmp_path / "cache").load_all()
    (entry,) = _entries(tmp_path / "cache")
    if damage == "altered":
        (entry / "model.onnx").write_bytes(b"altered")
    elif damage == "pipe":
        (entry / "entry.json").unlink()
        os.mkfifo(entry / "entry.json")
    elif damage == "folder in it":
        (entry / "folder").mkdir()
    else:
        shutil.rmtree(entry)
        if damage == "file":
            entry.write_text("")
        else:
            entry.symlink_to(tmp_path)
    registry = make_registry(tmp_path / "models", cache=tmp_path / "cache", load_seconds=20.0)
    registry.load_all()
    assert registry.ready()
    assert (entry / "entry.json").is_file()
    assert not entry.is_symlink()


def test_the_folder_is_made_again_while_the_server_runs(tmp_path: Path, make_registry: Open) -> None:
    write_classifier(tmp_path / "models")
    registry = make_registry(tmp_path / "models", cache=tmp_path / "cache")
    registry.load_all()
    shutil.rmtree(tmp_path / "cache")
    asyncio.run(registry.load("digits"))
    assert len(_entries(tmp_path / "cache")) == 1


@pytest.mark.parametrize("where", ["bundle", "cache"])
def test_what_was_altered_after_it_was_prepared_is_not_opened(
    tmp_path: Path, make_registry: Open, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classifier(tmp_path / "models")
    registry = make_registry(tmp_path / "models", cache=tmp_path / "cache")
    registry.load_all()
    prepare = registry.repository.preparer.prepare_version

    async def prepare_and_alter(path: Path, niceness: int) -> object:
        prepared = await prepare(path, niceness)
        if where == "bundle":
            prepared = prepared.model_copy(update={"folder": path})
        with (prepared.folder / "model.onnx").open("ab") as stream:
            stream.write(b"\0")
        return prepared

    monkeypatch.setattr(registry.repository.preparer, "prepare_version", prepare_and_alter)
    with pytest.raises(InvalidRequest) as raised:
        asyncio.run(registry.load("digits"))
    assert "altered" in str(raised.value) or "sha256" in str(raised.value) or "changed" in str(raised.value)
    assert str(tmp_path / "cache") not in str(raised.value)
    assert registry.ready()


def test_a_copy_that_is_altered_before_it_is_opened_is_made_again(
    tmp_path: Path, make_registry: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classifier(tmp_path / "models")
    registry = make_registry(tmp_path / "models", cache=tmp_path / "cache")
    registry.load_all()
    prepare, damaged = registry.repository.preparer.prepare_version, []

    async def prepare_and_alter_once(path: Path, niceness: int) -> object:
        prepared = await prepare(path, niceness)
        if not damaged:
            damaged.append(path)
            (prepared.folder / "model.onnx").unlink()
        return prepared

    monkeypatch.setattr(registry.repository.preparer, "prepare_version", prepare_and_alter_once)
    asyncio.run(registry.load("digits"))
    assert damaged
    assert registry.ready()
    assert registry.repository.state.models["digits"].prepared[1].load == 3, "a load of its own, as nothing serves it"


def test_what_another_server_is_preparing_is_kept_whatever_its_clock_says(tmp_path: Path) -> None:
    cache = CacheEntries(tmp_path, CacheKind.PREPARED)
    with cache.staging() as folder:
        os.utime(folder, (LONG_AGO, LONG_AGO))
        sweep(tmp_path, GIBIBYTE)
        assert folder.exists()
    assert not folder.exists()


def test_a_temporary_folder_that_is_made_again_is_locked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = CacheFolder(None, GIBIBYTE)
    assert first.path is not None
    shutil.rmtree(first.path)
    first.path.mkdir()
    first.hold(())
    os.utime(first.path, (LONG_AGO, LONG_AGO))
    CacheFolder(None, GIBIBYTE).close()
    assert first.path.exists()
    first.close()
    assert not first.path.exists()


def test_tries_to_restore_a_model_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "_PAUSES", (0.0, 0.0, 0.0))
    now = 0.0
    tries = RestoreTries(clock=lambda: now)

    async def main() -> list[bool]:
        return [await tries.wait("digits") for _ in range(5)]

    assert asyncio.run(main()) == [True, True, True, False, False]
    now = 601.0
    assert asyncio.run(main())[0]
