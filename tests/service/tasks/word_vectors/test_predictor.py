"""The word vectors predictor, without HTTP: look-up, search and sums, with every form of table."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle.files import BundleError
from service.errors import InvalidRequest
from service.runtime import ann, session
from service.runtime.device_arrays import Device
from service.runtime.session import OnnxSession, Tensors
from service.tasks.tensors import object_array
from service.tasks.word_vectors import WordVectorsPredictor, predictor
from service.tasks.word_vectors import vector_table as table
from service.tasks.word_vectors.odd_one_out import closeness
from service.tasks.word_vectors.projection import principal_components
from service.tasks.word_vectors.request import NEIGHBORS, search_work
from service.tasks.word_vectors.resolved_words import SUMS, WeightedSum
from tests.support.bundle_edits import edit_samples, rewrite
from tests.support.files import npy
from tests.support.predictors import open_predictor
from tests.support.word_vector_bundles import (
    DIMENSIONS,
    WORDS,
    Form,
    quantized,
    unit_vectors,
    word_table,
    write_words,
)

FORMS: list[tuple[Form, bool]] = [("inside", False), ("int8", False), ("fp16", False), ("inside", True), ("int8", True)]

load = partial(open_predictor, WordVectorsPredictor)


@pytest.fixture(params=FORMS, ids=lambda form: f"{form[0]}{'-index' if form[1] else ''}")
def words(request: pytest.FixtureRequest, tmp_path: Path) -> WordVectorsPredictor:
    """The tiny word vectors, with every form of table."""
    form, index = request.param
    if index:
        pytest.importorskip("usearch")
    return load(write_words(tmp_path, form=form, index=index))


@pytest.fixture
def inside(tmp_path: Path) -> WordVectorsPredictor:
    """The tiny word vectors with their table inside the graph."""
    return load(write_words(tmp_path))


def neighbors(words: WordVectorsPredictor, route: str = "/v1/neighbors", **body: Any) -> list[list[str]]:
    results = words.answer(body, route)["results"]
    return [[neighbor["word"] for neighbor in result["neighbors"]] for result in results]


def test_the_samples_replay(words: WordVectorsPredictor) -> None:
    assert list(words.replay()) == []


def test_neighbors_equal_those_of_numpy(words: WordVectorsPredictor) -> None:
    scores = unit_vectors() @ unit_vectors().T
    for row, result in enumerate(words.answer({"words": list(WORDS), "k": 1000})["results"]):
        expected = [index for index in np.argsort(-scores[row], kind="stable").tolist() if index != row]
        assert len(result["neighbors"]) == len(WORDS) - 1
        answered = [WORDS.index(neighbor["word"]) for neighbor in result["neighbors"]]
        assert sorted(answered) == sorted(expected)
        assert [neighbor["score"] for neighbor in result["neighbors"]] == pytest.approx(
            scores[row, expected].tolist(), abs=1e-3
        )


def test_the_words_of_a_sum_are_excluded_from_the_answer(words: WordVectorsPredictor) -> None:
    assert neighbors(words, "/v1/analogy", a="man", b="king", c="woman", k=1) == [["queen"]]
    assert neighbors(words, "/v1/analogy", a="Paris", b="France", c="Rome", k=1) == [["italy"]]
    assert neighbors(words, positive=["king", "woman"], negative=["man"], k=1) == [["queen"]]
    (everything,) = neighbors(words, positive=["king", "woman", "king"], negative=["man"], k=100)
    assert sorted(everything) == sorted(set(WORDS) - {"king", "woman", "man"})


def test_the_nearest_word_of_a_word_vector_is_the_word(words: WordVectorsPredictor) -> None:
    vectors = unit_vectors()[[4, 5]]
    body: dict[str, Any] = {"vectors": [(vectors[0] * 1e30).tolist(), (vectors[1] * 1e-30).tolist()], "k": 1}
    assert neighbors(words, **body) == [["king"], ["queen"]]


def test_a_batch_is_answered_like_each_query_alone(words: WordVectorsPredictor) -> None:
    ids = np.arange(len(WORDS))
    together = words.infer({"ids": ids, "k": np.where(ids % 2, 3, 20)})
    assert np.allclose(together["embeddings"], unit_vectors(), atol=2e-3)
    for row in ids:
        alone = words.infer({"ids": ids[row : row + 1], "k": np.where(ids % 2, 3, 20)[row : row + 1]})
        assert np.abs(alone["embeddings"] - together["embeddings"][row]).max() < 1e-5
        scores, rows = together[NEIGHBORS][row]
        assert len(rows) == (3 if row % 2 else 20)
        assert np.abs(alone[NEIGHBORS][0][0] - scores).max() < 1e-5
        assert rows[0] == row


def test_empty_requests_have_empty_answers(words: WordVectorsPredictor) -> None:
    assert words.answer({"pairs": []}, "/v1/similarity") == {"results": []}
    assert words.answer({"words": []}) == {"results": []}
    assert words.answer({"vectors": []}) == {"results": []}
    unknown = {"neighbors": None, "unknown": ["zzz"], "suggestions": []}
    assert words.answer({"words": ["zzz"]}) == {"results": [unknown]}
    (misspelled, known) = words.answer({"words": ["kingg", "king"]})["results"]
    assert misspelled == {"neighbors": None, "unknown": ["kingg"], "suggestions": ["king"]}
    assert "suggestions" not in known
    assert words.answer({"words": []}, "/v1/projection") == {"results": [], "explained_variance": [0, 0]}


@pytest.mark.parametrize("form", ["int8", "fp16"])
def test_a_gpu_keeps_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form) -> None:
    bundle = write_words(tmp_path, form=form)
    expected = load(bundle).answer({"words": list(WORDS), "k": 7})
    bind_constants, bound = OnnxSession.bind_constants, []

    def on_cpu(self: OnnxSession, constants: Tensors) -> None:
        bound.append(sorted(constants))
        bind_constants(self, constants)

    monkeypatch.setattr(session, "_device_of", lambda report: Device("cpu", 0))
    monkeypatch.setattr(OnnxSession, "bind_constants", on_cpu)
    assert load(bundle).answer({"words": list(WORDS), "k": 7}) == expected
    assert bound == [["scales", "table"] if form == "int8" else ["table"]]


@pytest.mark.parametrize("form", ["inside", "int8", "fp16"])
def test_large_searches_run_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form) -> None:
    in_one_run = load(write_words(tmp_path, form=form))
    expected = in_one_run.answer({"words": list(WORDS), "k": 7})
    monkeypatch.setattr(table, "_MAX_SCORES", 3 * len(WORDS))
    monkeypatch.setattr(table, "_BLOCK_ROWS", 4)
    assert load(in_one_run.bundle).answer({"words": list(WORDS), "k": 7}) == expected


def test_the_sums_of_a_batch_are_computed_in_groups(
    inside: WordVectorsPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    body: dict[str, Any] = {"input": ["king queen", "the", "man woman boy girl", "rome"]}
    expected = inside.answer(body, "/v1/embeddings")
    max_rows = 0
    rows = table.GraphTable.rows

    def counting_rows(self: table.GraphTable, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        nonlocal max_rows
        max_rows = max(max_rows, len(ids))
        return rows(self, ids)

    monkeypatch.setattr(table.GraphTable, "rows", counting_rows)
    monkeypatch.setattr(predictor, "_ROWS_AT_ONCE", 3)
    assert inside.answer(body, "/v1/embeddings") == expected
    assert max_rows == 4


def test_a_text_is_the_weighted_mean_of_its_known_words(inside: WordVectorsPredictor) -> None:
    weights = np.linspace(0.1, 1, len(WORDS), dtype=np.float32)
    king, queen = WORDS.index("king"), WORDS.index("queen")
    expected = 2 * weights[king] * unit_vectors()[king] + weights[queen] * unit_vectors()[queen]
    answer = inside.answer({"input": "King, zzz queen KING!"}, "/v1/embeddings")
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert answer["data"][0]["embedding"] == pytest.approx((expected / np.linalg.norm(expected)).tolist(), abs=1e-6)


def test_phrases_are_joined_where_the_vocabulary_has_them(tmp_path: Path) -> None:
    joined, apart = load(write_words(tmp_path)), load(write_words(tmp_path, phrases=False))

    def embed(words: WordVectorsPredictor, text: str) -> Any:
        return words.answer({"input": text}, "/v1/embeddings")["data"][0]["embedding"]

    assert embed(joined, "to New York!") == pytest.approx(embed(joined, "new_york"))
    assert embed(apart, "to New York!") != pytest.approx(embed(apart, "new_york"))
    # A text that is a word of the vocabulary is looked up as that word.
    assert embed(apart, "New York") == pytest.approx(embed(joined, "new_york"))


def test_phrases_of_phrases(tmp_path: Path) -> None:
    names = ("a", "b", "a_b", "c_d", "a_b_c_d", "c", "d")
    loaded = load(write_words(tmp_path, words=names, rows=tuple(part[: len(names)] for part in word_table())))  # type: ignore[arg-type]
    for text, tokens in (("a b c d", 1), ("a b a b", 2), ("a b x c d", 3), ("c a b", 2), ("b a", 2)):
        assert loaded.answer({"input": text}, "/v1/embeddings")["usage"]["total_tokens"] == tokens, text


@pytest.mark.parametrize(
    ("word", "closest"),
    [("kingg", ["king"]), ("pirnce", ["prince"]), ("quen", ["queen"]), ("cafe", ["café"]), ("qqqqqqqq", [])],
)
def test_similar_spellings_are_suggested(inside: WordVectorsPredictor, word: str, closest: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        inside.answer({"a": "man", "b": word, "c": "woman"}, "/v1/analogy")
    hint = f"; closest known: {', '.join(closest)}" if closest else ""
    assert str(caught.value) == f"b: {word!r} is not in the vocabulary of model 'words'{hint}"


def test_other_cases_are_suggested_first_by_models_that_keep_case(tmp_path: Path) -> None:
    names = ("Polish", "polis", "POLISH", "Polisj")
    loaded = load(
        write_words(tmp_path, words=names, rows=tuple(part[:4] for part in word_table()), normaliser="none")  # type: ignore[arg-type]
    )
    with pytest.raises(InvalidRequest, match=r"closest known: Polish, POLISH, polis, Polisj$"):
        loaded.answer({"positive": ["polish"]})


def test_the_spelling_search_has_a_time_limit(inside: WordVectorsPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.tasks.word_vectors.spelling.TIME_LIMIT_SECONDS", -1.0)
    with pytest.raises(InvalidRequest, match=r"'kingg' is not in the vocabulary of model 'words'$"):
        inside.answer({"positive": ["kingg"]})


def test_words_that_cancel_each_other_out_are_refused(tmp_path: Path) -> None:
    rows = np.zeros((4, 4))
    rows[[0, 1, 2, 3], [1, 1, 2, 3]] = (1, -1, 1, 1)
    for index in (False, True):
        if index:
            pytest.importorskip("usearch")
        loaded = load(write_words(tmp_path, words=("up", "down", "left", "own"), rows=quantized(rows), index=index))
        for body in ({"positive": ["up"], "negative": ["up"]}, {"positive": ["up", "down"]}):
            with pytest.raises(InvalidRequest, match="the words cancel each other out"):
                loaded.answer(body)
    same = write_words(tmp_path, words=("up", "down", "left", "own"), rows=quantized(rows))
    even = load(rewrite(same, {"weights.npy": npy(np.ones(4, np.float32))}))
    body = {"input": ["left", "up down"]}
    answer = even.answer(body, "/v1/embeddings")
    assert answer["lectern"] == {"unknown": [1]}
    assert not np.any(answer["data"][1]["embedding"])
    with pytest.raises(InvalidRequest, match=r"input\[1\]: is a vector of zeros; its words cancel each other out"):
        even.answer(body | {"strict": True}, "/v1/embeddings")


def test_tiny_weights_do_not_cancel_out(inside: WordVectorsPredictor) -> None:
    sums = object_array([WeightedSum(np.array([1, 2]), np.array([1e-10, 1e-10], np.float32))])
    assert np.linalg.norm(inside.infer({SUMS: sums})["embeddings"]) == pytest.approx(1)


def test_truncated_vectors_have_norm_one(inside: WordVectorsPredictor) -> None:
    body: dict[str, Any] = {"input": ["king", "queen"], "dimensions": 3}
    for entry, row in zip(inside.answer(body, "/v1/embeddings")["data"], (4, 5), strict=True):
        leading = unit_vectors()[row, :3]
        assert entry["embedding"] == pytest.approx((leading / np.linalg.norm(leading)).tolist(), abs=1e-6)


class TestProjection:
    def test_the_plane_is_that_of_the_largest_variance(self) -> None:
        random = np.random.default_rng(0)
        for count in (12, 100):  # fewer and more than dimensions, which are decomposed differently
            vectors = (random.standard_normal((count, 30)) * np.linspace(3, 0.1, 30)).astype(np.float32)
            points, shares = principal_components(vectors, 2)
            centered = vectors - vectors.mean(axis=0)
            singular = np.linalg.svd(centered, compute_uv=False)
            assert shares == pytest.approx(singular[:2] ** 2 / (singular**2).sum(), rel=1e-4)
            assert np.linalg.norm(points, axis=0) == pytest.approx(singular[:2], rel=1e-4)
            reversed_points, _ = principal_components(vectors[::-1].copy(), 2)
            assert np.allclose(reversed_points[::-1], points, atol=1e-4)

    @pytest.mark.parametrize("count", [0, 1])
    def test_without_variance_all_points_are_at_the_origin(self, count: int) -> None:
        for vectors in (np.ones((count, 5), np.float32), np.ones((3 * count, 5), np.float32)):
            points, shares = principal_components(vectors, 2)
            assert points.tolist() == [[0, 0]] * len(vectors)
            assert shares.tolist() == [0, 0]

    def test_two_words_are_on_a_line(self, inside: WordVectorsPredictor) -> None:
        answer = inside.answer({"words": ["king", "queen", "king"]}, "/v1/projection")
        assert answer["explained_variance"] == [1, 0]
        (first, second, third) = answer["results"]
        assert first == third
        assert first["x"] == pytest.approx(-second["x"])
        assert [point["y"] for point in (first, second)] == [0, 0]


def test_protocol_tensors_are_words_and_vectors(inside: WordVectorsPredictor) -> None:
    assert [(spec.name, spec.datatype, spec.shape) for spec in inside.tensors.inputs] == [("WORD", "BYTES", (-1, 1))]
    assert [(spec.name, spec.shape) for spec in inside.tensors.outputs] == [("EMBEDDING", (-1, DIMENSIONS))]


def test_quick_runs_and_large_requests(inside: WordVectorsPredictor) -> None:
    assert inside.scheduling.is_quick({"ids": np.zeros(9, np.int64)})
    assert not inside.scheduling.is_quick({"ids": np.zeros(5000, np.int64)})
    assert not inside.scheduling.is_quick(inside.scheduling.warm_up())
    long = WeightedSum(np.zeros(300, np.int64), np.ones(300, np.float32))
    assert inside.scheduling.is_quick({SUMS: object_array([long])})
    assert not inside.scheduling.is_quick({SUMS: object_array([long, long])})
    mapped = load(write_words(inside.bundle.path.parent.parent, "mapped", form="int8"))
    assert [mapped.scheduling.is_quick({"ids": np.zeros(rows, np.int64)}) for rows in (16, 17)] == [True, False]
    for route, body, is_large in (
        ("/v1/neighbors", {"words": ["king"]}, False),
        ("/v1/neighbors", {"words": ["king"] * 500}, True),
        ("/v1/neighbors", {"words": ["king"] * 20, "k": 100}, True),
        ("/v1/neighbors", {"vectors": [[1] * DIMENSIONS]}, False),
        ("/v1/neighbors", {"vectors": [[1] * DIMENSIONS] * 50}, True),
        ("/v1/neighbors", {"positive": ["king"] * 500}, True),
        ("/v1/similarity", {"pairs": [["a", "b"]]}, False),
        ("/v1/similarity", {"pairs": [["a", "b"]] * 500}, True),
        ("/v1/projection", {"words": ["a"] * 500}, True),
        ("/v1/embeddings", {"input": "a"}, False),
        ("/v1/embeddings", {"input": "a" * 5000}, True),
        ("/v1/embeddings", {"input": ["a"] * 500}, True),
    ):
        request = inside.parse(inside.routes[route].model_validate(body))
        assert inside.scheduling.is_slow(request) is is_large, (route, str(body)[:60])


def test_without_usearch_search_is_exact_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("usearch")
    bundle = write_words(tmp_path, index=True)
    assert load(bundle).details["search"] == "approximate"
    monkeypatch.setattr(ann, "is_installed", lambda: False)
    with caplog.at_level(logging.WARNING):
        exact = load(bundle)
    assert exact.details["search"] == "exact"
    assert list(exact.replay()) == []
    (record,) = caplog.records
    assert "index.usearch: not used, as usearch is not installed" in record.getMessage()
    assert "'.[ann]'" in record.getMessage()


def test_a_sample_of_an_unknown_route_is_refused(inside: WordVectorsPredictor) -> None:
    bundle = edit_samples(inside.bundle, lambda samples: samples[0].update(route="/v1/classify"))
    (difference,) = load(bundle).replay()
    assert difference.startswith(
        "samples[0]: refused: route: '/v1/classify' is no route of this task; it has /v1/neighbors"
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"vocabulary.txt": b"one\ntwo\n"}, r"weights\.npy: holds float32 \[21\], it must be float32 \[2\]"),
        ({"weights.npy": npy(np.ones(21))}, r"weights\.npy: holds float64 \[21\], it must be float32 \[21\]"),
        ({"weights.npy": b"hello"}, r"weights\.npy: cannot be read as an array"),
        (
            {"table.npy": npy(np.ones((21, 5), np.int8))},
            r"table\.npy: holds int8 \[21, 5\], it must be int8 \[21, 12\]",
        ),
        ({"table.npy": npy(np.ones((21, 12)))}, r"table\.npy: holds float64 \[21, 12\], it must be int8"),
        (
            {"scales.npy": npy(np.ones(21, np.float32))},
            r"scales\.npy: holds float32 \[21\], it must be float32 \[21, 1\]",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    bundle = rewrite(write_words(tmp_path, form="int8"), files)
    with pytest.raises(BundleError, match=message):
        load(bundle)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dimensions": 13},
            r"must be ids INT64 \[-1, -1\], weights FP32 \[-1, -1\], vectors FP32 \[-1, 13\], k INT64 \[-1\];",
        ),
        ({"table": "table.npy"}, r"the inputs of .* must be .*table FP32 \[-1, 12\]"),
        ({"normaliser": "upper"}, r"manifest\.json: preprocessing: normaliser: Input should be 'none' or 'lower'"),
        ({"colour": "red"}, r"manifest\.json: preprocessing: colour: is not a field"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load(write_words(tmp_path, **changes))


def test_a_number_of_neighbors_that_is_refused_is_not_taken_for_work() -> None:
    assert search_work(2, 2**60) == search_work(2, 100_000)
    assert search_work(2, 100) != search_work(2, 1000)


def test_three_components_are_two_and_one_more(inside: WordVectorsPredictor) -> None:
    for count in (3, 4, 40):
        vectors = np.random.default_rng(count).normal(size=(count, 8)).astype(np.float32)
        points, shares = principal_components(vectors, 3)
        plane, two = principal_components(vectors, 2)
        np.testing.assert_allclose(points[:, :2], plane, atol=1e-9)
        np.testing.assert_allclose(shares[:2], two)
        assert shares[2] <= shares[1]
        centered = vectors - vectors.mean(0, dtype=np.float64)
        assert shares[2] == pytest.approx((points[:, 2] ** 2).sum() / (centered**2).sum(), abs=1e-9)
    answer = inside.answer({"words": ["king", "queen", "man", "zzz"], "dimensions": 3}, "/v1/projection")
    assert len(answer["explained_variance"]) == 3
    assert answer["results"][3] == {"word": "zzz", "x": None, "y": None, "z": None, "unknown": ["zzz"]}


def test_the_odd_one_is_the_farthest_from_the_mean() -> None:
    vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    mean = vectors.mean(0)
    expected = vectors @ (mean / np.linalg.norm(mean))
    np.testing.assert_allclose(closeness(vectors), expected, atol=1e-6)
    assert closeness(vectors).argmin() == 3
    assert not closeness(np.array([[1, 0], [-1, 0]], np.float32)).any()
    assert len(closeness(vectors[:0])) == 0
