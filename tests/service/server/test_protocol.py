"""What one connection may send: limits, malformed requests, pipelining, and the time for all of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import orjson
import pytest
from starlette.types import Scope

from service.api.inline_path import Exchange, InlinePath
from service.server.protocol import HttpConnection
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.raw_http import BODY, Connection, connected
from tests.support.server import running

_GET = "GET /livez HTTP/1.1\nhost: x"
_CHUNKED = "POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ntransfer-encoding: chunked"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the server of this file, with the defaults of all limits."""
    path = tmp_path_factory.mktemp("models")
    write_classifier(path)
    return Settings(models=path)


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    """A real server for all tests of this file that need no settings of their own."""
    with running(settings) as url:
        yield url


def _refused(connection: Connection, status: int) -> str:
    """The detail of the answer, which must be a problem of this status, and the last one."""
    answer, headers, body = connection.full_answer()
    assert answer == status, body
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "application/problem+json"
    problem = orjson.loads(body)
    assert problem["status"] == status
    assert problem["request_id"] == headers["x-request-id"]
    assert connection.at_end()
    return str(problem["detail"])


def _send_until_refused(connection: Connection, data: bytes, times: int = 400) -> None:
    try:
        for _ in range(times):
            connection.send_bytes(data)
    except ConnectionError:
        pass


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /livez HTTP/1.1\r\nhost: x\r\n", (b"a: " + b"b" * 995 + b"\r\n") * 100),
        (b"GET /livez HTTP/1.1\r\nhost: x\r\na: ", b"b" * 65536),
        (b"GET /livez HTTP/1.1\r\nhost: x\r\n", b"b" * 65536),
        (b"", b"\r\n" * 10000),
        (_CHUNKED.replace("\n", "\r\n").encode() + b"\r\n\r\n5;", b"x=y;" * 10000),
        (
            _CHUNKED.replace("\n", "\r\n").encode() + b"\r\n\r\n5\r\n[[1,2\r\n0\r\n",
            (b"a: " + b"b" * 995 + b"\r\n") * 100,
        ),
        (_CHUNKED.replace("\n", "\r\n").encode() + b"\r\n\r\n5\r\n[[1,2\r\n0\r\na: ", b"b" * 65536),
    ],
    ids=["lines", "value", "name", "empty lines", "chunk extension", "trailers", "trailer"],
)
def test_headers_without_end_are_refused(url: str, start: bytes, more: bytes) -> None:
    with connected(url) as connection:
        connection.send_bytes(start)
        _send_until_refused(connection, more)
        assert "65536 bytes (LECTERN_MAX_HEADER_BYTES)" in _refused(connection, 431)


@pytest.mark.parametrize(
    ("path", "keys"),
    [("/v2/models/digits/infer", {"error"}), ("/translate", {"error"}), ("/v1/embeddings", {"error"}),
     ("/v1/tag", {"type", "title", "status", "detail", "instance", "request_id"})],
)  # fmt: skip
def test_what_never_becomes_a_request_is_refused_in_the_shape_of_its_route(url: str, path: str, keys: set[str]) -> None:
    with connected(url) as connection:
        connection.send(f"POST {path} HTTP/1.1\nhost: x\na: " + "b" * 70_000)
        status, body = connection.answer()
    answer = orjson.loads(body)
    assert (status, set(answer)) == (431, keys)
    assert isinstance(answer.get("error"), dict) is (path == "/v1/embeddings")


def test_headers_up_to_the_limit_are_accepted(url: str) -> None:
    head = f"{_GET}\na: "
    with connected(url) as connection:
        connection.send(head + "b" * (65536 - len(head.replace("\n", "\r\n")) - 4))
        assert connection.answer()[0] == 200
        connection.send(head + "b" * 60_000)
        assert connection.answer()[0] == 200
        connection.send(head + "b" * 140_000)
        _refused(connection, 431)


def test_headers_and_trailers_are_counted(url: str) -> None:
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    with connected(url) as connection:
        connection.send("\n".join([_GET, *["a:"] * 255]))
        assert connection.answer()[0] == 200
        connection.send(_CHUNKED, chunk + b"a:\r\n" * 256 + b"\r\n")
        assert connection.answer()[0] == 200
        connection.send("\n".join([_GET, *["a:"] * 256]))
        assert "more than 256 headers" in _refused(connection, 431)
    with connected(url) as connection:
        connection.send(_CHUNKED, chunk + b"a:\r\n" * 257 + b"\r\n")
        assert "more than 256 headers" in _refused(connection, 431)


