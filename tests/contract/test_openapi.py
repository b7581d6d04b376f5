"""The OpenAPI document: up to date, structurally valid, and consistent with the server's answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

import service.api
from service.app import OPERATIONS, create_app
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import picture, pixels
from tests.support.word_vector_bundles import DIMENSIONS, write_words

COMMITTED = Path(service.api.__file__).parent / "openapi.json"
HEIC = Path(__file__).parents[1] / "data" / "heic" / "gray.heic"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client over digits/1 and words/1."""
    path = tmp_path_factory.mktemp("models")
    write_classifier(path, explain=True)
    write_words(path)
    with TestClient(create_app(Settings(models=path))) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    """The document as it is served."""
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() & METHODS:
            yield method, path, item[method]


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _schema(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of a schema that may refer to the rest of the document."""
    return Draft202012Validator({"components": document["components"], "allOf": [schema]})


def test_the_committed_file_is_the_served_document(document: dict[str, Any]) -> None:
    assert orjson.loads(COMMITTED.read_bytes()) == document, "the description has changed: run `make openapi`"


def test_it_does_not_depend_on_settings(document: dict[str, Any], tmp_path: Path) -> None:
    assert create_app(Settings(models=tmp_path, max_images=1, workers=4)).openapi() == document


def test_its_structure_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] == "Lectern"
    assert document["info"]["version"]
    assert document.keys() <= {"openapi", "info", "servers", "paths", "components", "tags", "security", "externalDocs"}
    for path, item in document["paths"].items():
        assert path.startswith("/")
        assert item.keys() <= METHODS | {"summary", "description", "parameters", "servers"}


def test_every_operation_is_complete(document: dict[str, Any]) -> None:
    identities = set()
    for method, path, operation in _operations(document):
        assert operation["summary"], (method, path)
        assert operation["responses"], (method, path)
        assert operation["operationId"] not in identities
        identities.add(operation["operationId"])
        parameters = {(entry["in"], entry["name"]) for entry in operation.get("parameters", ())}
        assert len(parameters) == len(operation.get("parameters", ())), "a parameter is described twice"
        in_path = {name for location, name in parameters if location == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path)), (method, path)
        for entry in operation.get("parameters", ()):
            assert entry["in"] in {"path", "query", "header", "cookie"}
            assert entry.get("required") or entry["in"] != "path"
            assert ("schema" in entry) != ("content" in entry)
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert response["description"]


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = {node["$ref"] for node in _walk(document) if isinstance(node.get("$ref"), str)}
    assert references
    for reference in references:
        assert reference.startswith("#/components/schemas/"), reference
        assert reference.rpartition("/")[2] in document["components"]["schemas"], reference


def test_every_schema_is_a_json_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for _, _, operation in _operations(document):
        contents = [
            operation.get("requestBody", {}),
            *operation["responses"].values(),
            *operation.get("parameters", ()),
        ]
        for part in contents:
            for media in [part, *part.get("content", {}).values()]:
                Draft202012Validator.check_schema(media.get("schema", {}))


def test_every_operation_of_the_application_is_described(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for method, path, _ in _operations(document)}
    assert {(operation.method, operation.path) for operation in OPERATIONS} <= described
    for path in ("/livez", "/readyz", "/metrics", "/v1/models", "/v1/models/{model}", "/v2/health/live"):
        assert ("GET", path) in described


def test_every_described_route_exists(client: TestClient, document: dict[str, Any]) -> None:
    for method, path, _ in _operations(document):
        if path.endswith("unload") or path == "/download_file/{name}":
            continue  # The one would be believed, the other has no file.
        response = client.request(method, re.sub(r"\{version\}", "1", re.sub(r"\{model\}", "digits", path)))
        assert response.status_code not in (404, 405, 500), (method, path, response.text)


def test_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    for _, _, operation in _operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if "example" in media:
                _schema(document, media["schema"]).validate(media["example"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/v1/classify", pixels(1, 2)),
        ("post", "/v1/classify", pixels(1) | {"explain": True}),
        ("get", "/v1/models/digits/weights", None),
        ("get", "/v1/models/digits/graph", None),
        ("get", "/v1/models/digits/evaluation", None),
        ("post", "/v1/similarity", {"pairs": [["king", "queen"], ["king", "zzz"]]}),
        ("post", "/v1/neighbors", {"words": ["king", "zzz"], "k": 3}),
        ("post", "/v1/neighbors", {"vectors": [[1.5] * DIMENSIONS]}),
        ("post", "/v1/neighbors", {"positive": ["king"], "negative": ["man"]}),
        ("post", "/v1/analogy", {"a": "man", "b": "king", "c": "woman"}),
        ("post", "/v1/projection", {"words": ["king", "queen", "zzz"]}),
        ("post", "/v1/projection", {"words": ["king", "queen", "zzz"], "dimensions": 3}),
        ("post", "/v1/odd-one-out", {"words": ["king", "queen", "man", "zzz"]}),
        ("post", "/v1/embeddings", {"input": "king", "dimensions": 2}),
        ("post", "/v1/embeddings", {"input": ["king", "queen"], "encoding_format": "base64"}),
        ("post", "/v1/embeddings", {"input": ["king", "zzz", ""], "strict": None}),
        ("get", "/v1/models", None),
        ("get", "/v1/models/digits", None),
        ("get", "/livez", None),
        ("get", "/v2", None),
        ("get", "/v2/models/digits", None),
        ("get", "/v2/models/digits/config", None),
        ("get", "/v2/models/digits/stats", None),
    ],
)
def test_answers_fit_their_schemas(
    client: TestClient, document: dict[str, Any], method: str, path: str, body: dict[str, Any] | None
) -> None:
    described = document["paths"][path.replace("digits", "{model}")][method]
    response = client.request(method, path, json=body)
    assert response.status_code == 200
    _schema(document, described["responses"]["200"]["content"]["application/json"]["schema"]).validate(response.json())
    if body:
        _schema(document, described["requestBody"]["content"]["application/json"]["schema"]).validate(body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/similarity", {"pairs": [["king"]]}),
        ("/v1/similarity", {"pairs": [["king", 7]]}),
        ("/v1/neighbors", {"words": ["king"], "k": 0}),
        ("/v1/neighbors", {"words": ["king"], "k": "3"}),
        ("/v1/neighbors", {"words": "king"}),
        ("/v1/neighbors", {"vectors": [["x"]]}),
        ("/v1/analogy", {"a": "man", "b": "king"}),
        ("/v1/projection", {"words": [7]}),
        ("/v1/embeddings", {"input": []}),
        ("/v1/embeddings", {"input": [1]}),
        ("/v1/embeddings", {"input": [[1, 2]]}),
        ("/v1/embeddings", {"input": "king", "dimensions": 0}),
        ("/v1/embeddings", {"input": "king", "encoding_format": "hex"}),
        ("/v1/embeddings", {"input": "king", "colour": "red"}),
    ],
)
def test_the_server_refuses_bodies_that_the_schemas_of_words_forbid(
    client: TestClient, document: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    described = document["paths"][path]["post"]
    schema = _schema(document, described["requestBody"]["content"]["application/json"]["schema"])
    assert not schema.is_valid(body)
    assert client.post(path, json=body).status_code in (400, 422)


def test_the_server_refuses_bodies_that_the_schema_of_classify_forbids(
    client: TestClient, document: dict[str, Any]
) -> None:
    described = document["paths"]["/v1/classify"]["post"]
    schema = _schema(document, described["requestBody"]["content"]["application/json"]["schema"])
    for body in (
        pixels(1) | {"colour": "red"},
        pixels(1) | {"top_k": 0},
        pixels(1) | {"top_k": "3"},
        pixels(1) | {"version": []},
        {"images": [7]},
        {"pixels": [[["x"]]]},
        {"pixels": [[[1.5]]]},
    ):
        assert not schema.is_valid(body), body
        assert client.post("/v1/classify", json=body).status_code == 422, body


def test_every_media_type_of_classify_is_accepted(client: TestClient, document: dict[str, Any]) -> None:
    contents = document["paths"]["/v1/classify"]["post"]["requestBody"]["content"]
    images = [kind for kind in contents if kind.startswith("image/")]
    assert contents.keys() - set(images) == {"application/json", "application/octet-stream", "multipart/form-data"}
    for kind in images:
        form = kind.removeprefix("image/").upper()
        content = HEIC.read_bytes() if form == "HEIC" else picture(7, form, size=112)
        response = client.post("/v1/classify", content=content, headers={"content-type": kind})
        assert response.status_code == 200, kind
    parts = contents["multipart/form-data"]["schema"]["properties"]
    fields = dict.fromkeys(parts.keys() - {"image", "model"}, "1")
    assert client.post("/v1/classify", files={"image": ("7.png", picture(7))}, data=fields).status_code == 200
