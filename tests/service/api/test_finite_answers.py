"""No number that a client sends makes an answer hold NaN, infinity or null, or makes the server fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import client_of
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import DIMENSIONS, WORDS, write_words

LENGTH = "inference-header-content-length"
LARGEST, SMALLEST = 3.4028234e38, 1e-45
"""Of float32."""
NUMBERS = [1e38, -1e38, LARGEST, -LARGEST, SMALLEST, 1e-320, 1e39, 1e308, 2**63, 2**64 - 1, -(2**63), 255, -0.0]
DATATYPES = ["FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL"]


@pytest.fixture(scope="module", params=[False, True], ids=["exact", "approximate"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with models of every task."""
    folder = tmp_path_factory.mktemp("models")
    write_classifier(folder)
    write_tagger(folder)
    write_words(folder, form="int8" if request.param else "inside", index=request.param)
    write_translator(folder)
    with client_of(Settings(models=folder)) as client:
        yield client


def finite(response: httpx.Response) -> Any:
    """The answer, which must not be a failure of the server, and must not hold NaN, infinity or null."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} in {response.text[:500]}")

    assert response.status_code in (200, 400, 422), response.text[:500]
    document = json.loads(response.content, parse_constant=refuse)
    if response.status_code == 200:
        # A translation of no piece has no score.
        assert "null" not in response.text.replace('"score":null,"alternatives":[]', ""), response.text[:500]
    return document


one_client = pytest.mark.parametrize("client", [False], ids=["exact"], indirect=True)
"""For what no index has a part in."""


@pytest.mark.parametrize("number", NUMBERS)
def test_vectors(client: TestClient, number: float) -> None:
    for vector in (
        [number] * DIMENSIONS,
        [number, -number] * (DIMENSIONS // 2),
        [number] + [0] * (DIMENSIONS - 1),
        [number, SMALLEST, *[0.5] * (DIMENSIONS - 2)],
    ):
        finite(client.post("/v1/neighbors", json={"vectors": [vector, [1] * DIMENSIONS], "k": 3}))


@one_client
@pytest.mark.parametrize("number", [*NUMBERS, 0, 1, 0.5, SMALLEST])
def test_pixels(client: TestClient, number: float) -> None:
    finite(client.post("/v1/classify", json={"pixels": [[[number] * 28] * 28]}))
    one = np.zeros((28, 28)).tolist()
    one[3][4] = number
    finite(client.post("/v1/classify", json={"pixels": [one]}))


@one_client
@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("outputs", [{}, {"classification": 10}, {"binary_data": True}])
def test_tensors(client: TestClient, datatype: str, outputs: dict[str, Any]) -> None:
    for number in (*NUMBERS, 0, 1, 0.5):
        tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": datatype, "data": [number] * 784}
        requested = [{"name": "probabilities", "parameters": outputs}]
        response = client.post("/v2/models/digits/infer", json={"inputs": [tensor], "outputs": requested})
        if response.status_code == 200 and "binary_data" in outputs:
            probabilities = np.frombuffer(response.content[int(response.headers[LENGTH]) :], np.float32)
            assert np.isfinite(probabilities).all(), number
            assert np.isclose(probabilities.sum(), 1), number
        else:
            finite(response)


@one_client
@pytest.mark.parametrize("number", [1e38, -1e38, LARGEST, np.inf, -np.inf, np.nan, SMALLEST, 1.0000001, -1e-30])
def test_binary_tensors(client: TestClient, number: float) -> None:
    content = np.full(784, number, "<f4").tobytes()
    headers = {LENGTH: "0", "content-type": "application/octet-stream"}
    response = client.post("/v2/models/digits/infer", content=content, headers=headers)
    if response.status_code == 200:
        probabilities = np.frombuffer(response.content[int(response.headers[LENGTH]) :], np.float32)
        assert np.isfinite(probabilities).all()
    else:
        assert "image: holds" in finite(response)["error"]


@one_client
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "1" + "0" * 400])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/classify", '{"pixels": [[[VALUE]]]}'),
        ("/v1/classify", '{"top_k": VALUE, "pixels": [[[0]]]}'),
        ("/v1/neighbors", '{"vectors": [[VALUE]]}'),
        ("/v1/neighbors", '{"words": ["king"], "k": VALUE}'),
        ("/v1/embeddings", '{"input": [VALUE]}'),
        ("/v1/embeddings", '{"input": "king", "dimensions": VALUE}'),
        ("/v1/translate", '{"source": "en", "target": "de", "text": "a", "beam_size": VALUE}'),
        ("/v2/models/digits/infer", '{"parameters": {"timeout": VALUE}, "inputs": []}'),
        ("/v2/models/digits/infer", '{"inputs": [{"name": "image", "shape": [VALUE], "datatype": "FP32"}]}'),
    ],
)
def test_what_json_does_not_have(client: TestClient, path: str, body: str, value: str) -> None:
    headers = {"content-type": "application/json"}
    response = client.post(path, content=body.replace("VALUE", value), headers=headers)
    assert response.status_code == 400
    finite(response)


@pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, -(2**63), 10**15])
def test_counts(client: TestClient, number: int) -> None:
    king = {"words": ["king"]}
    finite(client.post("/v1/neighbors", json=king | {"k": number}))
    finite(client.post("/v1/analogy", json={"a": "man", "b": "king", "c": "woman", "k": number}))
    finite(client.post("/v1/embeddings", json={"input": "king", "dimensions": number}))
    finite(client.post("/v1/embeddings", json={"input": [[number]]}))
    finite(client.post("/v1/classify", json={"pixels": [[[0] * 28] * 28], "top_k": number}))
    finite(client.post("/v1/translate", json={"text": "a", "source": "en", "target": "de", "beam_size": number}))
    finite(client.post("/v1/translate", json={"text": "a", "source": "en", "target": "de", "alternatives": number}))
    finite(client.post("/translate", json={"q": "a", "source": "en", "target": "de", "alternatives": number}))
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0] * 784}
    requested = [{"name": "probabilities", "parameters": {"classification": number}}]
    for parameters in ({"timeout": abs(number)}, {"priority": abs(number)}):
        body = {"inputs": [tensor], "outputs": requested, "parameters": parameters}
        finite(client.post("/v2/models/digits/infer", json=body))
    for shape in ([number, 1, 28, 28], [1, number, 28, 28], [number] * 16, [1, 1, 28, 28, number]):
        finite(client.post("/v2/models/digits/infer", json={"inputs": [tensor | {"shape": shape}]}))


@pytest.mark.parametrize("digits", ["9" * 4_000, "-" + "9" * 4_000, "1e400", "nan", "inf", "٣"])
def test_counts_in_forms_and_queries(client: TestClient, digits: str) -> None:
    finite(client.post("/v1/classify", params={"top_k": digits}, json={"pixels": [[[0] * 28] * 28]}))
    fields = {"q": "a", "source": "en", "target": "de", "alternatives": digits}
    finite(client.post("/translate", data=fields))


@pytest.mark.parametrize(
    "body",
    [
        {"positive": [WORDS[0]], "negative": [WORDS[0]]},
        {"positive": [WORDS[0]] * 5_000, "negative": [WORDS[0]] * 4_999},
        {"positive": [WORDS[0]] * 9_999 + [WORDS[1]]},
        {"positive": list(WORDS), "negative": list(WORDS)},
        {"negative": [WORDS[0]]},
    ],
)
def test_sums_that_cancel_or_grow(client: TestClient, body: dict[str, Any]) -> None:
    finite(client.post("/v1/neighbors", json=body))


def test_analogies_and_projections_of_one_word(client: TestClient) -> None:
    word = WORDS[0]
    finite(client.post("/v1/analogy", json={"a": word, "b": word, "c": word}))
    finite(client.post("/v1/analogy", json={"a": word, "b": WORDS[1], "c": word}))
    finite(client.post("/v1/projection", json={"words": [word]}))
    finite(client.post("/v1/projection", json={"words": [word] * 400}))
    finite(client.post("/v1/similarity", json={"pairs": [[word, word]]}))


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\ud7ff", "a" * 9_999, "1e999 NaN Infinity", "😀" * 99, "\n" * 99], ids=ascii
)
def test_texts(client: TestClient, text: str) -> None:
    finite(client.post("/v1/tag", json={"text": text}))
    response = client.post("/v1/translate", json={"text": text, "source": "en", "target": "de", "alternatives": 2})
    finite(response)
    for model, name in (("tagger", "TEXT"), ("translate-en-de", "TEXT"), ("words", "WORD")):
        tensor = {"name": name, "shape": [1, 1], "datatype": "BYTES", "data": [text]}
        finite(client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]}))
