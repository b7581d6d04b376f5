"""Whether memory and threads come back when models are loaded and unloaded again and again.

    python -m tests.benchmarks.memory_reload [--full] [--models models] [--only words-en]

First every family alone: it is unloaded and loaded 100 times, and answers a request each time. The bar: memory within
5 % of what it was after the first time, and no thread more. Then 300 reloads of a tagger, while 32 clients ask it all
the time: the most memory of the last third within 5 % of that of the first third, and no thread more than
after one reload.
Without `--full` 15 times and 30 reloads.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.benchmarks.memory_server import MeasuredServer, Sampler, measured_server, post
from tests.support.bars import Report

MOST_GROWTH = 1.05
_CLIENTS = 32
_SETTLE_SECONDS = 25.0
"""The server returns free memory every five seconds, and threads of unloaded models end by themselves."""

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("/v1/classify", {"pixels": [[[0.5] * 28] * 28] * 3}),
    "pos-en": ("/v1/tag", {"text": "The dog sleeps in the old house ."}),
    "ner-en": ("/v1/tag", {"text": "Mary Smith lives in London ."}),
    "words-en": ("/v1/neighbors", {"words": ["king", "queen"]}),
    "translate-en-de": ("/v1/translate", {"source": "en", "target": "de", "text": "The dog sleeps."}),
}
"""A request for each model."""


@contextmanager
def _serving(models: Path, name: str) -> Iterator[MeasuredServer]:
    """A server with one model of the repository."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(models / name, Path(folder) / name)
        with measured_server(Path(folder), MODEL_CONTROL="explicit") as server:
            yield server


def _measure(server: MeasuredServer) -> tuple[float, int]:
    """Memory in MB and threads, once both have settled."""
    time.sleep(_SETTLE_SECONDS)
    return server.megabytes, server.status("Threads")


def _cycle(server: MeasuredServer, name: str) -> None:
    """Unload the model, load it, and have a request answered."""
    connection = server.connect()
    path, document = FAMILIES[name]
    for route, body in (
        (f"/v2/repository/models/{name}/unload", {}),
        (f"/v2/repository/models/{name}/load", {}),
        (path, document),
    ):
        status = post(connection, route, body)
        if status != 200:
            raise RuntimeError(f"{route}: {status}")
    connection.close()


def cycles(report: Report, models: Path, name: str, count: int) -> None:
    """Unload and load one model many times, with nothing beside."""
    with _serving(models, name) as server:
        _cycle(server, name)
        memory, threads = _measure(server)
        for index in range(count):
            _cycle(server, name)
            if index % 10 == 9:
                print(f"  {name}: {index + 1} times, {server.megabytes:.0f} MB", flush=True)
        memory_after, threads_after = _measure(server)
    print(f"  {name}: {memory:.0f} MB, then {memory_after:.0f} MB; {threads} threads, then {threads_after}")
    report.add(f"reload {name}: memory after {count} times", memory_after / memory, "of before", at_most=MOST_GROWTH)
    report.add(f"reload {name}: threads more after {count} times", threads_after - threads, at_most=0)


def _load(connection: HTTPConnection, name: str) -> None:
    if post(connection, f"/v2/repository/models/{name}/load", {}) != 200:
        raise RuntimeError("a load failed")


def under_load(report: Report, models: Path, name: str, count: int) -> None:
    """Reload one model many times while clients ask it all the time."""
    path, document = FAMILIES[name]
    statuses: Counter[str] = Counter()
    stop = threading.Event()

    def ask(server: MeasuredServer) -> None:
        connection = server.connect()
        while not stop.is_set():
            try:
                statuses[str(post(connection, path, document))] += 1
            except OSError as error:
                statuses[type(error).__name__] += 1
                connection.close()

    with _serving(models, name) as server:
        clients = [threading.Thread(target=ask, args=(server,)) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        control = server.connect()
        _load(control, name)  # the first load of a server starts a thread that stays
        time.sleep(_SETTLE_SECONDS)
        threads = server.status("Threads")
        ends = []
        with Sampler(server) as sampler:
            started = time.monotonic()
            for index in range(count):
                _load(control, name)
                ends.append(time.monotonic() - started)
                if index % 30 == 29:
                    print(f"  {name} under load: {index + 1} reloads, {server.megabytes:.0f} MB", flush=True)
        time.sleep(_SETTLE_SECONDS)
        threads_after = server.status("Threads")
        stop.set()
        for client in clients:
            client.join()
    first, last = ends[count // 3 - 1], ends[count - count // 3 - 1]
    before, after = sampler.highest(0, first), sampler.highest(last, float("inf"))
    print(f"  answers: {dict(statuses)}; {before:.0f} MB in the first third, {after:.0f} MB in the last")
    report.add(f"reload {name} under {_CLIENTS} clients: memory", after / before, "of before", at_most=MOST_GROWTH)
    report.add(f"reload {name} under {_CLIENTS} clients: threads more", threads_after - threads, at_most=0)
    failed = sum(statuses.values()) - statuses["200"]
    report.add(f"reload {name} under {_CLIENTS} clients: failed requests", failed, at_most=0)


def main() -> int:
    """Measure and compare with the bars; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="100 times and 300 reloads")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--only", choices=FAMILIES)
    parser.add_argument("--loaded", default="pos-en", choices=FAMILIES, help="the model that is reloaded under load")
    options = parser.parse_args()
    report = Report()
    for name in FAMILIES:
        if options.only in (None, name):
            cycles(report, options.models.resolve(), name, 100 if options.full else 15)
    if options.only is None:
        under_load(report, options.models.resolve(), options.loaded, 300 if options.full else 30)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
