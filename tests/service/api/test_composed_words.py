"""Words composed of n-grams over HTTP: the answers, the header of unknown inputs, and the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from service.api.word_vectors import (
    EmbeddingsAnswer,
    NeighborsAnswer,
    OddOneOutAnswer,
    ProjectionAnswer,
    SimilarityAnswer,
)
from service.settings import Settings
from tests.support.http import client_of, problem_of
from tests.support.word_vector_bundles import DIMENSIONS, write_words


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with word vectors whose n-grams all have vectors."""
    folder = tmp_path_factory.mktemp("models")
    buckets = np.random.default_rng(1).normal(size=(200, DIMENSIONS)).astype(np.float32)
    write_words(folder, buckets=buckets)
    with client_of(Settings(models=folder)) as client:
        yield client


@pytest.mark.parametrize(
    ("route", "body", "answer", "composed"),
    [
        ("similarity", {"pairs": [["kings", "king"]]}, SimilarityAnswer, ["kings"]),
        ("neighbors", {"words": ["kings"], "k": 2}, NeighborsAnswer, ["kings"]),
        ("neighbors", {"positive": ["kings", "man"], "k": 2}, NeighborsAnswer, ["kings"]),
        ("analogy", {"a": "man", "b": "kings", "c": "women"}, NeighborsAnswer, ["kings", "women"]),
        ("projection", {"words": ["kings"]}, ProjectionAnswer, ["kings"]),
        ("odd-one-out", {"words": ["king", "queen", "kings"]}, OddOneOutAnswer, ["kings"]),
    ],
)
def test_answers_name_composed_words(
    client: TestClient, route: str, body: dict[str, object], answer: type[BaseModel], composed: list[str]
) -> None:
    response = client.post(f"/v1/{route}", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["results"][0]["composed"] == composed
    assert "unknown" not in response.json()["results"][0]
    answer.model_validate(response.json())


def test_embeddings_name_inputs_with_composed_words(client: TestClient) -> None:
    response = client.post("/v1/embeddings", json={"input": ["king", "kings"]})
    assert response.json()["lectern"] == {"unknown": [], "composed": [1]}
    assert "x-lectern-unknown" not in response.headers
    EmbeddingsAnswer.model_validate(response.json())
    response = client.post("/v1/embeddings", json={"input": ["kings", "!"]})
    assert response.json()["lectern"] == {"unknown": [1], "composed": [0]}
    assert response.headers["x-lectern-unknown"] == "1"


def test_a_word_that_cannot_be_composed_is_refused_as_before(client: TestClient) -> None:
    body = {"a": "man", "b": "x" * 200, "c": "woman"}
    problem = problem_of(client.post("/v1/analogy", json=body), 422, "is not in the vocabulary of model 'words'")
    assert problem["field"] == "b"


def test_the_protocol_tells_which_rows_were_composed(client: TestClient) -> None:
    outputs = client.get("/v2/models/words").json()["outputs"]
    assert outputs == [
        {"name": "EMBEDDING", "datatype": "FP32", "shape": [-1, DIMENSIONS]},
        {"name": "COMPOSED", "datatype": "BOOL", "shape": [-1, 1]},
    ]
    words = {"name": "WORD", "datatype": "BYTES", "shape": [2, 1], "data": ["king", "kings"]}
    answer = client.post("/v2/models/words/infer", json={"inputs": [words]}).json()
    tensors = {tensor["name"]: tensor for tensor in answer["outputs"]}
    assert tensors["COMPOSED"]["data"] == [False, True]
    vectors = np.array(tensors["EMBEDDING"]["data"]).reshape(2, DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_the_card_of_the_model_has_the_lengths_of_its_ngrams(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["data"]
    assert model["details"]["subwords"] == {"min_ngram": 3, "max_ngram": 4, "buckets": 200}
