"""Hostile and maximal bodies against a server of its own: the longest silence of /livez, and the memory that they take.

    python -m tests.benchmarks.hostile_bodies                       # every body alone, and sixteen of each at once
    python -m tests.benchmarks.hostile_bodies --only "tag: empty lists" --rounds 5

Every request must be answered as the list of bodies says, or with 503 where the work of sixteen is too much. Run it on
a quiet machine: the probe waits for the processor like everybody else, so the longest silence without any request is
printed first. The memory is the highest resident set of the server process (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support.bars import Report
from tests.support.hostile_bodies import HOSTILE, LARGEST, HostileBody
from tests.support.processes import ROOT, server

MOST_MILLISECONDS = 50
MOST_MEGABYTES = {1: 100, 16: 300}
"""The bars, by the number of requests at once."""
BODIES = {f"hostile, {body.name}": body for body in HOSTILE} | {f"maximal, {body.name}": body for body in LARGEST}


class Watcher:
    """Asks for /livez without pause over one connection, and reads the memory of the server.

    Args:
        url: the server.
        pid: its process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self._address = urlsplit(url).netloc
        self._process = Path("/proc", str(pid))
        self.longest = 0.0
        """The longest time that a probe took, in seconds."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the block ends."""
        self.longest = 0.0
        (self._process / "clear_refs").write_text("5")  # The highest resident set begins anew.
        end = threading.Event()
        thread = threading.Thread(target=self._probe, args=(end,))
        thread.start()
        time.sleep(0.05)
        try:
            yield
            time.sleep(0.05)
        finally:
            end.set()
            thread.join()

    def megabytes(self, field: str) -> float:
        """VmRSS, the memory now, or VmHWM, the most while watching."""
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6

    def _probe(self, end: threading.Event) -> None:
        with closing(http.client.HTTPConnection(self._address, timeout=60)) as connection:
            while not end.is_set():
                start = time.perf_counter()
                connection.request("GET", "/livez")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.longest = max(self.longest, time.perf_counter() - start)
                time.sleep(0.002)


async def _send(url: str, body: HostileBody, content: bytes, count: int) -> set[int]:
    """Send a body some times at once; the statuses of the answers."""
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        requests = (client.post(body.path, content=content, headers=body.all_headers) for _ in range(count))
        return {response.status_code for response in await asyncio.gather(*requests)}


def _client(url: str, name: str, count: int) -> int:
    """The process that sends: makes the body, waits for a line of its standard input, sends."""
    body = BODIES[name]
    content = body.make()
    print("ready", flush=True)
    sys.stdin.readline()
    print(*sorted(asyncio.run(_send(url, body, content, count))), flush=True)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Send every body and print the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names of bodies")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many counts")
    parser.add_argument("--alone", action="store_true", help="leave out sixteen at once")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.client:
        url, name, count = options.client
        return _client(url, name, int(count))
    report = Report()
    with server(options.models) as running:
        running.wait_for("serving")
        watcher = Watcher(running.url, running.process.pid)
        _wait_until_ready(running.url)
        with watcher.watching():
            time.sleep(1)
        report.add("no request: longest silence", watcher.longest * 1e3, "ms")
        for name in BODIES:
            if name.partition(", ")[2].startswith(tuple(options.only)) or name.startswith(tuple(options.only)):
                for count in (1,) if options.alone else (1, 16):
                    _measure(report, watcher, running.url, name, count, options.rounds)
    return report.exit_code


def _wait_until_ready(url: str) -> None:
    while True:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def _measure(report: Report, watcher: Watcher, url: str, name: str, count: int, rounds: int) -> None:
    silences, memories = [], []
    statuses: set[str] = set()
    for _ in range(rounds):
        command = [sys.executable, "-m", "tests.benchmarks.hostile_bodies", "--client", url, name, str(count)]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert client.stdout is not None
        client.stdout.readline()
        before = watcher.megabytes("VmRSS")
        with watcher.watching():
            output, _ = client.communicate("go\n")
        statuses |= set(output.split()) or {"no answer"}
        silences.append(watcher.longest)
        memories.append(watcher.megabytes("VmHWM") - before)
    title = name + (f", {count} at once" if count > 1 else "")
    expected = {str(BODIES[name].status)} | ({"503"} if count > 1 else set())
    if statuses - expected:
        report.add(f"{title}: answers other than {BODIES[name].status}: {sorted(statuses)}", 1, at_most=0)
    report.add(f"{title}: longest silence", statistics.median(silences) * 1e3, "ms", at_most=MOST_MILLISECONDS)
    report.add(f"{title}: memory", max(memories), "MB", at_most=MOST_MEGABYTES[count])


if __name__ == "__main__":
    sys.exit(main())
