"""Models of fastText's: vectors of known and unknown words as fastText itself gives them, and files that are refused.

`fasttext.bin` was written by fastText 0.9.2 (skip-gram, 4 dimensions, 150 buckets, n-grams of 2 to 5 characters);
`fasttext.json` has what its `get_word_vector` answers.
"""

import gzip
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.files import read_bundle
from service.tasks.word_vectors import WordVectorsPredictor
from service.text import CharacterNgrams
from tests.support.predictors import open_predictor
from training.__main__ import main
from training.common.errors import DatasetError
from training.common.vectors import WordVectors, open_vectors, read_vectors
from training.common.vectors.loading import load_vectors_from

MODEL = Path(__file__).with_name("fasttext.bin")
EXPECTED: dict[str, list[float]] = json.loads(MODEL.with_suffix(".json").read_text(encoding="utf-8"))
_QUANTIZED = MODEL.read_bytes().index(struct.pack("<qq", 31 + 150, 4)) - 1
"""Offset of the flag of a quantized matrix."""


def vector_of(vectors: WordVectors, word: str) -> NDArray[np.float32]:
    """The vector of a known or an unknown word."""
    if word in vectors.index:
        row: NDArray[np.float32] = vectors.matrix[vectors.index[word]]
        return row
    assert vectors.subwords is not None
    composed = vectors.subwords.compose(word)
    assert composed is not None
    return composed


def changed(path: Path, offset: int, content: bytes) -> Path:
    """The model with some bytes replaced."""
    data = bytearray(MODEL.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("word", EXPECTED)
def test_vectors_are_those_of_fasttext(word: str) -> None:
    vectors = read_vectors(MODEL)
    assert (word in vectors.index) == (word in ("water", "waters", "</s>"))
    np.testing.assert_allclose(vector_of(vectors, word), EXPECTED[word], atol=2e-7)


def test_words_counts_and_ngrams() -> None:
    vectors = read_vectors(MODEL)
    assert (len(vectors), vectors.dimensions, vectors.words[0]) == (31, 4, "</s>")
    assert vectors.counts is not None
    assert vectors.counts[0] == 200, "one end for each line of the text"
    assert vectors.counts.sum() == 200 * 13
    assert vectors.subwords is not None
    assert vectors.subwords.ngrams == CharacterNgrams(min_ngram=2, max_ngram=5, buckets=150)
    with open_vectors(MODEL) as file:
        assert (file.format, file.dimensions, file.rows, file.notes) == ("fasttext", 4, 31, [])
    first = read_vectors(MODEL, max_words=5)
    assert first.words == vectors.words[:5]
    assert first.subwords is not None


def test_a_packed_model_is_unpacked_first(tmp_path: Path) -> None:
    (tmp_path / "cc.xx.bin.gz").write_bytes(gzip.compress(MODEL.read_bytes()))
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr("xx.bin", MODEL.read_bytes())
        archive.writestr("readme.txt", "a model")
    for path in (tmp_path / "cc.xx.bin.gz", tmp_path / "models.zip" / "xx.bin"):
        vectors = load_vectors_from(path)
        np.testing.assert_allclose(vector_of(vectors, "kingdom"), EXPECTED["kingdom"], atol=2e-7)


def test_a_model_without_ngrams_has_words_only(tmp_path: Path) -> None:
    vectors = read_vectors(changed(tmp_path / "x.bin", 8 + 4 * 10, struct.pack("<i", 0)))
    assert vectors.subwords is None
    assert len(vectors) == 31


@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        (4, struct.pack("<i", 13), "version 13; versions 11 and 12 can be read"),
        (8 + 4 * 7, struct.pack("<i", 3), "a classifier of fastText's"),
        (8 + 4 * 0, struct.pack("<i", 0), "damaged fastText model: it promises 0 dimensions"),
        (8 + 4 * 8, struct.pack("<i", -5), "damaged fastText model: it promises 4 dimensions and -5 buckets"),
        (8 + 4 * 8, struct.pack("<i", 151), r"its matrix is \[181, 4\], not \[182, 4\]"),
        (64, struct.pack("<ii", 31, 0), "its dictionary has 31 entries, 0 of which are words"),
        (64 + 8, struct.pack("<i", 2), "holds 2 labels"),
        (_QUANTIZED, b"\1", r"is quantized, as fastText's \.ftz; take the \.bin"),
    ],
)
def test_models_that_cannot_be_read(tmp_path: Path, offset: int, content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_vectors(changed(tmp_path / "x.bin", offset, content))


def test_a_model_that_was_cut_off_is_refused_wherever(tmp_path: Path) -> None:
    content, path = MODEL.read_bytes(), tmp_path / "x.bin"
    end = _QUANTIZED + 17 + 4 * 4 * (31 + 150)
    for length in (*range(4, _QUANTIZED + 20), end - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DatasetError, match=r"x\.bin: "):
            read_vectors(path)


def test_damaged_rows_are_listed_or_left_out(tmp_path: Path) -> None:
    nan = struct.pack("<4f", *[float("nan")] * 4)
    path = changed(tmp_path / "x.bin", _QUANTIZED + 17 + 16, nan)  # the row of the second word
    with pytest.raises(DatasetError, match=r"x\.bin: word 2: .* not finite.*--skip-bad"):
        read_vectors(path)
    vectors, whole = read_vectors(path, skip_bad=True), read_vectors(MODEL)
    assert vectors.words == [whole.words[0], *whole.words[2:]]
    assert vectors.counts is not None
    assert whole.counts is not None
    assert vectors.counts.tolist() == [whole.counts[0], *whole.counts[2:]]


@pytest.mark.parametrize(
    ("path", "format", "message"),
    [(MODEL, "glove", "is a model of fastText's, not glove"), (MODEL.with_suffix(".json"), "fasttext", "is no model")],
)
def test_another_format_than_named_is_refused(path: Path, format: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message), open_vectors(path, format=format):  # type: ignore[arg-type]
        pass


def test_one_command_serves_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["word2vec", "import", str(MODEL), "--name", "words-xx", "--models", str(tmp_path)]
    assert main(command) == 0
    assert "as fasttext" in capsys.readouterr().out
    predictor = open_predictor(WordVectorsPredictor, read_bundle(tmp_path / "words-xx" / "1"))
    assert list(predictor.replay()) == []
    (result,) = predictor.answer({"pairs": [["waterless", "kingdom"]]}, "/v1/similarity")["results"]
    first, second = (np.array(EXPECTED[word]) for word in ("waterless", "kingdom"))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert result == {"score": pytest.approx(cosine, abs=0.03), "composed": ["waterless", "kingdom"]}


def test_the_matrix_stays_on_disk(tmp_path: Path) -> None:
    """A model of 64 MB is read without its n-grams' vectors in memory."""
    content, buckets, size = bytearray(MODEL.read_bytes()), 4_000_000, 4
    content[8 + 4 * 8 : 8 + 4 * 9] = struct.pack("<i", buckets)
    content[_QUANTIZED + 1 : _QUANTIZED + 9] = struct.pack("<q", 31 + buckets)
    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(_QUANTIZED + 17 + 4 * size * (31 + buckets))
    tracemalloc.start()
    try:
        vectors = read_vectors(path)
        assert vectors.subwords is not None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20 << 20
