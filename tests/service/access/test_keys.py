"""The lines of a key file, and the file read again when it changes."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

import pytest

from service.access import key_file
from service.access.key_file import KeyFile
from service.access.keys import ApiKey, KeyRing, hash_key, new_key, parse_keys
from service.access.rates import Rate, parse_rates
from service.access.scopes import KeyScope
from service.errors import ConfigurationError
from service.observability import JsonFormatter

TEXT = "lectern_0123456789"
HASH = f"sha256:{hash_key(TEXT).hex()}"
OTHER = f"sha256:{'0' * 64}"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that decides when a file is looked at again; the last item counts."""
    times = [1000.0]
    monkeypatch.setattr(key_file.time, "monotonic", lambda: times[-1])
    return times


def test_lines() -> None:
    text = f"""# the keys of this server

    mobile  infer           {HASH}
    ops     admin,metrics   {OTHER.upper().replace("SHA256", "sha256")}  100/s,30000ms/min   # a comment
    """
    mobile, ops = parse_keys(text)
    assert mobile == ApiKey(name="mobile", scopes=frozenset({KeyScope.INFER}), digest=hash_key(TEXT))
    assert (ops.name, ops.scopes) == ("ops", {KeyScope.ADMIN, KeyScope.METRICS})
    assert ops.rates == (Rate(100, 1), Rate(30000, 60, of_model_time=True))
    assert parse_keys(f"{mobile}\r\n{ops}") == [mobile, ops]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a infer", "expected `name scopes sha256:hex"),
        (f"a infer {HASH} 1/s 2/s", "expected `name scopes sha256:hex"),
        (f"a infer {TEXT}", "the third field must be sha256:"),
        (f"a infer {HASH[:-1]}", "the third field must be sha256:"),
        (f"a infer {HASH}0", "the third field must be sha256:"),
        (f"a infer md5:{'0' * 32}", "the third field must be sha256:"),
        (f"a all {HASH}", "scope 'all' is unknown; write one or several of infer, admin, metrics"),
        (f"a infer, {HASH}", "scope '' is unknown"),
        (f"a/b infer {HASH}", "a key's name has letters"),
        (f"{'a' * 65} infer {HASH}", "a key's name has letters"),
        (f"a infer {HASH} 100", "'100' is no rate"),
        (f"a infer {HASH} 0/s", "'0/s' is no rate"),
        (f"a infer {HASH} 1/week", "'1/week' is no rate"),
        (f"a infer {HASH} -1/s", "'-1/s' is no rate"),
        (f"a infer {HASH} 1/s,", "'' is no rate"),
        (f"first infer {HASH}", "there is another key named 'first'"),
        (f"a infer {OTHER}", "another line has the same key"),
    ],
)
def test_a_bad_line_is_named(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"line 3: {re.escape(message)}") as caught:
        parse_keys(f"first infer {OTHER}\n\n{line}\n")
    assert TEXT not in str(caught.value), "a key that stands there by mistake is not repeated"


@pytest.mark.parametrize(
    ("text", "rate"), [("1/s", Rate(1, 1)), ("20/min", Rate(20, 60)), ("5/h", Rate(5, 3600)), ("7/day", Rate(7, 86400))]
)
def test_rates(text: str, rate: Rate) -> None:
    assert parse_rates(text) == (rate,)
    assert str(rate) == text


def test_a_ring_finds_keys_by_their_text() -> None:
    keys = [ApiKey(name=str(number), scopes=frozenset(), digest=hash_key(f"key{number}")) for number in range(100)]
    ring = KeyRing(keys)
    assert [ring.find(f"key{number}") for number in range(100)] == keys
    for text in ("", "key", "key100", "KEY1", "key1 ", keys[0].digest.hex(), "x" * 10_000_000, "\ud800"):
        assert ring.find(text) is None


def test_new_keys_have_256_random_bits() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"lectern_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_the_file_is_read_again_when_it_changes(tmp_path: Path, clock: list[float]) -> None:
    path = write(tmp_path / "keys", f"a infer {HASH}")
    keys = KeyFile(path)
    assert keys.find(TEXT)
    write(path, f"b infer {OTHER}")
    assert keys.find(TEXT), "not looked at more than once a second"
    clock.append(1001.0)
    assert keys.find(TEXT) is None

    replacement = write(tmp_path / "new", f"c infer {HASH}")
    os.utime(replacement, ns=(0, 0))
    replacement.rename(path)
    clock.append(1002.0)
    found = keys.find(TEXT)
    assert found is not None
    assert found.name == "c"

    write(path)  # Every key is withdrawn.
    clock.append(1003.0)
    assert keys.find(TEXT) is None


@pytest.mark.parametrize("harm", ["bad line", "not UTF-8", "deleted", "a folder", "writable by everybody"])
def test_a_bad_file_leaves_the_keys_from_before(
    tmp_path: Path, clock: list[float], harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    path = write(tmp_path / "keys", f"a infer {HASH}")
    keys = KeyFile(path)
    if harm == "bad line":
        write(path, "# comment", f"a infer {TEXT}")
    elif harm == "not UTF-8":
        path.write_bytes(b"# comment\n\xff\n")
    elif harm == "writable by everybody":
        write(path, "").chmod(0o646)
    else:
        path.unlink()
        if harm == "a folder":
            path.mkdir()
    for second in range(1, 5):
        clock.append(1000.0 + second)
        assert keys.find(TEXT), harm
    (line,) = (json.loads(line) for line in caplog.text.splitlines() if "keys from before" in line)
    assert line["level"] == "error"
    assert line["file"] == str(path)
    assert "line 2" in line["reason"] or harm in ("deleted", "a folder", "writable by everybody")
    assert TEXT not in caplog.text

    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    with caplog.at_level(logging.INFO):
        write(path, f"b infer {OTHER}")
        clock.append(1010.0)
        assert keys.find(TEXT) is None
    assert "key file read again" in caplog.text


@pytest.mark.parametrize("harm", ["missing", "folder", "pipe", "writable", "broken", "binary"])
def test_a_file_that_is_bad_at_the_start_is_refused(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "keys"
    if harm == "folder":
        path.mkdir()
    elif harm == "pipe":
        os.mkfifo(path)
    elif harm == "writable":
        write(path, f"a infer {HASH}").chmod(0o666)
    elif harm == "broken":
        write(path, "a")
    elif harm == "binary":
        path.write_bytes(b"a \xff")
    messages = {
        "missing": "does not exist; make a key with `lectern keys new",
        "folder": "is no plain file",
        "pipe": "is no plain file",
        "writable": "chmod o-w",
        "broken": "line 1: expected",
        "binary": "line 1: is not UTF-8",
    }
    with pytest.raises(ConfigurationError) as caught:
        KeyFile(path)
    assert str(caught.value).startswith(f"LECTERN_API_KEYS={path}: ")
    assert messages[harm] in str(caught.value)


def test_an_empty_file_lets_no_one_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert KeyFile(write(tmp_path / "keys", "# nobody yet")).find(TEXT) is None
    assert "the key file holds no key" in caplog.text
