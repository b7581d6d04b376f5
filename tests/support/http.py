"""Requests over HTTP to an application, and the problems it answers with."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings

JSON = {"content-type": "application/json"}


def client_of(settings: Settings) -> TestClient:
    """A client of an application, whose models are loaded in its context; errors of the server are answers."""
    return TestClient(create_app(settings), raise_server_exceptions=False)


def problem_of(response: httpx.Response, status: int, message: str) -> dict[str, Any]:
    """The body of an answer that must be a problem of this status, whose detail holds the message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["instance"] == response.request.url.path
    assert problem["request_id"] == response.headers["x-request-id"]
    assert message in problem["detail"], problem["detail"]
    return problem
