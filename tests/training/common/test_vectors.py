"""Files of word vectors: exchange with gensim and others, and exact errors for malformed files."""

import bz2
import gzip
import io
import logging
import lzma
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.bundle_edits import rewrite
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
from training.word2vec.export.bundle import BundleSettings, export

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
    "several faults": (
        b"a 1 2\na 1 2\nb 1\n\nc 0 0\n",
        r":2: (?s:.*:3: the row.*:4: is an empty line.*:5: .*zero.*these rows)",
    ),
    "all rows wide": (b"2 2\na 1 2 3\nb 1 2 3\n", ":2: the row has 3 numbers, not 2"),
    "empty line": (b"a 1 2\n\nb 1 2\n", ":2: is an empty line, not a word and 2 numbers"),
    "empty lines below a header": (b"2 2\na 1 2\n\nb 1 2\n", ":3: is an empty line, not a word and 2 numbers"),
    "empty lines between all rows": (
        b"3 2\n\na 1 2\n\t\nb 1 2\r\n\r\nc 1 2\n\n\n",
        r":2: is an empty line(?s:.*:4: is an empty line.*:6: is an empty line.*--skip-bad)",
    ),
    "empty lines and fewer rows than promised": (b"3 2\na 1.25 2\n\nb 1.25 2\n", ":3: is an empty line"),
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


def test_empty_lines_are_left_out_and_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"2 2\na 1 2\n\nb 1 2\n")
    with open_vectors(path, skip_bad=True) as file:
        assert [word for block in file.blocks() for word in block.words] == ["a", "b"]
        assert (file.skipped, file.notes) == (1, [])


def test_a_format_that_is_given_must_be_the_files(tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.write_bytes(b"the 1 2\nof 3 4\n")
    for format in ("word2vec-text", "word2vec-binary"):
        with pytest.raises(DatasetError, match=f":1: is 'the 1 2', not a header .* as {format} has"):
            read_vectors(path, format=format)
    path.write_bytes(b"2 2\nthe 1 2\nof 3 4\n")
    with pytest.raises(DatasetError, match=":1: the row has 1 numbers, not 2"):
        read_vectors(path, format="glove")


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"/v: there is no such file"):
        read_vectors(tmp_path / "v")
    (tmp_path / "v").mkdir()
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


def text_of(path: Path, content: bytes, **options: bool) -> dict[str, list[float]]:
    """The words and vectors that a file of this content has."""
    path.write_bytes(content)
    vectors = read_vectors(path, **options)  # type: ignore[arg-type]
    return dict(zip(vectors.words, vectors.matrix.tolist(), strict=True))


def test_words_with_spaces_are_split_from_the_right(tmp_path: Path) -> None:
    content = b"the 1.5 2.5\n. . . 3.5 4.5\nat name@domain.com .5 1.5\ntop 10 0.5 -1.5\nnew\xc2\xa0york 1 2\n"
    expected = {
        "the": [1.5, 2.5],
        ". . .": [3.5, 4.5],
        "at name@domain.com": [0.5, 1.5],
        "top 10": [0.5, -1.5],
        "new\xa0york": [1, 2],
    }
    assert text_of(tmp_path / "v", content) == expected
    assert text_of(tmp_path / "v", b"5 2\n" + content) == expected
    # The first row may be such a word: the width is what most of the first rows have.
    assert text_of(tmp_path / "v", b"7 11 1 2\nof 3 4\nand 5 6\n", skip_bad=True) == {"of": [3, 4], "and": [5, 6]}
    assert text_of(tmp_path / "v", b". . 1 2\nof 3 4\nand 5 6\n") == {". .": [1, 2], "of": [3, 4], "and": [5, 6]}


def test_white_space_of_other_programs(tmp_path: Path) -> None:
    expected = {"a": [1, 2], "b": [3, 4]}
    for content in (
        b"\xef\xbb\xbfa 1 2\nb 3 4\n",
        b"\xef\xbb\xbf2 2\na 1 2\nb 3 4\n",
        b"a\t1\t2\nb\t3\t4\n",
        b"a\t1 2\nb\t3 4\n",
        b"2\t2\r\na 1 2\r\nb 3 4\r\n",
        b"a  1   2  \nb 3 4\n\n \n\r\n\n",
        b"2 2\na 1 2\nb 3 4\n\n\n",
    ):
        assert text_of(tmp_path / "v", content) == expected
    assert text_of(tmp_path / "v", "new york\t1 2\n\u3000x 3 4\n\x85 5 6\n".encode()) == {
        "new york": [1, 2],
        "\u3000x": [3, 4],
        "\x85": [5, 6],
    }


@pytest.mark.parametrize("option", ["skip_bad", "ignore_header"])
def test_a_header_that_promises_another_number_of_rows(option: str, tmp_path: Path) -> None:
    text, binary = b"a 1 2\nb 3 4\n", row("a", 1, 2) + row("b", 3, 4)
    for promised in (b"1", b"3", b"400000000"):
        for rows in (text, binary):
            assert text_of(tmp_path / "v", promised + b" 2\n" + rows, **{option: True}) == {"a": [1, 2], "b": [3, 4]}
            with open_vectors(tmp_path / "v", **{option: True}) as file:  # type: ignore[arg-type]
                list(file.blocks())
                assert file.notes == [f"the header promises {int(promised):,} rows, the file has 2"]
            with pytest.raises(DatasetError, match="add --ignore-header"):
                read_vectors(tmp_path / "v")


