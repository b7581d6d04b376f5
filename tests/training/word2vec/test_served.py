"""The server answers the samples of every kind of exported bundle as training stored them."""

from pathlib import Path
from typing import Any

import pytest

from service.tasks.word_vectors import WordVectorsPredictor
from tests.support.predictors import open_predictor
from tests.support.vectors import generate_vectors
from training.word2vec.export.bundle import BundleSettings, export

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("index", ["none", "hnsw"])
@pytest.mark.parametrize(
    ("precision", "outside"), [("int8", False), ("int8", True), ("fp16", False), ("fp16", True), ("fp32", False)]
)
def test_samples_are_answered_alike(
    precision: Any, outside: bool, index: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if index == "hnsw":
        pytest.importorskip("usearch")
    if outside:
        monkeypatch.setattr("training.word2vec.export.graph.MAX_INSIDE_BYTES", 100)
    settings = BundleSettings(name="words-xx", repository=tmp_path, precision=precision, index=index)
    predictor = open_predictor(WordVectorsPredictor, export(generate_vectors(), settings).bundle)
    assert len(predictor.bundle.samples()) == 4
    assert list(predictor.replay()) == []
    assert predictor.details["search"] == ("approximate" if index == "hnsw" else "exact")
    assert predictor.details["words"] == 300


def test_a_normalizer_a_tokenizer_and_phrases(tmp_path: Path) -> None:
    vectors = generate_vectors()
    vectors.words[20:22] = ["New_York", "New"]
    settings = BundleSettings(
        name="words-xx", repository=tmp_path, normalizer="lower", tokenizer="words", phrases=True, dimensions=6
    )
    predictor = open_predictor(WordVectorsPredictor, export(vectors, settings).bundle)
    assert list(predictor.replay()) == []
    answers = predictor.answer({"pairs": [["NEW YORK", "king"], ["new_york", "King"]]}, "/v1/similarity")
    assert answers["results"][0] == answers["results"][1] != {"score": None}
    texts = predictor.answer({"input": ["New York", "new york .", "new"]}, "/v1/embeddings")["data"]
    assert texts[0]["embedding"] == pytest.approx(texts[1]["embedding"], abs=1e-6)
    assert texts[0]["embedding"] != pytest.approx(texts[2]["embedding"], abs=1e-2)
    assert len(texts[0]["embedding"]) == 6
