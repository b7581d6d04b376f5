"""Paragraphs from plain, compressed and archived files, in order, and the errors for unusable ones."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.files import zip_file
from training.common.errors import DatasetError
from training.word2vec.data.sources import paragraphs, source_files

pytestmark = pytest.mark.torch

TEXT = "first line\n\nsecond line, with ä and 日本\r\nthird"
LINES = ["first line", "second line, with ä and 日本", "third"]


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read(path: Path) -> list[str]:
    return list(paragraphs(source_files(str(path))))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.txt", lambda content: content),
        ("noextension", lambda content: content),
        ("bom.txt", lambda content: b"\xef\xbb\xbf" + content),
        ("a.txt.gz", gzip.compress),
        ("a.bz2", bz2.compress),
        ("a.xz", lzma.compress),
        ("a.zip", lambda content: zip_file({"folder/": b"", "folder/a.txt": content})),
        ("a.tar", lambda content: tarred({"a": content}, "w")),
        ("a.tar.gz", lambda content: tarred({"a": content}, "w:gz")),
        ("a.tgz", lambda content: tarred({"a": content}, "w:gz")),
        ("a.tar.bz2", lambda content: tarred({"a": content}, "w:bz2")),
        ("a.tar.xz", lambda content: tarred({"a": content}, "w:xz")),
    ],
)
def test_every_file_format(name: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pack(TEXT.encode()))
    assert read(tmp_path / name) == LINES
    reader = paragraphs([tmp_path / name])
    assert next(reader) == LINES[0]
    reader.close()  # type: ignore[attr-defined]  # a file left open would be a warning, so an error


def test_several_files_in_one_archive(tmp_path: Path) -> None:
    members = {"b": b"one\n", "a": b"two", "c": b""}
    (tmp_path / "a.tar.xz").write_bytes(tarred(members, "w:xz"))
    (tmp_path / "a.zip").write_bytes(zip_file(members))
    for name in ("a.tar.xz", "a.zip"):
        assert read(tmp_path / name) == ["one", "two"]


def test_folders_are_read_recursively_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.txt").write_text("three")
    (tmp_path / "b" / "1.txt.gz").write_bytes(gzip.compress(b"two"))
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / ".hidden").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("no")
    assert read(tmp_path) == ["one", "two", "three"]


def test_wikiextractor_output(tmp_path: Path) -> None:
    (tmp_path / "wiki_00").write_text(
        '<doc id="12" url="x" title="A &amp; B">\nA &amp; B\n\nText &lt;br&gt; of &quot;A&quot;.\n\n</doc>\n'
        '<doc id="13" url="y" title="C">\nC\n</doc>\n'
    )
    assert read(tmp_path / "wiki_00") == ["A & B", 'Text <br> of "A".', "C"]


def test_entities_of_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A &amp; B\n<doc is a word here")
    assert read(tmp_path / "a.txt") == ["A &amp; B", "<doc is a word here"]


def test_a_very_long_line_is_split_between_words(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(300_000)]
    (tmp_path / "a.txt").write_text(" ".join(words))
    parts = read(tmp_path / "a.txt")
    assert max(map(len, parts)) <= 1 << 16
    assert [word for part in parts for word in part.split()] == words


def test_a_very_long_word_is_split(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 3_000_000 + "é")
    parts = read(tmp_path / "a.txt")
    assert max(map(len, parts)) <= 1 << 16
    assert "".join(parts) == "x" * 3_000_000 + "é"


def test_a_letter_across_two_blocks(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" + "ä\n" * 800_000, encoding="utf-8")
    parts = read(tmp_path / "a.txt")
    assert len(parts) == 800_000
    assert set(parts) == {"aä", "ä"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_byte_order_marks_tell_the_encoding(encoding: str, packed: bool, tmp_path: Path) -> None:
    content = ("Ein Öl 😀\r\n\n" + "Zwei äöü\n" * 200_000).encode(encoding)
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    assert read(path) == ["Ein Öl 😀", *200_000 * ["Zwei äöü"]]


def test_big_endian_utf_16(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffeins\nzwei".encode("utf-16-be"))
    assert read(tmp_path / "a.txt") == ["eins", "zwei"]


GZIPPED = gzip.compress(random.Random(0).randbytes(4000).hex().encode())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "good\ncaf\xe9 bad\n".encode("latin1"), r"a\.txt, line 2: is not UTF-8; convert it.*iconv"),
        ("a.txt", "cut café".encode()[:-1], r"a\.txt, line 1: is not UTF-8"),
        ("a.txt", b"\xff\xfea\0\n\0b", r"a\.txt, line 2: is no valid UTF-16-LE, which the first bytes"),
        (
            "a.txt",
            "one\ntwo".encode("utf-16-be"),
            r"a\.txt: looks like UTF-16 without .*; convert it.*iconv -f utf-16le",
        ),
        ("a.bin", b"text\nmore\n\0\1\2", r"a\.bin, line 3: holds a zero byte"),
        ("a.zip", zip_file({"b.txt": b"x\n\xff"}), r"a\.zip, b\.txt, line 2: is not UTF-8"),
        ("a.gz", b"no", r"a\.gz: cannot be unpacked"),
        ("a.gz", GZIPPED[:-500], r"a\.gz: cannot be unpacked"),
        ("a.bz2", b"no bzip", r"a\.bz2: cannot be read \(Invalid data stream\); get the file again"),
        ("a.xz", b"no", r"a\.xz: cannot be unpacked"),
        ("a.xz", lzma.compress(TEXT.encode())[:-20], r"a\.xz: cannot be unpacked"),
        ("a.zip", b"no", r"a\.zip: cannot be unpacked"),
        ("a.tar", b"no" * 600, r"a\.tar: cannot be unpacked"),
        ("a.tar.gz", GZIPPED, r"a\.tar\.gz: cannot be unpacked"),
    ],
)
def test_unusable_files_are_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read(tmp_path / name)


def test_the_line_number_is_right_far_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"some line\n" * 300_000 + b"bad \xff")
    with pytest.raises(DatasetError, match="line 300001: is not UTF-8"):
        read(tmp_path / "a.txt")


def test_missing_text(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: is neither a file nor a folder; name your text"):
        source_files(str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError, match="the folder holds no files"):
        source_files(str(tmp_path))


def test_the_published_wikipedia_is_read(data_dir: Path) -> None:
    files = source_files("wikipedia-en-2015")
    assert [file.name for file in files] == [f"text_{part}.tar.xz" for part in ("AA", "AB", "AC", "AD")]
    lines = paragraphs(files)
    assert next(lines) == "Anarchism"
    assert next(lines).startswith("Anarchism is a political philosophy that advocates stateless societies")
