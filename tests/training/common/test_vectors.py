"""Files of word vectors: exchange with gensim and others, and exact errors for malformed files."""

import gzip
import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.common.errors import DatasetError, ExportError, RunError
from training.common.run import Run
from training.common.vectors import (
    FORMATS,
    Format,
    WordVectors,
    load_vectors,
    open_vectors,
    read_vectors,
    save_vectors,
    write_vectors,
)
from training.common.vectors.loading import load_vectors_from

pytestmark = pytest.mark.torch

WORDS = ["the", "naïve", "北京", "new_york", "\N{NO-BREAK SPACE}x", "3.14"]


@pytest.fixture
def vectors() -> WordVectors:
    """Six words in 7 dimensions, with numbers that are hard to write."""
    matrix = np.random.default_rng(0).normal(size=(len(WORDS), 7)).astype(np.float32)
    matrix[0, :4] = [1e-30, -3.4e38, 1 / 3, 0]
    return WordVectors(words=WORDS, matrix=matrix)


def equal_vectors(left: WordVectors, right: WordVectors) -> bool:
    return left.words == right.words and np.array_equal(left.matrix, right.matrix)


def row(word: str, *numbers: float) -> bytes:
    return word.encode() + b" " + struct.pack(f"<{len(numbers)}f", *numbers)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_reads_back_the_same(vectors: WordVectors, format: Format, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"vectors{suffix}"
    write_vectors(vectors, path, format=format)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == (suffix == ".gz")
    with open_vectors(path) as file:
        assert (file.format, file.dimensions, file.rows) == (format, 7, None if format == "glove" else 6)
    assert equal_vectors(read_vectors(path), vectors)
    assert equal_vectors(read_vectors(path, format=format, max_words=4), vectors.first(4))
    assert list(tmp_path.iterdir()) == [path]


def test_the_format_is_told_from_the_content_not_from_the_name(vectors: WordVectors, tmp_path: Path) -> None:
    for format in FORMATS:
        write_vectors(vectors, tmp_path / "vectors.bin", format=format)
        assert equal_vectors(read_vectors(tmp_path / "vectors.bin"), vectors)


def test_binary_rows_with_and_without_a_line_feed_between_them(tmp_path: Path) -> None:
    rows = [row("a", 1, 2), row("b", 3, 4), row("c", 5, 6)]
    for between, after in ((b"\n", b"\n"), (b"", b""), (b"\n", b"")):
        (tmp_path / "v").write_bytes(b"3 2\n" + between.join(rows) + after)
        loaded = read_vectors(tmp_path / "v")
        assert (loaded.words, loaded.matrix.tolist()) == (["a", "b", "c"], [[1, 2], [3, 4], [5, 6]])


def test_text_as_fasttext_and_others_write_it(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"2 3\r\nthe 1 2e0 +3.0 \r\nof -.5  0 1.E-2\t\r\n")
    assert read_vectors(tmp_path / "v").matrix.tolist() == pytest.approx(np.array([[1, 2, 3], [-0.5, 0, 0.01]]))
    (tmp_path / "v").write_bytes(b"the 1 2 3\nof 4 5 6")
    assert read_vectors(tmp_path / "v").matrix.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("format", FORMATS)
def test_files_come_in_blocks_that_join_seamlessly(
    format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.common.vectors.text_format.BLOCK_BYTES", 257)
    monkeypatch.setattr("training.common.vectors.binary_format.BLOCK_BYTES", 257)
    matrix = np.random.default_rng(1).normal(size=(300, 5)).astype(np.float32)
    vectors = WordVectors(words=[f"w{index}" for index in range(300)], matrix=matrix)
    write_vectors(vectors, tmp_path / "v", format=format)
    with open_vectors(tmp_path / "v") as file:
        assert len(list(file.blocks())) > 20
    assert equal_vectors(read_vectors(tmp_path / "v"), vectors)


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_ours_and_we_read_gensims(vectors: WordVectors, binary: bool, tmp_path: Path) -> None:
    logging.getLogger("gensim").setLevel(logging.ERROR)
    keyed_vectors = pytest.importorskip("gensim.models").KeyedVectors
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    # gensim's text reader strips white space of any alphabet from a line.
    vectors = WordVectors(words=[word.strip() for word in vectors.words], matrix=vectors.matrix)
    write_vectors(vectors, ours, format="word2vec-binary" if binary else "word2vec-text")
    loaded = keyed_vectors.load_word2vec_format(str(ours), binary=binary)
    assert loaded.index_to_key == vectors.words
    np.testing.assert_array_equal(loaded.vectors, vectors.matrix)
    loaded.save_word2vec_format(str(theirs), binary=binary)
    loaded = read_vectors(theirs)
    assert loaded.words == vectors.words
    np.testing.assert_allclose(loaded.matrix, vectors.matrix, rtol=1e-6)
    if binary:
        np.testing.assert_array_equal(loaded.matrix, vectors.matrix)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves the file open
def test_gensim_reads_our_glove(vectors: WordVectors, tmp_path: Path) -> None:
    keyed_vectors = pytest.importorskip("gensim.models").KeyedVectors
    vectors = vectors.first(4)
    write_vectors(vectors, tmp_path / "v", format="glove")
    loaded = keyed_vectors.load_word2vec_format(str(tmp_path / "v"), binary=False, no_header=True)
    assert loaded.index_to_key == vectors.words
    np.testing.assert_array_equal(loaded.vectors, vectors.matrix)


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ": is empty$"),
    "empty first line": (b"\n2 2\n", ":1: is an empty line"),
    "prose": (b"it is a truth universally\n", ":1: is 'it is a truth universally', neither a header"),
    "one word": (b"hello\n", ":1: is 'hello', neither a header .* nor a word and its numbers"),
    "bytes": (bytes(range(128, 250)) * 9, ":1: is '.*…', neither a header"),
    "no rows": (b"0 5\n", ":1: the header promises 0 rows of 5 numbers"),
    "no dimensions": (b"5 0\n", ":1: the header promises 5 rows of 0 numbers"),
    "too many dimensions": (b"1 99999999999\n", r":1: the header promises 1 rows of 99,999,999,999 .* 1 to 65,536"),
    "more than the file holds": (
        b"400000000000 300\na 1 2\n",
        r":1: the header promises 400,000,000,000 rows of 300 numbers, at least [\d,]+ bytes, the file has 23; it was",
    ),
    "fewer rows than promised": (b"3 2\nword 1 2\nword2 1.25 2\n", ":3: the file ends here, the header promises 3"),
    "more rows than promised": (b"1 2\na 1 2\nb 1 2\n", ":3: the header promises 1 rows, here is one more"),
    "narrow row": (b"2 2\na 1 2\nb 11111\n", ":3: the row has 1 numbers, not 2 as"),
    "wide row": (b"a 1 2\nb 1 2 3\nc 1 2\n", ":2: the row has 3 numbers, not 2 as"),
    "word with a space": (b"a 1 2\nb c 1 2\n", r":2: the row has 3 numbers \('c' is none\), not 2 as"),
    "all rows wide": (b"2 2\na 1 2 3\nb 1 2 3\n", ":2: the row has 3 numbers, not 2"),
    "empty line": (b"a 1 2\n\nb 1 2\n", ":2: the row has 0 numbers, not 2"),
    "not a number": (b"a 1 2\nb 1 2,5\n", ":2: '2,5' is not a number"),
    "not a number at the end": (b"a 1 2\nb 1 2x\n", ":2: '2x' is not a number"),
    "number with underscores": (b"a 1 2\nb 1 1_0\n", ":2: '1_0' is not a number"),
    "hexadecimal": (b"a 1 2\nb 1 0x10\n", ":2: '0x10' is not a number"),
    "nan": (b"a 1 2\nb nan 2\n", ":2: the vector of 'b' holds a number that is not finite"),
    "infinite": (b"a 1 2\nb 1 -inf\n", ":2: the vector of 'b' holds a number that is not finite"),
    "too large for float32": (b"a 1 2\nb 1 1e39\n", ":2: the vector of 'b' holds a number that is not finite"),
    "zero vector": (b"a 1 2\nb 0 -0.0\n", ":2: the vector of 'b' is a zero vector"),
    "duplicate": (b"3 2\na 1 2\nb 1 2\na 3 4\n", ":4: the word 'a' stands in the file twice"),
    "two faults": (b"a 1 2\na 1 2\nb 1\n", ":2: the word 'a' stands in the file twice"),
    "no word": (b"a 1 2\n 1 2\n", ":2: the row has no word"),
    "not UTF-8": (b"a 1 2\n\xff 1 2\n", r":2: the word b'\\xff' is not UTF-8"),
    "binary, not UTF-8": (b"2 2\n" + row("a", 1, 2) + b"\xff\xfe" + row("", 1, 2), ": row 2 .*: the word b"),
    "binary duplicate": (b"2 2\n" + row("a", 1, 2) + row("a", 1, 2), r": row 2 \(byte 14\): the word 'a' stands"),
    "binary nan": (b"2 2\n" + row("a", 1, 2) + row("b", np.nan, 2), r": row 2 \(byte 14\): the vector of 'b' holds"),
    "binary signalling nan": (b"1 2\n" + b"a \x01\0\xa0\x7f\0\0\0\0", ".* 'a' holds a number that is not finite"),
    "binary infinities": (b"2 2\n" + row("a", 1, 2) + row("b", np.inf, -np.inf), ".* 'b' holds a number"),
    "binary zero": (b"2 2\n" + row("a", 1, 2) + row("b", 0, 0), r": row 2 \(byte 14\): the vector of 'b' is a zero"),
    "binary cut off": (b"2 2\n" + row("aaa", 1, 2) + row("b", 1, 2)[:-1], r": row 2 \(byte 16\): the file ends here"),
    "binary with more rows": (b"1 2\n" + row("a", 1, 2) + row("b", 1, 2), ": goes on at byte 14 after the 1 rows"),
    "binary of other dimensions": (
        b"2 2\n" + row("a", 1, 2) + b"x" * 9000,
        r": row 2 \(byte 14\): no word ends within 4,096 bytes; .* other dimensions",
    ),
    "a line without end": (b"a 1 2\n" + b"x" * 9000, ": has a line of more than 4,224 bytes"),
    "gzip cut off": (gzip.compress(b"a 1 2\nb 1 2\n")[:-9], ": cannot be decompressed"),
    "gzip damaged": (gzip.compress(b"a 1 2\nb 1 2\n")[:-8] + b"12345678", ": cannot be decompressed"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_the_place(name: str, tmp_path: Path) -> None:
    content, message = BAD_FILES[name]
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"^{path}{message}"):
        read_vectors(path)


def test_a_format_that_is_given_must_be_the_files(tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.write_bytes(b"the 1 2\nof 3 4\n")
    for format in ("word2vec-text", "word2vec-binary"):
        with pytest.raises(DatasetError, match=f":1: is 'the 1 2', not a header .* as {format} has"):
            read_vectors(path, format=format)
    path.write_bytes(b"2 2\nthe 1 2\nof 3 4\n")
    with pytest.raises(DatasetError, match=":2: the row has 2 numbers, not 1"):
        read_vectors(path, format="glove")


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: None])
def test_a_path_that_is_no_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "v")
    with pytest.raises(DatasetError, match=r"/v: cannot be read \("):
        read_vectors(tmp_path / "v")