def test_dimensions_of_a_wrong_header_come_from_the_rows(tmp_path: Path) -> None:
    assert text_of(tmp_path / "v", b"2 3\na 1 2\nb 3 4\n", ignore_header=True) == {"a": [1, 2], "b": [3, 4]}
    with pytest.raises(DatasetError, match=r": row 3 \(byte 25\): the file ends in the middle of this row"):
        text_of(tmp_path / "v", b"9 2\n" + row("a", 1, 2) + b"\n" + row("b", 3, 4) + b"\nc 123", ignore_header=True)


def test_special_tokens_without_a_vector_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(b"3 2\n</s> 0 0\na 1 2\n<PAD> 0.0 0\n")
    with open_vectors(tmp_path / "v") as file:
        assert [block.words for block in file.blocks()] == [["a"]]
        assert file.notes == ["</s>, <PAD> is left out: its vector is zero"]
        assert file.skipped == 0


def test_many_bad_rows_are_listed_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(
        b"503 2\na 1 2\nb 1 2\nc 1 2\n" + b"".join(b"w%d 1 2 3\n" % number for number in range(500))
    )
    with pytest.raises(DatasetError) as caught:
        read_vectors(tmp_path / "w")
    lines = str(caught.value).split("\n")
    assert [line.partition(": ")[0] for line in lines[:10]] == [f"{tmp_path / 'w'}:{line}" for line in range(5, 15)]
    assert len(lines) == 11
    assert "--skip-bad" in lines[10]


def _zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("__MACOSX/._v.txt", b"x")
        archive.writestr("v.txt", content)
    return stream.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, _zipped])
@pytest.mark.parametrize("content", [b"2 2\na 1 2\nb 3 4\n", b"2 2\n" + row("a", 1, 2) + row("b", 3, 4)])
def test_packed_files_are_known_by_their_content(
    pack: Callable[[bytes], bytes], content: bytes, tmp_path: Path
) -> None:
    assert text_of(tmp_path / "vectors", pack(content)) == {"a": [1, 2], "b": [3, 4]}
    noise = np.random.default_rng(0).bytes(5000).hex().encode()
    with pytest.raises(DatasetError, match=rf"^{tmp_path / 'vectors'}: "):
        text_of(tmp_path / "vectors", pack(b"a 1 2\n" * 1 + b"b 1 2\n" + noise)[:-1000])


def test_one_file_of_several_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "glove.zip", "w") as archive:
        archive.writestr("glove.2d.txt", b"a 1 2\n")
        archive.writestr("sub/glove.3d.txt", b"a 1 2 3\n")
    with pytest.raises(DatasetError, match=r"2 files \(glove.2d.txt, sub/glove.3d.txt\); name one .*zip/glove.2d.txt$"):
        read_vectors(tmp_path / "glove.zip")
    assert load_vectors_from(tmp_path / "glove.zip" / "sub" / "glove.3d.txt").dimensions == 3
    with pytest.raises(DatasetError, match=r"holds no other.txt; it holds glove.2d.txt"):
        read_vectors(tmp_path / "glove.zip" / "other.txt")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\x80\x04\x95", "is a pickle, .*save_word2vec_format"),
        (b"\x93NUMPY\x01", "is an array of NumPy"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        ("a 1 2\n".encode("utf-16"), "is UTF-16.*iconv"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive; unpack it"),
        (b"\x28\xb5\x2f\xfd", "is a Zstandard file; unpack it"),
        (b"v.txt".ljust(257, b"\0") + b"ustar\0", "is a tar archive; unpack it"),
        (gzip.compress(b"v.txt".ljust(257, b"\0") + b"ustar\0"), "is a tar archive; unpack it"),
    ],
)
def test_files_that_are_no_word_vectors_are_named(start: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(start + bytes(300) * (start[:2] != b"\x1f\x8b"))
    with pytest.raises(DatasetError, match=f"^{tmp_path / 'v'}: {message}"):
        read_vectors(tmp_path / "v")


def test_words_with_line_separators_of_unicode_stay_whole(tmp_path: Path) -> None:
    """A bundle's vocabulary has a word on each line, and only LF ends one."""
    words = ["the", "\x85", "a\u2028b", "c\u2029d", "e\x0bf", "g\rh"]
    matrix = np.random.default_rng(0).normal(size=(len(words), 4)).astype(np.float32)
    settings = BundleSettings(name="odd", repository=tmp_path, precision="fp32", tokenizer="words")
    bundle = export(WordVectors(words=[f"w{row}" for row in range(len(words))], matrix=matrix), settings).bundle
    # As another program may write it: the export itself puts `_` for white space.
    bundle = rewrite(bundle, {"vocabulary.txt": "".join(f"{word}\n" for word in words).encode()})
    loaded = load_vectors_from(bundle.path)
    assert loaded.words == words
    assert loaded.matrix.shape == matrix.shape
