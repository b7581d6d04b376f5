"""SIGTERM under load with persistent connections: what was sent is answered, and the process ends in time."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.load import BODY, Load
from tests.fuzz.harness import Server
from tests.support.bars import Report
from tests.support.classifier_bundles import write_classifier

SHUTDOWN_SECONDS = 3


def main() -> int:
    """Stop servers under load, and report what was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="20 rounds instead of 3")
    rounds = 20 if parser.parse_args().full else 3
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        write_classifier(Path(folder))
        for workers in ("1", "2"):
            _under_load(Path(folder), workers, rounds, report)
            _with_half_a_body(Path(folder), workers, report)
            _twice(Path(folder), workers, report)
    return report.exit_code


def _settings(workers: str) -> dict[str, str]:
    return {"WORKERS": workers, "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS)}


def _under_load(models: Path, workers: str, rounds: int, report: Report) -> None:
    lost, others, answered, longest, faults = 0, 0, 0, 0.0, 0
    for number in range(rounds):
        with Server(models, **_settings(workers)) as server:
            # Some clients ask without pause, some have an idle connection when the signal comes.
            with Load(server.address, clients=6) as busy, Load(server.address, clients=6, pause=0.05) as idle:
                time.sleep(1 + number % 3 * 0.1)
                longest = max(longest, _stop(server))
            for outcomes in (busy.outcomes, idle.outcomes):
                lost += outcomes.lost
                answered += outcomes.statuses[200]
                others += outcomes.statuses.total() - outcomes.statuses[200]
            faults += len(server.log_faults())
    name = f"drain, {workers} worker(s)"
    report.add(f"{name}: requests lost", lost, f"of {answered}, {rounds} stops", at_most=0)
    report.add(f"{name}: answers that are not 200", others, at_most=0)
    report.add(f"{name}: until the process has ended", longest, "s", at_most=SHUTDOWN_SECONDS + 3)
    report.add(f"{name}: tracebacks in the log", faults, at_most=0)


def _with_half_a_body(models: Path, workers: str, report: Report) -> None:
    with Server(models, **_settings(workers)) as server, socket.create_connection(server.address) as connection:
        head = f"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(BODY)}\r\n"
        connection.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + BODY[:100])
        time.sleep(0.3)
        seconds = _stop(server)
    name = f"drain, {workers} worker(s), half a body: until the process has ended"
    report.add(name, seconds, "s", at_most=SHUTDOWN_SECONDS + 3)


def _twice(models: Path, workers: str, report: Report) -> None:
    slow = {"WORKERS": workers, "SHUTDOWN_SECONDS": "60"}
    with Server(models, **slow) as server, socket.create_connection(server.address) as connection:
        head = b"POST /v1/classify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(head + b"content-length: 99\r\n\r\n{")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        seconds = _stop(server)
    report.add(f"drain, {workers} worker(s), second SIGTERM: until the process has ended", seconds, "s", at_most=3)


def _stop(server: Server) -> float:
    """Send SIGTERM; seconds until the process has ended."""
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(30)
    except Exception:
        server.kill()
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
