"""Failing requests of every kind against a server of its own: the memory that they leave.

    python -m tests.benchmarks.memory_failures                      # 10,000 of each kind
    python -m tests.benchmarks.memory_failures --requests 1000 --only 404 "client gone mid-run"

The models are tiny ones: what is measured is what a failed request leaves, not what a model takes. Each kind
first fails 2,000 times, so that pools, caches and the allocator have grown; the figure is the resident set after the
requests minus that before them (Linux), both after the server returned its free memory to the system. It does that
each time that it looks, every 5 s, and not only when it has grown: otherwise free memory would count as left.

Every request must fail with its status. Only "503 saturated" may also be answered: 16 clients share a queue of one
request, and those that are refused are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from tests.support.bars import Report
from tests.support.classifier_bundles import write_classifier
from tests.support.processes import Server, server
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator

MOST_MEGABYTES = 1.0
AT_ONCE = 16
WARM_UP = 2_000

_TRIM_SECONDS = 5
_SERVE = """
import sys
from service.runtime import memory
memory._MOST_INTERVALS = 1
from service.cli import main
sys.exit(main(["serve"]))
"""
"""A server that returns free memory at each look."""

_JSON = {"content-type": "application/json"}
_EMPTY_LISTS = b'{"model":"tagger","tokens":[' + b",".join([b"[]"] * 100_000) + b"]}"
_NESTED_LISTS = b'{"model":"tagger","tokens":' + b"[" * 900 + b"]" * 900 + b"}"
_SLOW = orjson.dumps({"text": "The dog sleeps. " * 40, "beam_size": 4})
_LATE = {"inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": ["the dog"]}]}

Fail = Callable[["Client"], Awaitable[bool]]
"""Lets one request fail; false where it did not, and another must."""


class Client:
    """Sends single requests over raw connections, some to their end and some not.

    Args:
        url: the server.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), address.port

    async def fail(
        self, status: int, path: str, body: bytes, headers: dict[str, str] = _JSON, *, missing: int = 0, other: int = 0
    ) -> bool:
        """Send a request, and check the status of its answer.

        Args:
            status: the status.
            path: the route.
            body: the body.
            headers: the headers that describe it.
            missing: bytes of the body that are announced and never sent.
            other: a status that is right too, but does not count.

        Returns:
            Whether it counts.
        """
        reader, writer = await self._send(path, body, headers, len(body) + missing)
        with contextlib.suppress(ConnectionError):  # An answer before the end of the body.
            await writer.drain()
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65_536):
                answer += part
        writer.close()
        assert answer[9:12] in (str(status).encode(), str(other).encode()), (status, answer[:1000])
        return answer[9:12] == str(status).encode()

    async def leave(
        self, path: str, body: bytes, *, missing: int = 0, seconds: float = 0, stream: bool = False
    ) -> bool:
        """Send a request, and leave before its answer, or within it.

        Args:
            path: the route.
            body: the body, or its beginning.
            missing: bytes of the body that are announced and never sent.
            seconds: how long to stay.
            stream: whether to ask for events, and to wait for the first.
        """
        headers = _JSON | ({"accept": "text/event-stream"} if stream else {})
        reader, writer = await self._send(path, body, headers, len(body) + missing)
        await writer.drain()
        if stream:
            await reader.readuntil(b"data: ")
        await asyncio.sleep(seconds)
        writer.transport.abort()
        return True

    async def _send(
        self, path: str, body: bytes, headers: dict[str, str], length: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        lines = [f"POST {path} HTTP/1.1", "host: localhost", "connection: close", f"content-length: {length}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        return reader, writer


KINDS: dict[str, Fail] = {
    "400 no JSON": lambda client: client.fail(400, "/v1/tag", b'{"text":'),
    "400 bad tensor": lambda client: client.fail(400, "/v2/models/digits/infer", b'{"inputs":[]}'),
    "404 no route": lambda client: client.fail(404, "/v1/nowhere", b"{}"),
    "404 no model": lambda client: client.fail(404, "/v1/tag", b'{"model":"nobody","text":"a"}'),
    "413": lambda client: client.fail(413, "/v1/similarity", b"[", missing=3_000_000),
    "415": lambda client: client.fail(415, "/v1/tag", b"a", {"content-type": "text/plain"}),
    "422 wrong field": lambda client: client.fail(422, "/v1/tag", b'{"text":1}'),
    "422 unknown field": lambda client: client.fail(422, "/v1/tag", b'{"text":"a","colour":1}'),
    "422 very many lists": lambda client: client.fail(422, "/v1/tag", _EMPTY_LISTS),
    "422 lists within lists": lambda client: client.fail(422, "/v1/tag", _NESTED_LISTS),
    "503 saturated": lambda client: client.fail(503, "/v1/translate", _SLOW, other=200),
    "504": lambda client: client.fail(
        504, "/v2/models/translate-en-de/infer", orjson.dumps(_LATE | {"parameters": {"timeout": 1}})
    ),
    "client gone mid-body": lambda client: client.leave("/v1/tag", b'{"text":"' + b"a" * 2000, missing=5000),
    "client gone mid-run": lambda client: client.leave("/v1/translate", _SLOW, seconds=0.005),
    "streaming client gone": lambda client: client.leave(
        "/v1/translate", orjson.dumps({"text": "The dog sleeps. " * 8}), stream=True
    ),
}
_SATURATED = "503 saturated"
SERVERS: tuple[tuple[dict[str, str], list[str]], ...] = (
    ({}, [kind for kind in KINDS if kind != _SATURATED]),
    ({"MAX_QUEUE_SIZE": "1"}, [_SATURATED]),
)
"""The settings of each server, and the kinds that are measured on it, in order."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Let every kind of request fail and print the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000, help="of each kind (10000)")
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of kinds")
    options = parser.parse_args(arguments)
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_classifier(models)
        write_tagger(models)
        write_translator(models)
        for settings, kinds in SERVERS:
            chosen = [kind for kind in kinds if kind.startswith(tuple(options.only))]
            if chosen:
                with server(models, program=("-c", _SERVE), **settings) as running:
                    asyncio.run(_measure_all(report, running, chosen, options.requests))
    return report.exit_code


async def _measure_all(report: Report, running: Server, kinds: Sequence[str], count: int) -> None:
    """Add the megabytes that the requests of each kind leave."""
    client = Client(running.url)
    await _wait_until_ready(client)
    for kind in kinds:
        await _repeat(client, KINDS[kind], min(WARM_UP, count))
        before = await _resident(running.process.pid)
        started = time.monotonic()
        await _repeat(client, KINDS[kind], count)
        seconds = time.monotonic() - started
        left = await _resident(running.process.pid) - before
        report.add(f"{kind}: left by {count} requests ({seconds:.0f} s)", left, "MB", at_most=MOST_MEGABYTES)


async def _wait_until_ready(client: Client) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError, AssertionError):
            await client.fail(415, "/v1/tag", b"a", {"content-type": "text/plain"})
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("the server does not answer")


async def _repeat(client: Client, fail: Fail, count: int) -> None:
    """Let requests fail until there are so many, some at once."""
    numbers = itertools.count()

    async def work() -> None:
        while next(numbers) < count:
            while not await fail(client):
                pass

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _resident(pid: int) -> float:
    """The resident set in megabytes, at its least while the server looked once."""
    end = time.monotonic() + 1.2 * _TRIM_SECONDS
    least = float("inf")
    while time.monotonic() < end:
        pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
        least = min(least, pages * 4096 / 1e6)
        await asyncio.sleep(0.05)
    return least


if __name__ == "__main__":
    sys.exit(main())
