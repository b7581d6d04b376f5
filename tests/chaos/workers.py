"""Kills, stops and hangs worker processes under load: only what the worker held is lost, and it is back soon."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.chaos.load import Load
from tests.fuzz.harness import Server
from tests.support.bars import Report
from tests.support.classifier_bundles import write_classifier
from tests.support.metrics import metric_value

CLIENTS = 8
BACK_SECONDS = 10.0
"""Until a killed worker is replaced, on a busy machine."""
FOUND_SECONDS = 8.0
"""Until a stopped worker is found and replaced: 5 seconds without a heartbeat, and a start."""


def main() -> int:
    """Kill and stop workers, and report what was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="20 rounds instead of 3")
    rounds = 20 if parser.parse_args().full else 3
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        write_classifier(Path(folder))
        for number, name, bar in (
            (signal.SIGKILL, "kill -9", BACK_SECONDS),
            (signal.SIGSTOP, "SIGSTOP", FOUND_SECONDS),
        ):
            with Server(Path(folder), WORKERS="2") as server:
                _rounds(server, report, number, name, rounds, bar)
    return report.exit_code


def _rounds(server: Server, report: Report, number: signal.Signals, name: str, rounds: int, bar: float) -> None:
    longest, held = 0.0, 0
    with Load(server.address, clients=CLIENTS) as load:
        time.sleep(2)
        begin = time.monotonic()
        for _ in range(rounds):
            known = len(_ready(server))
            os.kill(_alive(server)[0], number)
            held += CLIENTS  # At most so many requests were in its hands.
            struck = time.monotonic()
            while len(_ready(server)) == known and time.monotonic() - struck < 60:
                time.sleep(0.05)
            longest = max(longest, time.monotonic() - struck)
            time.sleep(1)
        end = time.monotonic()
        steady = load.outcomes.rate(begin - 1, begin)
        during = load.outcomes.rate(begin, end)
    outcomes = load.outcomes
    others = sum(count for status, count in outcomes.statuses.items() if status != 200)
    report.add(f"worker {name}: until another is ready", longest, "s", at_most=bar)
    report.add(f"worker {name}: goodput meanwhile", during / max(steady, 1e-9), "of before", at_least=0.35)
    report.add(f"worker {name}: requests lost", outcomes.lost, f"of {outcomes.statuses.total()}", at_most=held)
    report.add(f"worker {name}: answers that are not 200", others, at_most=0)
    report.add(f"worker {name}: wrong answers", outcomes.wrong, at_most=0)
    report.add(f"worker {name}: connections refused", outcomes.refused, at_most=0)
    counted = _counted(server)
    right = outcomes.statuses[200]
    report.add(f"worker {name}: counted less than answered", max(0.0, right - counted), at_most=0)
    report.add(f"worker {name}: counted more than sent", max(0.0, counted - right - outcomes.lost), at_most=0)
    report.add(f"worker {name}: tracebacks in the log", len(server.log_faults()), at_most=0)


def _ready(server: Server) -> list[int]:
    """The process ids of all workers that ever were ready, in order."""
    lines = (json.loads(line) for line in server.text().splitlines() if line.startswith("{"))
    return [int(line["pid"]) for line in lines if line["message"] == "worker ready"]


def _alive(server: Server) -> list[int]:
    """The process ids of the workers that live, in the order in which they became ready."""
    alive = set(server.processes())
    return [process for process in _ready(server) if process in alive]


def _counted(server: Server) -> float:
    """Successful requests by the metrics, over all workers."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return metric_value(text, "lectern_requests_total", model="digits", outcome="success")


if __name__ == "__main__":
    sys.exit(main())
