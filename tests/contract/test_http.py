"""What HTTP clients expect of any server, on the socket and on every route: new routes are checked by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import orjson
import pytest

from service.access.keys import hash_key
from service.api.operation import Operation
from service.settings import Settings
from tests.support.classify_requests import picture
from tests.support.raw_http import BODY, connected
from tests.support.routes import (
    OF_GET,
    OF_POST,
    ROUTES,
    body_of,
    content_type_of,
    for_each,
    names_nothing,
    path_of,
    write_models,
)
from tests.support.server import running

KEY = "lectern_key"
HEADERS = f"host: localhost\nauthorization: Bearer {KEY}"
JSON = "content-type: application/json"
PAGE = "https://app.example.com"
PREFIX = "/below"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for all tests of this file, with a tiny model of each task."""
    folder = tmp_path_factory.mktemp("http")
    write_models(folder / "models")
    (folder / "keys").write_text(f"all infer,admin,metrics sha256:{hash_key(KEY).hex()}\n")
    settings = Settings(
        models=folder / "models",
        api_keys=folder / "keys",
        cors_origins=(PAGE,),
        root_path=PREFIX,
        model_control="explicit",
        max_header_bytes=20_000,
    )
    with running(settings) as url:
        yield url


@pytest.fixture(scope="module")
def quick_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server without keys and prefix, which answers small requests without the application."""
    models = tmp_path_factory.mktemp("models")
    write_models(models)
    with running(Settings(models=models, cors_origins=(PAGE,))) as url:
        yield url


def ask(url: str, method: str, target: str, *headers: str, version: str = "1.1") -> tuple[int, dict[str, str], bytes]:
    """The answer to a request without a body, which must end its connection."""
    with connected(url) as connection:
        connection.send("\n".join([f"{method} {target} HTTP/{version}", HEADERS, "connection: close", *headers]))
        answer = connection.full_answer()
        assert method == "HEAD" or connection.at_end()
        return answer


@for_each(OF_GET)
def test_head_has_no_body_and_keeps_the_connection(url: str, operation: Operation) -> None:
    with connected(url) as connection:
        for path in (path_of(operation), f"{path_of(operation)}/", f"{PREFIX}{path_of(operation)}/", "/nothing"):
            lengths, statuses = [], []
            for method in ("GET", "HEAD", "GET"):
                connection.send(f"{method} {path} HTTP/1.1\n{HEADERS}")
                status, headers, _ = connection.full_answer(has_body=method == "GET")
                statuses.append(status)
                assert "connection" not in headers
                lengths.append(headers["content-length"])
            expected = 404 if path == "/nothing" or names_nothing(operation) else 308 if "redoc" in path else 200
            assert statuses == [expected] * 3
            assert int(lengths[1]) > 0
            assert "metrics" in path or lengths[0] == lengths[1] == lengths[2]


@for_each(ROUTES)
def test_other_spellings_of_a_path_are_other_paths(url: str, operation: Operation) -> None:
    path = path_of(operation)
    others = [
        f"/{path}",
        f"{path}//",
        f"{path};x=1",
        f"{path}/;",
        f"{path}/.",
        f"{path}/../x",
        f"{path}%20",
        f"{path}%00",
    ]
    others += [path.upper(), f"{PREFIX}{PREFIX}{path}", f"{PREFIX}/{path}", f"{PREFIX.upper()}{path}", f"{path}/%2e"]
    if path == "/":  # One slash at the end is dropped, and nothing else of a slash is there to be spelled.
        others = [other for other in others if other not in ("/", "//", f"{PREFIX}//")]
    for other in others:
        status, headers, body = ask(url, operation.method, other)
        assert status == 404, other
        assert "location" not in headers
        assert orjson.loads(body)


@for_each(OF_GET)
def test_escapes_in_a_path_are_what_they_stand_for(url: str, operation: Operation) -> None:
    path = path_of(operation)
    escaped = (path[0] + path[1:].replace("/", "%2F"), f"{path}%2f", path.replace("e", "%65"), f"{PREFIX}%2F{path[1:]}")
    expected = ask(url, "GET", path)[0]
    for other in (*escaped, f"http://other.example{path}"):
        assert ask(url, "GET", other)[0] == expected, other


@for_each(ROUTES)
def test_http_1_0(url: str, operation: Operation) -> None:
    status, headers, _ = ask(url, operation.method, path_of(operation), JSON, version="1.0")
    assert 200 <= status < 500
    assert headers["connection"] == "close"
    assert "transfer-encoding" not in headers
    assert "server" not in headers
    assert headers["date"].endswith(" GMT")


def test_a_stream_to_http_1_0_ends_with_the_connection(url: str) -> None:
    body = b'{"text": "the cat sleeps"}'
    head = f"POST /v1/translate HTTP/%s\n{HEADERS}\n{JSON}\naccept: text/event-stream\ncontent-length: {len(body)}"
    with connected(url) as connection:
        connection.send(head % "1.0", body)
        head_bytes, _, events = connection.rest().partition(b"\r\n\r\n")
        assert head_bytes.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding" not in head_bytes
        assert b"connection: close" in head_bytes
        assert events.startswith(b"data: {")
        assert events.endswith(b"}\n\n")
        assert b'"done":true' in events
    with connected(url) as connection:
        connection.send(head % "1.1" + "\nconnection: close", body)
        assert b"transfer-encoding: chunked" in connection.rest()


# Expect (RFC 9110, section 10.1.1)


@for_each(OF_POST)
def test_a_body_is_awaited_with_100(url: str, operation: Operation) -> None:
    body = body_of(operation)
    for expectation in ("100-continue", "100-Continue", "100-continue, 100-continue"):
        with connected(url) as connection:
            kind, length = f"content-type: {content_type_of(operation)}", f"content-length: {len(body)}"
            connection.send(f"POST {path_of(operation)} HTTP/1.1\n{HEADERS}\n{kind}\n{length}\nexpect: {expectation}")
            status, _, refusal = connection.full_answer()
            if b"disabled" in refusal:
                continue
            assert status == 100
            connection.send_bytes(body)
            status, headers, _ = connection.full_answer()
            assert status in (200, 400, 404, 422)
            assert "connection" not in headers


@for_each(OF_POST)
def test_a_body_that_is_refused_is_never_awaited(url: str, operation: Operation) -> None:
    path, large = path_of(operation), "content-length: 100000"
    kind = f"content-type: {content_type_of(operation)}"
    for status, method, target, headers in (
        (401, "POST", path, f"host: localhost\n{kind}\n{large}"),
        (404, "POST", f"{path}/nothing", f"{HEADERS}\n{kind}\n{large}"),
        (405, "PUT", path, f"{HEADERS}\n{kind}\n{large}"),
        (413, "POST", path, f"{HEADERS}\n{kind}\ncontent-length: 9999999999"),
        (415, "POST", path, f"{HEADERS}\n{kind}\n{large}\ncontent-encoding: br"),
    ):
        with connected(url) as connection:
            connection.send(f"{method} {target} HTTP/1.1\n{headers}\nexpect: 100-continue")
            found, answered, body = connection.full_answer()
            assert found == status or b"disabled" in body, (status, body)
            assert answered["connection"] == "close"
            assert orjson.loads(body)
            assert connection.at_end()


@pytest.mark.parametrize("path", ["/v2/models/nosuch/infer", "/v2/models/digits/versions/9/infer"])
@pytest.mark.parametrize("framing", ["content-length: 100000", "transfer-encoding: chunked"])
def test_a_large_body_is_not_awaited_for_an_unknown_model(url: str, path: str, framing: str) -> None:
    with connected(url) as connection:
        connection.send(f"POST {path} HTTP/1.1\n{HEADERS}\n{JSON}\n{framing}\nexpect: 100-continue")
        status, headers, body = connection.full_answer()
        assert (status, headers["connection"]) == (404, "close")
        assert b"nosuch" in body or b"no version 9" in body
        assert connection.at_end()


@for_each(ROUTES)
def test_another_expectation_is_refused(url: str, operation: Operation) -> None:
    for expectation in ("200-ok", "100-continue, 200-ok", "100-continue;x=1", "a\nexpect: 100-continue"):
        with connected(url) as connection:
            connection.send(f"{operation.method} {path_of(operation)} HTTP/1.1\n{HEADERS}\nexpect: {expectation}")
            status, headers, body = connection.full_answer()
            assert (status, headers["connection"]) == (417, "close")
            assert b"100-continue" in body
            assert connection.at_end()


def test_http_1_0_expects_nothing(url: str) -> None:
    for expectation in ("100-continue", "200-ok"):
        with connected(url) as connection:
            head = f"POST /v1/classify HTTP/1.0\n{HEADERS}\n{JSON}\ncontent-length: {len(BODY)}\nexpect: {expectation}"
            connection.send(head, BODY)
            assert connection.answer()[0] == 200


def test_nothing_is_awaited_without_a_body(url: str) -> None:
    assert ask(url, "GET", "/v2", "expect: 100-continue")[0] == 200
    assert ask(url, "GET", "/v2", "expect:")[0] == 200


# What the server refuses before the application has it


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (400, "GET /v2 HTTP/1.1\norigin: {page}\nhost: a\nhost: b"),
        (417, "GET /v2 HTTP/1.1\nhost: localhost\norigin: {page}\nexpect: x"),
        (431, "GET /v2 HTTP/1.1\nhost: localhost\norigin: {page}\nx: " + "x" * 30_000),
        (501, "GET /v2 HTTP/1.1\nhost: localhost\norigin: {page}\ntransfer-encoding: gzip"),
    ],
    ids=["two hosts", "expectation", "large headers", "transfer coding"],
)
def test_an_allowed_page_reads_what_the_server_refuses(url: str, status: int, head: str) -> None:
    for page in (PAGE, "https://evil.example"):
        with connected(url) as connection:
            connection.send(head.replace("{page}", page))
            found, headers, _ = connection.full_answer()
            assert found == status
            assert headers.get("access-control-allow-origin") == (page if page == PAGE else None)
            assert headers["vary"] == "origin"


# Small requests, which the server may answer without the application

PICTURE = picture(7)
VOLATILE = ("date", "x-request-id", "server-timing")


@for_each(OF_POST)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_small_requests_are_answered_as_all_others(quick_url: str, operation: Operation, version: str) -> None:
    """A trailing slash has them answered by the application."""
    kinds = (
        f"content-type: {content_type_of(operation)}",
        "x: y",
        "content-type: text/plain",
        "content-type: image/gif",
    )
    bodies = (body_of(operation), BODY, PICTURE, b"", b"{", b'{"images": []}')
    pages = (PAGE, "https://evil.example")
    for kind, body, page in product(kinds, bodies, pages):
        answers = []
        for path in (path_of(operation), f"{path_of(operation)}/"):
            head = f"host: localhost\norigin: {page}\n{kind}\ncontent-length: {len(body)}"
            with connected(quick_url) as connection:
                connection.send(f"POST {path} HTTP/{version}\n{head}", body)
                status, headers, content = connection.full_answer()
            assert headers.get("access-control-allow-origin") == (page if page == PAGE else None)
            assert headers["vary"] == "origin"
            assert headers.get("connection") == ("close" if version == "1.0" else None) or status in (403, 415)
            identifier = headers["x-request-id"].encode()
            kept = sorted(item for item in headers.items() if item[0] not in VOLATILE)
            answers.append((status, kept, content.replace(identifier, b"")))
        assert answers[0] == answers[1], (kind, body[:20], page)
