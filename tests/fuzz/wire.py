"""Hostile bytes on the socket: smuggled requests, broken chunks, endless headers, half-sent bodies, other protocols."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.answers import Answer, Call, problems
from tests.fuzz.harness import Server, watched
from tests.support.bars import Report

SECONDS = 15
"""How long a case may take until the server has answered everything or closed the connection."""

_HOST = b"Host: localhost\r\n"
_JSON = b"Content-Type: application/json\r\n"
_LIVE = b"GET /livez HTTP/1.1\r\n" + _HOST + b"\r\n"
_TAG = b"POST /v1/tag HTTP/1.1\r\n" + _HOST + _JSON
_BODY = b'{"model":"pos-en","text":"A dog."}'
_SECOND = b"GET /smuggled HTTP/1.1\r\n" + _HOST + b"\r\n"
_CLOSE = b"Connection: close\r\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Bytes for one connection, and the statuses that may come back, in order."""

    name: str
    sends: Sequence[bytes | float]
    """Bytes to send, and seconds to wait between them."""
    allowed: Sequence[tuple[int, ...]] = ((400, 501, 505),)
    """For each answer the statuses that it may have; fewer answers and a closed connection are right as well."""
    least: int = 0
    """How many answers there must be at least."""
    reset: bool = False
    """Whether the client breaks the connection off right after sending."""
    stops: bool = False
    """Whether the client closes its half of the connection after sending."""


def _length(length: bytes | int) -> bytes:
    return b"Content-Length: %s\r\n" % (length if isinstance(length, bytes) else str(length).encode())


def _chunked(*chunks: bytes, head: bytes = _TAG, extra: bytes = b"") -> bytes:
    return head + extra + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


_WHOLE = _TAG + _length(len(_BODY)) + b"\r\n" + _BODY
_CHUNK = b"%x\r\n%s\r\n" % (len(_BODY), _BODY)
_OK, _BAD = (200,), (400, 405, 408, 411, 413, 414, 415, 417, 422, 426, 431, 501, 505)
_ANY = (200, *_BAD, 404)

