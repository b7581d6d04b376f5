"""/v1/embeddings over HTTP: requests that the SDK would not send, and answers that it would hide."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.http import client_of
from tests.support.word_vector_bundles import DIMENSIONS, WORDS, unit_vectors, write_words


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with a model of words."""
    folder = tmp_path_factory.mktemp("models")
    write_words(folder)
    with client_of(Settings(models=folder)) as client:
        yield client


def embed(client: TestClient, inputs: Any, **more: Any) -> list[Any]:
    response = client.post("/v1/embeddings", json={"input": inputs} | more)
    assert response.status_code == 200, response.text
    return [entry["embedding"] for entry in response.json()["data"]]


def test_the_answer_has_openais_shape(client: TestClient) -> None:
    body = {"model": "words", "input": ["King", "the king of France"], "user": "somebody"}
    answer = client.post("/v1/embeddings", json=body).json()
    assert list(answer) == ["object", "model", "data", "usage"]
    assert (answer["object"], answer["model"]) == ("list", "words")
    assert [list(entry) for entry in answer["data"]] == [["object", "index", "embedding"]] * 2
    assert [(entry["object"], entry["index"]) for entry in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    for entry in answer["data"]:
        assert np.linalg.norm(entry["embedding"]) == pytest.approx(1, abs=1e-6)


def test_all_forms_of_input_agree(client: TestClient) -> None:
    expected = pytest.approx(unit_vectors()[4].tolist(), abs=1e-6)
    for inputs in ("king", ["king"]):
        assert embed(client, inputs) == [expected]
    (packed,) = embed(client, "king", encoding_format="base64")
    assert np.frombuffer(base64.b64decode(packed), "<f4").tolist() == expected


@pytest.mark.parametrize(
    "inputs",
    [[7], [1.5], [[7]], [[7, 8], [9]], [-1], [10**20], ["king", 7], ["king", [7]], [["king", 7]], 7],
    ids=str,
)
@pytest.mark.parametrize("strict", [False, True])
def test_token_ids_are_refused_with_what_to_set(client: TestClient, inputs: Any, *, strict: bool) -> None:
    response = client.post("/v1/embeddings", json={"input": inputs, "strict": strict})
    assert response.status_code == 400
    assert "check_embedding_ctx_length=False" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"user": None, "dimensions": None, "encoding_format": None, "stream_options": None, "extra": None},
        {"user": "", "stream": False, "stream_options": {"include_usage": True}},
        {"metadata": {"app": "tests"}, "store": False, "service_tier": "auto", "timeout": 600.0},
        {"safety_identifier": "a", "prompt_cache_key": "b", "request_id": "c", "priority": 0, "input_type": "query"},
    ],
    ids=["nulls", "streams", "accounts", "others"],
)
def test_fields_of_other_servers_that_change_nothing(client: TestClient, fields: dict[str, Any]) -> None:
    assert embed(client, "king", **fields) == embed(client, "king")


WITHOUT_A_WORD = ["", " \n", "!?", "----", "😀", "2015", "zzz qqq", "\u0000", "kingg", "﻿"]


def test_texts_without_a_known_word_have_zero_vectors_and_are_named(client: TestClient) -> None:
    texts = ["king", *WITHOUT_A_WORD, "queen"]
    response = client.post("/v1/embeddings", json={"input": texts})
    assert response.status_code == 200, response.text
    unknown = list(range(1, len(texts) - 1))
    assert response.json()["lectern"] == {"unknown": unknown}
    assert response.headers["x-lectern-unknown"] == str(len(unknown))
    vectors = np.array([entry["embedding"] for entry in response.json()["data"]])
    assert not vectors[1:-1].any()
    assert np.allclose(vectors[[0, -1]], unit_vectors()[[WORDS.index("king"), WORDS.index("queen")]], atol=1e-6)


def test_only_texts_without_a_known_word(client: TestClient) -> None:
    response = client.post("/v1/embeddings", json={"input": "😀", "encoding_format": "base64", "dimensions": 4})
    assert response.json()["lectern"] == {"unknown": [0]}
    (entry,) = response.json()["data"]
    assert np.frombuffer(base64.b64decode(entry["embedding"]), "<f4").tolist() == [0, 0, 0, 0]


