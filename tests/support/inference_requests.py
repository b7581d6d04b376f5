"""Valid inference requests, and changes that make them invalid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tests.support.classifier_bundles import template

INFER = "/v2/models/digits/infer"
LENGTH = "Inference-Header-Content-Length"


def good() -> dict[str, Any]:
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": template(7).ravel().tolist()}
    return {"inputs": [tensor], "outputs": [{"name": "probabilities"}], "parameters": {}}


def refused(response: Any, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    return str(body["error"])


def at(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """A change: the value at `path` becomes `to`."""

    def change(body: dict[str, Any]) -> None:
        parent: Any = body
        for part in path[:-1]:
            parent = parent[part]
        parent[path[-1]] = to

    return change


def without(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        parent: Any = body
        for part in path[:-1]:
            parent = parent[part]
        del parent[path[-1]]

    return change


def with_binary(size: Any, blocks: bytes, **changes: Any) -> tuple[bytes, int]:
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    text = orjson.dumps({"inputs": [tensor | changes]})
    return text + blocks, len(text)
