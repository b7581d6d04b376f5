"""Every example of the OpenAPI document is answered by the shipped models, and the answer fits its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from service.app import OPERATIONS, create_app
from service.settings import Settings
from tests.support.processes import ROOT

EXAMPLES = [operation for operation in OPERATIONS if operation.example is not None]


@pytest.fixture(scope="module")
def shipped() -> Iterator[TestClient]:
    """The shipped models, served."""
    if not any((ROOT / "models").glob("*/*/manifest.json")):
        pytest.skip("no bundle under models/")
    with TestClient(create_app(Settings(models=ROOT / "models"))) as client:
        yield client


def test_every_task_route_has_an_example() -> None:
    without = [operation.path for operation in OPERATIONS if operation.body and operation.example is None]
    # A picture has no short example in JSON; the tensors of /v2 and the repository are the model's own; suggestions are
    # refused by default.
    assert [path for path in without if not path.startswith("/v2")] == ["/v1/classify", "/suggest"]


@pytest.mark.parametrize("operation", EXAMPLES, ids=[operation.path for operation in EXAMPLES])
def test_an_example_is_answered(shipped: TestClient, operation: Any) -> None:
    answer = shipped.post(operation.path, json=operation.example)
    assert answer.status_code == 200, answer.text
    document = shipped.get("/openapi.json").json()
    schema = document["paths"][operation.path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({"components": document["components"], "allOf": [schema]}).validate(answer.json())


@pytest.mark.parametrize("operation", EXAMPLES, ids=[operation.path for operation in EXAMPLES])
@pytest.mark.parametrize(
    ("content", "content_type"), [(b"{", "application/json"), (b"x", "text/plain"), (b"7", "application/json")]
)
def test_an_error_fits_its_schema(shipped: TestClient, operation: Any, content: bytes, content_type: str) -> None:
    answer = shipped.post(operation.path, content=content, headers={"content-type": content_type})
    document = shipped.get("/openapi.json").json()
    described = document["paths"][operation.path]["post"]["responses"][str(answer.status_code)]["content"]
    schema = described[answer.headers["content-type"]]["schema"]
    Draft202012Validator({"components": document["components"], "allOf": [schema]}).validate(answer.json())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_a_trailing_slash_is_the_same_route(shipped: TestClient, operation: Any) -> None:
    path = re.sub(
        r"\{version\}",
        "1",
        re.sub(r"\{model\}", "nosuch" if "repository" in operation.path else "digits", operation.path),
    )
    content = orjson.dumps(operation.example) if operation.example is not None else b""
    headers = {"content-type": "application/json"} if operation.body else {}
    for method in (operation.method, "HEAD") if operation.method == "GET" else (operation.method,):
        plain, slash = (
            shipped.request(method, url, content=content, headers=headers, follow_redirects=False)
            for url in (path, f"{path}/")
        )
        assert slash.status_code == plain.status_code < 500
        assert slash.headers.get("content-type") == plain.headers.get("content-type")


@pytest.mark.parametrize("path", ["///", "/livez//", "/v1/nowhere/", "/v1/models//"])
def test_only_one_slash_is_dropped(shipped: TestClient, path: str) -> None:
    assert shipped.request("GET", f"http://testserver{path}", follow_redirects=False).status_code == 404
