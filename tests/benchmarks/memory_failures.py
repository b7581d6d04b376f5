"""Failing requests of every kind against a server of its own: the memory that they leave.

    python -m tests.benchmarks.memory_failures                      # 10,000 of each kind
    python -m tests.benchmarks.memory_failures --requests 1000 --only 404 "client gone mid-run"

The models are tiny ones: what is measured is what a failed request leaves, not what a model takes. Each kind
first fails 2,000 times, so that pools, caches and the allocator have grown; the figure is the resident set after the
requests minus that before them (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from tests.support.bars import Report
from tests.support.classifier_bundles import write_classifier
from tests.support.processes import server
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator

MOST_MEGABYTES = 1.0
AT_ONCE = 16

_JSON = {"content-type": "application/json"}
_EMPTY_LISTS = gzip.compress(b'{"model":"tagger","tokens":[' + b",".join([b"[]"] * 1_000_000) + b"]}")
_SLOW = orjson.dumps({"text": "The dog sleeps. " * 40, "beam_size": 4})
_LATE = {"inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": ["the dog"]}]}

Fail = Callable[["Client"], Awaitable[None]]


class Client:
    """Sends single requests over raw connections, some to their end and some not.

    Args:
        url: the server.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), address.port

    async def fail(
        self, status: int, path: str, body: bytes, headers: dict[str, str] = _JSON, *, missing: int = 0
    ) -> None:
        """Send a request, `missing` bytes of whose body are announced only, and check the status of its answer."""
        reader, writer = await self._send(path, body, headers, len(body) + missing)
        with contextlib.suppress(ConnectionError):  # An answer before the end of the body.
            await writer.drain()
        line = await reader.readline()
        assert line.split()[1] == str(status).encode(), (line, await reader.read(1000))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async def leave(
        self, path: str, body: bytes, *, missing: int = 0, seconds: float = 0, stream: bool = False
    ) -> None:
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
    "422 a million empty lists": lambda client: client.fail(
        422, "/v1/tag", _EMPTY_LISTS, _JSON | {"content-encoding": "gzip"}
    ),
    "504": lambda client: client.fail(
        504, "/v2/models/translate-en-de/infer", orjson.dumps(_LATE | {"parameters": {"timeout": 1}})
    ),
    "client gone mid-body": lambda client: client.leave("/v1/tag", b'{"text":"' + b"a" * 2000, missing=5000),
    "client gone mid-run": lambda client: client.leave("/v1/translate", _SLOW, seconds=0.005),
    "streaming client gone": lambda client: client.leave(
        "/v1/translate", orjson.dumps({"text": "The dog sleeps. " * 40}), stream=True
    ),
}
SATURATED = "503 saturated"


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
        for kind in (*KINDS, SATURATED):
            if kind.startswith(tuple(options.only)):
                # A queue of one, held by a request of the client itself, is always full.
                settings = {"MAX_QUEUE_SIZE": "1"} if kind == SATURATED else {}
                with server(models, **settings) as running:
                    left = asyncio.run(_measure(running.url, running.process.pid, kind, options.requests))
                report.add(f"{kind}: left by {options.requests} requests", left, "MB", at_most=MOST_MEGABYTES)
    return report.exit_code


async def _measure(url: str, pid: int, kind: str, count: int) -> float:
    """Megabytes that the requests leave."""
    client = Client(url)
    await _wait_until_ready(client)
    fail = KINDS.get(kind, _saturate)
    await _repeat(client, fail, min(2_000, count))
    before = await _resident(pid)
    await _repeat(client, fail, count)
    return await _resident(pid) - before


async def _wait_until_ready(client: Client) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError, AssertionError):
            return await client.fail(415, "/v1/tag", b"a", {"content-type": "text/plain"})
        await asyncio.sleep(0.1)
    raise TimeoutError("the server does not answer")


async def _saturate(client: Client) -> None:
    """One request that is answered, and one that is refused meanwhile."""
    holder = asyncio.create_task(client.leave("/v1/translate", _SLOW, seconds=0.02))
    await asyncio.sleep(0.01)
    with contextlib.suppress(AssertionError):  # The one that holds the queue may have been refused, or be done.
        await client.fail(503, "/v1/translate", _SLOW)
    await holder


async def _repeat(client: Client, fail: Fail, count: int) -> None:
    """Let requests fail, some at once."""
    remaining = iter(range(count))

    async def work() -> None:
        for _ in remaining:
            await fail(client)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _resident(pid: int) -> float:
    """The resident set in megabytes once it is level: the median of a second."""
    await asyncio.sleep(1)
    values = []
    for _ in range(20):
        pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
        values.append(pages * 4096 / 1e6)
        await asyncio.sleep(0.05)
    return statistics.median(values)


if __name__ == "__main__":
    sys.exit(main())
