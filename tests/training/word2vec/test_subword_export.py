"""Bundles of vectors with n-grams: quantization, parity, samples, what is refused, and reading them again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundle.files import read_bundle
from service.tasks.word_vectors import WordVectorsPredictor
from service.text import CharacterNgrams
from tests.support.bundle_edits import rewrite
from tests.support.files import npy
from tests.support.predictors import open_predictor
from tests.support.runs import assert_user_error
from tests.support.vectors import generate_vectors
from training.__main__ import main
from training.common.errors import ConfigError, DatasetError, ExportError
from training.common.vectors import BucketMatrix, SubwordVectors, WordVectors
from training.common.vectors.loading import bundle_vectors
from training.word2vec.export import parity
from training.word2vec.export.bundle import BundleSettings, Exported, export

pytestmark = pytest.mark.torch

NGRAMS = CharacterNgrams(min_ngram=3, max_ngram=5, buckets=2000)


def vectors_with_subwords() -> WordVectors:
    """Made words, each the mean of a row of its own and those of its n-grams."""
    vectors = generate_vectors()
    random = np.random.default_rng(2)
    buckets = random.normal(size=(NGRAMS.buckets, vectors.dimensions)) * np.linspace(2, 0.2, vectors.dimensions)
    used = {bucket for word in vectors.words for bucket in NGRAMS.buckets_of(word)}
    buckets[[bucket for bucket in range(NGRAMS.buckets) if bucket not in used]] = 0
    matrix = np.stack(
        [
            (own + buckets[NGRAMS.buckets_of(word)].sum(0)) / (1 + len(NGRAMS.buckets_of(word)))
            for word, own in zip(vectors.words, vectors.matrix, strict=True)
        ]
    )
    table = BucketMatrix(buckets.astype(np.float32))
    subwords = SubwordVectors(ngrams=NGRAMS, table=table, dimensions=vectors.dimensions)
    return replace(vectors, matrix=matrix.astype(np.float32), subwords=subwords)


def exported(repository: Path, **changes: Any) -> Exported:
    return export(vectors_with_subwords(), BundleSettings(name="words-xx", repository=repository, **changes))


@pytest.mark.parametrize("precision", ["int8", "fp16", "fp32"])
def test_composed_words_are_those_of_the_run(tmp_path: Path, precision: Any) -> None:
    result = exported(tmp_path, precision=precision)
    vectors = vectors_with_subwords()
    assert vectors.subwords is not None
    assert result.parity.composed_difference is not None
    assert result.parity.composed_difference < (0.03 if precision == "int8" else 2e-3)
    predictor = open_predictor(WordVectorsPredictor, result.bundle)
    assert list(predictor.replay()) == []
    word, other = vectors.words[3] + vectors.words[4], vectors.words[3]
    (score,) = predictor.answer({"pairs": [[word, other]]}, "/v1/similarity")["results"]
    composed = vectors.subwords.compose(word)
    assert composed is not None
    row = vectors.matrix[3]
    expected = float(composed @ row / np.linalg.norm(composed) / np.linalg.norm(row))
    assert score == {"score": pytest.approx(expected, abs=0.02), "composed": [word]}
    sample = result.bundle.samples()[-1]
    assert sample.route == "/v1/similarity"
    assert all(entry["composed"] for entry in sample.results)  # type: ignore[union-attr, index, call-overload]


def test_files_and_card(tmp_path: Path) -> None:
    bundle = read_bundle(exported(tmp_path).bundle.path)
    assert {"buckets.npy", "bucket_scales.npy", "bucket_columns.npy"} <= set(bundle.manifest.files)
    assert bundle.manifest.preprocessing["subwords"] == {
        "min_ngram": 3, "max_ngram": 5, "buckets": 2000, "file": "buckets.npy", "scales": "bucket_scales.npy",
        "columns": "bucket_columns.npy",
    }  # fmt: skip
    assert np.load(bundle.file("buckets.npy")).dtype == np.uint8
    card = bundle.file("MODEL_CARD.md").read_text()
    assert "n-grams of 3 to 5 characters, in 2,000 buckets" in card
    assert "is composed of its parts" in card


def test_a_bundle_is_read_with_its_ngrams(tmp_path: Path) -> None:
    vectors = vectors_with_subwords()
    loaded = bundle_vectors(exported(tmp_path, dimensions=8).bundle.path)
    assert loaded.subwords is not None
    assert vectors.subwords is not None
    word, other = vectors.words[5] + vectors.words[6], vectors.words[7] + vectors.words[8]
    first, second = loaded.subwords.compose(word), loaded.subwords.compose(other)
    assert first is not None
    assert second is not None
    assert first.shape == (8,)
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    served = open_predictor(WordVectorsPredictor, read_bundle(tmp_path / "words-xx" / "1"))
    (answer,) = served.answer({"pairs": [[word, other]]}, "/v1/similarity")["results"]
    assert answer["score"] == pytest.approx(float(first @ second), abs=1e-5)


def test_a_bundle_whose_ngrams_are_damaged_cannot_be_loaded(tmp_path: Path) -> None:
    damaged = rewrite(exported(tmp_path).bundle, {"bucket_columns.npy": npy(np.ones(3, np.float32))})
    with pytest.raises(DatasetError, match=r"bucket_columns\.npy: holds float32 \[3\]"):
        bundle_vectors(damaged.path)


def test_words_only_leaves_ngrams_out(tmp_path: Path) -> None:
    bundle = exported(tmp_path, words_only=True, remove_components=1).bundle
    assert "buckets.npy" not in bundle.manifest.files
    assert "subwords" not in bundle.manifest.preprocessing
    assert "have no vector" in bundle.file("MODEL_CARD.md").read_text()


def test_components_cannot_be_removed_from_ngrams(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--remove-components: .* --words-only"):
        exported(tmp_path, remove_components=1)
    assert not list(tmp_path.iterdir())


def test_rounding_that_changes_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parity._MAX_COMPOSED_DIFFERENCE, "int8", 1e-4)
    with pytest.raises(ExportError, match=r"composed of n-grams differ .* --words-only"):
        exported(tmp_path)


def test_from_text_to_a_word_that_it_never_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    topics = [["water", "waters", "watery", "watered"], ["fire", "fires", "fiery", "fired"]]
    lines = [" ".join(draw.choice(topics[number % 2], 8)) for number in range(400)]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    folders = [f"--{name}={tmp_path / name}" for name in ("run", "corpus", "models")]
    settings = ["--dimensions", "8", "--min-count", "1", "--sample", "0", "--epochs", "5", "--threads", "1"]
    train = ["word2vec", "train", "--data", str(tmp_path / "text.txt"), *folders, *settings]
    assert_user_error([*train, "--subwords", "--export", "--remove-components", "1"], "--words-only", capsys)
    assert main([*train, "--subwords", "--buckets", "500", "--export"]) == 0
    predictor = open_predictor(WordVectorsPredictor, read_bundle(tmp_path / "models" / "text" / "1"))
    (result,) = predictor.answer({"words": ["waterfall"], "k": 3}, "/v1/neighbors")["results"]
    assert result["composed"] == ["waterfall"]
    assert all(neighbor["word"].startswith("water") for neighbor in result["neighbors"])
    assert main(["word2vec", "convert", str(tmp_path / "run"), str(tmp_path / "vectors.bin")]) == 0
    assert "n-grams stay behind" in capsys.readouterr().out