@pytest.mark.parametrize("length", [66_000, 10_000_000])
def test_a_target_that_is_too_long_is_refused(url: str, length: int) -> None:
    with connected(url) as connection:
        _send_until_refused(connection, b"GET /" + b"a" * length + b" HTTP/1.1\r\nhost: x\r\n\r\n", 1)
        _refused(connection, 414)


def test_the_limit_is_a_setting(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_header_bytes": 1024})) as url, connected(url) as connection:
        connection.classify()
        assert connection.answer()[0] == 200
        connection.send(f"{_GET}\na: {'b' * 1100}")
        assert "1024 bytes" in _refused(connection, 431)


def test_a_chunked_body_of_many_small_chunks_is_no_header(url: str) -> None:
    with connected(url) as connection:
        padded = BODY + b" " * 30_000
        connection.send(_CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in padded) + b"0\r\n\r\n")
        assert connection.answer()[0] == 200


def test_trailers_are_not_headers(url: str) -> None:
    chunk = b"%x\r\n%s\r\n0\r\ncontent-encoding: gzip\r\nhost: y\r\n\r\n" % (len(BODY), BODY)
    with connected(url) as connection:
        for _ in range(2):
            connection.send(_CHUNKED, chunk)
            assert connection.answer()[0] == 200


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET /livez HTTP/1.1", 400),
        ("GET /livez HTTP/1.1\nhost: x\nhost: x", 400),
        ("GET /livez HTTP/1.1\nhost: a b", 400),
        ("GET /livez HTTP/1.1\nhost: x\nno colon here", 400),
        ("GET /livez HTTP/1.1\nhost : x", 400),
        ("GET /livez HTTP/1.1\nhost: x\n folded", 400),
        ("GET /livez HTTP/1.1\nhost: x\na: b\x00c", 400),
        ("GET http://[x/livez HTTP/1.1\nhost: x", 400),
        ("GET livez HTTP/1.1\nhost: x", 400),
        ("GET /a b HTTP/1.1\nhost: x", 400),
        ("GET /livez", 505),
        ("GET /livez HTTP/0.9\nhost: x", 505),
        ("GET /livez HTTP/1.2\nhost: x", 505),
        ("GET /livez HTTP/2.0\nhost: x", 505),
        ("GET /livez HTTP/3\nhost: x", 400),
        ("PRI * HTTP/2.0\n\nSM", 505),
        ("BREW /livez HTTP/1.1\nhost: x", 501),
        ("CONNECT example.org:443 HTTP/1.1\nhost: x", 501),
        ("POST /v1/classify HTTP/1.1\nhost: x\ntransfer-encoding: gzip, chunked", 501),
        ("POST /v1/classify HTTP/1.1\nhost: x\ntransfer-encoding: gzip", 501),
        ("POST /v1/classify HTTP/1.1\nhost: x\ntransfer-encoding: chunked\ntransfer-encoding: chunked", 400),
        ("POST /v1/classify HTTP/1.1\nhost: x\ntransfer-encoding: chunked\ncontent-length: 5", 400),
        ("POST /v1/classify HTTP/1.1\nhost: x\ncontent-length: 5\ncontent-length: 6", 400),
        ("POST /v1/classify HTTP/1.1\nhost: x\ncontent-length: +5", 400),
        ("POST /v1/classify HTTP/1.1\nhost: x\ncontent-length: 99999999999999999999999", 400),
    ],
)
def test_a_request_that_is_not_http_1_1_gets_a_problem(url: str, request_text: str, status: int) -> None:
    with connected(url) as connection:
        connection.send(request_text)
        _refused(connection, status)


def test_a_broken_chunk_is_refused(url: str) -> None:
    with connected(url) as connection:
        connection.send(_CHUNKED, b"zz\r\n")
        assert "chunk" in _refused(connection, 400)


@pytest.mark.parametrize("head", ["GET /livez HTTP/1.0", "GET /livez HTTP/1.0\nconnection: keep-alive"])
def test_http_1_0_needs_no_host_and_is_closed(url: str, head: str) -> None:
    with connected(url) as connection:
        connection.send(head)
        status, headers, _ = connection.full_answer()
        assert (status, headers["connection"]) == (200, "close")
        assert connection.at_end()


def test_http_1_0_is_never_told_to_continue(url: str) -> None:
    with connected(url) as connection:
        head = "POST /v1/classify HTTP/1.0\ncontent-type: application/json\nexpect: 100-continue\ncontent-length: "
        connection.send(head + str(len(BODY)), BODY)
        assert connection.answer()[0] == 200


