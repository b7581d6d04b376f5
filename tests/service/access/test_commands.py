"""`lectern keys new` and `lectern keys list`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.access.keys import KeyRing, parse_keys
from service.access.scopes import KeyScope
from service.cli import main


def test_a_new_key_is_printed_once_and_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    assert main(["keys", "new", "mobile", "--scope", "infer", "--limit", "100/s", "--file", str(path)]) == 0
    first = capsys.readouterr()
    (text,) = first.out.split()
    assert text not in first.err
    assert path.stat().st_mode & 0o777 == 0o600

    path.write_text(path.read_text().rstrip("\n"))  # An editor may leave out the last line break.
    assert main(["keys", "new", "ops", "--scope", "admin,metrics", "--scope", "infer", "--file", str(path)]) == 0
    (other,) = capsys.readouterr().out.split()
    content = path.read_text()
    assert text not in content
    assert other not in content
    mobile, ops = parse_keys(content)
    ring = KeyRing([mobile, ops])
    assert (ring.find(text), ring.find(other)) == (mobile, ops)
    assert ops.scopes == set(KeyScope)

    assert main(["keys", "list", "--file", str(path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["mobile", "infer", "100/s"], ["ops", "infer,admin,metrics"]]


def test_the_file_of_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LECTERN_API_KEYS", str(tmp_path / "keys"))
    assert main(["keys", "new", "mobile", "--scope", "infer"]) == 0
    assert main(["keys", "list"]) == 0
    assert "mobile" in capsys.readouterr().out


def test_without_a_file_the_line_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "mobile", "--scope", "infer"]) == 0
    text, line = capsys.readouterr().out.splitlines()
    assert KeyRing(parse_keys(line)).find(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "a b", "--scope", "infer"], "a key's name has letters"),
        (["new", "a", "--scope", "all"], "scope 'all' is unknown"),
        (["new", "a", "--scope", "infer", "--limit", "9"], "'9' is no rate"),
        (["new", "taken", "--scope", "infer", "--file", "{path}"], "has a key named 'taken' already"),
        (["new", "a", "--scope", "infer", "--file", "{folder}"], "Is a directory"),
        (["list", "--file", "{folder}/none"], "No such file"),
        (["list"], "set LECTERN_API_KEYS"),
    ],
)
def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"taken infer sha256:{'0' * 64}\n")
    before = path.read_text()
    assert main(["keys", *(text.format(path=path, folder=tmp_path) for text in arguments)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert path.read_text() == before


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The limit stands for a full disk: a write takes only what fits."""
    path = tmp_path / "keys"
    path.write_text(before := f"other infer sha256:{'0' * 64}\n")
    path.chmod(0o600)
    code = (
        "import resource, sys; from service.cli import main; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 20}, resource.RLIM_INFINITY)); "
        f"sys.exit(main(['keys', 'new', 'a', '--scope', 'infer', '--file', {str(path)!r}]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"lectern: {path}: No space left on device\n"
    assert path.read_text() == before
