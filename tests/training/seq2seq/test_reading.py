"""Reading of pairs from tables, parallel files and archives, and the errors for malformed ones."""

import gzip

import pytest

from tests.support.sentence_pairs import zip_of_texts
from training.common.errors import DatasetError
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.reading import lines, read_pairs, read_parallel

pytestmark = pytest.mark.torch

PAIRS = [Pair("Hi.", "Hallo!"), Pair("Run!", "Lauf!")]


@pytest.mark.parametrize(
    "content",
    [
        b"Hi.\tHallo!\nRun!\tLauf!\n",
        b"\xef\xbb\xbfHi.\tHallo!\r\nRun!\tLauf!",
        b"Hi.\tHallo!\tCC-BY 2.0 (France) Attribution: tatoeba.org #1\n\nRun!\tLauf!\t\n",
        gzip.compress(b"Hi.\tHallo!\nRun!\tLauf!\n"),
        zip_of_texts(pairs__tsv="Hi.\tHallo!\nRun!\tLauf!\n", README__txt="read me"),
    ],
    ids=["plain", "Windows", "third column", "gzip", "zip"],
)
def test_tables(content: bytes) -> None:
    assert read_pairs(content, "pairs.tsv") == (PAIRS, None)


def test_manythings_tells_its_languages() -> None:
    content = zip_of_texts(deu__txt="Hi.\tHallo!\nRun!\tLauf!\n", _about__txt="** Info **")
    assert read_pairs(content, "deu-eng.zip", ("de", "en")) == (PAIRS, ("en", "de"))


def test_a_zip_of_two_files_by_language() -> None:
    content = zip_of_texts(LICENSE="", x__de="Hallo!\nLauf!\n", x__en="Hi.\nRun!\n", x__xml="<x/>")
    assert read_pairs(content, "opus.zip", ("en", "de")) == (PAIRS, ("en", "de"))


def test_only_line_feeds_end_lines() -> None:
    assert lines("a\u2028b\x0bc\x85d\r\n\ne".encode(), "x") == ["a\u2028b\x0bc\x85d", "", "e"]


def test_parallel_files() -> None:
    assert read_parallel([b"Hi.\nRun!\n", gzip.compress(b"Hallo!\nLauf!")], ["x.en", "x.de.gz"]) == PAIRS


def test_both_counts_are_named() -> None:
    with pytest.raises(DatasetError, match=r"x.en has 3 lines and x.de has 1,200;"):
        read_parallel([b"a\n" * 3, b"b\n" * 1200], ["x.en", "x.de"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Hi.\tHallo!\nRun!\n", r"x.tsv:2: has no tab"),
        (b"", r"x.tsv: is empty"),
        (b"\n \n", r"x.tsv: is empty"),
        (b"a\tb\nc\t\xff\n", r"x.tsv:2: is not UTF-8"),
        ("a\tb".encode("utf-16"), r"x.tsv: is UTF-16; save it as UTF-8"),
        (gzip.compress(b"a\tb" * 99)[:20], r"x.tsv: cannot be unpacked"),
        (zip_of_texts(x__txt="a\tb" * 99)[:60], r"x.tsv: cannot be unpacked"),
        (zip_of_texts(), r"x.tsv: holds nothing; one .txt or .tsv, or two files that end with .en and .de"),
        (
            zip_of_texts(one__txt="a\tb", two__txt="a\tb"),
            r"x.tsv: holds one.txt, two.txt; one .txt or .tsv, or two files",
        ),
        (zip_of_texts(x__en="a", x__de="a\nb"), r"x.tsv/x.en has 1 lines and x.tsv/x.de has 2"),
        (zip_of_texts(deu__txt="a"), r"x.tsv/deu.txt:1: has no tab"),
    ],
)
def test_malformed_files(content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_pairs(content, "x.tsv", ("en", "de"))


def test_empty_parallel_files() -> None:
    with pytest.raises(DatasetError, match=r"x.en and x.de are empty"):
        read_parallel([b"", b""], ["x.en", "x.de"])
