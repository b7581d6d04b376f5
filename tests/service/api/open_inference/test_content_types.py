"""`content_type` of MLServer's codecs, BYTES without a list, batches without rows, ids and versions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import client_of
from tests.support.inference_requests import INFER, LENGTH, good, refused
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

WORDS, TAGS, TRANSLATE = (f"/v2/models/{name}/infer" for name in ("words", "tagger", "translate-en-de"))
ENCODED = base64.b64encode(b"king").decode()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A model of each task; `digits` in the versions 1 and 2."""
    path = tmp_path_factory.mktemp("models")
    for write in (write_classifier, write_classifier, write_tagger, write_words, write_translator):
        write(path)
    with client_of(Settings(models=path, version_policy="latest:2")) as client:
        yield client


def words(*items: Any, name: str = "WORD", **rest: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(items)], "datatype": "BYTES", "data": list(items), **rest}


def typed(content_type: str | None) -> dict[str, Any]:
    return {"parameters": {"content_type": content_type}}


def answer(client: TestClient, path: str, document: dict[str, Any]) -> Any:
    response = client.post(path, json=document)
    assert response.status_code == 200, response.text
    return response.json()["outputs"][0]["data"]


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [words("king", **typed("str"))]},
        {"inputs": [words("king", **typed("np"))]},
        {"inputs": [words("king", **typed(""))]},
        {"inputs": [words("king", **typed(None))]},
        {"inputs": [words(ENCODED, **typed("base64"))]},
        {"inputs": [words("king")], **typed("pd")},
        {"inputs": [words("king", **typed("str"))], **typed("base64")},
        {"inputs": [words(ENCODED)], **typed("base64")},
        {"inputs": [words("king")], "outputs": [{"name": "EMBEDDING", **typed("np")}]},
        {"inputs": [words() | {"shape": [1, 1], "data": "king"}]},
        {"inputs": [words() | {"shape": [1], "data": "king"}]},
        {"inputs": [words() | {"shape": [4], "data": "king"}]},
        {"inputs": [words() | {"shape": [1], "data": ENCODED, **typed("base64")}]},
        {"inputs": [words() | {"shape": [1, 1], "data": [["king"]]}]},
    ],
)
def test_the_codecs_of_mlserver_and_texts_without_a_list(client: TestClient, document: dict[str, Any]) -> None:
    assert answer(client, WORDS, document) == answer(client, WORDS, {"inputs": [words("king")]})


@pytest.mark.parametrize(("path", "name"), [(TAGS, "TEXT"), (TRANSLATE, "TEXT")])
def test_base64_of_texts(client: TestClient, path: str, name: str) -> None:
    encoded = words(base64.b64encode("dog é 😀".encode()).decode(), name=name, **typed("base64"))
    assert answer(client, path, {"inputs": [encoded]}) == answer(
        client, path, {"inputs": [words("dog é 😀", name=name)]}
    )


def test_base64_as_binary_data(client: TestClient) -> None:
    block = len(ENCODED).to_bytes(4, "little") + ENCODED.encode()
    tensor = {"name": "WORD", "shape": [1], "datatype": "BYTES"}
    parameters = {"content_type": "base64", "binary_data_size": len(block)}
    text = orjson.dumps({"inputs": [tensor | {"parameters": parameters}]})
    response = client.post(WORDS, content=text + block, headers={LENGTH: str(len(text))})
    assert response.json()["outputs"][0]["data"] == answer(client, WORDS, {"inputs": [words("king")]})


@pytest.mark.parametrize(
    ("path", "document", "text"),
    [
        (WORDS, {"inputs": [words("a", **typed("datetime"))]}, "inputs[0].parameters.content_type: 'datetime' is not"),
        (WORDS, {"inputs": [words("a", **typed("hg_json"))]}, "inputs[0].parameters.content_type: 'hg_json' is not"),
        (WORDS, {"inputs": [words("a")], **typed("pd_json")}, "inputs[0].parameters.content_type: 'pd_json' is not"),
        (WORDS, {"inputs": [words("a", **typed("x" * 999))]}, f"inputs[0].parameters.content_type: '{'x' * 32}' is"),
        (WORDS, {"inputs": [words("a", parameters={"content_type": 5})]}, "inputs[0].parameters.content_type: Input"),
        (INFER, {"inputs": [good()["inputs"][0] | typed("str")]}, "inputs[0].parameters.content_type: 'str' is not su"),
        (INFER, {"inputs": [good()["inputs"][0] | typed("base64")]}, "inputs[0].parameters.content_type: 'base64' is "),
        (
            WORDS,
            {"inputs": [words("king")], "outputs": [{"name": "EMBEDDING", **typed("base64")}]},
            "outputs[0].parameters.content_type: 'base64' is not supported for FP32; send np, pd or none",
        ),
        (WORDS, {"inputs": [words("king", "%%%", **typed("base64"))]}, "WORD[1]: is not base64; encode its bytes, or"),
        (WORDS, {"inputs": [words("/w==", **typed("base64"))]}, "WORD[0]: is not UTF-8"),
        (WORDS, {"inputs": [words() | {"shape": [2], "data": "king"}]}, "inputs[0].data: holds 1 values, the shape [2"),
        (WORDS, {"inputs": [words(None)]}, "inputs[0].data[0]: null is not a string"),
    ],
)
def test_other_codecs_are_refused(client: TestClient, path: str, document: dict[str, Any], text: str) -> None:
    assert refused(client.post(path, json=document)).startswith(text)


