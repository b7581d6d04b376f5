"""The routes of word vectors over HTTP: answers and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.api.openai import ModelCard
from service.app import create_app
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import client_of, problem_of
from tests.support.word_vector_bundles import DIMENSIONS, WORDS, unit_vectors, write_words

ROUTES = ("similarity", "neighbors", "analogy", "projection", "odd-one-out", "embeddings")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with models of words and digits."""
    folder = tmp_path_factory.mktemp("models")
    write_words(folder)
    write_classifier(folder)
    settings = Settings(models=folder, max_words=10, max_neighbors=50, max_total_neighbors=100)
    with client_of(settings) as client:
        yield client


def ask(client: TestClient, route: str, **body: Any) -> Any:
    response = client.post(f"/v1/{route}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_similarity(client: TestClient) -> None:
    answer = ask(
        client, "similarity", pairs=[["King", "queen"], ["king", "king"], ["zzz", "king"], ["q", "r"], ["q", "q"]]
    )
    cosine = float(unit_vectors()[4] @ unit_vectors()[5])
    assert answer == {
        "model": "words",
        "version": "1",
        "results": [
            {"score": pytest.approx(cosine, abs=1e-6)},
            {"score": 1.0},
            {"score": None, "unknown": ["zzz"]},
            {"score": None, "unknown": ["q", "r"]},
            {"score": None, "unknown": ["q"]},
        ],
    }


def test_neighbors_of_words(client: TestClient) -> None:
    answer = ask(client, "neighbors", model="words", version=1, words=["KING", "Zzz", " paris "], k=2)
    first, second, third = answer["results"]
    assert [neighbor["word"] for neighbor in first["neighbors"]] == ["queen", "prince"]
    assert all(list(neighbor) == ["word", "score"] for neighbor in first["neighbors"])
    assert second == {"neighbors": None, "unknown": ["Zzz"], "suggestions": []}
    assert "paris" not in [neighbor["word"] for neighbor in third["neighbors"]]
    assert len(ask(client, "neighbors", words=["king"])["results"][0]["neighbors"]) == 10
    assert len(ask(client, "neighbors", words=["king"], k=50)["results"][0]["neighbors"]) == len(WORDS) - 1


def test_neighbors_of_vectors_and_sums(client: TestClient) -> None:
    scaled = [3.5 * value for value in unit_vectors()[4].tolist()]
    (result,) = ask(client, "neighbors", vectors=[scaled], k=1)["results"]
    assert result == {"neighbors": [{"word": "king", "score": 1.0}]}
    (result,) = ask(client, "neighbors", vectors=[[1] + [0] * (DIMENSIONS - 1)], k=1)["results"]
    assert result["neighbors"][0]["word"] == "man"
    (result,) = ask(client, "neighbors", positive=["king", "woman"], negative=["man"], k=1)["results"]
    assert result["neighbors"][0]["word"] == "queen"
    (result,) = ask(client, "neighbors", negative=["king"], k=1)["results"]
    assert result["neighbors"][0]["word"] != "king"


def test_analogies(client: TestClient) -> None:
    for a, b, c, d in (("man", "king", "woman", "queen"), ("Paris", "France", "Rome", "italy")):
        (result,) = ask(client, "analogy", a=a, b=b, c=c)["results"]
        assert result["neighbors"][0]["word"] == d
        assert len(result["neighbors"]) == 5


def test_a_projection(client: TestClient) -> None:
    answer = ask(client, "projection", words=["King", "queen", "zzz", "king"])
    first, second, third, fourth = answer["results"]
    assert (first["word"], second["word"]) == ("king", "queen")
    assert first == fourth
    assert third == {"word": "zzz", "x": None, "y": None, "unknown": ["zzz"]}
    assert answer["explained_variance"] == [1, 0]
    (alone,) = ask(client, "projection", words=["king"])["results"]
    assert alone == {"word": "king", "x": 0, "y": 0}


def test_a_projection_into_space(client: TestClient) -> None:
    words = ["king", "queen", "man", "zzz"]
    answer = ask(client, "projection", words=words, dimensions=3)
    assert [sorted(point) for point in answer["results"][:3]] == [["word", "x", "y", "z"]] * 3
    assert len(answer["explained_variance"]) == 3
    plane = ask(client, "projection", words=words)
    assert [(point["x"], point["y"]) for point in plane["results"]] == [
        (point["x"], point["y"]) for point in answer["results"]
    ]


def test_the_odd_one_out(client: TestClient) -> None:
    words = ["King", "queen", "man", "king", "zzz"]
    (result,) = ask(client, "odd-one-out", words=words)["results"]
    index = {word: place for place, word in enumerate(WORDS)}
    vectors = np.stack([unit_vectors()[index[word]] for word in ("king", "queen", "man", "king")])
    mean = vectors.mean(0)
    expected = (vectors @ mean) / np.linalg.norm(mean)
    assert result["scores"] == [*(pytest.approx(float(score), abs=1e-5) for score in expected), None]
    assert result["word"] == ["king", "queen", "man", "king"][int(expected.argmin())]
    assert result["unknown"] == ["zzz"]


def test_among_too_few_known_words_none_is_odd(client: TestClient) -> None:
    (result,) = ask(client, "odd-one-out", words=["king", "queen", "zzz", "yyy", "zzz"])["results"]
    assert result["word"] is None
    assert result["unknown"] == ["zzz", "yyy"]
    assert [score is None for score in result["scores"]] == [False, False, True, True, True]


def test_empty_lists_have_empty_results(client: TestClient) -> None:
    for route, body in (("similarity", {"pairs": []}), ("neighbors", {"words": []}), ("neighbors", {"vectors": []})):
        assert ask(client, route, **body)["results"] == []
    answer = ask(client, "projection", words=[])
    assert (answer["results"], answer["explained_variance"]) == ([], [0, 0])


def test_the_headers_name_the_model(client: TestClient) -> None:
    headers = client.post("/v1/similarity", json={"pairs": [["king", "queen"]]}).headers
    assert (headers["x-lectern-model"], headers["x-lectern-version"]) == ("words", "1")
    assert headers["x-lectern-provider"] == "CPUExecutionProvider"
    for stage in ("preprocess", "queue", "infer", "postprocess"):
        assert f"{stage};dur=" in headers["server-timing"]


def test_the_model_card_describes_the_words(client: TestClient) -> None:
    card = ModelCard.model_validate(client.get("/v1/models/words").json())
    assert card.task == "word-vectors"
    assert card.details == {
        "words": len(WORDS),
        "dimensions": DIMENSIONS,
        "normaliser": "lower",
        "tokenizer": "letters",
        "phrases": True,
        "search": "exact",
    }
    assert card.limits == {
        "max_batch_size": 64,
        "max_body_bytes": 16 * 2**20,
        "deadline_seconds": 30.0,
        "max_words": 10,
        "max_neighbors": 50,
        "max_total_neighbors": 100,
        "max_inputs": 2048,
        "max_tokens": 8192,
    }


_VECTOR = [1.0] * DIMENSIONS


@pytest.mark.parametrize(
    ("route", "body", "field", "message"),
    [
        ("similarity", {}, "pairs", "Field required"),
        ("similarity", {"pairs": "king queen"}, "pairs", "Input should be a valid list"),
        ("similarity", {"pairs": [["king", "queen"], ["king"]]}, "pairs[1][1]", "Field required"),
        ("similarity", {"pairs": [["a", "b", "c"]]}, "pairs[0]", "at most 2 items"),
        ("similarity", {"pairs": [["king", 7]]}, "pairs[0][1]", "Input should be a valid string"),
        ("similarity", {"pairs": [["king", "a"], ["king", ""]]}, "pairs[1][1]", "is empty; send a word"),
        ("similarity", {"pairs": [["\t ", "king"]]}, "pairs[0][0]", "is empty; send a word"),
        ("similarity", {"pairs": [["a", "b"]] * 11}, "pairs", "11 pairs, the limit is 10 (LECTERN_MAX_WORDS)"),
        ("similarity", {"pairs": [], "colour": 1}, "colour", "is not a field of this request"),
        ("neighbors", {}, None, "send one of 'words', 'vectors', and 'positive' with or without 'negative'"),
        ("neighbors", {"words": ["a"], "vectors": [_VECTOR]}, None, "send one of 'words', 'vectors'"),
        ("neighbors", {"words": ["a"], "negative": ["b"]}, None, "send one of 'words', 'vectors'"),
        ("neighbors", {"positive": []}, None, "'positive' and 'negative' hold no word"),
        ("neighbors", {"words": ["a", "b", "c", ""]}, "words[3]", "is empty; send a word"),
        ("neighbors", {"words": "king"}, "words", "Input should be a valid list"),
        ("neighbors", {"words": ["king", None]}, "words[1]", "Input should be a valid string"),
        ("neighbors", {"words": ["a"] * 11}, "words", "11 words, the limit is 10 (LECTERN_MAX_WORDS)"),
        ("neighbors", {"words": ["king"], "k": 0}, "k", "greater than or equal to 1"),
        ("neighbors", {"words": ["king"], "k": -1}, "k", "greater than or equal to 1"),
        ("neighbors", {"words": ["king"], "k": 10_000}, "k", "is 10000, the limit is 50 (LECTERN_MAX_NEIGHBORS)"),
        ("neighbors", {"words": ["king"] * 3, "k": 40}, "k", "3 times 40 neighbors, the limit is 100"),
        ("neighbors", {"words": ["king"], "k": 2.5}, "k", "valid integer"),
        ("neighbors", {"words": ["king"], "k": "3"}, "k", "valid integer"),
        ("neighbors", {"words": ["king"], "k": True}, "k", "valid integer"),
        ("neighbors", {"words": ["king"], "k": 10**18}, "k", "the limit is 50"),
        ("neighbors", {"vectors": _VECTOR[:3]}, "vectors[0]", "is no list, the model's vectors have 12"),
        ("neighbors", {"vectors": 3}, "vectors", "must be a list of vectors, each a list of 12 numbers"),
        ("neighbors", {"vectors": {}}, "vectors", "must be a list of vectors"),
        ("neighbors", {"vectors": [_VECTOR, [1, 2]]}, "vectors[1]", "holds 2 numbers, the model's vectors have 12"),
        ("neighbors", {"vectors": [[]]}, "vectors[0]", "holds 0 numbers"),
        ("neighbors", {"vectors": [["1"] * 12]}, "vectors[0][0]", '"1" is not a number'),
        ("neighbors", {"vectors": [[*_VECTOR[:11], None]]}, "vectors[0][11]", "null is not a number"),
        ("neighbors", {"vectors": [[*_VECTOR[:11], True]]}, "vectors[0][11]", "true is not a number"),
        ("neighbors", {"vectors": [[*_VECTOR[:11], [1]]]}, "vectors[0][11]", "a list is not a number"),
        ("neighbors", {"vectors": [[*_VECTOR[:11], 1e39]]}, "vectors[0][11]", "is beyond FP32"),
        ("neighbors", {"vectors": [_VECTOR, [0] * 12]}, "vectors[1]", "is zero; it points nowhere"),
        ("neighbors", {"vectors": [[1e-60] * 12]}, "vectors[0]", "is zero; it points nowhere"),
        ("neighbors", {"vectors": [_VECTOR] * 11}, "vectors", "11 vectors, the limit is 10"),
        (
            "neighbors",
            {"positive": ["king", "kingg"]},
            "positive[1]",
            "'kingg' is not in the vocabulary of model 'words'",
        ),
        ("neighbors", {"positive": ["king"], "negative": ["kingg"]}, "negative[0]", "closest known: king"),
        ("neighbors", {"positive": ["king", ""]}, "positive[1]", "is empty"),
        ("neighbors", {"positive": ["king"] * 11}, "positive", "11 words, the limit is 10"),
        ("neighbors", {"positive": ["king"], "negative": ["KING"]}, None, "the words cancel each other out"),
        ("analogy", {"a": "man", "b": "king"}, "c", "Field required"),
        ("analogy", {"a": "man", "b": "king", "c": ""}, "c", "is empty; send a word"),
        ("analogy", {"a": "man", "b": "king", "c": "womann"}, "c", "closest known: woman"),
        ("analogy", {"a": "man", "b": "king", "c": "x" * 10**6}, "c", "…' is not in the vocabulary"),
        ("analogy", {"a": "man", "b": "king", "c": "woman", "k": 51}, "k", "is 51, the limit is 50"),
        ("analogy", {"a": ["man"], "b": "king", "c": "woman"}, "a", "Input should be a valid string"),
        ("projection", {"words": ["king", " "]}, "words[1]", "is empty; send a word"),
        ("projection", {"words": ["king"], "dimensions": 4}, "dimensions", "Input should be 2 or 3"),
        ("projection", {"words": ["king"], "dimensions": "3"}, "dimensions", "Input should be 2 or 3"),
        ("odd-one-out", {"words": ["king", "queen"]}, "words", "holds 2 words; send at least 3"),
        ("odd-one-out", {"words": []}, "words", "holds 0 words; send at least 3"),
        ("odd-one-out", {"words": ["king", "", "man"]}, "words[1]", "is empty; send a word"),
        ("odd-one-out", {"words": ["king"] * 11}, "words", "11 words, the limit is 10"),
        ("odd-one-out", {"words": "king"}, "words", "Input should be a valid list"),
        ("odd-one-out", {"model": "digits", "words": ["king"] * 3}, "model", "is of the task 'image-classification'"),
        ("projection", {"words": ["king"] * 11}, "words", "11 words, the limit is 10"),
        ("similarity", {"model": "digits", "pairs": []}, "model", "'digits' is of the task 'image-classification'"),
    ],
)
def test_bad_input_is_named(
    client: TestClient, route: str, body: dict[str, Any], field: str | None, message: str
) -> None:
    response = client.post(f"/v1/{route}", json=body)
    problem = problem_of(response, 422, message)
    assert problem.get("field") == field
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_checks_the_model_and_version(client: TestClient, route: str) -> None:
    path = f"/v1/{route}"
    unparsable = client.post(path, content=b"{", headers={"content-type": "application/json"})
    assert unparsable.status_code == 400
    form = client.post(path, data={"words": "king"})
    assert form.status_code == 415
    assert "send application/json" in form.text
    assert client.post(path, content=b"{}").status_code == 415
    assert client.get(path).status_code == 405
    status = 400 if route == "embeddings" else 422
    assert client.post(path, json=[1]).status_code == status
    assert client.post(path, json={"colour": "red"}).status_code == status
    examples: dict[str, dict[str, Any]] = {
        "similarity": {"pairs": []},
        "neighbors": {"words": []},
        "analogy": {"a": "man", "b": "king", "c": "woman"},
        "projection": {"words": []},
        "odd-one-out": {"words": ["king", "queen", "man"]},
        "embeddings": {"input": "king"},
    }
    assert client.post(path, json=examples[route] | {"model": "nope"}).status_code == 404
    assert client.post(path, json=examples[route] | {"version": "9"}).status_code == 404
    assert client.post(path, json=examples[route] | {"model": "digits"}).status_code == status


def test_not_a_number_is_not_json(client: TestClient) -> None:
    content = b'{"vectors": [[NaN, 1]]}'
    response = client.post("/v1/neighbors", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert "which has no NaN" in response.json()["detail"]


def test_one_of_two_models_must_be_named(tmp_path: Path) -> None:
    write_words(tmp_path, "words-a")
    write_words(tmp_path, "words-b")
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        response = client.post("/v1/similarity", json={"pairs": []})
        assert response.status_code == 422
        assert "name one of: words-a, words-b" in response.json()["detail"]
        response = client.post("/v1/embeddings", json={"input": "king"})
        assert response.status_code == 400
        assert ask(client, "similarity", model="words-b", pairs=[])["model"] == "words-b"
