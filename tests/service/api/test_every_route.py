"""What HTTP clients expect of any server, on every route of the application: new routes are checked by themselves."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.access.keys import hash_key
from service.api.operation import Operation
from service.app import create_app
from service.server.exposure import Exposed
from service.settings import Settings
from tests.support.http import client_of
from tests.support.routes import OF_GET, OF_POST, ROUTES, body_of, content_type_of, for_each, path_of, write_models

KEY, SLOW_KEY = "lectern_key", "lectern_slow"
APP, OTHER = "https://app.example.com", "https://evil.example"
PREFIX = "/below/a/prefix"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

# Headers that differ from answer to answer.
VOLATILE = ("x-request-id", "server-timing", "date")


def request_of(operation: Operation) -> dict[str, Any]:
    """What is sent to an operation."""
    if operation.method == "GET":
        return {}
    return {"content": body_of(operation), "headers": {"content-type": content_type_of(operation)}}


def _base_of(operation: Operation) -> str:
    """What the paths below an operation begin with."""
    return path_of(operation).rstrip("/")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("every-route")
    write_models(folder / "models")
    (folder / "keys").write_text(
        f"all infer,admin,metrics sha256:{hash_key(KEY).hex()}\n"
        f"slow infer,admin,metrics sha256:{hash_key(SLOW_KEY).hex()} 1/day\n"
    )
    return Settings(
        models=folder / "models",
        api_keys=folder / "keys",
        model_control="explicit",
        max_body_bytes=50_000,
        suggestions=folder / "suggestions.jsonl",
    )


@pytest.fixture(scope="module")
def plain(settings: Settings) -> Iterator[TestClient]:
    """A client with a key, of an application that no page may use, also below a prefix."""
    with client_of(settings.model_copy(update={"root_path": PREFIX})) as client:
        app = Exposed(client.app, client.app.context.settings)  # type: ignore[attr-defined]
        headers = {"authorization": f"Bearer {KEY}", "host": "localhost"}
        yield TestClient(app, raise_server_exceptions=False, headers=headers, follow_redirects=False)


@pytest.fixture(scope="module")
def shared(settings: Settings) -> Iterator[TestClient]:
    """A client, without a key, of an application that the pages of one origin may use."""
    with client_of(settings.model_copy(update={"cors_origins": (APP,)})) as client:
        client.headers["host"] = "localhost"
        yield client


def _content(response: httpx.Response) -> Any:
    """The body, without what differs from answer to answer."""
    if "json" not in response.headers["content-type"]:
        return None if response.request.url.path.rstrip("/").endswith("/metrics") else response.content
    document = response.json()
    return (
        {name: value for name, value in document.items() if name != "request_id"}
        if type(document) is dict
        else document
    )


def _is_off(response: httpx.Response) -> bool:
    """Whether a setting turns the route off."""
    return response.status_code == 403 and "disabled" in response.text


def _headers(response: httpx.Response) -> list[tuple[str, str]]:
    is_metrics = response.request.url.path.rstrip("/").endswith("/metrics")
    volatile = (*VOLATILE, "content-length") if is_metrics else VOLATILE
    return [(name, value) for name, value in response.headers.multi_items() if name not in volatile]


@for_each(OF_GET)
@pytest.mark.parametrize("key", [KEY, "wrong"])
def test_head_has_the_headers_of_get(plain: TestClient, operation: Operation, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    base = _base_of(operation)
    for path in (base, f"{base}/", f"{base}/nothing"):
        get, head = (plain.request(method, path, headers=headers) for method in ("GET", "HEAD"))
        assert (head.status_code, _headers(head)) == (get.status_code, _headers(get)), path
        assert int(head.headers["content-length"]) > 0


@for_each(ROUTES)
def test_a_trailing_slash_and_the_prefix_make_no_difference(plain: TestClient, operation: Operation) -> None:
    methods = {operation.method, "DELETE"} | ({"HEAD"} if operation.method == "GET" else set())
    for method in sorted(methods):
        for below in ("", "/nothing"):
            path = _base_of(operation) + below
            urls = [start + path + end for start in ("", PREFIX) for end in ("", "/")]
            answers = [plain.request(method, url, **request_of(operation)) for url in urls]
            first = answers[0]
            for answer in answers[1:]:
                assert answer.headers.get("location") == first.headers.get("location")
                assert answer.status_code == first.status_code
                assert _headers(answer) == _headers(first)
                assert method == "HEAD" or _content(answer) == _content(first)


@for_each(ROUTES)
def test_405_names_the_methods(plain: TestClient, operation: Operation) -> None:
    right = {each.method for each in ROUTES if path_of(each) == path_of(operation)}
    right |= {"HEAD"} if "GET" in right else set()
    for method in METHODS:
        if method in right:
            continue
        answer = plain.request(method, path_of(operation))
        assert answer.status_code == 405
        assert answer.headers["allow"] == ", ".join(sorted(right))
        assert method == "HEAD" or f"{method} is not allowed on {path_of(operation)}" in answer.text


@for_each(ROUTES)
def test_errors_are_json_whatever_is_accepted(plain: TestClient, operation: Operation) -> None:
    headers = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for method, below in (("DELETE", "/"), (operation.method, "/nothing"), (operation.method, "/nothing//")):
        answer = plain.request(method, _base_of(operation) + below, headers=headers)
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] in ("application/json", "application/problem+json")
        assert answer.json()


@for_each(OF_POST)
def test_a_body_may_be_compressed(plain: TestClient, operation: Operation) -> None:
    request = request_of(operation)
    first = plain.post(path_of(operation), **request)
    if _is_off(first):
        return
    for encoding, wbits in (("gzip", 31), ("x-gzip", 31), ("X-GZIP", 31), ("deflate", 15), ("deflate", -15)):
        content = zlib.compress(request["content"], wbits=wbits)
        headers = request["headers"] | {"content-encoding": encoding}
        answer = plain.post(path_of(operation), content=content, headers=headers)
        assert (answer.status_code, _content(answer)) == (first.status_code, _content(first))
    for encoding in ("br", "zstd", "gzip, gzip"):
        headers = request["headers"] | {"content-encoding": encoding}
        answer = plain.post(path_of(operation), content=b"x", headers=headers)
        assert answer.status_code == 415
        assert "is not supported; send gzip, deflate or none" in answer.text
        assert answer.headers["accept-encoding"] == "gzip, deflate"


# Web pages of other origins


def _refused(client: TestClient, operation: Operation, origin: str) -> Iterator[tuple[int, httpx.Response]]:
    """Each kind of refusal that a route can give: the status, and the answer."""
    method, path = operation.method, path_of(operation)
    page = {"origin": origin}
    known, slow = ({"authorization": f"Bearer {key}"} for key in (KEY, SLOW_KEY))
    yield 404, client.request(method, f"{_base_of(operation)}/nothing", headers=page | known)
    yield 405, client.delete(path, headers=page | known)
    client.post("/v2/repository/index", headers=slow)  # From here on the key has nothing left.
    if operation.key_scope is not None:
        wrong = client.request(method, path, headers=page | {"authorization": "Bearer wrong"})
        yield 403 if operation.key_in_fields else 401, wrong
        if not operation.key_in_fields:
            yield 401, client.request(method, path, headers=page)
        yield 429, client.request(method, path, headers=page | slow)
    if method == "POST":
        large = {"content-length": "99999999", "content-type": content_type_of(operation)}
        yield 413, client.post(path, headers=page | known | large)
        coded = {"content-encoding": "br", "content-length": "99", "content-type": content_type_of(operation)}
        yield 415, client.post(path, content=b"x" * 99, headers=page | known | coded)
    if operation.body is not None:
        broken = client.post(path, content=b"{", headers=page | known | {"content-type": "application/json"})
        yield 400, broken
    if not operation.is_probe:
        busy = Exposed(client.app, client.app.context.settings, excess=True)  # type: ignore[attr-defined]
        headers = page | known | {"host": "localhost"}
        yield 503, TestClient(busy, raise_server_exceptions=False).request(method, path, headers=headers)


@for_each(ROUTES)
def test_an_allowed_page_reads_every_answer(shared: TestClient, operation: Operation) -> None:
    answers = [(status, answer) for status, answer in _refused(shared, operation, APP)]
    for status, answer in answers:
        assert answer.status_code == status or _is_off(answer), (status, answer.text)
    headers = {"origin": APP, "authorization": f"Bearer {KEY}"}
    request = request_of(operation)
    request["headers"] = request.get("headers", {}) | headers
    for answer in (*(each for _, each in answers), shared.request(operation.method, path_of(operation), **request)):
        assert answer.headers.get_list("access-control-allow-origin") == [APP]
        assert "origin" in _members(answer.headers, "vary")
        assert "access-control-allow-credentials" not in answer.headers
        assert _unread(answer.headers) == set()
    preflight = {"access-control-request-method": operation.method, "access-control-request-headers": "x-anything"}
    for path in (path_of(operation), f"{path_of(operation)}/"):
        answer = shared.options(path, headers={"origin": APP} | preflight)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == APP
        assert operation.method.lower() in _members(answer.headers, "access-control-allow-methods")
        assert answer.headers["access-control-allow-headers"] == "x-anything"


@for_each(ROUTES)
def test_another_page_reads_no_answer(shared: TestClient, operation: Operation) -> None:
    preflight = {"origin": OTHER, "access-control-request-method": operation.method}
    answers = [answer for _, answer in _refused(shared, operation, OTHER)]
    for answer in (*answers, shared.options(path_of(operation), headers=preflight)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "origin" in _members(answer.headers, "vary"), "a cache must not give it to the page that may read"


def test_every_page_may_be_allowed(settings: Settings) -> None:
    with client_of(settings.model_copy(update={"cors_origins": ("*",)})) as client:
        client.headers["host"] = "localhost"
        for operation in ROUTES:
            preflight = {"origin": OTHER, "access-control-request-method": operation.method}
            answers = [answer for _, answer in _refused(client, operation, OTHER)]
            for answer in (*answers, client.options(path_of(operation), headers=preflight)):
                assert answer.headers.get_list("access-control-allow-origin") == ["*"], operation.path
                assert "access-control-allow-credentials" not in answer.headers
                assert "origin" not in _members(answer.headers, "vary")


def _members(headers: Mapping[str, str], name: str) -> set[str]:
    return {member.strip().lower() for member in headers.get(name, "").split(",")} - {""}


# The Fetch standard's "CORS-safelisted response-header names", and what is for the browser itself.
_READ_ANYWAY = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"}
_FOR_THE_BROWSER = {"connection", "vary", "x-content-type-options", "content-security-policy", "referrer-policy"}
_FOR_THE_BROWSER |= {"content-encoding", "etag", "date", "x-accel-buffering"}


def _unread(headers: httpx.Headers) -> set[str]:
    """The headers that a page cannot read."""
    names = {name for name in headers if not name.startswith("access-control-")}
    return names - _READ_ANYWAY - _FOR_THE_BROWSER - _members(headers, "access-control-expose-headers")


@pytest.mark.parametrize(
    ("path", "request_", "header"),
    [
        ("/v1/embeddings", {"json": {"model": "words", "input": "xqzzy"}}, "x-lectern-unknown"),
        (
            "/v2/models/digits/infer",
            {"json": {"inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0] * 784}],
                      "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}]}},
            "inference-header-content-length",
        ),
        ("/v1/tag", {"json": {"text": "Hello."}}, "x-lectern-model"),
    ],
)  # fmt: skip
def test_a_page_reads_the_headers_of_answers(
    shared: TestClient, path: str, request_: dict[str, Any], header: str
) -> None:
    answer = shared.post(path, **request_, headers={"origin": APP, "authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200, answer.text
    assert header in answer.headers
    assert _unread(answer.headers) == set()


def test_every_route_of_the_application_is_checked(settings: Settings) -> None:
    served = {
        (route.endpoint.method, route.endpoint.path)
        for route in create_app(settings).router.routes
        if isinstance(route.endpoint, Operation)  # type: ignore[attr-defined]
    }
    assert served == {(operation.method, operation.path) for operation in ROUTES}