def test_numbers_take_the_codecs_of_numbers(client: TestClient) -> None:
    tensor = good()["inputs"][0]
    plain = answer(client, INFER, {"inputs": [tensor]})
    assert answer(client, INFER, {"inputs": [tensor | typed("np")]}) == plain
    assert answer(client, INFER, {"inputs": [tensor], **typed("pd")}) == plain


@pytest.mark.parametrize(
    ("path", "tensor", "shape"),
    [
        (INFER, {"name": "image", "shape": [0, 1, 28, 28], "datatype": "FP32"}, [0, 10]),
        (WORDS, {"name": "WORD", "shape": [0], "datatype": "BYTES"}, [0, 12]),
        (WORDS, {"name": "WORD", "shape": [0, 1], "datatype": "BYTES"}, [0, 12]),
        (TAGS, {"name": "TEXT", "shape": [0, 1], "datatype": "BYTES"}, [0, 1]),
        (TRANSLATE, {"name": "TEXT", "shape": [0], "datatype": "BYTES"}, [0, 1]),
    ],
)
def test_a_batch_without_rows_is_answered_by_one(
    client: TestClient, path: str, tensor: dict[str, Any], shape: list[int]
) -> None:
    (output,) = client.post(path, json={"inputs": [tensor | {"data": []}]}).json()["outputs"]
    assert (output["shape"], output["data"]) == (shape, [])
    text = orjson.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 0}}]})
    response = client.post(path, content=text, headers={LENGTH: str(len(text))})
    assert response.json()["outputs"] == [output]
    response = client.post(path, json={"inputs": [tensor | {"data": []}], "parameters": {"binary_data_output": True}})
    assert response.json()["outputs"][0]["parameters"] == {"binary_data_size": 0}


@pytest.mark.parametrize(
    ("sent", "echoed"), [("a", "a"), ("", ""), (7, "7"), (2**64 - 1, "18446744073709551615"), ("é😀", "é😀")]
)
def test_an_id_is_echoed_as_text(client: TestClient, sent: Any, echoed: str) -> None:
    assert client.post(WORDS, json={"inputs": [words("king")], "id": sent}).json()["id"] == echoed


@pytest.mark.parametrize("version", ["latest", "-1"])
def test_the_highest_version_by_other_names(client: TestClient, version: str) -> None:
    path = f"/v2/models/digits/versions/{version}"
    assert client.get(path).json()["versions"] == ["2"]
    for name in ("/config", "/ready", "/stats"):
        assert client.get(path + name).status_code == 200
    assert client.get(f"{path}/stats").json()["model_stats"][0]["version"] == "2"
    response = client.post(f"{path}/infer", json=good() | {"model_version": version})
    assert (response.json()["model_version"], response.headers["x-lectern-version"]) == ("2", "2")


@pytest.mark.parametrize("version", ["latest", "-1", -1, "", None])
def test_the_highest_version_on_the_task_routes(client: TestClient, version: Any) -> None:
    for path, body in {
        "/v1/tag": {"text": "dog"},
        "/v1/translate": {"text": "dog"},
        "/v1/neighbors": {"words": ["king"]},
        "/v1/classify": {"model": "digits", "pixels": [[[0.0] * 28] * 28]},
    }.items():
        response = client.post(path, json=body | {"version": version})
        assert response.json()["version"] == ("2" if path == "/v1/classify" else "1"), response.text


@pytest.mark.parametrize("version", ["-2", "0", "newest", "-01"])
def test_no_other_names_of_versions(client: TestClient, version: str) -> None:
    error = refused(client.post(f"/v2/models/digits/versions/{version}/infer", json=good()), 404)
    assert error == f"no version {version} of model 'digits'; there are: 1, 2"
