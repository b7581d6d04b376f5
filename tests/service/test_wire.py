"""The server on its socket: early refusals, persistent connections, invalid HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.raw_http import BODY, connected
from tests.support.server import running


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for all tests of this file."""
    path = tmp_path_factory.mktemp("models")
    write_classifier(path)
    with running(Settings(models=path)) as url:
        yield url


def test_a_connection_serves_many_requests_errors_included(url: str) -> None:
    with connected(url) as connection:
        for body, status in ((BODY, 200), (b"{", 400), (BODY, 200), (b'{"pixels":[]}', 422), (BODY, 200)):
            connection.classify(body)
            assert connection.answer()[0] == status


def test_requests_may_be_pipelined(url: str) -> None:
    with connected(url) as connection:
        for digit in (1, 2, 3):
            connection.classify(orjson.dumps(pixels(digit)))
        for digit in (1, 2, 3):
            status, body = connection.answer()
            assert (status, orjson.loads(body)["results"][0]["predictions"][0]["label"]) == (200, str(digit))


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(url: str) -> None:
    with connected(url) as connection:
        connection.send(
            "POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: 99999999999"
        )
        status, body = connection.answer()
        assert status == 413
        assert b"LECTERN_MAX_BODY_BYTES" in body
        assert connection.at_end()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/classify", "content-type: application/json\ntransfer-encoding: chunked", 413),
        ("/v1/nowhere", "content-length: 1000000", 404),
        ("/livez", "content-length: 1000000", 405),
    ],
)
def test_the_rest_of_a_body_that_is_not_wanted_is_not_read(
    models_dir: Path, path: str, headers: str, status: int
) -> None:
    settings = Settings(models=models_dir, max_body_bytes=2_000)
    with running(settings) as url, connected(url) as connection:
        connection.send(f"POST {path} HTTP/1.1\nhost: x\n{headers}", b"c00\r\n" + b"x" * 0xC00 + b"\r\n")
        assert connection.answer()[0] == status
        assert connection.at_end()


def test_expect_100_continue_is_answered(url: str) -> None:
    head = "POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\nexpect: 100-continue\ncontent-length: "
    with connected(url) as connection:
        connection.send(head + "99999999")
        assert connection.answer()[0] == 413
    with connected(url) as connection:
        connection.send(head + str(len(BODY)))
        assert connection.answer() == (100, b"")
        connection.send_bytes(BODY)
        assert connection.answer()[0] == 200


def test_a_body_that_does_not_arrive_ends_with_the_deadline(models_dir: Path) -> None:
    with running(Settings(models=models_dir, deadline_seconds=0.1)) as url, connected(url) as connection:
        connection.send("POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: 10", b"{")
        status, body = connection.answer()
        assert status == 504
        assert b"the body did not arrive within 0.1 s" in body


def test_a_chunked_body_is_read(url: str) -> None:
    head = "POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ntransfer-encoding: chunked"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:100], BODY[100:])) + b"0\r\n\r\n"
    with connected(url) as connection:
        connection.send(head, chunks)
        assert connection.answer()[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        "NONSENSE",
        "GET",
        "POST /v1/classify HTTP/1.1\nhost: x\ncontent-length: many",
        "POST /v1/classify HTTP/1.1\nhost: x\ncontent-length: -5",
        "POST /v1/classify HTTP/1.1\nhost: x\ntransfer-encoding: chunked\ncontent-length: 5",
        "GET /livez HTTP/1.1\nhost: x\nno colon here",
    ],
)
def test_invalid_http_is_refused_and_the_server_continues(url: str, head: str) -> None:
    with connected(url) as connection:
        connection.send(head, b"zz\r\n\r\n")
        assert connection.answer()[0] == 400
    with connected(url) as connection:
        connection.classify()
        assert connection.answer()[0] == 200


@pytest.mark.parametrize(
    "path", ["/v1/%00", "/%ff%fe", "/v1/models/%2e%2e%2fetc", "/v2/models/%0a", "///", "/v1/models/" + "x" * 2000]
)
def test_odd_paths_are_not_found(url: str, path: str) -> None:
    with connected(url) as connection:
        connection.send(f"GET {path} HTTP/1.1\nhost: x")
        status, body = connection.answer()
        assert status == 404
        assert orjson.loads(body)


def test_clients_that_disconnect_leave_nothing_behind(url: str) -> None:
    for part in (b"", BODY[:50]):
        with connected(url) as connection:
            connection.send(
                f"POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: {len(BODY)}",
                part,
            )
    with connected(url) as connection:
        for _ in range(100):
            connection.send("GET /metrics HTTP/1.1\nhost: x")
            status, body = connection.answer()
            assert status == 200
            if b"\nlectern_in_flight 1.0" in body:
                break
        else:
            pytest.fail("requests of clients that left stay in flight")