def test_bad_rows_are_skipped_and_counted_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.write_bytes(b"a 1 2\n\xff 1 2\nb 1 2 3\nc 1\nd 1 x\ne nan 1\nf 0 0\na 9 9\ng 1e39 1\nh 3 4\n")
    with open_vectors(path, skip_bad=True) as file:
        blocks = list(file.blocks())
        assert file.skipped == 8
    assert [word for block in blocks for word in block.words] == ["a", "h"]
    assert np.concatenate([block.rows for block in blocks]).tolist() == [[1, 2], [3, 4]]
    path.write_bytes(b"a 0 0\n")
    with pytest.raises(DatasetError, match="holds no row that can be used"):
        read_vectors(path, skip_bad=True)
    path.write_bytes(b"a 0 0\n")
    with pytest.raises(DatasetError, match="skip such rows with --skip-bad"):
        read_vectors(path)


def test_a_word_that_a_file_cannot_hold_is_not_written(tmp_path: Path) -> None:
    vectors = WordVectors(words=["new york"], matrix=np.ones((1, 2), np.float32))
    with pytest.raises(ExportError, match="the word 'new york' is empty or holds white space"):
        write_vectors(vectors, tmp_path / "v", format="glove")
    assert not list(tmp_path.iterdir())


def test_the_runs_own_form(vectors: WordVectors, tmp_path: Path) -> None:
    save_vectors(vectors, tmp_path / "a")
    assert equal_vectors(load_vectors(tmp_path / "a"), vectors)
    assert load_vectors(tmp_path / "a").counts is None
    counted = WordVectors(words=vectors.words, matrix=vectors.matrix, counts=np.arange(6)[::-1] + 2**40)
    save_vectors(counted, tmp_path / "a")
    loaded = load_vectors(tmp_path / "a")
    assert equal_vectors(loaded, vectors)
    assert loaded.counts is not None
    np.testing.assert_array_equal(loaded.counts, counted.counts)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["vectors.npy", "vocabulary.tsv"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vectors.npy", b"", r"vectors\.npy: is damaged"),
        ("vectors.npy", None, r"holds no vectors \(vectors\.npy is missing\)"),
        ("vocabulary.tsv", None, r"holds no vectors \(vocabulary\.tsv is missing\)"),
        ("vocabulary.tsv", b"", r"vocabulary\.tsv: is empty"),
        (
            "vocabulary.tsv",
            b"a\t1\n",
            r"vectors\.npy: holds float32 \[6, 7\], not float32 with a row for each of the 1",
        ),
        ("vocabulary.tsv", b"a\t1\nb\tx\n", r"vocabulary\.tsv:2: is 'b\\tx', not a word, a tab and a count"),
        ("vocabulary.tsv", b"a\t1\nb\n", r"vocabulary\.tsv:2: is 'b', not a word, a tab and a count"),
        ("vocabulary.tsv", b"a\t1\nb\t2", r"vocabulary\.tsv: ends in the middle of line 2"),
        ("vocabulary.tsv", b"a\xff\n", r"vocabulary\.tsv: is not UTF-8 \(byte 1\)"),
    ],
)
def test_a_damaged_run_is_named(
    vectors: WordVectors, name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    save_vectors(vectors, tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        load_vectors(tmp_path)


def test_units_and_the_first_words() -> None:
    vectors = WordVectors(words=["a", "b"], matrix=np.array([[3, 4], [0, 0]], np.float32), counts=np.array([5, 1]))
    assert vectors.unit().tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))
    first = vectors.first(1)
    assert (first.words, first.index, first.counts) == (["a"], {"a": 0}, np.array([5]))


def test_a_run_of_any_family_that_left_vectors_is_a_source_of_them(vectors: WordVectors, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", family="glove", config={})
    with pytest.raises(
        DatasetError, match=r"run of glove has no vectors; .*: lectern-train glove train --resume .*run$"
    ):
        load_vectors_from(run.path)
    save_vectors(vectors, run.path)
    assert equal_vectors(load_vectors_from(run.path), vectors)
    (run.path / "config.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        load_vectors_from(run.path)
