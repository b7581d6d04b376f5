"""Words that are not in the vocabulary, composed of their n-grams, on every route and in every form of table."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.files import BundleError
from service.errors import InvalidRequest, ModelFailure
from service.tasks.word_vectors import WordVectorsPredictor
from service.tasks.word_vectors.preprocessing import WordVectorsPreprocessing
from service.text import CharacterNgrams
from tests.support.bundle_edits import rewrite
from tests.support.files import npy
from tests.support.predictors import open_predictor
from tests.support.word_vector_bundles import DIMENSIONS, WORDS, Form, unit_vectors, write_words

NGRAMS = CharacterNgrams(min_ngram=3, max_ngram=4, buckets=400)

load = partial(open_predictor, WordVectorsPredictor)


def bucket_vectors() -> NDArray[np.float32]:
    """Vectors of n-grams [buckets, D] of different norms; those that no word has are zero."""
    random = np.random.default_rng(5)
    buckets = random.normal(size=(NGRAMS.buckets, DIMENSIONS)) * random.uniform(0.1, 3, (NGRAMS.buckets, 1))
    used = {bucket for word in WORDS for bucket in NGRAMS.buckets_of(word)}
    buckets[[bucket for bucket in range(NGRAMS.buckets) if bucket not in used]] = 0
    return buckets.astype(np.float32)


def composed(word: str) -> NDArray[np.float32]:
    """The unit vector of an unknown word, by numpy."""
    mean: NDArray[np.float32] = bucket_vectors()[NGRAMS.buckets_of(word)].mean(axis=0)
    return mean / np.linalg.norm(mean)


def summed(*unknown: str) -> NDArray[np.float32]:
    """The unit vector of a text of unknown words."""
    total: NDArray[np.float32] = np.sum([composed(word) for word in unknown], axis=0)
    return total / np.linalg.norm(total)


def row(word: str) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = unit_vectors()[WORDS.index(word)]
    return vector


def ungrammed() -> str:
    """A word whose n-grams no word of the vocabulary has."""
    vectors = bucket_vectors()
    letters = (chr(0x4E00 + number) * 3 for number in range(10_000))
    return next(word for word in letters if not vectors[NGRAMS.buckets_of(word)].any())


@pytest.fixture(scope="module", params=["inside", "int8", "fp16"])
def words(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WordVectorsPredictor:
    """The tiny word vectors with n-grams, stored as bytes or as fp16."""
    form: Form = request.param
    return load(write_words(tmp_path_factory.mktemp("models"), form=form, buckets=bucket_vectors()))


def close(value: float) -> Any:
    return pytest.approx(value, abs=0.02)


def test_the_samples_replay(words: WordVectorsPredictor) -> None:
    assert list(words.replay()) == []


def test_similarity(words: WordVectorsPredictor) -> None:
    pairs = [["Kings", "king"], ["kings", "queens"], ["kings", ungrammed()], ["king", "queen"], ["kings", "kings"]]
    answer = words.answer({"pairs": pairs}, "/v1/similarity")["results"]
    assert answer[0] == {"score": close(float(composed("kings") @ row("king"))), "composed": ["Kings"]}
    assert answer[1] == {"score": close(float(composed("kings") @ composed("queens"))), "composed": ["kings", "queens"]}
    assert answer[2] == {"score": None, "unknown": [ungrammed()], "composed": ["kings"]}
    assert answer[3] == {"score": pytest.approx(float(row("king") @ row("queen")), abs=1e-3)}
    assert answer[4] == {"score": 1.0, "composed": ["kings"]}


def test_neighbors_of_words(words: WordVectorsPredictor) -> None:
    answer = words.answer({"words": ["king", "princes", ungrammed()], "k": 3}, "/v1/neighbors")["results"]
    assert "composed" not in answer[0]
    assert "king" not in [neighbor["word"] for neighbor in answer[0]["neighbors"]]
    scores = unit_vectors() @ composed("princes")
    assert answer[1]["composed"] == ["princes"]
    assert [neighbor["score"] for neighbor in answer[1]["neighbors"]] == close(np.sort(scores)[::-1][:3].tolist())  # type: ignore[arg-type]
    assert answer[2] == {"neighbors": None, "unknown": [ungrammed()], "suggestions": []}


def test_sums_and_analogies(words: WordVectorsPredictor) -> None:
    target = row("king") - composed("mans") + row("woman")
    scores = unit_vectors() @ (target / np.linalg.norm(target))
    scores[[WORDS.index("king"), WORDS.index("woman")]] = -1
    for body, route in (
        ({"a": "mans", "b": "king", "c": "woman", "k": 1}, "/v1/analogy"),
        ({"positive": ["king", "woman"], "negative": ["mans"], "k": 1}, "/v1/neighbors"),
    ):
        (result,) = words.answer(body, route)["results"]
        assert result["composed"] == ["mans"]
        assert result["neighbors"][0]["score"] == close(float(scores.max()))
    with pytest.raises(InvalidRequest, match=f"'{ungrammed()}' is not in the vocabulary"):
        words.answer({"a": ungrammed(), "b": "king", "c": "woman"}, "/v1/analogy")
    with pytest.raises(InvalidRequest, match="cancel each other out"):
        words.answer({"positive": ["kings"], "negative": ["kings"]}, "/v1/neighbors")


def test_projection_and_odd_one_out(words: WordVectorsPredictor) -> None:
    listed = ["king", "Kings", "queen", ungrammed(), "Kings"]
    points = words.answer({"words": listed}, "/v1/projection")["results"]
    assert [point["word"] for point in points] == ["king", "kings", "queen", ungrammed(), "kings"]
    assert [point.get("composed") for point in points] == [None, ["Kings"], None, None, ["Kings"]]
    assert points[1] == points[4]
    assert points[1]["x"] is not None
    assert points[3]["unknown"] == [ungrammed()]
    (result,) = words.answer({"words": ["king", "queen", "prince", "applebanana", ungrammed()]}, "/v1/odd-one-out")[
        "results"
    ]
    assert result["composed"] == ["applebanana"]
    assert result["unknown"] == [ungrammed()]
    assert result["scores"][4] is None
    vectors = np.stack([row("king"), row("queen"), row("prince"), composed("applebanana")])
    mean = vectors.mean(0)
    expected = vectors @ (mean / np.linalg.norm(mean))
    assert result["scores"][:4] == close(expected.tolist())
    assert result["word"] == ["king", "queen", "prince", "applebanana"][int(expected.argmin())]


def test_embeddings(words: WordVectorsPredictor) -> None:
    texts = ["king", "kings", "King kings, kings", ungrammed(), ""]
    answer = words.answer({"input": texts}, "/v1/embeddings")
    assert answer["lectern"] == {"unknown": [3, 4], "composed": [1, 2]}
    vectors = np.array([entry["embedding"] for entry in answer["data"]])
    assert vectors[1].tolist() == close(composed("kings").tolist())  # type: ignore[arg-type]
    weight = np.load(words.bundle.file("weights.npy"))[WORDS.index("king")]
    mixed = weight * row("king") + 2 * composed("kings")
    assert vectors[2].tolist() == close((mixed / np.linalg.norm(mixed)).tolist())  # type: ignore[arg-type]
    assert not vectors[3:].any()
    only_composed = words.answer({"input": "kings"}, "/v1/embeddings")
    assert only_composed["lectern"] == {"unknown": [], "composed": [0]}
    assert "lectern" not in words.answer({"input": "king"}, "/v1/embeddings")
    with pytest.raises(InvalidRequest, match=r"input\[0\].*not in the vocabulary"):
        words.answer({"input": [ungrammed()], "strict": True}, "/v1/embeddings")


def test_an_unknown_word_has_the_same_vector_as_in_neighbors_though_the_tokenizer_splits_it(
    words: WordVectorsPredictor,
) -> None:
    texts = ["king-sized", "King kings2", "kings-2 prin"]
    answer = words.answer({"input": texts}, "/v1/embeddings")
    vectors = np.array([entry["embedding"] for entry in answer["data"]])
    whole = words.answer({"input": "kinga7queenb"}, "/v1/embeddings")
    assert whole["data"][0]["embedding"] == close(composed("kinga7queenb").tolist())  # type: ignore[arg-type]
    assert whole["usage"]["prompt_tokens"] == 1
    # A known part, white space and outer punctuation mean that it is a text.
    assert answer["usage"]["prompt_tokens"] > len(texts)
    assert vectors[2].tolist() == close(summed("kings", "prin").tolist())  # type: ignore[arg-type]
    outer = words.answer({"input": "kings7prin!"}, "/v1/embeddings")
    assert outer["data"][0]["embedding"] == close(summed("kings", "prin").tolist())  # type: ignore[arg-type]


def test_protocol_tensors_tell_composed_words(words: WordVectorsPredictor) -> None:
    assert [(spec.name, spec.datatype, spec.shape) for spec in words.tensors.outputs] == [
        ("EMBEDDING", "FP32", (-1, DIMENSIONS)),
        ("COMPOSED", "BOOL", (-1, 1)),
    ]
    adapter = words.tensors
    for asked, expected in (([b"king", b"kings"], [[False], [True]]), ([b"king"], [[False]])):
        read = adapter.read({"WORD": np.array(asked, object).reshape(-1, 1)})  # type: ignore[attr-defined]
        written = adapter.write(words.infer(read))  # type: ignore[attr-defined]
        assert written["COMPOSED"].tolist() == expected
        assert np.linalg.norm(written["EMBEDDING"], axis=1) == pytest.approx(1, abs=1e-3)
    with pytest.raises(InvalidRequest, match=r"WORD\[0\]"):
        adapter.read({"WORD": np.array([ungrammed().encode()], object).reshape(-1, 1)})  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["a" * 129, "kings" * 10_000])
def test_a_word_of_more_characters_than_words_have_is_unknown(words: WordVectorsPredictor, word: str) -> None:
    assert words.answer({"pairs": [[word, "king"]]}, "/v1/similarity")["results"] == [
        {"score": None, "unknown": [word]}
    ]


def test_a_word_shorter_than_its_ngrams_is_unknown(tmp_path: Path) -> None:
    bundle = write_words(tmp_path, buckets=bucket_vectors())
    settings = dict(bundle.manifest.preprocessing["subwords"], min_ngram=4)  # type: ignore[arg-type]
    longer = load(write_words(tmp_path, "longer", buckets=bucket_vectors(), subwords=settings))
    assert longer.answer({"pairs": [["q", "king"]]}, "/v1/similarity")["results"] == [{"score": None, "unknown": ["q"]}]


def test_without_buckets_nothing_changes(tmp_path: Path) -> None:
    plain = load(write_words(tmp_path))
    answer = plain.answer({"pairs": [["kings", "king"]]}, "/v1/similarity")["results"]
    assert answer == [{"score": None, "unknown": ["kings"]}]
    assert "subwords" not in plain.details
    dumped = WordVectorsPreprocessing.model_validate(plain.manifest.preprocessing).model_dump()
    assert "subwords" not in dumped, "earlier releases refuse keys that they do not know"


def test_the_card_says_that_words_are_composed(words: WordVectorsPredictor) -> None:
    assert words.details["subwords"] == {"min_ngram": 3, "max_ngram": 4, "buckets": 400}


def test_more_than_a_few_words_go_to_a_thread(words: WordVectorsPredictor, tmp_path: Path) -> None:
    plain = load(write_words(tmp_path))
    for predictor, is_large in ((words, True), (plain, False)):
        body = predictor.routes["/v1/projection"].model_validate({"words": ["king"] * 50})
        assert predictor.scheduling.is_slow(predictor.parse(body)) == is_large


def test_damaged_vectors_are_an_error_of_the_model(tmp_path: Path) -> None:
    bundle = write_words(tmp_path, form="fp16", buckets=bucket_vectors())
    broken = load(rewrite(bundle, {"buckets.npy": npy(np.full((400, DIMENSIONS), np.nan, np.float16))}))
    with pytest.raises(ModelFailure, match="NaN or infinity"):
        broken.answer({"pairs": [["kings", "king"]]}, "/v1/similarity")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"buckets": 401}, r"bucket_scales\.npy: holds float32 \[400, 1\], it must be float32 \[401, 1\]"),
        ({"scales": None}, "subwords need 'scales' and 'columns' or neither"),
        ({"scales": None, "columns": None}, r"buckets\.npy: holds uint8 .* it must be float16"),
        ({"max_ngram": 2}, "max_ngram is 2, less than min_ngram, 3"),
        ({"min_ngram": 0}, "min_ngram"),
    ],
)
def test_subwords_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    settings = dict(write_words(tmp_path, buckets=bucket_vectors()).manifest.preprocessing["subwords"])  # type: ignore[arg-type]
    changed = write_words(tmp_path, "changed", buckets=bucket_vectors(), subwords=settings | change)
    with pytest.raises(BundleError, match=message):
        load(changed)
