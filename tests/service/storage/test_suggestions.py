"""Suggested translations in a file: appended as a whole, by several processes, within its limit."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import ConfigurationError, Saturated, StorageFull
from service.storage import file_lock
from service.storage.file_lock import exclusive
from service.storage.suggestions import Suggestions
from tests.support.processes import ROOT

MEBIBYTE = 2**20

WRITER = """
import sys
from pathlib import Path
from service.storage.suggestions import Suggestions

suggestions = Suggestions(Path(sys.argv[1]), 2**20)
for number in range(100):
    suggestions.add({"q": sys.argv[2] * 500, "s": str(number)})
"""


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.jsonl"
    suggestions = Suggestions(path, MEBIBYTE)
    assert path.read_bytes() == b""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for text in ("a", "zwei\nZeilen\u2028", "größer"):
        suggestions.add({"q": text})
    assert path.read_bytes().count(b"\n") == 3
    assert [line["q"] for line in map(json.loads, path.read_bytes().split(b"\n")[:3])] == [
        "a",
        "zwei\nZeilen\u2028",
        "größer",
    ]


def test_several_processes_append(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter], cwd=ROOT) for letter in "ab"]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    written = lines(path)
    for letter in "ab":
        numbers = [line["s"] for line in written if line["q"] == letter * 500]
        assert numbers == [str(number) for number in range(100)]
    assert len(written) == 200


def test_the_file_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.jsonl"
    suggestions = Suggestions(path, 1024)
    suggestions.add({"q": "a" * 900})
    before = path.read_bytes()
    with pytest.raises(StorageFull, match="LECTERN_MAX_SUGGESTIONS_BYTES") as raised:
        suggestions.add({"q": "a" * 900})
    assert raised.value.retry_after == 3600
    assert path.read_bytes() == before
    path.rename(tmp_path / "older.jsonl")
    suggestions.add({"q": "a" * 900})
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "suggestions.jsonl"
    suggestions = Suggestions(path, MEBIBYTE)
    suggestions.add({"q": "a"})
    before = path.read_bytes()
    write, calls = os.write, 0

    def half(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:5])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(StorageFull, match="No space left"):
            suggestions.add({"q": "b"})
    assert path.read_bytes() == before
    suggestions.add({"q": "c"})
    assert [line["q"] for line in lines(path)] == ["a", "c"]


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "suggestions.jsonl"
    path.write_bytes(b'{"q": "cut o')
    Suggestions(path, MEBIBYTE).add({"q": "b"})
    assert path.read_bytes() == b'{"q": "cut o\n{"q":"b"}\n'


def test_another_process_that_holds_the_file_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "_WAIT_SECONDS", 0.01)
    path = tmp_path / "suggestions.jsonl"
    suggestions = Suggestions(path, MEBIBYTE)
    with path.open("rb") as stream, exclusive(stream.fileno()), pytest.raises(Saturated):
        suggestions.add({"q": "a"})


@pytest.mark.parametrize("kind", ["folder", "nowhere", "pipe", "below a file"])
def test_a_path_that_is_no_file_to_write(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "suggestions"
    if kind == "folder":
        path.mkdir()
    elif kind == "nowhere":
        path = path / "suggestions"
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("")
        path = path / "suggestions"
    with pytest.raises(ConfigurationError, match=r"LECTERN_SUGGESTIONS=.*cannot be written \("):
        Suggestions(path, MEBIBYTE)
