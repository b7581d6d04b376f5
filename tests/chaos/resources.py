"""A full disk, too few descriptors, clients that leave, and bundles deleted under the server: it goes on serving."""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import shutil
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.load import BODY, HEADERS, Load
from tests.fuzz.harness import MODELS, LivenessProbe, Server
from tests.support.bars import Report
from tests.support.classifier_bundles import write_classifier

_TEXTS = (
    ("/v1/tag", {"model": "pos-en", "text": "Ada wrote to Charles."}),
    ("/v1/neighbors", {"words": ["king"]}),
    ("/v1/translate", {"source": "en", "target": "de", "text": "A dog."}),
)

_SETTLE_SECONDS = 30
"""Time for the server to be done with clients that have left, on a busy machine too."""


def main() -> int:
    """Run every scenario, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="ten times as many clients that leave")
    full = parser.parse_args().full
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        write_classifier(Path(folder))
        _vanishing_clients(Path(folder), report, 20_000 if full else 2_000)
        _few_descriptors(Path(folder), report)
        _no_room_for_files(Path(folder), report)
    _deleted_bundles(report)
    return report.exit_code


def _vanishing_clients(models: Path, report: Report, count: int) -> None:
    """Clients that break their connection at every stage of a request."""
    head = b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    request = head + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    with Server(models) as server:
        before, threads, descriptors = server.rss(), server.threads(), server.descriptors()
        with LivenessProbe(server) as probe, Load(server.address, clients=2) as load:
            for number in range(count):
                with socket.create_connection(server.address) as connection:
                    connection.sendall(request[: (number * 97) % (len(request) + 1)] if number % 3 else request)
                    if number % 2:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        in_flight, seconds = _settled(server)
        report.add("clients that leave: until their requests are over", seconds, "s", at_most=_SETTLE_SECONDS)
        report.add("clients that leave: other requests lost", load.outcomes.lost, at_most=0)
        report.add("clients that leave: answers that are not 200", _others(load), at_most=0)
        report.add("clients that leave: longest wait of /livez", probe.longest, "s", at_most=1)
        report.add("clients that leave: memory more than before", server.rss() - before, "MB", at_most=30)
        report.add("clients that leave: threads more than before", server.threads() - threads, at_most=2)
        report.add("clients that leave: descriptors more than before", server.descriptors() - descriptors, at_most=2)
        report.add("clients that leave: requests still in flight", in_flight, at_most=1)  # The one that asks.
        report.add("clients that leave: tracebacks in the log", len(server.log_faults()), at_most=0)


def _few_descriptors(models: Path, report: Report) -> None:
    """More idle connections than the process may have descriptors."""
    with Server(models, descriptors=128) as server:
        idle = []
        try:
            for _ in range(300):
                connection = socket.socket()
                connection.settimeout(2)
                try:
                    connection.connect(server.address)
                except OSError:
                    connection.close()
                    continue
                idle.append(connection)
            time.sleep(1)
            warned = sum("descriptor" in message or "connections" in message for message in server.messages())
            report.add("no descriptors: alive", server.alive, at_least=1)
            report.add("no descriptors: status of /livez meanwhile", _ask(server, "/livez", None), at_most=200)
            report.add("no descriptors: warnings in the log", warned, at_least=1, at_most=20)
        finally:
            for connection in idle:
                connection.close()
        time.sleep(2)
        report.add("no descriptors: classify answers afterwards", _ask(server, "/v1/classify", BODY), at_most=200)
        report.add("no descriptors: tracebacks in the log", len(server.log_faults()), at_most=0)


def _no_room_for_files(models: Path, report: Report) -> None:
    """A process that can write no file any more, as on a full disk: requests, metrics and a load go on."""
    for workers in ("1", "2"):
        with Server(models, WORKERS=workers) as server, Load(server.address, clients=4) as load:
            time.sleep(1)
            for process in server.processes():
                resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            time.sleep(3)
            status = _ask(server, "/v2/repository/models/digits/load", b"")
            metrics = _ask(server, "/metrics", None)
            alive = server.alive
        name = f"no room for files, {workers} worker(s)"
        report.add(f"{name}: requests lost", load.outcomes.lost, f"of {load.outcomes.statuses.total()}", at_most=0)
        report.add(f"{name}: answers that are not 200", _others(load), at_most=0)
        report.add(f"{name}: status of a load", status, at_least=200, at_most=503)
        report.add(f"{name}: status of /metrics", metrics, at_most=200)
        report.add(f"{name}: alive", alive, at_least=1)


def _deleted_bundles(report: Report) -> None:
    """The shipped models, whose files are cut to nothing and deleted while they serve."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        shutil.copytree(MODELS, models)
        with Server(models) as server, Load(server.address, clients=4) as load:
            before = [_ask(server, path, json.dumps(body).encode()) for path, body in _TEXTS]
            for path in models.rglob("*"):
                if path.is_file():
                    path.write_bytes(b"")
            cut = [_ask(server, path, json.dumps(body).encode()) for path, body in _TEXTS]
            shutil.rmtree(models)
            deleted = [_ask(server, path, json.dumps(body).encode()) for path, body in _TEXTS]
            time.sleep(1)
            alive = server.alive
        report.add("deleted bundles: tasks that answer before", before.count(200), at_least=len(_TEXTS))
        report.add("deleted bundles: tasks that answer from files cut to nothing", cut.count(200), at_least=len(_TEXTS))
        report.add("deleted bundles: tasks that answer afterwards", deleted.count(200), at_least=len(_TEXTS))
        report.add("deleted bundles: requests lost", load.outcomes.lost, at_most=0)
        report.add("deleted bundles: answers that are not 200", _others(load), at_most=0)
        report.add("deleted bundles: alive", alive, at_least=1)


def _ask(server: Server, path: str, body: bytes | None) -> int:
    """The status of one request; 999 without an answer."""
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    try:
        connection.request("GET" if body is None else "POST", path, body, {} if body is None else HEADERS)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 999
    finally:
        connection.close()


def _settled(server: Server) -> tuple[float, float]:
    """Requests in flight once there is only the one that asks, or after a time, and the seconds until then.

    Connections wait in the kernel until the server accepts them, even those that their clients broke off by then.
    """
    begin = time.monotonic()
    while (in_flight := _metric(server, "lectern_in_flight")) > 1 and time.monotonic() - begin < _SETTLE_SECONDS:
        time.sleep(0.2)
    return in_flight, time.monotonic() - begin


def _metric(server: Server, name: str) -> float:
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition(" ")[0].partition("{")[0] == name)


def _others(load: Load) -> int:
    return load.outcomes.statuses.total() - load.outcomes.statuses[200]


if __name__ == "__main__":
    sys.exit(main())
