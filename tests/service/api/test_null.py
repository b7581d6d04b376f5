"""null in a JSON body means that the field was not given, on every route and for every optional field; on
LibreTranslate's routes an empty text does too."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.app import OPERATIONS, create_app
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.inference_requests import good
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

REQUIRED: dict[str, dict[str, Any]] = {
    "/v1/classify": pixels(7),
    "/v1/tag": {"text": "dog"},
    "/v1/translate": {"text": "dog"},
    "/v1/similarity": {"pairs": [["king", "queen"]]},
    "/v1/neighbors": {"words": ["king"]},
    "/v1/analogy": {"a": "man", "b": "king", "c": "woman"},
    "/v1/projection": {"words": ["king", "queen"]},
    "/v1/odd-one-out": {"words": ["king", "queen", "man"]},
    "/v1/embeddings": {"input": "king"},
    "/translate": {"q": "dog", "source": "en", "target": "de"},
    "/detect": {"q": "dog"},
    "/suggest": {"q": "dog", "s": "Hund", "source": "en", "target": "de"},
    "/v2/models/{model}/infer": good(),
    "/v2/repository/index": {},
    "/v2/repository/models/{model}/load": {},
    "/v2/repository/models/{model}/unload": {},
}
"""The smallest body of every route that takes JSON."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client over a model of each task."""
    path = tmp_path_factory.mktemp("models")
    for write in (write_classifier, write_tagger, write_words, write_translator):
        write(path)
    with TestClient(create_app(Settings(models=path, suggestions=path.parent / "suggestions.jsonl"))) as client:
        yield client


def test_every_route_with_a_json_body_is_here() -> None:
    paths = {operation.path for operation in OPERATIONS if operation.body}
    assert paths - {"/v2/models/{model}/versions/{version}/infer"} == REQUIRED.keys()


def _optional_fields() -> Iterator[Any]:
    bodies = {operation.path: operation.body for operation in OPERATIONS if operation.body}
    for path, required in REQUIRED.items():
        for name in bodies[path].model_fields:
            if name not in required:
                yield pytest.param(path, name, id=f"{path}:{name}")


@pytest.mark.parametrize(("path", "field"), list(_optional_fields()))
def test_null_is_not_given(client: TestClient, path: str, field: str) -> None:
    url = path.replace("{model}", "nosuch" if "repository" in path else "digits")
    without, with_null = (client.post(url, json=REQUIRED[path] | extra) for extra in ({}, {field: None}))
    assert with_null.status_code == without.status_code == (404 if "nosuch" in url else 200)
    if without.headers["content-type"] == "application/json" and without.status_code == 200:
        assert with_null.json() == without.json()


@pytest.mark.parametrize("path", REQUIRED)
def test_null_in_a_field_that_the_route_does_not_have(client: TestClient, path: str) -> None:
    url = path.replace("{model}", "nosuch" if "repository" in path else "digits")
    body, others = REQUIRED[path], {"colour": None, "stream_options": None}
    without, with_null = (client.post(url, json=document) for document in (body, body | others))
    assert with_null.status_code == without.status_code == (404 if "nosuch" in url else 200)
    named = client.post(url, json=others | {"size": 1} | body)
    assert (named.status_code == 422) == (url.startswith("/v1") and "embeddings" not in url)


def _null_everywhere(document: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The document with null in every optional field of it and of the objects in it."""
    if "$ref" in schema:
        return _null_everywhere(document, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return _null_everywhere(document, schema["anyOf"][0], schemas)
    if isinstance(document, list):
        return [_null_everywhere(item, schema.get("items", {}), schemas) for item in document]
    if isinstance(document, dict):
        known = {
            name: _null_everywhere(document[name], field, schemas) if name in document else None
            for name, field in schema["properties"].items()
        }
        return document | known
    return document


def test_null_in_nested_objects_of_an_inference(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    body = copy.deepcopy(REQUIRED["/v2/models/{model}/infer"])
    body["parameters"], body["outputs"] = {}, [{"name": "probabilities", "parameters": {}}]
    body["inputs"][0]["parameters"] = {}
    schemas = document["components"]["schemas"]
    nulls = _null_everywhere(body, schemas["InferRequest"], schemas)
    assert nulls["parameters"]["timeout"] is nulls["inputs"][0]["parameters"]["binary_data_size"] is None
    assert nulls["outputs"][0]["parameters"]["classification"] is None
    answers = [client.post("/v2/models/digits/infer", json=request).json() for request in (body, nulls)]
    assert answers[0] == answers[1]
    assert "outputs" in answers[0]


LIBRETRANSLATE = {"/translate": ("format", "alternatives", "model", "api_key"), "/detect": ("api_key",)}


@pytest.mark.parametrize("path", LIBRETRANSLATE)
@pytest.mark.parametrize("form", ["json", "data", "params", "files"])
def test_an_empty_text_is_not_given_to_libretranslate_s_routes(client: TestClient, path: str, form: str) -> None:
    required, empty = REQUIRED[path], dict.fromkeys(LIBRETRANSLATE[path], "")
    for fields in (empty, *({name: ""} for name in empty)):
        body: Any = required | fields
        answer = client.post(
            path, **{form: {name: (None, text) for name, text in body.items()} if form == "files" else body}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json() == client.post(path, json=required).json()


@pytest.mark.parametrize("field", ["source", "target"])
def test_an_empty_language_is_missing(client: TestClient, field: str) -> None:
    for value in ("", None):
        answer = client.post("/translate", json=REQUIRED["/translate"] | {field: value})
        assert answer.status_code == 400
        assert answer.json() == {"error": f"Invalid request: missing {field} parameter"}


@pytest.mark.parametrize("value", [True, False])
def test_truth_is_no_number_of_alternatives(client: TestClient, value: bool) -> None:
    answer = client.post("/translate", json={"q": "dog", "source": "en", "target": "de", "alternatives": value})
    assert answer.status_code == 400
    assert answer.json() == {"error": "alternatives: must be a whole number"}
