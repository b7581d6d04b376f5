"""Translated files on disk: private, shared by processes, kept for a time and within their limit."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import LimitExceeded, Saturated, StorageFull, UnknownFile
from service.storage import file_lock
from service.storage.file_lock import exclusive
from service.storage.translated_files import TranslatedFiles

MEBIBYTE = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


def store(folder: Path | None, *, seconds: float = 600, max_bytes: int = MEBIBYTE) -> TranslatedFiles:
    return TranslatedFiles(folder, seconds=seconds, max_bytes=max_bytes)


def read(files: TranslatedFiles, stored_as: str) -> tuple[str, bytes]:
    """The name and the content of a file."""
    file = files.open(stored_as)
    with file.content as content:
        data = content.read()
    assert len(data) == file.size
    return file.name, data


def age(folder: Path, stored_as: str, seconds: float) -> None:
    """Let a file have been written so many seconds ago."""
    written = time.time() - seconds
    os.utime(folder / stored_as, (written, written))


def test_a_file_of_one_process_is_read_by_another(folder: Path) -> None:
    writer, reader = store(folder), store(folder)
    stored_as = writer.add("Größe\n.txt", b"a\nb\n")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\.txt", stored_as)
    assert read(reader, stored_as) == ("Größe\n.txt", b"a\nb\n")
    assert read(writer, stored_as) == ("Größe\n.txt", b"a\nb\n")
    assert stored_as != writer.add("Größe\n.txt", b"a\nb\n")


def test_no_name_looks_like_an_option(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: "-" * 43)
    files = store(folder)
    stored_as = files.add("a.txt", b"a")
    assert stored_as == "_" + "-" * 42 + ".txt"
    assert read(files, stored_as) == ("a.txt", b"a")


def test_nobody_else_may_read_them(folder: Path) -> None:
    stored_as = store(folder).add("a.txt", b"a")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / stored_as).stat().st_mode) == 0o600


def test_a_folder_that_others_may_read_is_not_used(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(StorageFull, match="tell the operator"):
        store(folder).add("a.txt", b"a")


def test_a_link_in_place_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFull):
        store(folder).add("a.txt", b"a")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["a", "a.", ".txt", "a.TXT", "a.b/../c", "a.sehr_lang", "a." + "x" * 300, "a.\0"])
def test_every_name_of_a_document_is_kept_and_is_none_of_the_file(folder: Path, name: str) -> None:
    files = store(folder)
    stored_as = files.add(name, b"a")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}(\.txt)?", stored_as)
    assert read(files, stored_as) == (name, b"a")


def hostile(folder: Path) -> Iterator[str]:
    """Names that lead to something else than a file of the store."""
    name = "x" * 43
    (folder.parent / "secret").write_text("secret")
    (folder / name).symlink_to(folder.parent / "secret")
    yield name
    (folder / f"{name}.a").symlink_to(folder / "nowhere")
    yield f"{name}.a"
    os.mkfifo(folder / f"{name}.b")
    yield f"{name}.b"
    (folder / f"{name}.c").mkdir()
    yield f"{name}.c"
    yield from ("", ".", "..", "../secret", "/etc/passwd", ".lock", "\0", f"{name}.txt\0", f"../files/{name}")
    yield from (f"{name}\n", f"{name}.txt", f"..%2f{name}", str(folder.parent / "secret"), "\ud800" * 43, "ä" * 43)


def test_names_that_lead_elsewhere_are_unknown(folder: Path) -> None:
    files = store(folder)
    with pytest.raises(UnknownFile):
        files.open("x" * 43)
    files.add("a.txt", b"a")
    for name in hostile(folder):
        with pytest.raises(UnknownFile, match="kept for 600 s"):
            files.open(name)


def test_a_file_is_kept_for_its_time(folder: Path) -> None:
    files = store(folder, seconds=100)
    old, new = files.add("old.txt", b"old"), files.add("new.txt", b"new")
    age(folder, old, 101)
    age(folder, new, 90)
    with pytest.raises(UnknownFile):
        files.open(old)
    assert (folder / old).exists()
    store(folder, seconds=100).sweep()  # A process that never wrote or read one.
    assert not (folder / old).exists()
    assert read(files, new) == ("new.txt", b"new")


def test_a_thread_sweeps_until_the_store_is_closed(folder: Path) -> None:
    files = store(folder, seconds=0.05)
    stored_as = files.add("a.txt", b"a")
    files.watch()
    deadline = time.monotonic() + 60
    while (folder / stored_as).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    files.close()
    assert "translated-files" not in {thread.name for thread in threading.enumerate()}


def test_a_clock_that_is_set_back_keeps_nothing_for_ever(folder: Path) -> None:
    files = store(folder, seconds=100)
    stored_as = files.add("a.txt", b"a")
    age(folder, stored_as, -3600)
    files.sweep()
    assert not (folder / stored_as).exists()


def test_what_a_killed_process_left_unfinished_is_swept(folder: Path) -> None:
    files = store(folder, seconds=100)
    files.add("a.txt", b"a")
    (folder / ".partial-x").write_bytes(b"half")
    age(folder, ".partial-x", 101)
    files.sweep()
    assert not (folder / ".partial-x").exists()


def test_the_oldest_make_room(folder: Path) -> None:
    files = store(folder)
    names = [files.add(f"{number}.txt", bytes(300_000)) for number in range(3)]
    for number, name in enumerate(names):
        age(folder, name, 100 - number)
    files.check_room(300_000)
    files.add("new.txt", bytes(300_000))
    assert [(folder / name).exists() for name in names] == [False, True, True]


def test_files_of_the_last_minute_do_not(folder: Path) -> None:
    files = store(folder)
    names = [files.add(f"{number}.txt", bytes(300_000)) for number in range(3)]
    age(folder, names[0], 40)
    for refused in (lambda: files.add("new.txt", bytes(300_000)), lambda: files.check_room(300_000)):
        with pytest.raises(StorageFull, match="LECTERN_MAX_STORED_BYTES") as raised:
            refused()
        assert 15 <= raised.value.retry_after <= 21
    assert all((folder / name).exists() for name in names)


def test_small_files_count_for_more_than_they_have(folder: Path) -> None:
    files = store(folder)
    for number in range(64):
        files.add(f"{number}.txt", b"a")
    with pytest.raises(StorageFull):
        files.add("one more.txt", b"a")


def test_a_file_that_is_larger_than_all_may_be(folder: Path) -> None:
    for refused in (
        lambda: store(folder).add("a.txt", bytes(MEBIBYTE)),
        lambda: store(folder).check_room(2 * MEBIBYTE),
    ):
        with pytest.raises(LimitExceeded, match="LECTERN_MAX_STORED_BYTES"):
            refused()


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = store(folder)
    files.add("a.txt", b"a")
    before = sorted(path.name for path in folder.iterdir())

    def rename(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(StorageFull, match="the disk has no room"):
        files.add("b.txt", b"b")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_another_process_that_holds_the_folder_is_not_waited_for_without_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "_WAIT_SECONDS", 0.01)
    files = store(folder)
    files.add("a.txt", b"a")
    descriptor = os.open(folder / ".lock", os.O_RDWR)
    with exclusive(descriptor), pytest.raises(Saturated):
        files.add("b.txt", b"b")
    os.close(descriptor)
    files.add("b.txt", b"b")


def test_several_threads_write_at_once(folder: Path) -> None:
    stores = [store(folder), store(folder)]
    names: list[str] = []

    def write(number: int) -> None:
        names.append(stores[number % 2].add(f"{number}.txt", str(number).encode()))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read(stores[0], name)[1] for name in names) == sorted(str(number).encode() for number in range(20))


def test_a_process_alone_has_a_temporary_folder_until_it_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = store(None)
    files.sweep()
    assert list(tmp_path.iterdir()) == []
    stored_as = files.add("a.txt", b"a")
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert read(files, stored_as) == ("a.txt", b"a")
    store(None).remove_abandoned()
    assert folder.exists()
    files.close()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_server_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "lectern-files-x"
    left.mkdir()
    age(tmp_path, left.name, 3600)
    store(None).remove_abandoned()
    assert not left.exists()


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for files in (store(None), store(tmp_path / "shared")):
        stored_as = files.add("a.txt", b"a")
        for folder in list(tmp_path.iterdir()):
            for path in list(folder.iterdir()):
                path.unlink()
            folder.rmdir()
        with pytest.raises(UnknownFile):
            files.open(stored_as)
        assert read(files, files.add("b.txt", b"b")) == ("b.txt", b"b")
        files.close()
