"""The system's clock jumps ten years ahead and back under load: no request is lost or late, and models load."""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.load import Load
from tests.fuzz.harness import Server
from tests.support.bars import Report
from tests.support.classifier_bundles import write_classifier

_YEARS = 10 * 365 * 24 * 3600
_AHEAD = "CLOCK_AHEAD_FILE"

# Python imports this in every process of the server. What Python's own C code reads of the clock is not moved.
_SITE = f"""
import os, time
real, path = time.time, os.environ["{_AHEAD}"]

def ahead():
    with open(path) as stream:
        return float(stream.read() or 0)

time.time = lambda: real() + ahead()
"""


def main() -> int:
    """Let the clock of a server jump, and report what became of the requests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="30 seconds after each jump instead of 3")
    seconds = 30 if parser.parse_args().full else 3
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        write_classifier(Path(folder) / "models")
        (Path(folder) / "sitecustomize.py").write_text(_SITE)
        ahead = Path(folder) / "ahead"
        ahead.write_text("0")
        before = os.environ.get("PYTHONPATH", "")
        os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, (folder, before))), _AHEAD: str(ahead)}
        for workers in ("1", "2"):
            _jump(Path(folder) / "models", ahead, workers, seconds, report)
    return report.exit_code


def _jump(models: Path, ahead: Path, workers: str, seconds: float, report: Report) -> None:
    statuses = []
    with Server(models, WORKERS=workers, CANARY_SECONDS="0.5") as server, Load(server.address, clients=4) as load:
        known = set(server.processes())
        for offset in (0, _YEARS, -_YEARS, 0):
            _write(ahead, offset)
            time.sleep(seconds)
            statuses += [
                _status(server, "POST", "/v2/repository/models/digits/load"),
                _status(server, "GET", "/readyz"),
            ]
        faults, kept = len(server.log_faults()), len(known & set(server.processes()))
        died = sum(message == "worker died" for message in server.messages())
    name = f"clock jumps, {workers} worker(s)"
    outcomes = load.outcomes
    report.add(f"{name}: requests lost", outcomes.lost, f"of {outcomes.statuses.total()}", at_most=0)
    report.add(f"{name}: answers that are not 200", outcomes.statuses.total() - outcomes.statuses[200], at_most=0)
    report.add(f"{name}: slowest answer", outcomes.slowest, "s", at_most=5)
    report.add(f"{name}: loads and probes that are 200", statuses.count(200), at_least=len(statuses))
    report.add(f"{name}: workers that died", died, at_most=0)
    report.add(f"{name}: processes kept", kept, at_least=int(workers))
    report.add(f"{name}: tracebacks in the log", faults, at_most=0)


def _write(path: Path, offset: int) -> None:
    """Replace a file at once: a reader sees the one or the other number."""
    new = path.with_suffix(".new")
    new.write_text(str(offset))
    new.replace(path)


def _status(server: Server, method: str, path: str) -> int:
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, {"content-type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
