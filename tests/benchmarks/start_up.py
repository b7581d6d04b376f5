"""How long a server takes from its start until all models serve, what that costs, and the memory it then has.

    python -m tests.benchmarks.start_up [--rounds 5] [--models models]

In turn without LECTERN_CACHE and with one that holds the models. Processor time and memory are of all processes.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.bars import Report
from tests.support.processes import ROOT, server

_START_BAR_SECONDS = 3.0
_MEMORY_BAR_MB = 300
_LOOK_SECONDS = 0.005


@dataclass
class ProcessTree:
    """A process and its descendants, looked at again and again until `stop`."""

    root: int
    cpu: dict[int, float] = field(default_factory=dict)
    """Processor seconds by process, as last seen: an ended child takes its last milliseconds with it."""
    peak_mb: dict[int, float] = field(default_factory=dict)
    """The most resident memory of each process."""
    stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until it is stopped."""
        while not self.stop.wait(_LOOK_SECONDS):
            for process in self._processes():
                with suppress(OSError):  # It has just ended.
                    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                    self.cpu[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                    peak = _kilobytes(Path(f"/proc/{process}/status"), "VmHWM") / 1e3
                    self.peak_mb[process] = max(peak, self.peak_mb.get(process, 0))

    def megabytes(self) -> tuple[float, float]:
        """RSS of the server itself, and PSS of all processes, now."""
        own = _kilobytes(Path(f"/proc/{self.root}/status"), "VmRSS")
        return own / 1e3, sum(_kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in self._processes()) / 1e3

    def _processes(self) -> Iterator[int]:
        waiting = [self.root]
        while waiting:
            yield (process := waiting.pop())
            with suppress(OSError):
                for file in Path(f"/proc/{process}/task").glob("*/children"):
                    waiting += map(int, file.read_text().split())


def _kilobytes(file: Path, name: str) -> int:
    """A number of a file in /proc; 0 of a process that has just ended."""
    found = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    return int(found[1]) if found is not None else 0


@dataclass(frozen=True)
class Start:
    """One start."""

    seconds: float
    cpu: float
    rss_mb: float
    pss_mb: float
    peak_mb: float
    """The most that one process had."""


def main() -> int:
    """Measure, print, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        _start(arguments.models, CACHE=cache)
        anew, again = [], []
        for _ in range(arguments.rounds):  # In turn, so that a machine that becomes slower treats both alike.
            anew.append(_start(arguments.models))
            again.append(_start(arguments.models, CACHE=cache))
    for name, starts in (("models prepared anew", anew), ("models from LECTERN_CACHE", again)):
        seconds = [start.seconds for start in starts]
        print(
            f"{name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"CPU {statistics.median(start.cpu for start in starts):.2f} s, "
            f"RSS {statistics.median(start.rss_mb for start in starts):.0f} MB, "
            f"PSS of all {statistics.median(start.pss_mb for start in starts):.0f} MB, "
            f"most of one process {max(start.peak_mb for start in starts):.0f} MB"
        )
    report = Report()
    report.add("start to ready", statistics.median(s.seconds for s in anew), "s", at_most=_START_BAR_SECONDS)
    report.add("memory when ready", statistics.median(s.pss_mb for s in anew), "MB", at_most=_MEMORY_BAR_MB)
    return report.exit_code


def _start(models: Path, **settings: str) -> Start:
    begun = time.perf_counter()
    with server(models, DRAIN_SECONDS="0", **settings) as running:
        tree = ProcessTree(running.process.pid)
        watcher = threading.Thread(target=tree.watch, daemon=True)
        watcher.start()
        running.wait_for("serving")
        seconds = time.perf_counter() - begun
        rss, pss = tree.megabytes()
        tree.stop.set()
        watcher.join()
        running.signal(signal.SIGINT)
        running.wait()
    return Start(seconds, sum(tree.cpu.values()), rss, pss, max(tree.peak_mb.values()))


if __name__ == "__main__":
    raise SystemExit(main())
