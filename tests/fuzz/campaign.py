"""Sends many generated requests to a server, checks every answer, and keeps the smallest request of each fault."""

from __future__ import annotations

import http.client
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.answers import Answer, Call, problems

Generator = Callable[[random.Random], Call]

CLIENTS = 4
_TRIES_TO_SHRINK = 300


@dataclass
class Findings:
    """The statuses of all answers, and the smallest request of each fault."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    smallest: dict[str, Call] = field(default_factory=dict)

    def add(self, call: Call, status: int, faults: list[str]) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        for fault in faults:
            self.faults[fault] += 1
            known = self.smallest.get(fault)
            if known is None or len(call.body) < len(known.body):
                self.smallest[fault] = call

    def save(self, folder: Path, part: str) -> None:
        """Write the smallest request of each fault into files."""
        for number, (fault, call) in enumerate(sorted(self.smallest.items())):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{part}-{number}"
            path.with_suffix(".body").write_bytes(call.body)
            headers = "".join(f"{name}: {value}\n" for name, value in call.headers.items())
            text = f"{fault} ({self.faults[fault]} times)\n{call.method} {call.path}\n{headers}"
            path.with_suffix(".txt").write_text(text, errors="replace")
            print(f"       {fault}, {self.faults[fault]} times; smallest input: {path}.body\n       {call}")


class Client:
    """A client with a persistent connection, opened anew where the server has closed it."""

    def __init__(self, address: tuple[str, int], *, timeout: float = 90) -> None:
        self._address = address
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def send(self, call: Call) -> Answer:
        """Send a request; once more on a new connection if the server closed this one before.

        Raises:
            OSError: the connection ended without an answer.
        """
        for attempt in itertools.count():
            fresh = self._connection is None
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=self._timeout)
            try:
                self._connection.request(call.method, call.path, call.body, dict(call.headers))
                answer = self._connection.getresponse()
                body = answer.read()
            except (http.client.HTTPException, OSError) as error:
                self.close()
                if fresh or attempt:
                    raise OSError(f"{type(error).__name__}: {error}") from error
                continue
            headers = {name.lower(): value for name, value in answer.getheaders()}
            if answer.will_close:
                self.close()
            return Answer(answer.status, headers, body)
        raise AssertionError

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def calls(generate: Generator, seed: int, count: int) -> Iterator[Call]:
    """The requests of a run: each has random numbers of its own, so that the same seed gives the same requests."""
    for index in range(count):
        yield generate(random.Random(f"{seed}:{index}"))


def run(address: tuple[str, int], requests: Iterator[Call]) -> Findings:
    """Send the requests from several clients at once."""
    findings, lock = Findings(), threading.Lock()

    def work() -> None:
        client = Client(address)
        while True:
            with lock:
                call = next(requests, None)
            if call is None:
                client.close()
                return
            status, faults = judge(client, call)
            with lock:
                findings.add(call, status, faults)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for future in [pool.submit(work) for _ in range(CLIENTS)]:
            future.result()
    for fault, call in findings.smallest.items():
        findings.smallest[fault] = _shrink(address, call, fault)
    return findings


def judge(client: Client, call: Call) -> tuple[int, list[str]]:
    """Send a request; its status (0 without an answer) and what is wrong with the answer."""
    try:
        answer = client.send(call)
    except OSError as error:
        return 0, [f"no answer: {str(error).partition(':')[0]}"]
    return answer.status, problems(call, answer)


def _shrink(address: tuple[str, int], call: Call, fault: str) -> Call:
    """Leave out parts of the body as long as the same fault remains."""
    client, tries = Client(address), 0
    size = len(call.body) // 2
    while size and tries < _TRIES_TO_SHRINK:
        begin = 0
        while begin < len(call.body) and tries < _TRIES_TO_SHRINK:
            body = call.body[:begin] + call.body[begin + size :]
            smaller = Call(call.path, body, call.headers, call.method)
            tries += 1
            if fault in judge(client, smaller)[1]:
                call = smaller
            else:
                begin += size
        size //= 2
    client.close()
    return call