CASES: tuple[Case, ...] = (
    # Where does a request end? Two readers that disagree let one request hide in another.
    Case(name="length and chunked", sends=[_chunked(b"0\r\n\r\n", extra=_length(6)) + _SECOND]),
    Case(name="chunked and length", sends=[_TAG + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"]),
    Case(name="two lengths", sends=[_TAG + _length(5) + _length(34) + b"\r\n" + _BODY]),
    Case(name="two equal lengths", sends=[_TAG + _length(34) * 2 + b"\r\n" + _BODY], allowed=[(200, 400)]),
    Case(name="list of lengths", sends=[_TAG + _length(b"34, 34") + b"\r\n" + _BODY]),
    Case(name="length with a sign", sends=[_TAG + _length(b"+34") + b"\r\n" + _BODY]),
    Case(name="negative length", sends=[_TAG + _length(-1) + b"\r\n" + _BODY]),
    Case(name="hexadecimal length", sends=[_TAG + _length(b"0x22") + b"\r\n" + _BODY]),
    Case(name="length of 30 digits", sends=[_TAG + _length(b"9" * 30) + b"\r\n" + _BODY], allowed=[(400, 413)]),
    Case(name="length beyond the limit", sends=[_TAG + _length(10**12) + b"\r\n"], allowed=[(413,)], least=1),
    Case(name="chunked twice", sends=[_chunked(_CHUNK + b"0\r\n\r\n", extra=b"Transfer-Encoding: chunked\r\n")]),
    Case(
        name="chunked, then identity",
        sends=[_chunked(_CHUNK + b"0\r\n\r\n", extra=b"Transfer-Encoding: identity\r\n")],
        allowed=[_ANY, (400,)],
    ),
    Case(
        name="unknown transfer encoding", sends=[_TAG + b"Transfer-Encoding: xchunked\r\n\r\n" + _CHUNK + b"0\r\n\r\n"]
    ),
    Case(name="space before the colon", sends=[_TAG + b"Content-Length : 34\r\n\r\n" + _BODY]),
    Case(name="folded header", sends=[_TAG + b"X-A: 1\r\n 2\r\n" + _length(34) + b"\r\n" + _BODY], allowed=[_ANY]),
    Case(name="tab in the length", sends=[_TAG + b"Content-Length:\t34\r\n\r\n" + _BODY], allowed=[_ANY]),
    Case(name="lone line feeds", sends=[b"GET /livez HTTP/1.1\nHost: localhost\n\n"], allowed=[_ANY]),
    Case(name="lone carriage return", sends=[b"GET /livez HTTP/1.1\rHost: localhost\r\r"], stops=True),
    Case(
        name="length on GET, request in the body",
        sends=[_LIVE[:-2] + _length(len(_SECOND)) + b"\r\n" + _SECOND],
        allowed=[_OK],
    ),
    Case(
        name="HTTP/1.0 and chunked",
        sends=[_chunked(_CHUNK + b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")],
        allowed=[_ANY],
    ),
    # Chunks.
    Case(name="chunks, well formed", sends=[_chunked(_CHUNK, b"0\r\n\r\n")], allowed=[_OK], least=1),
    Case(name="chunk of no size", sends=[_chunked(b"\r\nx\r\n0\r\n\r\n")]),
    Case(name="chunk size is no number", sends=[_chunked(b"zz\r\nx\r\n0\r\n\r\n")]),
    Case(name="negative chunk", sends=[_chunked(b"-1\r\nx\r\n0\r\n\r\n")]),
    Case(name="chunk size overflows", sends=[_chunked(b"f" * 17 + b"\r\nx\r\n0\r\n\r\n")], allowed=[(400, 413)]),
    Case(name="chunk longer than its size", sends=[_chunked(b"2\r\n" + _BODY + b"\r\n0\r\n\r\n")]),
    Case(
        name="chunk extensions without end",
        sends=[_chunked(b"1;" + b"a" * 300_000)],
        allowed=[(400, 413, 431)],
        stops=True,
    ),
    Case(name="trailers", sends=[_chunked(_CHUNK, b"0\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n")], allowed=[(200, 400)]),
    Case(
        name="trailers without end",
        sends=[_chunked(_CHUNK, b"0\r\n", b"X-A: 1\r\n" * 50_000)],
        allowed=[(200, 400, 431)],
        stops=True,
    ),
    Case(name="a million tiny chunks", sends=[_chunked(b"1\r\n \r\n" * 300_000, b"0\r\n\r\n")], allowed=[(400, 413)]),
    Case(name="chunks that end early", sends=[_chunked(b"ff\r\nabc")], allowed=[(400,)], stops=True),
    # The request line and the headers.
    Case(name="no Host", sends=[b"GET /livez HTTP/1.1\r\n\r\n"], least=1),
    Case(name="two Hosts", sends=[b"GET /livez HTTP/1.1\r\n" + _HOST + b"Host: other\r\n\r\n"], allowed=[_ANY]),
    Case(name="Host is not a host", sends=[b"GET /livez HTTP/1.1\r\nHost: a b@/c\r\n\r\n"], allowed=[_ANY, (400,)]),
    Case(name="HTTP/0.9", sends=[b"GET /livez\r\n\r\n"]),
    Case(name="HTTP/9.9", sends=[_LIVE.replace(b"1.1", b"9.9")], allowed=[(400, 505)]),
    Case(
        name="request line of 1 MB",
        sends=[b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n"],
        allowed=[(400, 414, 431)],
    ),
    Case(name="header of 1 MB", sends=[_LIVE[:-2] + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n"], allowed=[(400, 431)]),
    Case(name="100,000 headers", sends=[_LIVE[:-2] + b"X-A: 1\r\n" * 100_000 + b"\r\n"], allowed=[(400, 431)]),
    Case(name="header without name", sends=[_LIVE[:-2] + b": 1\r\n\r\n"]),
    Case(name="header without colon", sends=[_LIVE[:-2] + b"nonsense\r\n\r\n"]),
    Case(name="NUL in a header", sends=[_LIVE[:-2] + b"X-A: a\x00b\r\n\r\n"]),
    Case(name="NUL in the path", sends=[_LIVE.replace(b"/livez", b"/live\x00z")], allowed=[(400, 404)]),
    Case(name="raw bytes in the path", sends=[_LIVE.replace(b"/livez", b"/\xff\xfe")], allowed=[(400, 404)]),
    Case(
        name="encoded line break in the path",
        sends=[_LIVE.replace(b"/livez", b"/v1/models/a%0d%0aX:1")],
        allowed=[(404,)],
        least=1,
    ),
    Case(
        name="raw bytes in a request id",
        sends=[_LIVE[:-2] + b"X-Request-Id: \xff\xfe\r\n\r\n"],
        allowed=[(200, 400)],
        least=1,
    ),
    Case(
        name="absolute target", sends=[_LIVE.replace(b"/livez", b"http://evil.example/livez")], allowed=[_ANY], least=1
    ),
    Case(name="target is a star", sends=[b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n"], allowed=[_ANY], least=1),
    Case(name="CONNECT", sends=[b"CONNECT localhost:80 HTTP/1.1\r\n" + _HOST + b"\r\n", _SECOND], allowed=[_ANY, _ANY]),
    Case(name="unknown method", sends=[_LIVE.replace(b"GET", b"BREW")], allowed=[(400, 405, 501)], least=1),
    Case(name="lower-case method", sends=[_LIVE.replace(b"GET", b"get")], allowed=[(400, 405, 501)], least=1),
    # Slow and half-hearted clients.
    Case(
        name="headers byte by byte",
        sends=[part for byte in _LIVE for part in (bytes([byte]), 0.005)],
        allowed=[_OK],
        least=1,
    ),
    Case(
        name="body byte by byte",
        sends=[_WHOLE[: -len(_BODY)], *(part for byte in _BODY for part in (bytes([byte]), 0.01))],
        allowed=[_OK],
        least=1,
    ),
    Case(name="half a body, then gone", sends=[_WHOLE[:-10]], reset=True, allowed=[]),
    Case(name="half a body, then no more", sends=[_WHOLE[:-10]], stops=True, allowed=[(400,)]),
    Case(name="half a header, then no more", sends=[_LIVE[:20]], stops=True),
    Case(name="gone before the answer", sends=[_WHOLE], reset=True, allowed=[]),
    Case(name="closed half, waits", sends=[_WHOLE], stops=True, allowed=[_OK]),
    Case(name="nothing sent", sends=[0.1], stops=True, allowed=[]),
    Case(name="more body than announced", sends=[_WHOLE + b"garbage\r\n\r\n"], allowed=[_OK, (400,)], least=1),
    Case(name="60 pipelined requests", sends=[_LIVE * 60], allowed=[_OK] * 60, least=60),
    Case(name="5,000 pipelined requests", sends=[_LIVE * 5_000], allowed=[(200, 503)] * 5_000, least=1),
    Case(name="pipelined, one is broken", sends=[_LIVE + b"NONSENSE\r\n\r\n" + _LIVE], allowed=[_OK, (400,)], least=1),
    Case(
        name="pipelined after Connection: close",
        sends=[_LIVE[:-2] + _CLOSE + b"\r\n" + _SECOND],
        allowed=[_OK],
        least=1,
    ),
    Case(
        name="expects 100-continue",
        sends=[_TAG + _length(34) + b"Expect: 100-continue\r\n\r\n", 0.2, _BODY],
        allowed=[(100, 200), _OK],
        least=1,
    ),
    Case(
        name="expects something else",
        sends=[_TAG + _length(34) + b"Expect: 200-ok\r\n\r\n" + _BODY],
        allowed=[(417,)],
    ),
    # Other protocols, and routes by other names.
    Case(
        name="upgrade to websocket",
        sends=[_LIVE[:-2] + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n"],
        allowed=[_ANY],
        least=1,
    ),
    Case(
        name="upgrade to h2c",
        sends=[_LIVE[:-2] + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"],
        allowed=[_ANY],
        least=1,
    ),
    Case(name="HTTP/2 preface", sends=[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9], allowed=[(400, 505)]),
    Case(name="TLS hello", sends=[b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)]),
    Case(name="random bytes", sends=[bytes(range(256)) * 40]),
    Case(name="SSH", sends=[b"SSH-2.0-OpenSSH_9.9\r\n"]),
    Case(name="HEAD", sends=[_LIVE.replace(b"GET", b"HEAD")[:-2] + _CLOSE + b"\r\n"], allowed=[_OK], least=1),
    Case(name="trailing slash", sends=[_LIVE.replace(b"/livez", b"/livez/")], allowed=[_OK], least=1),
    Case(name="trailing slash on POST", sends=[_WHOLE.replace(b"/v1/tag", b"/v1/tag/")], allowed=[_OK], least=1),
    Case(name="two slashes", sends=[_LIVE.replace(b"/livez", b"//livez")], allowed=[(400, 404)], least=1),
    Case(name="dot segments", sends=[_LIVE.replace(b"/livez", b"/v2/../../etc/passwd")], allowed=[(400, 404)], least=1),
)


def run(server: Server, report: Report, failures: Path) -> None:
    """Send every case on a connection of its own, and report the faults."""
    print("== wire", flush=True)
    faults = 0
    with watched(server) as (memory, probe):
        for case in CASES:
            for fault in judge(server.address, case):
                faults += 1
                failures.mkdir(parents=True, exist_ok=True)
                path = failures / f"wire-{re.sub(r'[^a-z0-9]+', '-', case.name.lower())}"
                path.write_bytes(b"".join(part for part in case.sends if isinstance(part, bytes)))
                print(f"       {case.name}: {fault}")
    report.add("wire: cases", len(CASES), at_least=60)
    report.add("wire: faults", faults, at_most=0)
    report.add("wire: longest wait of /livez", probe.longest, "s", at_most=1)
    report.add("wire: /livez failed", probe.failures, at_most=0)
    report.add("wire: memory at its highest, above before", memory.peak - memory.before, "MB", at_most=100)


def judge(address: tuple[str, int], case: Case) -> list[str]:
    """Send one case; what is wrong with the answers."""
    begin = time.monotonic()
    received, closed = _exchange(address, case)
    seconds = time.monotonic() - begin
    faults = [f"took {seconds:.1f} s"] if seconds > SECONDS + 1 else []
    answers = _parse(received, head_only=case.sends[:1] != [] and b"HEAD /" in _first(case))
    if answers is None:
        return [*faults, f"not HTTP: {received[:200]!r}"]
    statuses = [answer.status for answer in answers]
    if len(answers) < case.least:
        faults.append(f"{len(answers)} answers instead of {case.least}: {statuses[:5]}")
    if len(answers) > len(case.allowed):
        faults.append(f"{len(answers)} answers, at most {len(case.allowed)} are right: {statuses[:5]}")
    for answer, allowed in zip(answers, case.allowed, strict=False):
        if answer.status not in allowed:
            faults.append(f"status {answer.status}, right is one of {allowed}")
        if answer.status >= 400 or answer.status == 200:
            faults += _check(answer, case)
    if not closed and not answers and not case.reset:
        faults.append("neither an answer nor the end of the connection")
    return faults


def _check(answer: Answer, case: Case) -> list[str]:
    """What is wrong with one answer; the path of a broken request is not known, so any shape of error is right."""
    found = problems(Call("/livez", method="HEAD" if b"HEAD /" in _first(case) else "GET"), answer)
    # 501 and 505 are about the protocol, 503 refuses more requests than may wait; which of them are right is `allowed`.
    ignored = ("wrong shape", "content type application/json", "status 50")
    return [fault for fault in found if not fault.startswith(ignored)]


def _first(case: Case) -> bytes:
    return next((part for part in case.sends if isinstance(part, bytes)), b"")


def _exchange(address: tuple[str, int], case: Case) -> tuple[bytes, bool]:
    """What came back on one connection, and whether the server closed it."""
    received = b""
    with socket.create_connection(address, timeout=SECONDS) as connection:
        try:
            for part in case.sends:
                if isinstance(part, bytes):
                    connection.sendall(part)
                else:
                    time.sleep(part)
            if case.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return b"", True
            if case.stops:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server may refuse before everything is sent; its answer may still be there.
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            # Once all expected answers are here, a little time shows whether there are more.
            done = len(_parse(received, head_only=b"HEAD /" in _first(case)) or []) >= max(case.least, 1)
            connection.settimeout(0.3 if done else SECONDS)
            try:
                data = connection.recv(65536)
            except TimeoutError:
                return received, False
            except OSError:
                return received, True
            if not data:
                return received, True
            received += data
    return received, False


def _parse(received: bytes, *, head_only: bool = False) -> list[Answer] | None:
    """The answers in what was received; None if it is not HTTP."""
    answers = []
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        if not separator:
            return answers
        lines = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3})(?: .*)?", lines[0])
        if not match:
            return None
        fields = (line.decode("latin-1").partition(":") for line in lines[1:])
        headers = {name.lower(): value.strip() for name, _, value in fields}
        if headers.get("transfer-encoding") == "chunked":
            body, rest = _read_chunks(rest)
        else:
            length = 0 if head_only else int(headers.get("content-length", 0))
            body, rest = rest[:length], rest[length:]
        answers.append(Answer(int(match[1]), headers, body))
        received = rest
    return answers


def _read_chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        body, rest = body + rest[:length], rest[length + 2 :]
        if not length:
            break
    return body, rest
