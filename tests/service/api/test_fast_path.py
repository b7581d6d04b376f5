"""The fast path dispatches the operations that ask for it, and leaves every other request to FastAPI."""

from __future__ import annotations

import pytest

from service.api.fast_path import FastPath
from service.api.operation import Operation
from service.app import OPERATIONS

FAST_PATH = FastPath(OPERATIONS)


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.fast_path], ids=lambda operation: operation.path
)
def test_an_operation_of_the_fast_path_is_matched_with_its_parameters(operation: Operation) -> None:
    path = operation.path.replace("{model}", "digits").replace("{version}", "2")
    scope = {"type": "http", "method": operation.method, "path": path}
    assert FAST_PATH.matches(scope)
    assert scope["endpoint"] is operation
    expected = {"model": "digits", "version": "2"}
    assert scope.get("path_params", {}) == {name: value for name, value in expected.items() if name in operation.path}


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "lifespan"},
        {"type": "http", "method": "GET", "path": "/v1/classify"},
        {"type": "http", "method": "POST", "path": "/v1/classify/"},
        {"type": "http", "method": "GET", "path": "/livez"},
        {"type": "http", "method": "POST", "path": "/v2/models/a/b/infer"},
    ],
)
def test_other_requests_are_left_to_fastapi(scope: dict[str, str]) -> None:
    assert not FAST_PATH.matches(scope)
    assert "endpoint" not in scope
