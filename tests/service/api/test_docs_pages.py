"""The pages of the documentation, and the headers that protect every answer."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.classify_requests import pixels


def policy_of(response: object) -> dict[str, list[str]]:
    header = response.headers["content-security-policy"]  # type: ignore[attr-defined]
    return {name: values for name, *values in (part.split() for part in header.split(";"))}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/"])
def test_the_policy_lets_the_page_work_and_nothing_else(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = policy_of(response)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:"} & set(policy["script-src"])
    for url, integrity in re.findall(r'<script src="([^"]+)" integrity="([^"]+)"', response.text):
        assert url in policy["script-src"]
        assert integrity.startswith("sha384-")
        assert re.search(r"@\d+\.\d+\.\d+/", url), "a version that stays"
    assert response.text.count("<script src=") == 1
    for script in re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy["script-src"]
    for url in re.findall(r'<link rel="stylesheet" href="([^"]+)"', response.text):
        assert url in policy["style-src"]
    assert "/openapi.json" in response.text


def test_a_prefix_of_a_proxy_is_in_the_page(settings: Settings) -> None:
    client = TestClient(create_app(settings.model_copy(update={"root_path": '/a</script>b&"c'})))
    text = client.get("/docs").text
    assert "/a\\u003c/script>b&" in text
    assert text.count("</script>") == 2
    assert 'spec-url="/a&lt;/script&gt;b&amp;&quot;c/openapi.json"' in client.get("/redoc").text


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nothing"), ("POST", "/v1/classify"),
     ("GET", "/v1/classify"), ("GET", "/metrics"), ("POST", "/v2/models/none/infer")],
)  # fmt: skip
def test_no_answer_is_taken_for_another_type(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, json=pixels(1) if method == "POST" else None)
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]


def test_the_pages_are_no_operations_of_the_document(client: TestClient) -> None:
    assert not {"/docs", "/redoc"} & client.get("/openapi.json").json()["paths"].keys()