@pytest.mark.parametrize("hello", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(506), b"\x16"])
def test_a_tls_hello_is_closed(url: str, hello: bytes) -> None:
    with connected(url) as connection:
        connection.send_bytes(hello)
        assert connection.at_end()


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.3"])
def test_an_upgrade_is_answered_as_plain_http(url: str, protocol: str) -> None:
    with connected(url) as connection:
        connection.classify(BODY, f"upgrade: {protocol}", "connection: upgrade, http2-settings", "http2-settings: AAM")
        status, headers, body = connection.full_answer()
        assert (status, headers["connection"]) == (200, "close")
        assert b'"label":"7"' in body
        assert connection.at_end()


def test_options_of_the_whole_server_is_answered(url: str) -> None:
    with connected(url) as connection:
        connection.send("OPTIONS * HTTP/1.1\nhost: x")
        assert connection.answer()[0] in (200, 204, 404, 405)


def test_an_absolute_target_is_understood(url: str) -> None:
    with connected(url) as connection:
        connection.send("GET http://example.org/livez?x=1 HTTP/1.1\nhost: x")
        assert connection.answer()[0] == 200


def test_what_follows_complete_requests_does_not_take_their_answers(url: str) -> None:
    with connected(url) as connection:
        request = f"{_GET}\n\n".replace("\n", "\r\n").encode()
        connection.send_bytes(request * 3 + b"NONSENSE\r\n\r\n")
        for _ in range(3):
            assert connection.answer()[0] == 200
        rest = connection.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_are_bounded_and_each_is_answered_or_left_to_be_sent_again(url: str) -> None:
    request = f"{_GET}\nx-request-id: %d\n\n".replace("\n", "\r\n").encode()
    with connected(url) as connection:
        _send_until_refused(connection, b"".join(request % number for number in range(5000)), 1)
        answers = connection.rest()
    numbers = [int(number) for number in re.findall(rb"x-request-id: (\d+)\r\n", answers)]
    assert numbers == list(range(len(numbers)))
    assert 60 <= len(numbers) < 5000
    last = answers.rpartition(b"HTTP/1.1 ")[2]
    assert last.startswith(b"200 ")
    assert b"connection: close" in last


def test_slow_headers_end_with_their_time(settings: Settings) -> None:
    hasty = settings.model_copy(update={"header_seconds": 0.4})
    with running(hasty) as url, connected(url) as silent, connected(url) as slow, connected(url) as late:
        late.send(_GET)
        assert late.answer()[0] == 200
        late.send_bytes(b"GET /li")
        slow.send_bytes(b"GET /")
        try:
            for _ in range(200):
                slow.send_bytes(b"a")
                time.sleep(0.02)
        except ConnectionError:
            pass
        assert "0.4 s (LECTERN_HEADER_SECONDS)" in _refused(slow, 408)
        _refused(late, 408)
        assert silent.at_end()


def test_an_idle_connection_is_kept_for_its_time(settings: Settings) -> None:
    brief = settings.model_copy(update={"keep_alive_seconds": 1.5, "header_seconds": 0.4})
    with running(brief) as url, connected(url) as connection:
        connection.send(_GET)
        assert connection.answer()[0] == 200
        time.sleep(0.9)
        connection.send(_GET)
        assert connection.answer()[0] == 200
        assert connection.at_end()


@pytest.mark.parametrize("head", ["/v1/classify", "/v1/nowhere"])
def test_an_unwanted_body_without_end_is_not_read(settings: Settings, head: str) -> None:
    with running(settings.model_copy(update={"max_body_bytes": 2000})) as url, connected(url) as connection:
        connection.send(f"POST {head} HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: 24000000000")
        connection.set_timeout(20)
        sent, chunk = 0, b"x" * 65536
        try:
            while sent < 2_000_000_000:
                connection.send_bytes(chunk)
                sent += len(chunk)
        except (ConnectionError, TimeoutError):
            pass
        assert sent < 50_000_000  # What the buffers of both sides hold.


