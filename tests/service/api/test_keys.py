"""API keys over HTTP: who gets in where, and what the others are answered."""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from service.access.keys import hash_key
from service.access.scopes import KeyScope
from service.api.errors import ErrorShape
from service.api.operation import Operation
from service.app import OPERATIONS, create_app
from service.observability import JsonFormatter
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.raw_http import connected
from tests.support.server import running
from tests.support.translator_bundles import write_translator

KEYS = {scope: f"lectern_{scope.value}" for scope in KeyScope}
ALL = "lectern_all"
LIBRETRANSLATE = ("/translate", "/detect")
FORM = {"q": "The dog sleeps.", "source": "en", "target": "de"}


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def keyed_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("keyed")
    write_classifier(folder / "models")
    write_translator(folder / "models")
    lines = [f"{scope.value}-key {scope.value} sha256:{hash_key(text).hex()}\n" for scope, text in KEYS.items()]
    lines += [f"all-key infer,admin,metrics sha256:{hash_key(ALL).hex()}\n"]
    (folder / "keys").write_text("".join(lines))
    suggestions = folder / "suggestions.jsonl"
    return Settings(models=folder / "models", api_keys=folder / "keys", access_log=True, suggestions=suggestions)


@pytest.fixture(scope="module")
def keyed(keyed_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(keyed_settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def keyed_url(keyed_settings: Settings) -> Iterator[str]:
    with running(keyed_settings) as url:
        yield url


def call(client: TestClient, operation: Operation, headers: dict[str, str]) -> int:
    """The status of an operation that is asked without a body."""
    path = operation.path.replace("{model}", "digits").replace("{version}", "1")
    return client.request(operation.method, path, headers=headers).status_code


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_route_asks_for_a_key_of_its_scope(keyed: TestClient, operation: Operation) -> None:
    if operation.key_scope is None:
        assert call(keyed, operation, {}) == call(keyed, operation, bearer("wrong")) == 200
        return
    wrong = 403 if operation.key_in_fields else 401
    assert call(keyed, operation, {}) == 401
    assert call(keyed, operation, bearer("wrong")) == wrong
    for scope, text in KEYS.items():
        assert (call(keyed, operation, bearer(text)) in (401, 403)) is (scope is not operation.key_scope)
    assert call(keyed, operation, bearer(ALL)) not in (401, 403)


@pytest.mark.parametrize("header", [f"Bearer {ALL}", f"bearer {ALL}", f"BEARER   {ALL} "])
def test_the_header(keyed: TestClient, header: str) -> None:
    assert keyed.get("/v2", headers={"authorization": header}).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {ALL}", ALL, f"Bearer {ALL}x", f"Bearer {ALL} {ALL}", f"Bearer {ALL.upper()}",
     f"Bearer {hash_key(ALL).hex()}", f"Bearer sha256:{hash_key(ALL).hex()}", "Bearer " + "x" * 60_000],
)  # fmt: skip
def test_headers_that_open_nothing(keyed: TestClient, header: str) -> None:
    for path in ("/v2", "/v1/models", "/metrics"):
        assert keyed.get(path, headers={"authorization": header}).status_code == 401


def test_two_headers_open_nothing(keyed: TestClient) -> None:
    headers = [("authorization", f"Bearer {ALL}"), ("authorization", "Bearer wrong")]
    assert keyed.get("/v2", headers=headers).status_code == 401
    assert keyed.get("/v2", headers=headers[::-1]).status_code == 401


def test_the_answers_without_a_valid_key(keyed: TestClient) -> None:
    problem = keyed.post("/v1/classify", json=pixels(1))
    assert problem.status_code == 401
    assert problem.headers["content-type"] == "application/problem+json"
    assert "Authorization: Bearer" in problem.json()["detail"]
    assert problem.headers["www-authenticate"] == 'Bearer realm="lectern"'
    assert problem.headers["connection"] == "close", "the body is not read"

    wrong = keyed.get("/v1/models", headers=bearer("wrong"))
    assert wrong.status_code == 401
    assert wrong.headers["www-authenticate"] == 'Bearer realm="lectern", error="invalid_token"'
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert wrong.json()["error"]["type"] == "authentication_error"

    lacking = keyed.post("/v2/repository/models/digits/unload", headers=bearer(KEYS[KeyScope.INFER]))
    assert (lacking.status_code, "lacks the scope 'admin'" in lacking.json()["error"]) == (403, True)
    assert "www-authenticate" not in lacking.headers


