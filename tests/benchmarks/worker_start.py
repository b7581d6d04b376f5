"""How long a server with workers takes to start and to replace one, and the memory of its processes.

python -m tests.benchmarks.worker_start [--rounds 5] [--models models] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from pathlib import Path

import httpx

from tests.support.bars import Report
from tests.support.processes import ROOT, Server, server

_START_BAR = 1.3
_FOUND_BAR_SECONDS = 5.0


def main() -> int:
    """Measure, print, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    one, several = [], []
    for _ in range(arguments.rounds):  # In turn, so that a machine that becomes slower treats both alike.
        one.append(_start_seconds(arguments.models, "1"))
        several.append(_start_seconds(arguments.models, str(arguments.workers)))
    ratio = statistics.median(second / first for first, second in zip(one, several, strict=True))
    print(f"start with 1 worker:  {statistics.median(one):6.2f} s  {_spread(one)}")
    print(f"start with {arguments.workers} workers: {statistics.median(several):6.2f} s  {_spread(several)}")
    report = Report()
    report.add(f"start with {arguments.workers} workers", ratio, "of the start with one", at_most=_START_BAR)
    found = _replace(arguments.models, str(arguments.workers))
    report.add("until a stopped worker is found", found, "s", at_most=_FOUND_BAR_SECONDS)
    return report.exit_code


def _spread(seconds: list[float]) -> str:
    return f"({min(seconds):.2f} to {max(seconds):.2f}, {len(seconds)} rounds)"


def _start_seconds(models: Path, workers: str) -> float:
    """Seconds from the start of the process until every worker accepts connections and readiness is 200."""
    started = time.perf_counter()
    with server(models, WORKERS=workers, THREADS="1", DRAIN_SECONDS="0") as running:
        _wait_ready(running)
        seconds = time.perf_counter() - started
        running.signal(signal.SIGINT)
        running.wait()
    return seconds


def _wait_ready(running: Server) -> None:
    running.wait_for("serving", timeout=300)
    while httpx.get(f"{running.url}/readyz", timeout=60).status_code != 200:
        time.sleep(0.01)


def _replace(models: Path, workers: str) -> float:
    """Print how long it takes to replace a killed and a stopped worker; returns the seconds until the stop is seen."""
    with server(models, WORKERS=workers, THREADS="1", DRAIN_SECONDS="0") as running:
        _wait_ready(running)
        count = int(workers)
        pids = [line["pid"] for line in running.lines if line["message"] == "worker ready"]
        _print_memory(running.process.pid, pids)
        begun = time.perf_counter()
        os.kill(pids[0], signal.SIGKILL)
        running.wait_for("worker ready", count + 1)
        print(f"a killed worker is replaced after {time.perf_counter() - begun:.2f} s")
        begun = time.perf_counter()
        os.kill(pids[1], signal.SIGSTOP)
        running.wait_for("worker died", 2)
        found = time.perf_counter() - begun
        running.wait_for("worker ready", count + 2)
        print(f"and replaced after {time.perf_counter() - begun:.2f} s")
    return found


def _print_memory(supervisor: int, workers: list[int]) -> None:
    """Print the memory of every process: all of it, and its share where pages are shared."""
    total = 0.0
    for pid in _family(supervisor):
        kind = "supervisor" if pid == supervisor else "worker" if pid in workers else "helper"
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in rollup[1:]}
        total += sizes["Pss"]
        print(f"{kind:10} {sizes['Rss']:6.0f} MiB, {sizes['Pss']:6.0f} MiB where shared pages count in parts")
    print(f"together   {total:6.0f} MiB")


def _family(pid: int) -> list[int]:
    """A process and all that it has started, and they in turn."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in map(int, children) for descendant in _family(child))]


if __name__ == "__main__":
    raise SystemExit(main())