def test_the_answer_arrives_though_the_client_sends_a_large_body_before_it_reads(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_body_bytes": 2000})) as url, connected(url) as connection:
        connection.send("POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: image/png\ncontent-length: 20000000")
        connection.set_timeout(20)
        for _ in range(20):
            connection.send_bytes(bytes(1_000_000))
        assert connection.answer()[0] == 413


def test_the_answer_arrives_although_the_client_goes_on_sending(settings: Settings) -> None:
    with running(settings.model_copy(update={"max_body_bytes": 2000})) as url:
        for _ in range(20):
            with connected(url) as connection:
                head = "POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: 3000"
                connection.send(head)
                time.sleep(0.002)
                connection.send_bytes(bytes(3000))
                assert connection.answer()[0] == 413
                assert connection.at_end()


def test_a_client_that_reads_nothing_fills_no_memory(url: str) -> None:
    body = orjson.dumps(pixels(7))
    with connected(url) as connection:
        connection.set_timeout(1)
        head = f"POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: {len(body)}\n\n"
        request = head.replace("\n", "\r\n").encode() + body
        sent = 0
        try:
            while sent < 500_000_000:
                connection.send_bytes(request * 10)
                sent += 10 * len(request)
        except (ConnectionError, TimeoutError):
            pass
        assert sent < 500_000_000


@pytest.fixture
def inline_answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request that the inline path was asked to answer, whether it did."""
    answers: list[bool] = []
    answer = InlinePath.answer

    def recording(self: InlinePath, scope: Scope, body: bytes, exchange: Exchange) -> bool:
        answers.append(answer(self, scope, body, exchange))
        return answers[-1]

    monkeypatch.setattr(InlinePath, "answer", recording)
    return answers


def _label(body: bytes) -> str:
    return str(orjson.loads(body)["results"][0]["predictions"][0]["label"])


def test_a_request_in_one_piece_takes_the_inline_path(url: str, inline_answers: list[bool]) -> None:
    with connected(url) as connection:
        for digit in range(3):
            connection.classify(orjson.dumps(pixels(digit)))
            status, headers, body = connection.full_answer()
            assert (status, _label(body), headers["content-length"]) == (200, str(digit), str(len(body)))
            assert "connection" not in headers
            assert headers["date"]
    assert inline_answers == [True] * 3


def test_a_body_in_parts_is_answered_by_asgi(url: str, inline_answers: list[bool]) -> None:
    head = f"POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: {len(BODY)}"
    with connected(url) as connection:
        connection.send(head, BODY[:100])
        time.sleep(0.05)
        connection.send_bytes(BODY[100:])
        status, body = connection.answer()
        assert (status, _label(body)) == (200, "7")
    assert inline_answers == []


def test_what_follows_on_the_connection_is_answered_in_order(url: str, inline_answers: list[bool]) -> None:
    request = f"POST /v1/classify HTTP/1.1\nhost: x\ncontent-type: application/json\ncontent-length: {len(BODY)}"
    head = request.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    with connected(url) as connection:
        connection.send_bytes((head + BODY) * 3 + _GET.replace("\n", "\r\n").encode() + b"\r\n\r\n" + b"?? bad\r\n\r\n")
        for _ in range(3):
            status, body = connection.answer()
            assert (status, _label(body)) == (200, "7")
        assert connection.answer()[0] == 200
        assert connection.at_end()
    assert inline_answers == [True]  # The others wait for it, and by then their bodies have been read.


def test_a_client_without_persistent_connections(url: str, inline_answers: list[bool]) -> None:
    for version, headers in (("1.0", ()), ("1.1", ("connection: close",))):
        lines = [f"POST /v1/classify HTTP/{version}", "host: x", "content-type: application/json", *headers]
        with connected(url) as connection:
            connection.send("\n".join([*lines, f"content-length: {len(BODY)}"]), BODY)
            status, answered, body = connection.full_answer()
            assert (status, answered["connection"], _label(body)) == (200, "close", "7")
            assert connection.at_end()
    assert inline_answers == [True, True]


def test_an_expected_continuation_and_an_upgrade_go_to_asgi(url: str, inline_answers: list[bool]) -> None:
    with connected(url) as connection:
        connection.classify(BODY, "expect: 100-continue")
        assert connection.answer() == (100, b"")
        assert connection.answer()[0] == 200
    with connected(url) as connection:
        connection.classify(BODY, "connection: upgrade", "upgrade: h2c")
        assert connection.answer()[0] == 200
    assert inline_answers == []


def test_a_client_that_leaves_before_its_answer(url: str, inline_answers: list[bool]) -> None:
    for _ in range(20):
        with connected(url) as connection:
            connection.classify()
    with connected(url) as connection:
        connection.classify()
        assert connection.answer()[0] == 200
    assert inline_answers == [True] * 21


def test_an_error_of_the_inline_path_keeps_the_connection(url: str, inline_answers: list[bool]) -> None:
    with connected(url) as connection:
        connection.classify(b'{"pixels":[]}')
        status, headers, body = connection.full_answer()
        assert (status, orjson.loads(body)["request_id"]) == (422, headers["x-request-id"])
        connection.classify()
        assert connection.answer()[0] == 200
    assert inline_answers == [True, True]


def _request(body: bytes, *headers: str, path: str = "/v1/classify") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "\r\n"]).encode() + body


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of bytes of each piece of data that a parser was given."""
    sizes: list[int] = []
    feed = HttpConnection._feed

    def recording(self: HttpConnection, data: bytes | memoryview) -> None:
        sizes.append(len(data))
        feed(self, data)

    monkeypatch.setattr(HttpConnection, "_feed", recording)
    return sizes


def test_a_repeated_head_is_read_once_whatever_the_length_of_the_body(url: str, parsed: list[int]) -> None:
    bodies = [orjson.dumps(pixels(digit) | {"top_k": top_k}) for digit, top_k in ((1, 1), (2, 10), (3, 1))]
    with connected(url) as connection:
        for digit, body in enumerate(bodies, 1):
            connection.send_bytes(_request(body))
            status, headers, answer = connection.full_answer()
            assert (status, _label(answer)) == (200, str(digit))
            assert headers["date"]
    assert parsed == [len(_request(bodies[0]))]


def test_ids_of_a_repeated_head_differ_unless_the_client_chose_one(url: str) -> None:
    for chosen in ((), ("x-request-id: mine",)):
        with connected(url) as connection:
            ids = []
            for body in (BODY, b"{}", BODY):  # The second is refused.
                connection.send_bytes(_request(body, *chosen))
                status, headers, _ = connection.full_answer()
                assert status == (422 if body == b"{}" else 200)
                ids.append(headers["x-request-id"])
        assert len(set(ids)) == (1 if chosen else 3)


def test_another_head_after_a_repeated_one_is_parsed(url: str, parsed: list[int]) -> None:
    with connected(url) as connection:
        for _ in range(2):
            connection.send_bytes(_request(BODY))
            assert connection.answer()[0] == 200
        connection.send_bytes(_request(BODY, "expect: 100-continue"))
        assert [connection.answer()[0] for _ in range(2)] == [100, 200]
        connection.send_bytes(_request(BODY))
        assert connection.answer()[0] == 200
        connection.send_bytes(_request(b"{}", path="/v1/classifies"))
        assert connection.answer()[0] == 404
    with connected(url) as connection:
        for _ in range(2):
            connection.send_bytes(_request(BODY))
            assert connection.answer()[0] == 200
        connection.send_bytes(_request(BODY, "host: y"))
        assert _refused(connection, 400)
    assert len(parsed) == 5


def test_a_repeated_head_in_parts_or_with_more_behind_it_is_parsed(url: str, parsed: list[int]) -> None:
    request = _request(BODY)
    with connected(url) as connection:
        connection.send_bytes(request)
        assert connection.answer()[0] == 200
        for cut in (10, len(request) - len(BODY), len(request) - 1):
            connection.send_bytes(request[:cut])
            time.sleep(0.02)
            connection.send_bytes(request[cut:])
            status, body = connection.answer()
            assert (status, _label(body)) == (200, "7")
        connection.send_bytes(request * 3 + _GET.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        assert [connection.answer()[0] for _ in range(4)] == [200] * 4
        connection.send_bytes(request)
        assert connection.answer()[0] == 200
    assert sum(parsed) >= 7 * len(request)


def test_a_repeated_head_that_the_inline_path_leaves_is_answered_by_asgi(url: str, inline_answers: list[bool]) -> None:
    large = orjson.dumps(pixels(*[4] * 20))
    with connected(url) as connection:
        for body, label in ((BODY, "7"), (large, "4"), (BODY, "7")):
            connection.send_bytes(_request(body))
            status, answer = connection.answer()
            assert (status, _label(answer)) == (200, label)
    assert inline_answers in ([True, False, True], [True, True])  # A large one may come in several pieces.


def test_a_connection_of_repeated_heads_is_closed_as_all_others(url: str) -> None:
    with connected(url) as connection:
        for _ in range(3):
            connection.send_bytes(_request(BODY))
            assert connection.answer()[0] == 200
        connection.send_bytes(_request(BODY, "connection: close"))
        status, headers, _ = connection.full_answer()
        assert (status, headers["connection"]) == (200, "close")
        assert connection.at_end()
