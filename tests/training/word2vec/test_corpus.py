"""The encoded corpus: tokens, counts, phrases, reuse, and no partial files."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.common.errors import DatasetError
from training.word2vec.data import corpus as module
from training.word2vec.data import phrases
from training.word2vec.data.corpus import CorpusSettings, EncodedCorpus, open_corpus

pytestmark = pytest.mark.torch

TEXT = "The cat sat.\nThe cat ran\n\nrare\nthe dog sat: the end\n"


def write(folder: Path, text: str) -> str:
    path = folder / "text.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def decoded(corpus: EncodedCorpus) -> list[list[str]]:
    """The paragraphs as words; the last token must be a paragraph end."""
    assert corpus.ids[-1] == -1
    paragraphs: list[list[str]] = [[]]
    for token in corpus.ids:
        if token < 0:
            paragraphs.append([])
        else:
            paragraphs[-1].append(corpus.words[token])
    return paragraphs[:-1]


def test_frequent_words_are_encoded_in_order(tmp_path: Path) -> None:
    corpus = open_corpus(write(tmp_path, TEXT), CorpusSettings(min_count=2), tmp_path / "corpus")
    assert corpus.words == ["the", "cat", "sat"]
    assert corpus.counts.tolist() == [4, 2, 2]
    assert corpus.ids.dtype == np.int32
    assert not corpus.ids.flags.writeable
    assert decoded(corpus) == [["the", "cat", "sat"], ["the", "cat"], ["the", "sat", "the"]]
    assert (corpus.total, corpus.raw_total) == (8, 12)


def test_ties_are_alphabetical_and_the_vocabulary_can_be_limited(tmp_path: Path) -> None:
    data = write(tmp_path, "d c b a a b c d e\n")
    corpus = open_corpus(data, CorpusSettings(min_count=1), tmp_path / "all")
    assert corpus.words == ["a", "b", "c", "d", "e"]
    corpus = open_corpus(data, CorpusSettings(min_count=1, max_vocabulary=2), tmp_path / "two")
    assert corpus.words == ["a", "b"]
    assert decoded(corpus) == [["b", "a", "a", "b"]]


def test_the_words_tokenizer(tmp_path: Path) -> None:
    settings = CorpusSettings(tokenizer="words", min_count=2)
    corpus = open_corpus(write(tmp_path, TEXT), settings, tmp_path / "corpus")
    assert corpus.words == ["The", "cat", "sat", "the"]


def test_the_block_size_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    lines = ["".join(f"{'abcdefghij'[n]} " for n in draw.integers(0, 10, draw.integers(0, 9))) for _ in range(200)]
    data = write(tmp_path, "\n".join(lines))
    settings = CorpusSettings(min_count=85, phrases=1, phrase_threshold=1.05, phrase_discount=0)
    whole = open_corpus(data, CorpusSettings(min_count=85), tmp_path / "whole")
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(phrases, "_BLOCK", 7)
    parts = open_corpus(data, CorpusSettings(min_count=85), tmp_path / "parts")
    assert np.array_equal(whole.ids, parts.ids)
    assert whole.words == parts.words
    reopened = open_corpus(data, settings, tmp_path / "phrases")
    assert np.array_equal(np.bincount(reopened.ids[reopened.ids >= 0]), reopened.counts)
    ends = reopened.ids == -1
    assert not (ends[1:] & ends[:-1]).any()


def test_phrases_are_joined(tmp_path: Path) -> None:
    filler = "the old man saw a new house and the new man saw an old house by a road\n"
    data = write(tmp_path, (filler + "we went to new york city today\nnew york city is far\n") * 30)
    settings = CorpusSettings(min_count=5, phrases=1, phrase_threshold=8, phrase_discount=5)
    once = open_corpus(data, settings, tmp_path / "once")
    joined = {word for word in once.words if "_" in word}
    assert joined & {"york_city", "new_york"}
    assert "new_house" not in joined
    assert once.total < open_corpus(data, CorpusSettings(), tmp_path / "none").total
    assert np.array_equal(np.bincount(once.ids[once.ids >= 0]), once.counts)


def test_two_passes_make_longer_phrases(tmp_path: Path) -> None:
    filler = " ".join(f"{a} {b}" for a in "abcdefgh" for b in "abcdefgh")
    data = write(tmp_path, f"{filler}\nnew york times\n" * 40)
    settings = CorpusSettings(min_count=5, phrases=2, phrase_threshold=5, phrase_discount=5)
    assert "new_york_times" in open_corpus(data, settings, tmp_path / "corpus").words


def test_a_corpus_of_the_same_files_and_settings_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = write(tmp_path, TEXT), tmp_path / "corpus"
    open_corpus(data, CorpusSettings(min_count=2), folder)
    modified = (folder / "tokens.i32").stat().st_mtime_ns
    with monkeypatch.context() as patched:
        patched.setattr(module, "_encode", None)
        assert open_corpus(data, CorpusSettings(min_count=2), folder).total == 8
    assert (folder / "tokens.i32").stat().st_mtime_ns == modified
    assert open_corpus(data, CorpusSettings(min_count=1), folder).total == 12
    write(tmp_path, TEXT + "more")
    assert open_corpus(data, CorpusSettings(min_count=1), folder).total == 13


def test_an_interrupted_encoding_keeps_the_previous_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = write(tmp_path, TEXT), tmp_path / "corpus"
    open_corpus(data, CorpusSettings(min_count=2), folder)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_json", stop)
    for target in (folder, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            open_corpus(data, CorpusSettings(min_count=1), target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "text.txt"]
    assert EncodedCorpus(folder).total == 8


def test_corpora_of_different_settings_are_cached_separately(tmp_path: Path) -> None:
    data = write(tmp_path, TEXT)
    first, second = (open_corpus(data, CorpusSettings(min_count=count)) for count in (1, 2))
    assert first.folder != second.folder
    assert first.folder.parent == second.folder.parent == tmp_path / "cache" / "lectern" / "corpora"
    description = json.loads((first.folder / "corpus.json").read_text())
    assert (description["words"], description["total"], description["raw_total"]) == (7, 12, 12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text.txt: holds no words; the tokenizer is 'letters'"),
        ("1, 2, 3\n", "text.txt: holds no words"),
        (
            "a b c a\n",
            r"of 4 words \(3 different\) fewer than two occur 2 times; use more text, or a lower --min-count",
        ),
    ],
)
def test_too_little_text(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        open_corpus(write(tmp_path, text), CorpusSettings(min_count=2), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_a_folder_of_other_files_is_not_overwritten(tmp_path: Path) -> None:
    data = write(tmp_path, TEXT)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    for name in ("mine", "text.txt"):
        with pytest.raises(DatasetError, match=f"{name}: exists and is not an encoded corpus; name another folder"):
            open_corpus(data, CorpusSettings(min_count=1), tmp_path / name)


def test_an_empty_folder_and_a_partial_corpus_are_replaced(tmp_path: Path) -> None:
    data, folder = write(tmp_path, TEXT), tmp_path / "wiki.v1.5"
    folder.mkdir()
    assert open_corpus(data, CorpusSettings(min_count=1), folder).total == 12
    (folder / "corpus.json").unlink()
    assert open_corpus(data, CorpusSettings(min_count=1), folder).total == 12


def test_two_processes_may_encode_the_same_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that finishes last uses the corpus of the other."""
    data, folder = write(tmp_path, TEXT), tmp_path / "corpus"
    settings = CorpusSettings(min_count=1)
    encode = module._encode

    def encode_after_another_process(*arguments: object) -> None:
        monkeypatch.setattr(module, "_encode", encode)
        with monkeypatch.context() as patched:
            patched.setattr(module.os, "getpid", lambda: 1)
            open_corpus(data, settings, folder)
        (folder / "mark").touch()
        encode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_encode", encode_after_another_process)
    corpus = open_corpus(data, settings, folder)
    assert corpus.total == 12
    assert sorted(file.name for file in folder.iterdir()) == ["corpus.json", "mark", "tokens.i32", "vocabulary.tsv"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus", "text.txt"]