def test_a_vector_whose_leading_dimensions_are_zero_is_named(client: TestClient) -> None:
    response = client.post("/v1/embeddings", json={"input": ["king", "apple"], "dimensions": 1})
    assert [entry["embedding"] for entry in response.json()["data"]] == [[1.0], [0.0]]
    assert response.json()["lectern"] == {"unknown": [1]}


def test_an_answer_without_unknown_texts_says_nothing_of_them(client: TestClient) -> None:
    response = client.post("/v1/embeddings", json={"input": ["king zzz"]})
    assert "lectern" not in response.json()
    assert "x-lectern-unknown" not in response.headers


def test_two_thousand_inputs(client: TestClient) -> None:
    words = [WORDS[index % len(WORDS)] for index in range(2048)]
    vectors = np.array(embed(client, words))
    assert np.allclose(vectors, unit_vectors()[np.arange(2048) % len(WORDS)], atol=1e-6)


def test_a_long_text_is_bounded_by_words(client: TestClient) -> None:
    assert len(embed(client, "king queen " * 4096)) == 1
    response = client.post("/v1/embeddings", json={"input": ["king", "king " * 8193]})
    assert response.status_code == 400
    message = "input[1]: 8193 words, the limit is 8192 (LECTERN_MAX_TOKENS); send it in parts"
    assert response.json()["error"]["message"] == message


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "input", "Field required"),
        ({"input": None}, "input", "must be a text or a list of texts"),
        ({"input": {"text": "king"}}, "input", "must be a text"),
        ({"input": []}, "input", "is empty; send 1 text or more"),
        ({"input": "", "strict": True}, "input", "is empty; send a word or a text"),
        ({"input": ["king", " \n"], "strict": True}, "input[1]", "is empty; send a word or a text"),
        ({"input": ["king"] * 2049}, "input", "2049 inputs, the limit is 2048 (LECTERN_MAX_INPUTS)"),
        ({"input": ["king", ["queen"]]}, "input[1]", "is not a text"),
        ({"input": [None]}, "input[0]", "is not a text"),
        ({"input": [True]}, "input[0]", "is not a text"),
        ({"input": "!?", "strict": True}, "input", "'!?' holds no word"),
        (
            {"input": ["king", "kingg"], "strict": True},
            "input[1]",
            "'kingg' is not in the vocabulary of model 'words'; closest known: king",
        ),
        (
            {"input": "zzz qqq", "strict": True},
            "input",
            "none of its 2 words is known: 'zzz' is not in the vocabulary",
        ),
        (
            {"input": ["king", "apple"], "dimensions": 1, "strict": True},
            "input[1]",
            "is a vector of zeros; ask for more 'dimensions'",
        ),
        ({"input": "king", "dimensions": 0}, "dimensions", "greater than or equal to 1"),
        ({"input": "king", "dimensions": DIMENSIONS + 1}, "dimensions", "is 13, the model's vectors have 12"),
        ({"input": "king", "dimensions": "3"}, "dimensions", "valid integer"),
        ({"input": "king", "encoding_format": "hex"}, "encoding_format", "Input should be 'float' or 'base64'"),
        ({"input": "king", "truncate": True}, "truncate", "is not a field of this request"),
        ({"input": "king", "stream": True}, "stream", "vectors are not streamed; leave it out"),
    ],
)
def test_bad_input_is_400_in_openais_shape(client: TestClient, body: dict[str, Any], param: str, message: str) -> None:
    response = client.post("/v1/embeddings", json=body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, None)
    assert message in error["message"]


def test_no_answer_holds_null(client: TestClient) -> None:
    response = client.post("/v1/embeddings", json={"input": list(WORDS)})
    assert b"null" not in response.content
    assert np.isfinite([entry["embedding"] for entry in orjson.loads(response.content)["data"]]).all()


def test_many_long_texts(client: TestClient) -> None:
    response = client.post("/v1/embeddings", json={"input": ["king queen zzz apple " * 2000] * 70})
    assert response.status_code == 200
    assert response.json()["usage"]["total_tokens"] == 8000 * 70
