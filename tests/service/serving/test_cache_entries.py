"""The entries of LECTERN_CACHE: found again while they are undamaged, bounded in size, for this user alone."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.serving.cache_entries import CacheEntries, CacheEntry, CacheKind
from service.serving.cache_folder import CacheFolder

GIBIBYTE = 2**30


def _keep(root: Path, key: str, content: bytes = b"content", kind: CacheKind = CacheKind.PROVIDERS) -> CacheEntry:
    entries = CacheEntries(root, kind)
    with entries.staging() as folder:
        (folder / "engine").write_bytes(content)
        return entries.keep([key], folder, {"seconds": 0.5})


def _age(folder: Path, seconds: float) -> None:
    os.utime(folder, (time.time() - seconds,) * 2)


def test_an_entry_is_found_by_what_it_was_made_from(tmp_path: Path) -> None:
    kept = _keep(tmp_path, "a")
    entries = CacheEntries(tmp_path, CacheKind.PROVIDERS)
    assert entries.find(["a"]) == kept
    assert kept.content == {"seconds": 0.5}
    assert (kept.folder / "engine").read_bytes() == b"content"
    assert entries.find(["b"]) is None
    assert CacheEntries(tmp_path, CacheKind.PREPARED).find(["a"]) is None


@pytest.mark.parametrize("damage", ["altered", "added", "missing", "content", "link", "pipe"])
def test_a_damaged_entry_is_not_found_and_makes_room_for_another(tmp_path: Path, damage: str) -> None:
    kept = _keep(tmp_path, "a")
    match damage:
        case "altered":
            (kept.folder / "engine").write_bytes(b"altered")
        case "added":
            (kept.folder / "other").touch()
        case "content":
            record = kept.folder / "entry.json"
            record.write_bytes(record.read_bytes().replace(b"0.5", b"0.1"))
        case _:
            (kept.folder / "engine").unlink()
            if damage == "link":
                (tmp_path / "elsewhere").write_bytes(b"content")
                (kept.folder / "engine").symlink_to(tmp_path / "elsewhere")
            elif damage == "pipe":
                os.mkfifo(kept.folder / "engine")
    entries = CacheEntries(tmp_path, CacheKind.PROVIDERS)
    assert entries.find(["a"]) is None
    assert not kept.folder.exists()
    assert _keep(tmp_path, "a") == entries.find(["a"])


def test_of_two_processes_that_make_the_same_entry_one_is_first(tmp_path: Path) -> None:
    together = threading.Barrier(2)
    kept: list[CacheEntry] = []

    def make(content: bytes) -> None:
        entries = CacheEntries(tmp_path, CacheKind.PROVIDERS)
        with entries.staging() as folder:
            (folder / "engine").write_bytes(content)
            together.wait()
            kept.append(entries.keep(["a"], folder))

    threads = [threading.Thread(target=make, args=(content,)) for content in (b"1", b"2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept[0] == kept[1] == CacheEntries(tmp_path, CacheKind.PROVIDERS).find(["a"])
    assert len(list((tmp_path / CacheKind.PROVIDERS).iterdir())) == 1


def test_the_longest_unused_entries_make_room(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    kinds = (CacheKind.PREPARED, CacheKind.PROVIDERS, CacheKind.PREPARED, CacheKind.PROVIDERS)
    folders = [_keep(tmp_path, str(index), bytes(300_000), kind).folder for index, kind in enumerate(kinds)]
    holder = CacheFolder(tmp_path, GIBIBYTE)
    holder.hold([folders[0]])
    for age, folder in zip((4000, 3000, 2000, 1000), folders, strict=True):
        _age(folder, age)
    CacheFolder(tmp_path, 900_000).close()
    assert [folder.exists() for folder in folders] == [True, False, False, True], "the oldest one is in use"
    holder.close()
    _age(folders[0], 4000)
    CacheFolder(tmp_path, 0).close()
    assert [folder.exists() for folder in folders] == [False] * 4


def test_an_entry_that_was_just_used_stays(tmp_path: Path) -> None:
    """Another server may be about to open it."""
    tmp_path.chmod(0o700)
    folder = _keep(tmp_path, "a").folder
    _age(folder, 4000)
    assert CacheEntries(tmp_path, CacheKind.PROVIDERS).find(["a"]) is not None
    CacheFolder(tmp_path, 0).close()
    assert folder.exists()


@pytest.mark.parametrize("kind", CacheKind)
def test_a_subfolder_that_others_may_write_or_replace_is_refused(tmp_path: Path, kind: CacheKind) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / kind).mkdir()
    (tmp_path / kind).chmod(0o770)
    with pytest.raises(ConfigurationError, match="others could write to it"):
        CacheFolder(tmp_path, GIBIBYTE)
    (tmp_path / kind).rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / kind).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is a link"):
        CacheFolder(tmp_path, GIBIBYTE)
