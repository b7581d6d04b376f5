"""Reading of pairs from tables, parallel files and archives, and the errors for malformed ones."""

import gzip

import pytest

from tests.support.sentence_pairs import zip_of_texts
from training.common.errors import DatasetError
from training.common.text_decoding import NOT_DECODABLE, lines
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.reading import ReadOptions, read_pairs, read_parallel

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
    assert read_pairs(content, "pairs.tsv") == (PAIRS, None, ())


def test_manythings_tells_its_languages() -> None:
    content = zip_of_texts(deu__txt="Hi.\tHallo!\nRun!\tLauf!\n", _about__txt="** Info **")
    assert read_pairs(content, "deu-eng.zip", ReadOptions(languages=("de", "en"))) == (PAIRS, ("en", "de"), ())


def test_a_zip_of_two_files_by_language() -> None:
    content = zip_of_texts(LICENSE="", x__de="Hallo!\nLauf!\n", x__en="Hi.\nRun!\n", x__xml="<x/>")
    assert read_pairs(content, "opus.zip", ReadOptions(languages=("en", "de"))) == (PAIRS, ("en", "de"), ())


def test_files_that_are_utf_8_stay_so_beside_others() -> None:
    assert lines("Grüße\ncafé".encode(), "x", "latin-1") == lines("Grüße\ncafé".encode("latin-1"), "x", "latin-1")
    assert lines("日本\n語".encode("iso2022_jp"), "x", "iso2022_jp") == ["日本", "語"]


@pytest.mark.parametrize("encoding", ["UTF-16LE", "utf_16_le", "utf-32-be"])
def test_names_of_wide_encodings_have_many_spellings(encoding: str) -> None:
    assert lines("ä\r\nb\n".encode(encoding), "x", encoding) == ["ä", "b"]
    with pytest.raises(DatasetError, match="is no valid UTF-"):
        lines("ä\nb\n".encode(encoding) + b"x", "x", encoding)


def test_only_line_feeds_end_lines() -> None:
    assert lines("a\u2028b\x0bc\x85d\r\n\ne".encode(), "x") == ["a\u2028b\x0bc\x85d", "", "e"]


def test_carriage_returns_end_lines_where_there_are_no_line_feeds() -> None:
    assert read_pairs(b"Hi.\tHallo!\rRun!\tLauf!\r", "x.tsv").pairs == PAIRS
    assert lines(b"a\rb\nc\r\n", "x") == ["a\rb", "c"]


def test_parallel_files() -> None:
    assert read_parallel([b"Hi.\nRun!\n", gzip.compress(b"Hallo!\nLauf!")], ["x.en", "x.de.gz"]).pairs == PAIRS


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
        (
            b"a\tb\nsch\xf6n\tc\n",
            r"x.tsv:2: is not UTF-8; it looks like Latin-1 .*--encoding cp1252",
        ),
        (
            "ä\tb\n".encode() + b"c\xff\td\n",
            r"x.tsv:2: is not UTF-8; the line is damaged: correct it, or leave such lines out with --skip-bad",
        ),
        (
            "ab\tcd\n".encode("utf-16-le"),
            r"x.tsv: looks like UTF-16 without .* --encoding utf-16-le",
        ),
        (b"\xff\xfea\x00b", r"x.tsv: is no valid UTF-16-LE"),
        (gzip.compress(b"a\tb" * 99)[:20], r"x.tsv: cannot be unpacked"),
        (zip_of_texts(x__txt="a\tb" * 99)[:60], r"x.tsv: cannot be unpacked"),
        (
            zip_of_texts(),
            r"x.tsv: holds nothing; one .txt, .tsv, .*, or two files that end with .en and .de",
        ),
        (
            zip_of_texts(one__txt="a\tb", two__txt="a\tb"),
            r"x.tsv: holds one.txt, two.txt; one .txt, .tsv, .csv, .tmx, .xlf or .po, or two files",
        ),
        (zip_of_texts(x__en="a", x__de="a\nb"), r"x.tsv/x.en has 1 lines and x.tsv/x.de has 2"),
        (zip_of_texts(deu__txt="a"), r"x.tsv/deu.txt:1: has no tab"),
    ],
)
def test_malformed_files(content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_pairs(content, "x.tsv", ReadOptions(languages=("en", "de")))


def test_empty_parallel_files() -> None:
    with pytest.raises(DatasetError, match=r"x.en and x.de are empty"):
        read_parallel([b"", b""], ["x.en", "x.de"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_byte_order_marks_tell_the_encoding(encoding: str) -> None:
    content = "Hi.\tGrüß dich!\nRun!\tLauf!\n".encode(encoding)
    assert read_pairs(content, "x.tsv").pairs == [Pair("Hi.", "Grüß dich!"), PAIRS[1]]


def test_big_endian_utf_16() -> None:
    assert read_pairs(b"\xfe\xff" + "Hi.\tHallo!".encode("utf-16-be"), "x.tsv").pairs == PAIRS[:1]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le"])
def test_an_encoding_can_be_named(encoding: str) -> None:
    options = ReadOptions(encoding=encoding)
    content = "café\tKaffee\nschön\tnice\n".encode(encoding)
    pairs = [Pair("café", "Kaffee"), Pair("schön", "nice")]
    assert read_pairs(content, "x.tsv", options).pairs == pairs
    sides = ["\n".join(side).encode(encoding) for side in zip(*pairs, strict=True)]
    assert read_parallel(sides, ["x.fr", "x.en"], options).pairs == pairs


def test_bad_lines_are_left_out_and_counted() -> None:
    content = b"Hi.\tHallo!\nno tab\n\nb\xff\tc\nRun!\tLauf!\nalone\nalone\nalone\n"
    read = read_pairs(content, "x.tsv", ReadOptions(skip_bad=True))
    assert read.pairs == PAIRS
    (note,) = read.notes
    assert note.startswith("x.tsv: 5 bad lines left out: line 2 has no tab")
    assert "line 4 is not in the encoding" in note
    assert note.endswith(", …")
    with pytest.raises(DatasetError, match=r"x.tsv:2: has no tab.*; correct it, or leave .* --skip-bad"):
        read_pairs(content.replace(b"\xff", b""), "x.tsv")


def test_bad_lines_of_parallel_files_are_left_out_together() -> None:
    read = read_parallel([b"Hi.\nx\xff\nRun!", b"Hallo!\ny\nLauf!"], ["x.en", "x.de"], ReadOptions(skip_bad=True))
    assert read.pairs == PAIRS
    assert read.notes == (f"x.en and x.de: 1 bad line left out: line 2 {NOT_DECODABLE}",)


def test_files_of_different_length_are_refused_whatever_is_skipped() -> None:
    with pytest.raises(DatasetError, match="they are shifted"):
        read_parallel([b"a\nb", b"a"], ["x.en", "x.de"], ReadOptions(skip_bad=True))