@pytest.mark.parametrize("path", LIBRETRANSLATE)
@pytest.mark.parametrize("way", ["json", "form", "multipart", "query", "query and form", "header"])
def test_libretranslates_key(keyed: TestClient, path: str, way: str) -> None:
    def ask(key: object) -> tuple[int, str]:
        field = {} if key is None else {"api_key": key}
        if way == "json":
            response = keyed.post(path, json=FORM | field)
        elif way == "form":
            response = keyed.post(path, data=FORM | field)
        elif way == "multipart":
            parts = {name: (None, str(value)) for name, value in (FORM | field).items()}
            response = keyed.post(path, files=parts)
        elif way == "query":
            response = keyed.post(path, params=FORM | field)
        elif way == "query and form":
            response = keyed.post(path, params=field, data=FORM)
        else:
            response = keyed.post(path, json=FORM, headers=bearer(str(key)) if key else {})
        return response.status_code, response.text

    assert ask(KEYS[KeyScope.INFER])[0] == 200
    assert ask("wrong") == (403, '{"error":"Invalid API key"}')
    for missing in (None, ""):
        assert ask(missing) == (401, '{"error":"Please contact the server operator to get an API key"}')
    status, text = ask(KEYS[KeyScope.METRICS])
    assert (status, "lacks the scope 'infer'" in text) == (403, True)


@pytest.mark.parametrize("key", [None, 1, True, ["lectern_all"], {"a": 1}])
def test_a_key_that_is_no_text(keyed: TestClient, key: object) -> None:
    assert keyed.post("/translate", json=FORM | {"api_key": key}).status_code == (401 if key is None else 403)


@pytest.mark.parametrize(
    "body", [{"content": b"{"}, {"content": b"[]"}, {"json": [ALL]}, {"content": b""}, {"json": {"api_key": "wrong"}}]
)
def test_no_body_gets_past_the_key(keyed: TestClient, body: dict[str, object]) -> None:
    headers = {"content-type": "application/json"}
    response = keyed.post("/translate", headers=headers, **body)  # type: ignore[arg-type]
    assert response.status_code in (400, 401, 403)


def test_a_route_that_forgets_the_field_answers_nothing(keyed_settings: Settings) -> None:
    async def forget(request: Request) -> Response:
        return Response("secret")

    operation = Operation(
        method="POST", path="/forget", endpoint=forget, errors=ErrorShape.PLAIN, tag="", summary="", key_in_fields=True
    )
    app = create_app(keyed_settings)
    app.router.routes.insert(0, Route(operation.path, operation, methods=["POST"]))
    with TestClient(app) as client:
        assert client.post("/forget", json={"api_key": ALL}).status_code == 401
        assert client.post("/forget", params={"api_key": ALL}).text == "secret", "known before the body is read"
        assert client.post("/forget", headers=bearer(ALL)).text == "secret"


JSON_KIND, FORM_KIND = "application/json", "application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", LIBRETRANSLATE)
@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [(bearer("wrong"), {}, 403), ({}, {"api_key": "wrong"}, 403), (bearer(KEYS[KeyScope.METRICS]), {}, 403),
     (bearer("wrong"), {"api_key": ALL}, 403), ({"authorization": "Bearer"}, {}, 401)],
)  # fmt: skip
def test_what_the_head_says_is_decided_before_the_body_is_read(
    keyed: TestClient, path: str, headers: dict[str, str], query: dict[str, str], status: int
) -> None:
    for content in (b"{" * 100, json.dumps(FORM | {"api_key": ALL}).encode()):
        kind = {"content-type": JSON_KIND}
        response = keyed.post(path, params=query, headers=headers | kind, content=content)
        assert response.status_code == status
        assert response.headers["connection"] == "close", "the body is not read"


@pytest.mark.parametrize("path", LIBRETRANSLATE)
@pytest.mark.parametrize("kind", [JSON_KIND, FORM_KIND, "multipart/form-data; boundary=x"])
def test_a_body_without_a_valid_key_is_not_parsed(
    keyed: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("parsed")

    for name in ("check_and_parse", "_parse_urlencoded", "parse_multipart"):
        monkeypatch.setattr(f"service.api.forms.{name}", refuse)
    for key, status in (("wrong", 403), ("", 401), (None, 401)):
        fields = FORM | ({} if key is None else {"api_key": key})
        content = {
            JSON_KIND: json.dumps(fields | {"deep": [[]] * 15_000}),
            FORM_KIND: urlencode(fields | {"long": "x" * 60_000}),
        }.get(kind, "".join(f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                            for name, value in fields.items()) + "--x--\r\n").encode()  # fmt: skip
        response = keyed.post(path, content=content, headers={"content-type": kind})
        assert response.status_code == status, response.text


@pytest.mark.parametrize("path", LIBRETRANSLATE)
@pytest.mark.parametrize("form", ["large", "gzip", "chunked"])
def test_a_body_that_may_be_large_is_not_read_without_a_key(keyed_url: str, path: str, form: str) -> None:
    """Also if it holds a key: nobody knows before it is read."""
    framing = {"large": "content-length: 65537", "gzip": "content-length: 100\ncontent-encoding: gzip"}.get(
        form, "transfer-encoding: chunked"
    )
    head = f"POST {path} HTTP/1.1\nhost: localhost\ncontent-type: {JSON_KIND}\n{framing}"
    with connected(keyed_url) as connection:
        connection.send(head)
        status, headers, body = connection.full_answer()
        assert (status, headers["connection"]) == (401, "close")
        assert b"65536 bytes" in body
        assert b"Authorization" in body
        assert connection.at_end()


@pytest.mark.parametrize("path", LIBRETRANSLATE)
@pytest.mark.parametrize("place", ["header", "query"])
def test_a_large_body_is_read_with_a_key_in_the_head(keyed: TestClient, path: str, place: str) -> None:
    query = {"api_key": ALL} if place == "query" else {}
    headers = bearer(ALL) if place == "header" else {}
    for encoding in ({}, {"content-encoding": "gzip"}):
        content = json.dumps(FORM | {"more": "x" * 100_000}).encode()
        response = keyed.post(
            path,
            params=query,
            content=gzip.compress(content) if encoding else content,
            headers={"content-type": JSON_KIND} | headers | encoding,
        )
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("place", ["nested", "text", "name", "null and text"])
def test_only_the_field_itself_lets_in(keyed: TestClient, place: str) -> None:
    """Whatever looks like a key elsewhere in the body."""
    field = {"api_key": ALL}
    fields: dict[str, object] = {
        "nested": FORM | {"more": field},
        "text": FORM | {"q": json.dumps(field)},
        "name": FORM | {"q": f"api_key={ALL}&api_key", "api_key ": ALL},
        "null and text": FORM | {"more": [field], "api_key": None},
    }[place]
    assert keyed.post("/translate", json=fields).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b'{"api_key": "lectern_all", "q": "a", "source": "en", "target": "de"}',
        b'{"q":"a","source":"en","target":"de","more":{"api_key":"x"},"api_key"\n:\t"lectern\\u005fall"}',
        b'{"q":"say \\"api_key\\": \\"x\\"","source":"en","target":"de","api_key":"lectern_all"}',
        b'{"api_key":"x","api_key":"lectern_all","q":"a","source":"en","target":"de"}',
    ],
)
def test_keys_in_json_as_clients_write_them(keyed: TestClient, body: bytes) -> None:
    assert keyed.post("/translate", content=body, headers={"content-type": JSON_KIND}).status_code == 200


