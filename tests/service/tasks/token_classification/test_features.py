"""Input features of words."""

import threading
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.files import BundleError
from service.tasks.token_classification import features as module
from service.tasks.token_classification.features import (
    CASINGS,
    WordFeatures,
    casing,
    read_characters,
    read_words,
    serialize_characters,
    serialize_words,
)

FEATURES = WordFeatures(["the", "London", "USA", "café"], ["a", "b", "c"], 6)


@pytest.mark.parametrize(
    ("word", "row"),
    [("the", 1), ("The", 1), ("THE", 1), ("LONDON", 2), ("london", 2), ("USA", 3), ("usa", 0), ("", 0), ("\ud800", 0)],
)
def test_a_word_is_looked_up_as_it_is_then_lower_cased_then_capitalized(word: str, row: int) -> None:
    assert FEATURES.row(word) == row


def test_decomposed_letters_are_the_same_word() -> None:
    batch = FEATURES.batch([[unicodedata.normalize("NFD", "café"), "café"]])
    assert batch.words.tolist() == [4, 4]
    np.testing.assert_array_equal(batch.characters[0], batch.characters[1])


def test_the_features_of_words_stay_apart() -> None:
    """They are the same the second time, when they come from the cache."""
    features = WordFeatures(["the", "London", "USA", "café"], ["a", "b", "c"], 6)
    for _ in range(2):
        batch = features.batch([["USA", "abc"], ["12"]])
        assert batch.words.tolist() == [3, 0, 0]
        assert [CASINGS[index] for index in batch.casing] == ["upper", "lower", "number"]
        assert batch.characters.tolist() == [[1, 1, 1], [2, 3, 4], [1, 1, 0]]


def test_a_batch_stores_each_word_once() -> None:
    batch = FEATURES.batch([["the", "abc", "the"], ["abc"]])
    assert batch.words.tolist() == [1, 0]
    assert batch.characters.tolist() == [[1, 1, 1], [2, 3, 4]]
    assert batch.tokens.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert batch.lengths.tolist() == [3, 1]
    assert all(array.dtype == np.int32 for array in batch.feeds().values())
    assert list(batch.feeds()) == ["words", "characters", "casing", "tokens", "lengths"]


def test_long_words_keep_their_ends() -> None:
    batch = FEATURES.batch([["abcxxxxxxxxcba"], ["ab"]])
    assert batch.characters.tolist() == [[2, 3, 4, 4, 3, 2], [2, 3, 0, 0, 0, 0]]


def test_the_longest_word_sets_the_width() -> None:
    assert FEATURES.batch([["a", "bc"]]).characters.shape == (2, 2)
    assert FEATURES.batch([[""]]).characters.shape == (1, 1)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("cat", "lower"), ("CAT", "upper"), ("I", "title"), ("Cat", "title"), ("iPhone", "mixed"), ("1996", "number"),
        ("12:30", "number"), ("3rd", "with-digit"), ("...", "other"), ("东京", "other"), ("", "other"),
        ("שלום", "other"), ("Éclair", "title"), ("½", "other"), ("😀", "other"), ("McDonald", "mixed"),
    ],
)  # fmt: skip
def test_casing(word: str, name: str) -> None:
    assert CASINGS[casing(word)] == name


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CACHED", 10)
    features = WordFeatures(["a"], ["a"], 4)
    for number in range(100):
        features.batch([[f"w{number}", "x" * 1000]])
    assert len(features._cache) <= 10
    assert all(len(word) <= 64 for word in features._cache)


def test_it_is_thread_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CACHED", 5)
    features = WordFeatures([f"w{number}" for number in range(50)], ["w"], 4)
    failed: list[NDArray[np.int32]] = []

    def work(offset: int) -> None:
        for step in range(200):
            number = (step * 7 + offset) % 50
            rows = features.batch([[f"w{number}"]]).words
            if rows.tolist() != [number + 1]:
                failed.append(rows)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    words, characters = ["a", "b c", "é\u2028x"], ["a", "\u2028", "😀", "\n"]
    (tmp_path / "words").write_bytes(serialize_words(words))
    (tmp_path / "characters").write_bytes(serialize_characters(characters))
    assert read_words(tmp_path / "words") == words
    assert read_characters(tmp_path / "characters") == characters
    (tmp_path / "none").write_bytes(b"")
    assert read_words(tmp_path / "none") == read_characters(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a\nb\na\n", "empty or there twice"), (b"a\n\nb\n", "empty or there twice"), (b"a\n\xff\n", "not UTF-8")],
)
def test_bad_words(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "words").write_bytes(content)
    with pytest.raises(BundleError, match=message):
        read_words(tmp_path / "words")


@pytest.mark.parametrize("content", [b"zz\n", b"110000\n", b"\n\n", b"-1\n"])
def test_bad_characters(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "characters").write_bytes(content)
    with pytest.raises(BundleError, match="no code point"):
        read_characters(tmp_path / "characters")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"words\.txt: cannot be read"):
        read_words(tmp_path / "words.txt")
