"""The vocabulary: words to row ids and back, and errors of malformed files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.bundle.files import BundleError
from service.tasks.word_vectors import vocabulary
from service.tasks.word_vectors.vocabulary import Vocabulary


def _write(folder: Path, content: str | bytes) -> Path:
    path = folder / "vocabulary.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", ["the\nof\ncafé\n東京\n", "the\nof\ncafé\n東京"])
def test_words_have_row_ids(tmp_path: Path, content: str) -> None:
    words = Vocabulary(_write(tmp_path, content), 4)
    assert len(words) == 4
    assert words.find(["東京", "the", "nothing", "", "café", "of", "th", "caf\xe9 "]).tolist() == [
        3,
        0,
        -1,
        -1,
        2,
        1,
        -1,
        -1,
    ]
    assert words.find([]).shape == (0,)
    assert words.word(2) == "café"
    assert words.words(np.array([3, 0])) == ["東京", "the"]
    assert "of" in words
    assert "off" not in words
    assert words.find(["\ud800"]).tolist() == [-1]


def test_the_most_frequent_come_first(tmp_path: Path) -> None:
    words = Vocabulary(_write(tmp_path, "a\nb\nc\n"))
    assert [words.most_frequent(count) for count in (0, 1, 3, 9)] == [[], ["a"], ["a", "b", "c"], ["a", "b", "c"]]


def test_a_vocabulary_larger_than_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_CHUNK", 7)
    many = [f"{chr(97 + index % 26)}{index}" for index in range(1000)]
    words = Vocabulary(_write(tmp_path, "\n".join(many) + "\n"))
    assert words.find(many).tolist() == list(range(1000))
    assert words.words(np.arange(1000)) == many


def test_words_with_equal_hashes_are_distinguished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(vocabulary), "hash", len)
    words = Vocabulary(_write(tmp_path, "aa\nbb\nc\ndd\n"))
    assert words.find(["dd", "bb", "aa", "c", "ee", "f"]).tolist() == [3, 1, 0, 2, -1, -1]
    with pytest.raises(BundleError, match=r"vocabulary\.txt:4: 'bb' is there twice, first in line 2"):
        Vocabulary(_write(tmp_path, "aa\nbb\ncc\nbb\ndd\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"vocabulary\.txt: holds no words"),
        ("\n", r"vocabulary\.txt:1: is empty; every line holds one word"),
        ("a\n\nb\n", r"vocabulary\.txt:2: is empty"),
        ("a\nb\n\n", r"vocabulary\.txt:3: is empty"),
        ("a\nb\na\n", r"vocabulary\.txt:3: 'a' is there twice, first in line 1"),
        (b"a\nb\n\xff\xfe\nc\n", r"vocabulary\.txt:3: is not UTF-8"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Vocabulary(_write(tmp_path, content))


def test_the_number_of_words_must_equal_the_tables(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds 2 words, the table has 3 rows; export the model again"):
        Vocabulary(_write(tmp_path, "a\nb\n"), 3)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"vocabulary\.txt: cannot be read \(No such file or directory\)"):
        Vocabulary(tmp_path / "vocabulary.txt")