def test_other_routes_take_no_key_from_the_query(keyed: TestClient) -> None:
    assert keyed.get("/v2", params={"api_key": ALL}).status_code == 401
    assert keyed.post("/v1/classify", params={"api_key": ALL}, json=pixels(1)).status_code == 401


def test_the_page_and_the_documentation_are_open(keyed: TestClient) -> None:
    for path in ("/", "/page/main.js", "/docs", "/redoc", "/openapi.json"):
        assert keyed.get(path).status_code == 200
    assert keyed.get("/nothing").status_code == 404


def test_without_a_file_no_key_is_needed(client: TestClient) -> None:
    for headers in ({}, bearer("anything"), {"authorization": "Basic x"}):
        assert client.post("/v1/classify", json=pixels(1), headers=headers).status_code == 200


def test_the_log_names_keys_and_never_holds_one(
    keyed: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests' refusals of this second, by the same application, may have used up its lines.
    monkeypatch.setattr("service.api.refusal_log._LINES_PER_SECOND", 1_000)
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.DEBUG):
        keyed.post("/v2/repository/models/digits/unload", headers=bearer(ALL))
        keyed.post("/v2/repository/models/digits/load", headers=bearer(ALL))
        keyed.post("/v2/repository/models/none/load", headers=bearer(KEYS[KeyScope.ADMIN]))
        keyed.post("/v2/repository/models/digits/unload", headers=bearer(KEYS[KeyScope.INFER]))
        keyed.get("/v2", headers=bearer("lectern_wrong"))
        keyed.post("/translate", params=FORM | {"api_key": KEYS[KeyScope.INFER]})
        keyed.post("/translate", data=FORM | {"api_key": "lectern_wrong"})
        keyed.post("/translate", json=FORM)
    lines = [line for line in map(json.loads, caplog.text.splitlines()) if not line["logger"].startswith("httpx")]
    text = json.dumps(lines)
    assert "lectern_" not in text
    assert "dog" not in text
    changed = [line for line in lines if line["message"] == "state changed"]
    assert [(line["path"].rsplit("/", 1)[1], line["key"]) for line in changed] == [
        ("unload", "all-key"),
        ("load", "all-key"),
    ]
    assert {line["client"] for line in changed} == {"testclient"}
    (failed,) = (line for line in lines if line["message"] == "state not changed")
    assert (failed["key"], failed["level"]) == ("admin-key", "warning")
    refused = [line for line in lines if line["message"] == "request refused"]
    assert [(line["reason"], line.get("key")) for line in refused] == [
        ("scope of the key", "infer-key"),
        ("wrong key", None),
        ("wrong key", None),
        ("no key", None),
    ]
    access = [line for line in lines if line["message"] == "request"]
    assert [line.get("key") for line in access][:3] == ["all-key", "all-key", "admin-key"]


def test_a_key_that_is_removed_stops_working(keyed_settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"a infer sha256:{hash_key(ALL).hex()}\n")
    with TestClient(create_app(keyed_settings.model_copy(update={"api_keys": path}))) as client:
        assert client.get("/v2", headers=bearer(ALL)).status_code == 200
        path.write_text("")
        deadline = time.monotonic() + 30
        while client.get("/v2", headers=bearer(ALL)).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.get("/v2", headers=bearer(ALL)).status_code == 401
