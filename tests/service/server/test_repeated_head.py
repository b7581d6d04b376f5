"""Heads that a connection repeats: what is split without the parser is split as the parser does it."""

from __future__ import annotations

import random

import httptools
import pytest

from service.server.repeated_head import RepeatedHead

_HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Type: x\r\nContent-Length: %d\r\nX-A: b\r\n\r\n"


def _request(body: bytes) -> bytes:
    return _HEAD % len(body) + body


class _Events:
    """What the parser reports."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, list[tuple[bytes, bytes]], bytes]] = []

    def on_message_begin(self) -> None:
        self.url, self.headers, self.body = b"", list[tuple[bytes, bytes]](), b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages.append((self.url, self.headers, self.body))


def _parse(data: bytes) -> list[tuple[bytes, list[tuple[bytes, bytes]], bytes]]:
    events = _Events()
    try:
        httptools.HttpRequestParser(events).feed_data(data)
    except httptools.HttpParserError:
        return []
    return events.messages


def _repeated() -> RepeatedHead:
    data = _request(b"hello")
    ((url, headers, _),) = _parse(data)
    head = RepeatedHead.of(data, url, {"path": url.decode(), "headers": headers, "state": {"a": 1}})
    assert head is not None
    return head


@pytest.mark.parametrize(
    "body",
    [b"", b"7", b"\r\n\r\n", bytes(99_999), b"Content-Length: 1\r\n\r\n1"],
    ids=["none", "one byte", "empty lines", "zeros", "another head"],
)
def test_a_request_is_split_as_by_the_parser(body: bytes) -> None:
    split = _repeated().split(_request(body))
    assert split is not None
    scope, rest = split
    ((url, headers, parsed),) = _parse(_request(body))
    assert (scope["path"].encode(), scope["headers"], rest) == (url, headers, parsed)


def test_requests_share_nothing_that_they_change() -> None:
    head = _repeated()
    (first, _), (second, _) = (head.split(_request(body)) or ({}, b"") for body in (b"1", b"22"))
    first["state"]["a"] = 2
    assert second["state"] == {"a": 1}
    assert [dict(scope["headers"])[b"content-length"] for scope in (first, second)] == [b"1", b"2"]


@pytest.mark.parametrize(
    "data",
    [
        _request(b"hello") + b"\r\n",
        _request(b"hello") * 2,
        b"\r\n\r\n" + _request(b"hello"),
        _request(b"hello").replace(b"Content-Length: 5", b"Content-Length: 5 "),
        _request(b"hello").replace(b"Content-Length: 5", b"Transfer-Encoding: chunked").replace(b"hello", b"0\r\n\r\n"),
        _request(b"hello").replace(b"Host: a\r\n", b"Host: a\n"),
    ],
    ids=["a line behind", "two", "lines before", "a blank behind the length", "chunks", "a bare line feed"],
)
def test_unusual_requests_are_no_heads(data: bytes) -> None:
    assert RepeatedHead.of(data, b"/", {"headers": [(b"content-length", b"5")], "state": {}}) is None


@pytest.mark.parametrize(
    "length", ["+5", "5 ", " 5", "-5", "0x5", "5,5", "4", "6", "", "1000005", "5\r\nContent-Length: 5"]
)
def test_a_length_that_is_not_plainly_that_of_the_body_is_left_to_the_parser(length: str) -> None:
    assert _repeated().split(_request(b"hello").replace(b"Length: 5", f"Length: {length}".encode())) is None


def test_whatever_is_split_is_one_message_to_the_parser() -> None:
    rng = random.Random(7)
    request, head = _request(b"hello"), _repeated()
    pieces = [b"\r\n", b"\n", b"\r", b":", b" ", b"1", b"0", b"X-A", b"Content-Length: 3\r\n", b"\r\n\r\n", request]
    splits = 0
    for _ in range(20_000):
        data = bytearray(request)
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.choice((0, 0, 1, 2))] = rng.choice(pieces)
        split = head.split(bytes(data))
        if split is not None:
            splits += 1
            ((url, headers, body),) = _parse(bytes(data))
            assert (split[0]["path"].encode(), split[0]["headers"], split[1]) == (url, headers, body)
    assert splits > 50
